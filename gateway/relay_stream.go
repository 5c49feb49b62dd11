package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
	"nexus/gateway/llm/upstream"
)

// maxEvent bounds one event of a stream, in bytes: pictures come whole in one.
const maxEvent = 16 << 20

// handOnStream gives the caller the events as they come. Those that arrive together leave together.
func (r *relayed) handOnStream(answer *upstream.Answer) error {
	x := r.exchange
	tap := &openai.Tap{Endpoint: r.endpoint, Model: r.named, Hide: r.usage, Mask: r.mask}
	if x.streamed.on {
		tap.Said = x.streamed.add
	}
	frames := upstream.NewFrames(answer, maxEvent)
	defer frames.Close()
	out := newEventWriter(x, func() { r.answerHeader(answer) })
	defer func() { x.out = out.stop() }()

	err := r.pump(frames, tap, out)
	r.charge(tap)
	if err != nil {
		if errors.Is(err, errStreamTold) {
			return tap.Failed()
		}
		return breakOff(x, out, x.dialect.Encoder(r.named, &llm.Request{}), causeOf(r.ctx, err))
	}
	answer.Drain()
	return nil
}

// What ends a stream before its time.
var (
	errStreamShort = &llm.BrokenError{Why: "the stream ended before the answer was complete"}
	// errStreamTold is a failure that the provider itself has told the caller, by an event of the endpoint's own.
	errStreamTold = errors.New("the provider told of a failure")
)

// pump hands events on until the stream is at its end.
func (r *relayed) pump(frames *upstream.Frames, tap *openai.Tap, out *eventWriter) error {
	held := 0 // bytes of comments that wait for the first event: they alone begin no answer
	for {
		end := frames.Fill()
		batch, err := r.collect(frames, tap, out, out.buffer[:held], end == io.EOF)
		if tap.Began() {
			r.exchange.firstToken()
		}
		batch = r.clean(batch)
		if err == nil && tap.Started() && (tap.Done() || r.ended(end, tap)) {
			return r.last(tap, out, batch) // if anything, the mark at the end is missing
		}
		if held = 0; !tap.Started() {
			if len(batch) < maxHeld {
				held = len(batch)
			}
			out.buffer, batch = batch, nil
		}
		if len(batch) > 0 && out.write(batch) != nil || out.failed() {
			return gone(r.ctx)
		}
		switch {
		case err != nil:
			return err
		case end == io.EOF:
			return errStreamShort
		case end != nil:
			return end
		}
	}
}

// ended is whether a stream may end as it did. A chat whose answers have all told why they ended is whole however the
// connection went; of other answers nobody can tell but by a clean end.
func (r *relayed) ended(end error, tap *openai.Tap) bool {
	if end == nil || r.ctx.Err() != nil || !tap.Whole() {
		return false
	}
	return end == io.EOF || r.endpoint == openai.Chat || r.endpoint == openai.Completions
}

// charge takes in what the provider says of the answer's cost.
func (r *relayed) charge(tap *openai.Tap) {
	r.exchange.used(tap.Usage())
}

// last hands the last events on.
func (r *relayed) last(tap *openai.Tap, out *eventWriter, batch []byte) error {
	r.charge(tap)
	r.exchange.whole = true
	r.limits.settle(r.exchange, r.question)
	if bytes.HasSuffix(batch, []byte("\r\n\r")) {
		batch = append(batch, '\n') // which nobody waits for
	}
	if out.finish(tap.End(batch)) != nil {
		return gone(r.ctx)
	}
	return nil
}

// maxHeld bounds the comments that wait for the first event, in bytes; more are dropped.
const maxHeld = 4 << 10

// collect appends what the caller gets of the events that have arrived. An event that tells of a failure is told in the
// gateway's own words, but where the endpoint has events for that.
func (r *relayed) collect(frames *upstream.Frames, tap *openai.Tap, out *eventWriter, batch []byte, last bool) ([]byte, error) {
	for !tap.Done() {
		event, ok := frames.Next()
		if !ok {
			if event, ok = tail(frames.Rest()); !last || !ok {
				return batch, nil
			}
			last = false
		}
		before := len(batch)
		batch = tap.Event(batch, event)
		failure := tap.Failed()
		switch {
		case failure == nil:
		case tap.Told(), r.endpoint == openai.Responses && out.begun():
			return batch, errStreamTold
		default:
			return batch[:before], failure
		}
	}
	return batch, nil
}

// tail makes an event of what stands at the end of a stream without the empty line that ends an event, if it is whole:
// some providers leave that line out.
func tail(rest []byte) (event []byte, ok bool) {
	last := bytes.TrimSpace(rest)
	if i := bytes.LastIndexAny(last, "\r\n"); i >= 0 {
		last = last[i+1:]
	}
	data, ok := bytes.CutPrefix(last, []byte("data:"))
	if data = bytes.TrimSpace(data); !ok || !bytes.Equal(data, []byte("[DONE]")) && !json.Valid(data) {
		return nil, false
	}
	return append(rest[:len(rest):len(rest)], "\n\n"...), true
}
