package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The deadlines of a body, as a caller sends it.
const (
	bodyStall = 30 * time.Second // without progress
	bodyTotal = 5 * time.Minute  // in all

	// What a refusal reads and discards of a body, so that the caller sees the answer and not a reset connection.
	discardBytes = 32 << 20
	discardTime  = 5 * time.Second
)

// What can be wrong with a body before anybody looks into it.
var (
	errBodyTooLarge    = errors.New("the body is over server.max_body_size")
	errMemoryExhausted = errors.New("the bodies in flight are over server.max_body_memory")
	errBodyTooSlow     = errors.New("the body stopped coming")
	errBodyBroken      = errors.New("the body ended early")
)

// contentTypeError is a body of a kind that no endpoint takes.
type contentTypeError struct{ has string }

func (e *contentTypeError) Error() string { return "unsupported body: " + e.has }

// bodies reads request bodies, each within max_body_size and all together within max_body_memory. It lives as long
// as the process; the bounds come with each call from the request's own snapshot.
type bodies struct {
	inFlight atomic.Int64
	pools    [len(bufferSizes)]sync.Pool
}

// bufferSizes are the sizes of the buffers that are used again. A body begins in the first, and each step is large enough
// that little is copied on the way up. Beyond the last a buffer is made to measure, and for once.
var bufferSizes = [...]int64{32 << 10, 256 << 10, 2 << 20}

// smallBody is the largest body that a provider is sent as a copy of its own.
const smallBody = 32 << 10

// buffer is the memory of one body. A provider's connection may still read it when the answer has come already, so whoever
// reads holds it, and the last one gives it back.
type buffer struct {
	bytes   []byte
	counted int64 // in bodies.inFlight
	holders atomic.Int32
	of      *bodies
}

// Retain keeps the buffer for one reader more.
func (b *buffer) Retain() { b.holders.Add(1) }

// Release gives one reader's share back. After the last one the memory is used again.
func (b *buffer) Release() {
	if b.holders.Add(-1) > 0 {
		return
	}
	b.of.inFlight.Add(-b.counted)
	b.counted = 0
	for i, size := range bufferSizes {
		if int64(cap(b.bytes)) == size {
			b.bytes = b.bytes[:0]
			b.of.pools[i].Put(b)
			return
		}
	}
}

// body is one request's bytes.
type body struct {
	*buffer       // nil: nothing was read, or nobody needs it any more
	kept    int64 // counted in bodies.inFlight for what was made of the body, which lasts as long as the request
	begun   bool  // something of it was asked for, so a caller who waits to be told to go on has been told
	whole   bool  // read to its end
	broken  bool  // broke off before it
}

// take counts n more bytes in flight, unless that would be over max.
func (b *bodies) take(n, max int64) bool {
	if b.inFlight.Add(n) <= max {
		return true
	}
	b.inFlight.Add(-n)
	return false
}

// buffer gives a buffer of at least size bytes that is counted already; it is full at exactly size where that is none of
// the sizes that are used again.
func (b *bodies) buffer(size int64) *buffer {
	for i, pooled := range bufferSizes {
		if pooled != size {
			continue
		}
		kept, ok := b.pools[i].Get().(*buffer)
		if !ok {
			kept = &buffer{bytes: make([]byte, 0, size), of: b}
		}
		kept.counted = size
		kept.holders.Store(1)
		return kept
	}
	made := &buffer{bytes: make([]byte, 0, size), counted: size, of: b}
	made.holders.Store(1)
	return made
}

// settle gives the buffer back and counts what was made of the body instead: texts, or a copy, for as long as the request
// lasts.
func (b *bodies) settle(in *body) {
	if in.buffer == nil {
		return
	}
	in.kept = int64(len(in.bytes))
	b.inFlight.Add(in.kept)
	in.letGo()
}

// hold keeps the body for one reader more, who releases it.
func (in *body) hold() *buffer {
	in.Retain()
	return in.buffer
}

// letGo gives the buffer back, unless somebody else still reads it.
func (in *body) letGo() {
	if in.buffer != nil {
		in.buffer.Release()
		in.buffer = nil
	}
}

// release counts the body as gone.
func (b *bodies) release(in *body) {
	in.letGo()
	b.inFlight.Add(-in.kept)
	in.kept = 0
}

