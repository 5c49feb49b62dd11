package gateway

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"nexus/gateway/llm"
)

const (
	// firstEvent is how long the status of a stream waits for the provider's first event. Until it is sent, a failure
	// can still be told as a proper status.
	firstEvent = 10 * time.Second
	// keepAlive is the silence after which a caller is told that the stream still lives.
	keepAlive = 15 * time.Second
)

// stream answers event by event, each flushed as it comes.
func (s *Snapshot) stream(x *Exchange, target llm.Target, call *llm.Call) error {
	ctx := x.Request().Context()
	encoder := x.dialect.Encoder(call.Request.Model, call.Request)
	out := newEventWriter(x)
	defer func() { x.out = out.stop() }()

	for event, err := range target.Provider.Stream(ctx, call) {
		if err != nil {
			return breakOff(x, out, encoder, causeOf(ctx, err))
		}
		x.note(event)
		if out.write(func(b []byte) []byte { return encoder.Event(b, event) }) != nil {
			return gone(ctx)
		}
	}
	if out.write(encoder.End) != nil {
		return gone(ctx)
	}
	return nil
}

// breakOff ends a stream that cannot go on. Before its first byte the error is answered like any other; after it,
// the caller is told by an event, since a clean end would pass for a whole answer.
func breakOff(x *Exchange, out *eventWriter, encoder llm.Encoder, err error) error {
	if !out.silence() || errors.Is(err, errClientGone) {
		return err
	}
	failure := classify(err).Failure
	failure.RequestID = x.trace.ID
	_ = out.write(func(b []byte) []byte { return encoder.Failure(b, &failure) })
	return err
}

// note keeps what an event says of the answer.
func (x *Exchange) note(event llm.Event) {
	switch event.Kind {
	case llm.EventText, llm.EventToolCall:
		if x.trace.FirstToken == 0 {
			x.trace.FirstToken = time.Since(x.trace.Time)
		}
	case llm.EventUsage:
		x.trace.Input, x.trace.Output = event.Usage.Input, event.Usage.Output
	}
}

// gone is why a caller could not be written to.
func gone(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, errShuttingDown) {
		return cause
	}
	return errClientGone
}

// eventWriter writes server-sent events, and a comment where there are none for long. The timer writes, too, so
// that everything is under one lock.
type eventWriter struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	flusher flusher
	buffer  []byte
	started bool
	silent  bool // no more keep-alives
	err     error
	timer   *time.Timer
}

func newEventWriter(x *Exchange) *eventWriter {
	out := &eventWriter{w: x.Response(), flusher: x.flusher(), buffer: x.out}
	out.mu.Lock() // for the timer, which reads what is written here
	defer out.mu.Unlock()
	out.timer = time.AfterFunc(firstEvent, out.idle)
	return out
}

// write sends what the encoder makes of an event, at once.
func (out *eventWriter) write(encode func([]byte) []byte) error {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.buffer = encode(out.buffer[:0])
	if len(out.buffer) > 0 {
		out.send(out.buffer)
	}
	return out.err
}

// send writes and flushes; the header goes out with the first bytes. The lock is held.
func (out *eventWriter) send(frames []byte) {
	if out.err != nil {
		return
	}
	if !out.started {
		out.started = true
		h := out.w.Header()
		h["Content-Type"] = eventContent
		h["Cache-Control"] = noCache
		h["X-Accel-Buffering"] = noBuffering
		out.w.WriteHeader(http.StatusOK)
	}
	if _, out.err = out.w.Write(frames); out.err == nil {
		out.err = out.flusher.FlushError()
	}
	if !out.silent {
		out.timer.Reset(keepAlive)
	}
}

// The headers of a stream, shared like jsonContent. The last one keeps a reverse proxy from collecting events.
var (
	eventContent = []string{"text/event-stream; charset=utf-8"}
	noCache      = []string{"no-cache"}
	noBuffering  = []string{"no"}
)

// idle tells the caller that the stream lives.
func (out *eventWriter) idle() {
	out.mu.Lock()
	defer out.mu.Unlock()
	if !out.silent {
		out.send([]byte(": keep-alive\n\n"))
	}
}

// silence ends the keep-alives and tells whether the caller has been sent anything: both at once, so that none can begin
// an answer which is then refused.
func (out *eventWriter) silence() (begun bool) {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.silent = true
	out.timer.Stop()
	return out.started
}

// stop ends the keep-alives and gives the buffer back. Nothing is written afterwards.
func (out *eventWriter) stop() []byte {
	out.silence()
	return out.buffer
}
