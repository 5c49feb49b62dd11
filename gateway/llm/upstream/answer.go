package upstream

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"nexus/gateway/llm"
)

// Answer is a provider's answer: its head, and its body to read. It is for one goroutine.
type Answer struct {
	Status int
	Header http.Header
	Length int64 // of the body; -1: not known

	ctx     context.Context // the caller's
	cancel  context.CancelFunc
	unlink  func() bool // lets the call outlive ctx
	silence silence

	raw    io.ReadCloser
	packed *gzip.Reader // nil: not packed, or not begun
	unpack bool         // the body is packed
	whole  bool         // raw was read to its end
	err    error        // what the last read ended with, and all others will
	drain  bool
	closed bool
}

// take makes the answer of what the transport gives.
func (a *Answer) take(response *http.Response) error {
	a.Status, a.Header, a.Length = response.StatusCode, response.Header, response.ContentLength
	a.whole = response.Body == http.NoBody
	if a.Status == http.StatusSwitchingProtocols {
		return &llm.BrokenError{Why: "it changes to another protocol"}
	}
	codings := a.Header["Content-Encoding"]
	if codings == nil {
		return nil
	}
	switch coding := strings.ToLower(strings.TrimSpace(strings.Join(codings, ","))); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		a.unpack, a.Length = true, -1
		delete(a.Header, "Content-Length")
	default:
		return &llm.BrokenError{Why: "it comes in a content coding that is not known"}
	}
	delete(a.Header, "Content-Encoding")
	return nil
}

// Read reads the body. At its clean end the error is io.EOF; else an [*llm.TimeoutError], an [*llm.BrokenError] where the
// answer was cut off, or the context's.
func (a *Answer) Read(p []byte) (n int, err error) {
	if a.err != nil {
		return 0, a.err
	}
	if a.unpack {
		n, err = a.readPacked(p)
	} else {
		n, err = (*rawBody)(a).Read(p)
	}
	a.err = err
	return n, err
}

// readPacked reads what was packed. The head of the packing is read here, and not when the answer begins, since it may be
// long in coming.
func (a *Answer) readPacked(p []byte) (int, error) {
	if a.packed == nil {
		packed, err := gzip.NewReader((*rawBody)(a))
		if err != nil {
			return 0, unpacking(err)
		}
		a.packed = packed
	}
	n, err := a.packed.Read(p)
	return n, unpacking(err)
}

// rawBody reads the body as it came.
type rawBody Answer

func (b *rawBody) Read(p []byte) (int, error) {
	if b.whole {
		return 0, io.EOF
	}
	b.silence.enter()
	n, err := b.raw.Read(p)
	late := b.silence.leave()
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		b.whole = true
		return n, err
	case late:
		return n, &llm.TimeoutError{Key: "idle_timeout", Waited: time.Duration(b.silence.limit.Load())}
	case b.ctx.Err() != nil:
		return n, b.ctx.Err()
	case b.closed:
		return n, io.ErrClosedPipe
	}
	return n, cut(err)
}

// firstGrowth bounds the memory that is taken for what an answer merely announces.
const firstGrowth = 1 << 20

// ReadAll appends the whole body to dst. Over limit bytes the error is an [*llm.BrokenError].
func (a *Answer) ReadAll(dst []byte, limit int64) ([]byte, error) {
	if a.Length > limit {
		return dst, &llm.BrokenError{Why: tooLong}
	}
	if a.Length > 0 {
		dst = slices.Grow(dst, int(min(a.Length, firstGrowth)))
	}
	begin := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(512, len(dst)-begin))
		}
		n, err := a.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case int64(len(dst)-begin) > limit:
			return dst[:begin+int(limit)], &llm.BrokenError{Why: tooLong}
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

// What a drained answer may still be.
const (
	drainTime  = 100 * time.Millisecond
	drainBytes = 4 << 10
)

// Drain reads what little is left of an answer whose end was seen already, so that the connection can be used again: at most
// 4 KiB and a moment. It does not wait: the reading is done after Close, by somebody else.
func (a *Answer) Drain() { a.drain = a.err == nil }

// Close ends the call. The connection is used again if the body was read to its end. Closing twice is closing once.
func (a *Answer) Close() {
	if a.closed {
		return
	}
	a.closed = true
	if a.drain && !a.whole {
		a.unlink()
		a.silence.stop()
		go a.finish()
		return
	}
	a.end()
}

// finish reads what is left, and ends the call.
func (a *Answer) finish() {
	timer := time.AfterFunc(drainTime, a.cancel)
	rest := io.LimitReader(a.raw, drainBytes+1) // the end is seen only by a read that is allowed to find more
	_, _ = io.Copy(io.Discard, rest)            // however it ends, the call is over
	timer.Stop()
	a.end()
}

// end gives everything back. The connection of a body that was not read to its end is closed.
func (a *Answer) end() {
	a.silence.stop()
	if a.raw != nil {
		_ = a.raw.Close() // nothing of it is used after this
	}
	a.unlink()
	a.cancel()
}
