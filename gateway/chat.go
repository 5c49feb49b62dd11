package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
	"nexus/gateway/trace"
)

// question is what a caller asks of a model.
type question struct {
	endpoint openai.Endpoint
	look     openai.Envelope
	source   []byte // the request's body
	candidate
	// others are who answers where that one cannot, in order.
	others []candidate
	// named is the model as the answer names it: as the caller does, or the one that answers instead.
	named    string
	request  *llm.Request  // what it means, for a provider that does not speak the caller's protocol; else nil
	held     *buffer       // the body, kept as long as it may have to be sent once more; nil: it is not
	reading  time.Duration // until it was known where the request leads
	first    llm.Target    // what was asked for
	replaced bool          // another one answers
	skipped  []string      // models that had no room
	failed   []string      // models that have failed, and why
}

// converse answers what is asked of a model: read, look, route, pay, and then ask one candidate after another until one
// answers.
func (s *Snapshot) converse(e openai.Endpoint) func(x *Exchange, id string) error {
	return func(x *Exchange, _ string) error {
		q := &x.asked
		*q = question{endpoint: e}
		if err := s.prepare(x, q); err != nil {
			if limited := s.payRequests(x, x.trace.ClientID); limited != nil {
				return limited // what leads nowhere is a request, too, and told of those limits first
			}
			s.noteRouteFailure(x, err)
			return err
		}
		defer s.limits.settle(x, q)
		if err := s.pay(x, q); err != nil {
			return err
		}
		s.noteRoute(x, q)
		s.noteTokens(x, q)
		if len(q.others) > 0 {
			q.held = x.body.hold()
			defer q.letGo()
		}
		err := s.answerByAny(x, q)
		if err != nil && x.trace.FirstToken == 0 && !errors.Is(err, errClientGone) {
			s.limits.giveBack(x)
		}
		s.noteProvider(x, q, err)
		return err
	}
}

// answerByAny asks one candidate after another until one answers. Of one that cannot take the request at all, though nobody
// has asked for it, the caller is told nothing.
func (s *Snapshot) answerByAny(x *Exchange, q *question) error {
	err := s.answer(x, q)
	told, by := err, q.candidate
	for err != nil && s.replace(x, q, err) {
		if err = s.answer(x, q); err == nil {
			return nil
		}
		if !notForThis(err) {
			told, by = err, q.candidate
		}
	}
	if err != nil {
		q.candidate, x.trace.Provider = by, by.target.Upstream
	}
	return told
}

// letGo gives the body back that was kept for another candidate: none can be asked any more.
func (q *question) letGo() {
	if q.held != nil {
		q.held.Release()
		q.held, q.others = nil, nil
	}
}

// answer asks the candidate in one of two lanes. A provider that speaks the caller's protocol is handed the bytes; any other
// is asked in the neutral conversation.
func (s *Snapshot) answer(x *Exchange, q *question) error {
	x.streamed.on = q.tier.CountsOutput()
	if q.backend.client != nil {
		return s.relay(x, q)
	}
	if err := s.decode(x, q); err != nil {
		return err
	}
	call := &llm.Call{Request: q.request, Model: q.target.Sent, InputTokens: x.pays.tokens}
	if q.request.Stream {
		return s.stream(x, q, call)
	}
	return s.complete(x, q, call)
}

// prepare is all that comes before the limits.
func (s *Snapshot) prepare(x *Exchange, q *question) (err error) {
	r := x.Request()
	if err := checkContentType(r.Header); err != nil {
		return err
	}
	server := &s.config.Server
	if err := s.gateway.bodies.read(&x.body, r, x.conn, int64(server.MaxBodySize), int64(server.MaxBodyMemory)); err != nil {
		return err
	}
	q.source = x.body.bytes
	if q.look, err = openai.Look(q.endpoint, q.source); err != nil {
		return err
	}
	x.trace.Model, q.named = q.look.Model, q.look.Model
	target, err := s.router().Route(q.look.Model)
	if err != nil {
		return err
	}
	x.trace.Model, x.trace.Provider = target.Model, target.Upstream
	q.candidate, q.first = s.candidate(target, x.trace.Group), target
	if q.backend.client == nil {
		if q.endpoint != openai.Chat {
			return &notSpokenError{endpoint: x.route, provider: q.backend.name, kind: string(q.backend.kind)}
		}
		if err := s.decode(x, q); err != nil {
			return err
		}
	}
	q.others, q.reading = s.others(q, x.trace.Group), x.lap()
	return nil
}

// decode reads what a request means, for a provider that does not speak the caller's protocol.
func (s *Snapshot) decode(x *Exchange, q *question) (err error) {
	if q.request == nil {
		if q.request, err = q.look.Decode(q.source); err != nil {
			return err
		}
	}
	q.request.Model = q.named
	return nil
}

// notSpokenError is an endpoint that the model's provider does not have.
type notSpokenError struct{ endpoint, provider, kind string }

func (e *notSpokenError) Error() string {
	return fmt.Sprintf("provider %q is of type %s, and %s is there for providers of type openai alone", e.provider, e.kind, e.endpoint)
}

// complete answers in one piece.
func (s *Snapshot) complete(x *Exchange, q *question, call *llm.Call) error {
	ctx := x.Request().Context()
	s.gateway.bodies.settle(&x.body)
	reply, err := q.backend.answers.Complete(ctx, call)
	if err != nil {
		return causeOf(ctx, err)
	}
	x.whole = true
	x.used(reply.Usage)
	x.out = x.dialect.Reply(x.out[:0], call.Request.Model, reply)
	x.trace.Upstream = x.lap()
	s.limits.settle(x, q)
	x.send(http.StatusOK)
	return nil
}

