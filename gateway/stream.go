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
func (s *Snapshot) stream(x *Exchange, q *question, call *llm.Call) error {
	ctx := x.Request().Context()
	s.gateway.bodies.settle(&x.body)
	encoder := x.dialect.Encoder(call.Request.Model, call.Request)
	out := newEventWriter(x, func() {})
	defer func() { x.out = out.stop() }()

	for event, err := range q.backend.answers.Stream(ctx, call) {
		if err != nil {
			return breakOff(x, out, encoder, causeOf(ctx, err))
		}
		x.note(event)
		out.buffer = encoder.Event(out.buffer[:0], event)
		if out.write(out.buffer) != nil {
			return gone(ctx)
		}
	}
	x.whole = true
	s.limits.settle(x, q)
	if out.finish(encoder.End(out.buffer[:0])) != nil {
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
	_ = out.write(encoder.Failure(out.buffer[:0], &failure))
	return err
}

// note keeps what an event says of the answer.
func (x *Exchange) note(event llm.Event) {
	switch event.Kind {
	case llm.EventText, llm.EventToolCall, llm.EventToolArgs:
		x.firstToken()
		x.streamed.addText(event.Text)
	case llm.EventUsage:
		x.used(event.Usage)
	}
}

// used keeps what the provider says that the answer cost. Of a prompt of which it says nothing, our own count is kept.
func (x *Exchange) used(u llm.Usage) {
	if x.trace.Input, x.trace.Output = u.Input, u.Output; u.Input < 0 && x.pays.counted {
		x.trace.Input = x.pays.tokens
	}
}

// firstToken notes when the answer itself began.
func (x *Exchange) firstToken() {
	if x.trace.FirstToken == 0 {
		x.trace.FirstToken = time.Since(x.trace.Time)
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
// that everything is under one lock; only whole events are written, so that the comment always stands between two.
type eventWriter struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	flusher flusher
	head    func()
	buffer  []byte // the stream's own, to build events in
	started bool
	silent  bool // no more keep-alives
	began   time.Time
	last    time.Duration // since then, when something was written
	err     error
	thrown  any // by the timer; whoever writes next throws it again, where a bug costs one request
	timer   *time.Timer
}

// newEventWriter begins a stream's answer. Head sets what its header should have besides, once it is sure that there is one.
func newEventWriter(x *Exchange, head func()) *eventWriter {
	out := &eventWriter{head: head, w: x.Response(), flusher: x.flusher(), buffer: x.out, began: x.trace.Time}
	out.mu.Lock() // for the timer, which reads what is written here
	defer out.mu.Unlock()
	out.timer = time.AfterFunc(firstEvent, out.idle)
	return out
}

// write sends events at once; none is sent where there are none.
func (out *eventWriter) write(events []byte) error {
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.thrown != nil {
		panic(out.thrown)
	}
	out.buffer = events[:0]
	if len(events) > 0 {
		out.send(events)
	}
	return out.err
}

// finish sends the last events: together with the end of the answer, which follows at once.
func (out *eventWriter) finish(events []byte) error {
	out.silence()
	out.buffer = events[:0]
	if len(events) > 0 {
		out.put(events)
	}
	return out.err
}

// send writes and flushes. The lock is held.
func (out *eventWriter) send(events []byte) {
	if out.put(events); out.err == nil {
		out.err = out.flusher.FlushError()
	}
	out.last = time.Since(out.began)
}

// put writes; the header goes out with the first bytes.
func (out *eventWriter) put(events []byte) {
	if out.err != nil {
		return
	}
	if !out.started {
		out.started = true
		out.head()
		h := out.w.Header()
		h["Content-Type"] = eventContent
		h["Cache-Control"] = noCache
		h["X-Accel-Buffering"] = noBuffering
		out.w.WriteHeader(http.StatusOK)
	}
	_, out.err = out.w.Write(events)
}

// The headers of a stream, shared like jsonContent. The last one keeps a reverse proxy from collecting events.
var (
	eventContent = []string{"text/event-stream; charset=utf-8"}
	noCache      = []string{"no-cache"}
	noBuffering  = []string{"no"}
)

// failed is whether the caller can no longer be written to.
func (out *eventWriter) failed() bool {
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.err != nil
}

// begun is whether the caller has been sent anything.
func (out *eventWriter) begun() bool {
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.started
}

// idle tells the caller that the stream lives. It sets its own timer: to move it with each event would cost more than the
// event.
func (out *eventWriter) idle() {
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.silent {
		return
	}
	defer func() {
		if out.thrown = recover(); out.thrown != nil {
			out.err = errPanicked // here it would end the process
		}
	}()
	pause := keepAlive
	if quiet := time.Since(out.began) - out.last; out.started && quiet < keepAlive {
		pause -= quiet
	} else {
		out.send([]byte(": keep-alive\n\n"))
	}
	out.timer.Reset(pause)
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
