package gateway

import (
	"net/http"
	"sync"
	"time"
)

const (
	// writeStall is how long one write to a caller may take before the connection is given up.
	writeStall = 30 * time.Second
	// writeChunk is the most that is written under one such deadline.
	writeChunk = 64 << 10
)

// deadliner sets the deadlines of one connection.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// doorWriter is the response writer behind every door. It moves the write deadline with each write, since one
// fixed deadline cannot fit both a short answer and a long stream, and none at all lets a caller who
// never reads hold us for ever.
type doorWriter struct {
	http.ResponseWriter
	conn     deadliner
	flusher  flusher
	extended time.Time // when the deadline was last moved
}

// flusher sends what has been written, and tells what went wrong with it.
type flusher interface{ FlushError() error }

// noDeadlines stands in where the connection has none to set, as in a test without a socket.
type noDeadlines struct{}

func (noDeadlines) SetReadDeadline(time.Time) error  { return nil }
func (noDeadlines) SetWriteDeadline(time.Time) error { return nil }

// unflushed stands in where there is nothing to flush, as in a test without a socket.
type unflushed struct{}

func (unflushed) FlushError() error { return nil }

func (w *doorWriter) wrap(rw http.ResponseWriter) {
	w.ResponseWriter = rw
	w.conn = noDeadlines{}
	if conn, ok := rw.(deadliner); ok {
		w.conn = conn
	}
	w.flusher = unflushed{}
	if f, ok := rw.(flusher); ok {
		w.flusher = f
	}
}

// SetReadDeadline bounds the next reads of the request's body.
func (w *doorWriter) SetReadDeadline(t time.Time) error { return w.conn.SetReadDeadline(t) }

// SetWriteDeadline bounds the next writes of the answer.
func (w *doorWriter) SetWriteDeadline(t time.Time) error { return w.conn.SetWriteDeadline(t) }

// Unwrap gives the server's own writer to http.ResponseController.
func (w *doorWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// extend gives the next write its time. A deadline moved a moment ago is as good: moving it costs as much as a small
// write. An error shows itself in the write.
func (w *doorWriter) extend() {
	if time.Since(w.extended) > time.Second {
		w.extended = time.Now()
		_ = w.conn.SetWriteDeadline(w.extended.Add(writeStall))
	}
}

func (w *doorWriter) WriteHeader(status int) {
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

func (w *doorWriter) Write(p []byte) (int, error) {
	written := 0
	for {
		part := p[written:min(len(p), written+writeChunk)]
		w.extend()
		n, err := w.ResponseWriter.Write(part)
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}

// FlushError sends what has been written.
func (w *doorWriter) FlushError() error {
	w.extend()
	return w.flusher.FlushError()
}

// Flush sends what has been written; an error shows itself in the next write.
func (w *doorWriter) Flush() { _ = w.FlushError() }

// receive looks at what the request came by.
func (s *Snapshot) receive(rw http.ResponseWriter, r *http.Request) {
	c := callerOf(r)
	if c != nil {
		c.answering.Store(true)
	}
	switch {
	case c != nil && c.terms != s.terms:
		// TLS, its certificate or the authorities of clients have changed: what comes next comes by the new ones.
	case r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0):
		// Where a message has both a length and chunks, or chunks in HTTP/1.0, a proxy in between may take another
		// end for its end than we do, and net/http does not say that it was so (RFC 9112, section 6.1).
	default:
		return
	}
	rw.Header()["Connection"] = closing
}

// closing is shared by all answers; see jsonContent.
var closing = []string{"close"}

// forgetDeadlines ends the timers of an HTTP/2 stream that its caller has ended before us. The server stops those that run when a
// stream ends; one that is set afterwards would keep the stream in memory until it runs out, and there may be any number of them.
func forgetDeadlines(rw http.ResponseWriter, r *http.Request) {
	conn, ok := rw.(deadliner)
	if !ok || r.ProtoMajor != 2 || r.Context().Err() == nil {
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	_ = conn.SetWriteDeadline(time.Time{})
}

// doorHandler is what a door serves: it borrows the live snapshot for exactly one request.
type doorHandler struct {
	live    *live
	writers sync.Pool
}

func (d *doorHandler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s := d.live.acquire()
	if s == nil {
		panic(http.ErrAbortHandler) // the process is at its end: nobody knows any more what to answer
	}
	defer func() {
		forgetDeadlines(rw, r)
		s.release()
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			// Here is no answer to give any more, and net/http would log what was thrown, whatever it holds.
			s.gateway.logPanic("a request panicked at the door", p)
			panic(http.ErrAbortHandler)
		}
	}()
	s.receive(rw, r)
	w, ok := d.writers.Get().(*doorWriter)
	if !ok {
		w = new(doorWriter)
	}
	w.wrap(rw)
	if r.ContentLength != 0 {
		// net/http reads a body that nobody wanted before it answers, and without a bound. Whoever wants it, moves this.
		_ = w.SetReadDeadline(time.Now().Add(discardTime))
	}
	s.handler.ServeHTTP(w, r)
	// What the server still has to write (a header without a body) needs its time, too. A handler that panics does not
	// get here, and its writer is not used again.
	w.extend()
	*w = doorWriter{}
	d.writers.Put(w)
}