// read reads the whole body into in. Memory is counted as it is filled, not as it is announced: an announced
// length costs an attacker nothing.
func (b *bodies) read(in *body, r *http.Request, conn deadliner, maxSize, maxMemory int64) error {
	if r.ContentLength > maxSize {
		return errBodyTooLarge
	}
	if !b.take(bufferSizes[0], maxMemory) {
		return errMemoryExhausted
	}
	in.buffer = b.buffer(bufferSizes[0])
	end := time.Now().Add(bodyTotal)
	for {
		if err := conn.SetReadDeadline(earlier(time.Now().Add(bodyStall), end)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return errBodyBroken
		}
		in.begun = true
		n, err := r.Body.Read(in.bytes[len(in.bytes):cap(in.bytes)])
		in.bytes = in.bytes[:len(in.bytes)+n]
		switch {
		case int64(len(in.bytes)) > maxSize:
			return errBodyTooLarge
		case err == io.EOF:
			in.whole = true
			// A deadline left behind would look like a caller who went away.
			_ = conn.SetReadDeadline(time.Time{})
			return nil
		case err != nil:
			in.broken = true
			return bodyError(r.Context(), err)
		}
		if len(in.bytes) == cap(in.bytes) {
			if !b.grow(in, r.ContentLength, maxSize, maxMemory) {
				return errMemoryExhausted
			}
		}
	}
}

// grow makes room for more of a body: eight times as much, and what was announced once that much of it has come that the
// rest is no great lie.
func (b *bodies) grow(in *body, announced, maxSize, maxMemory int64) bool {
	has, largest := int64(cap(in.bytes)), bufferSizes[len(bufferSizes)-1]
	need, step := maxSize+1, 8*has // one byte more shows that it is too large
	if announced >= 0 {
		need = announced + 1 // one byte more lets the last read see the end
		if has >= largest {
			step = need
		}
	}
	need = max(need, has+1)
	exact := min(step, need)
	size := exact
	for _, pooled := range bufferSizes {
		if exact <= pooled { // what fits into one of these is used again
			size = pooled
			break
		}
	}
	if !b.take(size-in.counted, maxMemory) {
		if size = exact; !b.take(size-in.counted, maxMemory) {
			return false
		}
	}
	in.counted = 0 // its bytes are counted with the new one from here on
	grown := b.buffer(size)
	grown.bytes = append(grown.bytes, in.bytes...)
	in.letGo()
	in.buffer = grown
	return true
}

func bodyError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errBodyTooSlow
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errBodyBroken // the caller may still read, if it has only stopped writing
	case ctx.Err() != nil:
		return causeOf(ctx, ctx.Err())
	}
	return errBodyBroken
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// checkContentType refuses the bodies that no endpoint takes: in parts, or packed.
func checkContentType(h http.Header) error {
	for _, kind := range h["Content-Type"] {
		if len(kind) >= 10 && strings.EqualFold(kind[:10], "multipart/") {
			return &contentTypeError{"parts (multipart)"}
		}
	}
	for _, coding := range h["Content-Encoding"] {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
			return &contentTypeError{"a Content-Encoding"}
		}
	}
	return nil
}

// discard reads what is left of a refused request's body, within bounds, and reports whether it came to the end. If it
// did not, the connection must be closed, and nothing waits for more of it: net/http would, without a bound.
//
// A caller who waits to be told to go on is not told: the refusal comes first, and the body never.
func (in *body) discard(r *http.Request, conn deadliner) bool {
	switch {
	case in.whole || r.Body == nil || r.Body == http.NoBody:
		return true
	case in.broken: // ended, or past its deadline: there is nothing to wait for
		return false
	case !in.begun && strings.EqualFold(r.Header.Get("Expect"), "100-continue"):
		_ = conn.SetReadDeadline(time.Now())
		return false
	}
	_ = conn.SetReadDeadline(time.Now().Add(discardTime))
	n, err := io.Copy(io.Discard, io.LimitReader(r.Body, discardBytes))
	if err == nil && n < discardBytes {
		_ = conn.SetReadDeadline(time.Time{})
		return true
	}
	_ = conn.SetReadDeadline(time.Now())
	return false
}