// causeOf tells why the request ended, where that is what an error means. A context of the provider's own that ended is
// the provider's failure.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, errShuttingDown) {
		return cause
	}
	return errClientGone
}

// send writes the answer that x.out holds. That the caller no longer takes it is seen by the server, not here.
func (x *Exchange) send(status int) {
	h := x.Response().Header()
	h["Content-Type"] = jsonContent
	h["Content-Length"] = []string{strconv.Itoa(len(x.out))}
	x.Response().WriteHeader(status)
	_, _ = x.Response().Write(x.out)
}

// jsonContent is shared by all answers; nothing writes to the values of a header that it did not make.
var jsonContent = []string{"application/json"}

// noteRoute notes where the model's name led.
func (s *Snapshot) noteRoute(x *Exchange, q *question) {
	step := x.trace.Note(trace.Route, trace.Passed, trace.Routed)
	step.Key, step.Value, step.Detail, step.Took = q.first.Upstream, q.first.Model, q.first.Sent, q.reading
}

// noteRouteFailure notes why a request did not get as far as a provider.
func (s *Snapshot) noteRouteFailure(x *Exchange, err error) {
	var (
		step        = x.trace.Note(trace.Route, trace.Failed, trace.BadBody)
		server      = &s.config.Server
		invalid     *llm.InvalidError
		unsupported *llm.UnsupportedError
		kind        *contentTypeError
		format      *llm.ModelFormatError
		provider    *llm.UnknownProviderError
		model       *llm.UnknownModelError
		notSpoken   *notSpokenError
	)
	step.Took = x.lap()
	switch {
	case errors.As(err, &invalid):
		step.Detail = cmp.Or(invalid.Kept, invalid.What)
	case errors.As(err, &unsupported):
		step.Detail = unsupported.Error()
	case errors.As(err, &kind):
		step.Finding, step.Detail = trace.BodyKind, kind.has
	case errors.As(err, &format):
		step.Detail = format.Error()
	case errors.As(err, &provider):
		step.Finding, step.Key, step.Value = trace.UnknownProvider, keep(provider.Provider, maxModel), x.trace.Model
		step.Near, step.Detail = provider.Known, provider.Near
	case errors.As(err, &notSpoken):
		step.Finding, step.Detail = trace.NotSpoken, notSpoken.Error()
	case errors.As(err, &model) && model.Filter != "":
		step.Finding, step.Value, step.Key = trace.FilteredModel, x.trace.Model, model.Filter
	case errors.As(err, &model):
		step.Finding, step.Value = trace.UnknownModel, x.trace.Model
		step.Near, step.Detail = model.Known, model.Near
	case errors.Is(err, errBodyTooLarge):
		step.Finding, step.Detail = trace.BodyOverSize, server.MaxBodySize.String()
	case errors.Is(err, errMemoryExhausted):
		step.Finding, step.Detail = trace.BodyOverMemory, server.MaxBodyMemory.String()
	case errors.Is(err, errBodyTooSlow):
		step.Finding = trace.BodyTooSlow
	case errors.Is(err, errShuttingDown):
		step.Finding = trace.CutOff
	case errors.Is(err, errClientGone):
		step.Finding = trace.Left
	default:
		step.Detail = err.Error()
	}
}

// noteProvider notes how the provider's part ended.
func (s *Snapshot) noteProvider(x *Exchange, q *question, err error) {
	if err == nil {
		step := x.trace.Note(trace.Provider, trace.Passed, trace.Answered)
		step.Key, step.Value, step.Near = q.target.Upstream, q.named, q.failed
	} else {
		s.noteProviderFailure(x, q, err)
	}
	x.trace.Upstream = max(x.trace.Upstream, x.lap())
	steps := x.trace.Steps()
	steps[len(steps)-1].Took = x.trace.Upstream
}

// noteProviderFailure notes why the provider's part ended badly.
func (s *Snapshot) noteProviderFailure(x *Exchange, q *question, err error) {
	var (
		unsupported *llm.UnsupportedError
		unreachable *llm.UnreachableError
		timeout     *llm.TimeoutError
		told        *llm.Error
	)
	finding := trace.Broken
	switch {
	case errors.As(err, &unsupported):
		finding = trace.BadParameter
	case errors.Is(err, errShuttingDown):
		finding = trace.CutOff
	case errors.Is(err, errClientGone):
		finding = trace.Left
	case errors.Is(err, errNoKey), errors.Is(err, errTwoKeys), errors.Is(err, errLongKey):
		finding = trace.NoKey
	case errors.As(err, &unreachable):
		finding = trace.Unreachable
	case errors.As(err, &timeout):
		finding = trace.Silent
	}
	step := x.trace.Note(trace.Provider, trace.Failed, finding)
	step.Key, step.Near = q.target.Upstream, q.failed
	switch finding {
	case trace.BadParameter:
		step.Value, step.Detail = unsupported.Param, unsupported.Why
	case trace.Unreachable:
		step.Detail = unreachable.Why
	case trace.Silent:
		step.Value, step.Detail = timeout.Key, timeout.Waited.String()
	case trace.Broken, trace.NoKey:
		step.Detail = err.Error()
		if errors.As(err, &told) {
			step.Value = strconv.Itoa(told.Status)
		}
	}
}
