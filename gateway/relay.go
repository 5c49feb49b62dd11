package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
	"nexus/gateway/llm/upstream"
)

const (
	// maxAnswer bounds an answer that is not a stream, in bytes.
	maxAnswer = 32 << 20
	// maxFailure bounds what is read of a provider's error, in bytes.
	maxFailure = 64 << 10
	// maxEvent bounds one event of a stream, in bytes: pictures come whole in one.
	maxEvent = 16 << 20
)

// relayed is one request that is handed on to a provider of the caller's own protocol.
type relayed struct {
	*question
	exchange *Exchange
	ctx      context.Context
	source   []byte    // the request's body
	keys     [2]string // what must be seen by nobody: ours, and the caller's own; empty: there is none
	usage    bool      // the provider is asked for the usage that the caller has not asked for
	unasked  bool      // and has said that it does not take the question
}

// relay hands the bytes of a request to the provider and those of its answer back. Both stay as they are but for the
// model's name.
func (s *Snapshot) relay(x *Exchange, q *question) error {
	r := &relayed{question: q, exchange: x, ctx: x.Request().Context(), source: x.body.bytes}
	chat := q.endpoint == openai.Chat || q.endpoint == openai.Completions
	r.usage = chat && q.look.Stream && !q.look.StreamUsage && !q.backend.account.silent.has(r.silentModel())
	answer, err := s.ask(r)
	if err == nil {
		defer answer.Close()
		err = r.handOn(answer)
	}
	if err == nil {
		return nil
	}
	r.blame(err)
	if cut := (*cutError)(nil); errors.As(err, &cut) {
		return &cutError{causeOf(r.ctx, cut.error)}
	}
	return causeOf(r.ctx, err)
}

// silentModel is how it is remembered that this model does not report the usage of streams.
func (r *relayed) silentModel() silentModel { return silentModel{r.endpoint, r.target.Sent} }

// ask sends the request and gives an answer of success. A provider that does not take the question for the usage of a
// stream, which the caller has not asked, is sent the request once more without.
func (s *Snapshot) ask(r *relayed) (*upstream.Answer, error) {
	answer, err := s.send(r)
	if err != nil && r.usage && r.unasked {
		r.usage = false
		if answer, err = s.send(r); err == nil {
			r.backend.account.silent.add(r.silentModel())
		}
	}
	if err != nil {
		return nil, err
	}
	r.exchange.body.letGo() // nothing is sent once more from here on
	return answer, nil
}

// send sends the request once.
func (s *Snapshot) send(r *relayed) (*upstream.Answer, error) {
	header, err := r.header()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	answer, err := r.backend.client.Do(r.ctx, upstream.Call{
		Method: http.MethodPost, Path: paths[r.endpoint], Header: header, Body: s.payload(r),
	})
	took := time.Since(begun)
	r.exchange.trace.Upstream = took
	if err != nil {
		return nil, err
	}
	r.backend.account.answered(took)
	if answer.Status >= 200 && answer.Status < 300 {
		return answer, nil
	}
	defer answer.Close()
	if answer.Status < 400 {
		return nil, &llm.Error{Status: answer.Status, Message: "the provider redirects, which is not followed"}
	}
	body, err := answer.ReadAll(nil, maxFailure)
	if err != nil {
		body = nil // what the status says is worth more than that the words were cut off
	}
	r.unasked = (answer.Status == http.StatusBadRequest || answer.Status == http.StatusUnprocessableEntity) &&
		bytes.Contains(body, []byte("stream_options"))
	return nil, r.hidden(openai.Failure(answer.Status, answer.Header, body))
}

// paths are where a provider has its endpoints.
var paths = [...]string{
	openai.Chat: "/chat/completions", openai.Completions: "/completions", openai.Responses: "/responses",
	openai.Embeddings: "/embeddings", openai.Moderations: "/moderations", openai.Images: "/images/generations",
	openai.Speech: "/audio/speech",
}

// payload is the request's body as the provider gets it. A small one is a copy of its own, which the connection sends
// together with the head; a large one stays where it was read, for as long as anybody reads it.
func (s *Snapshot) payload(r *relayed) *upstream.Payload {
	x := r.exchange
	pieces := r.look.Outgoing(r.source, r.target.Sent, r.usage)
	size := 0
	for _, piece := range pieces {
		size += len(piece)
	}
	if size > smallBody {
		return &upstream.Payload{Pieces: pieces, Keeper: x.body.buffer}
	}
	whole := make([]byte, 0, size)
	for _, piece := range pieces {
		whole = append(whole, piece...)
	}
	if r.usage {
		r.source = bytes.Clone(r.source) // it may have to be sent again, in another form
	}
	s.gateway.bodies.settle(&x.body)
	return &upstream.Payload{Pieces: [][]byte{whole}}
}

// blame notes what went wrong, where that is the provider's doing or that of our key.
func (r *relayed) blame(err error) {
	told := (*llm.Error)(nil)
	switch {
	case r.ctx.Err() != nil, errors.Is(err, errClientGone), errors.Is(err, errNoKey), errors.Is(err, errTwoKeys), errors.Is(err, errLongKey):
		return
	case errors.As(err, &told) && told.Status < 500:
		ours := told.Status == 401 || told.Status == 403 || told.Status == 429
		if !ours || r.keys[1] != "" {
			return
		}
	}
	r.backend.account.failed(err)
}

// hidden takes our key, or the caller's, out of what a provider says.
func (r *relayed) hidden(e *llm.Error) *llm.Error {
	e.Message, e.Param, e.Code = r.mask(e.Message), r.mask(e.Param), r.mask(e.Code)
	return e
}

