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
	pool     sync.Pool
}

// firstBuffer is the size of the buffer that a body begins in, and of all that are used again: a larger one would be
// charged to the small request that gets it next.
const firstBuffer = 32 << 10

// body is one request's bytes. Its buffer is used again after settle and release.
type body struct {
	bytes  []byte
	held   int64 // counted in bodies.inFlight
	begun  bool  // something of it was asked for, so a caller who waits to be told to go on has been told
	whole  bool  // read to its end
	broken bool  // broke off before it
}

// take counts n more bytes in flight, unless that would be over max.
func (b *bodies) take(n, max int64) bool {
	if b.inFlight.Add(n) <= max {
		return true
	}
	b.inFlight.Add(-n)
	return false
}

// settle gives the buffer back and counts what the decoded request keeps of it: its texts, for as long as it lasts.
func (b *bodies) settle(in *body) {
	size := int64(len(in.bytes))
	b.inFlight.Add(size - in.held)
	in.held = size
	if cap(in.bytes) == firstBuffer {
		kept := in.bytes[:0]
		b.pool.Put(&kept)
	}
	in.bytes = nil
}

// release counts the body as gone.
func (b *bodies) release(in *body) {
	if in.bytes != nil {
		b.settle(in)
	}
	b.inFlight.Add(-in.held)
	in.held = 0
}

func (b *bodies) buffer() []byte {
	if kept, ok := b.pool.Get().(*[]byte); ok {
		return *kept
	}
	return make([]byte, 0, firstBuffer)
}

// read reads the whole body into in. Memory is counted as it is filled, not as it is announced: an announced
// length costs an attacker nothing.
func (b *bodies) read(in *body, r *http.Request, conn deadliner, maxSize, maxMemory int64) error {
	if r.ContentLength > maxSize {
		return errBodyTooLarge
	}
	in.bytes = b.buffer()
	if in.held = int64(cap(in.bytes)); !b.take(in.held, maxMemory) {
		in.held = 0
		return errMemoryExhausted
	}
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

// grow makes room for more of a body: twice as much, but no more than it can still need.
func (b *bodies) grow(in *body, announced, maxSize, maxMemory int64) bool {
	size := 2 * int64(cap(in.bytes))
	need := maxSize + 1 // one byte more shows that it is too large
	if announced >= 0 {
		need = announced + 1 // one byte more lets the last read see the end
	}
	size = min(size, max(need, int64(cap(in.bytes))+1))
	if !b.take(size-in.held, maxMemory) {
		return false
	}
	in.held = size
	grown := make([]byte, len(in.bytes), size)
	copy(grown, in.bytes)
	in.bytes = grown
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
