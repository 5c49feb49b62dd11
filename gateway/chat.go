package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"

	"nexus/gateway/llm"
	"nexus/gateway/trace"
)

// chat answers a chat completion: read, decode, route, call, answer.
func (s *Snapshot) chat(x *Exchange, _ string) error {
	request, target, err := s.prepare(x)
	if err != nil {
		s.noteRouteFailure(x, err)
		return err
	}
	step := x.trace.Note(trace.Route, trace.Passed, trace.Routed)
	step.Key, step.Value, step.Detail, step.Took = target.Upstream, target.Model, target.Sent, x.lap()
	x.trace.Note(trace.TokenCount, trace.Skipped, trace.NotConfigured)
	x.trace.Note(trace.TokenLimit, trace.Skipped, trace.NotConfigured)

	call := &llm.Call{Request: request, Model: target.Sent}
	if request.Stream {
		err = s.stream(x, target, call)
	} else {
		err = s.complete(x, target, call)
	}
	s.noteProvider(x, target, err)
	return err
}

// prepare is all that comes before the provider.
func (s *Snapshot) prepare(x *Exchange) (*llm.Request, llm.Target, error) {
	r := x.Request()
	if err := checkContentType(r.Header); err != nil {
		return nil, llm.Target{}, err
	}
	server := &s.config.Server
	if err := s.gateway.bodies.read(&x.body, r, x.conn, int64(server.MaxBodySize), int64(server.MaxBodyMemory)); err != nil {
		return nil, llm.Target{}, err
	}
	request, err := x.dialect.Decode(x.body.bytes)
	s.gateway.bodies.settle(&x.body)
	if err != nil {
		return nil, llm.Target{}, err
	}
	x.trace.Model = request.Model
	target, err := s.router.Route(request.Model)
	if err != nil {
		return nil, llm.Target{}, err
	}
	x.trace.Model, x.trace.Provider = target.Model, target.Upstream
	return request, target, nil
}

// complete answers in one piece.
func (s *Snapshot) complete(x *Exchange, target llm.Target, call *llm.Call) error {
	ctx := x.Request().Context()
	reply, err := target.Provider.Complete(ctx, call)
	if err != nil {
		return causeOf(ctx, err)
	}
	x.trace.Input, x.trace.Output = reply.Usage.Input, reply.Usage.Output
	x.out = x.dialect.Reply(x.out[:0], call.Request.Model, reply)
	x.trace.Upstream = x.lap()
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
func (s *Snapshot) noteProvider(x *Exchange, target llm.Target, err error) {
	var unsupported *llm.UnsupportedError
	verdict, finding := trace.Failed, trace.Broken
	switch {
	case err == nil:
		verdict, finding = trace.Passed, trace.Answered
	case errors.As(err, &unsupported):
		finding = trace.BadParameter
	case errors.Is(err, errShuttingDown):
		finding = trace.CutOff
	case errors.Is(err, errClientGone):
		finding = trace.Left
	}
	step := x.trace.Note(trace.Provider, verdict, finding)
	step.Key = target.Upstream
	switch finding {
	case trace.BadParameter:
		step.Value, step.Detail = unsupported.Param, unsupported.Why
	case trace.Broken:
		step.Detail = err.Error()
	}
	x.trace.Upstream = max(x.trace.Upstream, x.lap())
	step.Took = x.trace.Upstream
}
