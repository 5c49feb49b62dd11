package gateway

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
	"nexus/gateway/llm/upstream"
)

// maxFailure bounds what is read of a provider's error, in bytes.
const maxFailure = 64 << 10

// relayed is one request that is handed on to a provider of the caller's own protocol.
type relayed struct {
	*question
	exchange *Exchange
	ctx      context.Context
	limits   *limiter
	keys     [2]string // what must be seen by nobody: ours, and the caller's own; empty: there is none
	usage    bool      // the provider is asked for the usage that the caller has not asked for
	unasked  bool      // and has said that it does not take the question
}

// relay hands the bytes of a request to the provider and those of its answer back. Both stay as they are but for the
// model's name.
func (s *Snapshot) relay(x *Exchange, q *question) error {
	r := &relayed{question: q, exchange: x, ctx: x.Request().Context(), limits: &s.limits}
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
	r.exchange.body.letGo() // nothing is sent once more to this provider
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
		if r.held != nil {
			return &upstream.Payload{Pieces: pieces, Keeper: r.held}
		}
		return &upstream.Payload{Pieces: pieces, Keeper: x.body.buffer}
	}
	whole := make([]byte, 0, size)
	for _, piece := range pieces {
		whole = append(whole, piece...)
	}
	if r.usage && r.held == nil {
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
