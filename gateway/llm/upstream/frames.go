package upstream

import (
	"bytes"
	"io"

	"nexus/gateway/llm"
)

// Frames cuts a stream of server-sent events into its events, at the empty lines between them: WHATWG HTML, section 9.2.5.
// Lines end by LF, CR or CR LF in any mix. Nothing is interpreted: a block of comments is an event like any other, and
// empty lines without an event belong to the next one.
type Frames struct {
	r     io.Reader
	limit int
	err   error // of r, with which it gave bytes

	buffer  []byte
	start   int  // of the event that is looked for
	line    int  // of the line that is looked at: everything before was seen
	lf, cr  int  // the next LF and CR from line on, or up to where there is none
	content bool // the event has a line that is not empty
	afterCR bool // an LF at line belongs to the line before
	begun   bool // the mark that may stand at the beginning of a stream was looked for
}

// The sizes of a buffer: where it begins, and what it may have kept of an event when it waits for the next.
const (
	firstFrame = 4 << 10
	keptFrame  = 16 << 10
	leastRead  = 512 // a buffer with less room than that grows
)

// emptyReads are how often a reader may give nothing.
const emptyReads = 100

// byteOrderMark may stand at the beginning of a stream, and is no part of its first line.
const byteOrderMark = "\xef\xbb\xbf"

// NewFrames reads events of at most limit bytes each from r.
func NewFrames(r io.Reader, limit int) *Frames { return &Frames{r: r, limit: limit} }

// Fill reads once, when Next has no more. The error is io.EOF, r's own, or an [*llm.BrokenError] where an event is over the
// limit.
func (f *Frames) Fill() error {
	if f.err != nil {
		return f.err
	}
	f.discard()
	if len(f.buffer) >= f.limit {
		f.err = &llm.BrokenError{Why: "an event of it is too long"}
		return f.err
	}
	if room := cap(f.buffer) - len(f.buffer); room < leastRead && cap(f.buffer) < f.limit {
		grown := make([]byte, len(f.buffer), min(f.limit, max(firstFrame, 2*cap(f.buffer))))
		copy(grown, f.buffer)
		f.buffer = grown
	}
	for range emptyReads {
		n, err := f.r.Read(f.buffer[len(f.buffer):cap(f.buffer)])
		f.buffer = f.buffer[:len(f.buffer)+n]
		switch {
		case n > 0:
			f.err = err
			return nil
		case err != nil:
			f.err = err
			return err
		}
	}
	f.err = io.ErrNoProgress
	return f.err
}

// discard makes room of the events that were given, and lets go of what a long one needed.
func (f *Frames) discard() {
	if f.start == 0 {
		return
	}
	rest := f.buffer[f.start:]
	if cap(f.buffer) > keptFrame && len(rest) <= firstFrame/2 {
		f.buffer = make([]byte, 0, min(f.limit, firstFrame))
	}
	f.buffer = append(f.buffer[:0], rest...)
	f.line, f.lf, f.cr = f.line-f.start, f.lf-f.start, f.cr-f.start
	f.start = 0
}

// Next gives the next whole event that has been read: its bytes as they came, the empty line at its end included. It is
// valid until the next Fill. An event that ends by CR is given at once: the LF that may follow is the first byte of
// the next one, or of the rest.
func (f *Frames) Next() (event []byte, ok bool) {
	if !f.begun && !f.begin() {
		return nil, false
	}
	for {
		f.passLF()
		f.lf, f.cr = f.seek(f.lf, '\n'), f.seek(f.cr, '\r')
		end := min(f.lf, f.cr)
		if end == len(f.buffer) {
			return nil, false
		}
		empty := end == f.line
		f.line = end + 1
		f.afterCR = end == f.cr
		f.passLF()
		switch {
		case !empty:
			f.content = true
		case f.content:
			event = f.buffer[f.start:f.line:f.line]
			f.start, f.content = f.line, false
			return event, true
		}
	}
}

// passLF passes over an LF that belongs to the CR before it.
func (f *Frames) passLF() {
	if !f.afterCR || f.line == len(f.buffer) {
		return
	}
	f.afterCR = false
	if f.buffer[f.line] == '\n' {
		f.line++
	}
}

// begin passes over the mark that may stand first. It waits until it can tell.
func (f *Frames) begin() bool {
	n := min(len(f.buffer), len(byteOrderMark))
	if string(f.buffer[:n]) == byteOrderMark[:n] {
		if n < len(byteOrderMark) {
			return false
		}
		f.line = n
	}
	f.begun = true
	return true
}

// seek finds the next c from the line on, and not again what was searched before.
func (f *Frames) seek(from int, c byte) int {
	from = max(from, f.line)
	if from == len(f.buffer) || f.buffer[from] == c {
		return from
	}
	if i := bytes.IndexByte(f.buffer[from:], c); i >= 0 {
		return from + i
	}
	return len(f.buffer)
}

// Rest is what has been read and is no whole event.
func (f *Frames) Rest() []byte { return f.buffer[f.start:] }

// Close lets go of the buffer. There are no events afterwards.
func (f *Frames) Close() {
	f.buffer, f.start, f.line, f.lf, f.cr = nil, 0, 0, 0, 0
	f.err = io.ErrClosedPipe
}