func (r *relayed) mask(text string) string {
	for _, key := range r.keys {
		text = upstream.Hide(text, key)
	}
	for _, secret := range r.backend.secretsFor(&r.target) {
		text = upstream.Hide(text, secret)
	}
	return text
}

// leastScrubbed is the length from which a key is looked for in what is otherwise handed on as it is, in bytes: a shorter
// one may be any word.
const leastScrubbed = 8

// clean takes our key, or the caller's, out of bytes that are handed on: some servers repeat what they were sent. Hardly any do,
// so this is a search that finds nothing.
func (r *relayed) clean(text []byte) []byte {
	for _, key := range r.keys {
		if len(key) >= leastScrubbed && bytes.Contains(text, []byte(key)) {
			text = bytes.ReplaceAll(text, []byte(key), []byte("***"))
		}
	}
	for _, secret := range r.backend.secretsFor(&r.target) {
		if bytes.Contains(text, []byte(secret)) {
			text = bytes.ReplaceAll(text, []byte(secret), []byte("***"))
		}
	}
	return text
}

// handOn gives an answer to the caller, in the form that it has.
func (r *relayed) handOn(answer *upstream.Answer) error {
	kind := mediaType(answer.Header)
	other := kind != "application/json" && kind != "text/html"
	switch {
	case kind == "text/event-stream":
		return r.handOnStream(answer)
	case r.endpoint == openai.Speech && other:
		return r.handOnBytes(answer)
	case r.look.Stream && other:
		return r.handOnStream(answer)
	}
	return r.handOnWhole(answer)
}

// mediaType is the kind of an answer, without parameters.
func mediaType(h http.Header) string {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// handOnWhole gives the caller an answer that comes in one piece. Nothing is sent before it is there whole.
func (r *relayed) handOnWhole(answer *upstream.Answer) error {
	x := r.exchange
	size := 512
	if answer.Length >= 0 {
		size = int(min(answer.Length, maxAnnounced)) + 1 // one byte more lets the last read see the end
	}
	if cap(x.out) < size {
		x.out = make([]byte, 0, size)
	}
	begun := time.Now()
	body, err := answer.ReadAll(x.out[:0], maxAnswer)
	if err != nil {
		return err
	}
	x.out = body
	pieces, usage, err := openai.Rewrite(r.endpoint, body, r.look.Model)
	if told := (*llm.Error)(nil); errors.As(err, &told) {
		return r.hidden(told)
	}
	if err != nil {
		return err
	}
	x.trace.Input, x.trace.Output = usage.Input, usage.Output
	x.trace.Upstream += time.Since(begun)
	length := 0
	for i, piece := range pieces {
		pieces[i] = r.clean(piece)
		length += len(pieces[i])
	}
	h := r.answerHeader(answer)
	if h["Content-Type"] == nil {
		h["Content-Type"] = jsonContent
	}
	h["Content-Length"] = []string{strconv.Itoa(length)}
	x.Response().WriteHeader(answer.Status)
	for _, piece := range pieces {
		if _, err := x.Response().Write(piece); err != nil {
			return gone(r.ctx)
		}
	}
	return nil
}

// maxAnnounced bounds the memory that is taken for what an answer merely announces, in bytes.
const maxAnnounced = 1 << 20

// handOnBytes gives the caller an answer that is no text, such as sound, as it comes. The status waits for the first byte.
func (r *relayed) handOnBytes(answer *upstream.Answer) error {
	x := r.exchange
	flusher, begun := x.flusher(), false
	buffer := make([]byte, firstRead)
	for {
		n, err := answer.Read(buffer)
		if !begun && (n > 0 || err == io.EOF) {
			begun = true
			h := r.answerHeader(answer)
			if answer.Length >= 0 {
				h["Content-Length"] = []string{strconv.FormatInt(answer.Length, 10)}
			}
			x.firstToken()
			x.Response().WriteHeader(answer.Status)
		}
		if n > 0 {
			if _, failed := x.Response().Write(buffer[:n]); failed != nil {
				return gone(r.ctx)
			}
			if flusher.FlushError() != nil {
				return gone(r.ctx)
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && begun:
			return &cutError{err}
		case err != nil:
			return err
		}
	}
}

// firstRead is the size of the pieces in which bytes are handed on.
const firstRead = 32 << 10

// cutError is an answer that broke off where there is no way to say so but to break off as well.
type cutError struct{ error }

func (e *cutError) Unwrap() error { return e.error }

// handOnStream gives the caller the events as they come. Those that arrive together leave together.
func (r *relayed) handOnStream(answer *upstream.Answer) error {
	x := r.exchange
	tap := &openai.Tap{Endpoint: r.endpoint, Model: r.look.Model, Hide: r.usage, Mask: r.mask}
	frames := upstream.NewFrames(answer, maxEvent)
	defer frames.Close()
	out := newEventWriter(x, func() { r.answerHeader(answer) })
	defer func() { x.out = out.stop() }()

	err := r.pump(frames, tap, out)
	usage := tap.Usage()
	x.trace.Input, x.trace.Output = usage.Input, usage.Output
	if err != nil {
		if errors.Is(err, errStreamTold) {
			return tap.Failed()
		}
		return breakOff(x, out, x.dialect.Encoder(r.look.Model, &llm.Request{}), causeOf(r.ctx, err))
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
		if held = 0; !tap.Started() && len(batch) < maxHeld {
			held = len(batch)
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

// last hands the last events on.
func (r *relayed) last(tap *openai.Tap, out *eventWriter, batch []byte) error {
	if bytes.HasSuffix(batch, []byte("\r\n\r")) {
		batch = append(batch, '\n') // which nobody waits for
	}
	if out.finish(tap.End(batch)) != nil {
		return gone(r.ctx)
	}
	return nil
}

// maxHeld bounds the comments that wait for the first event, in bytes.
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
