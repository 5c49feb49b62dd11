// Package demo is the provider that is built in: it needs no key and no network, so that the first request
// to a new gateway has an answer, and so that tests have a provider that does what they say.
//
// The answer to a request is worked out whole, from the request alone: the same request has the same answer
// to the byte, streamed or not. Words of the last user message steer it: one that begins with "tool:" makes
// it call the first tool, "error:429" makes it fail with that status, "slow:50ms" makes it wait that long
// before each event. Arguments of tools and answers to a schema are made from the schema.
//
// It understands nothing of what it is told, keeps nothing, and logs nothing.
package demo

import (
	"context"
	"fmt"
	"iter"
	"time"

	"nexus/gateway/llm"
)

// Model is the one model that the provider lists. It answers under every other name just as well.
const Model = "demo-1"

// created is when every answer and the model were made: a fixed time, for the same request has the same
// answer. 2026-01-01 00:00:00 UTC.
const created = 1767225600

// Provider is the demo. The zero value is ready, and safe for use by many at once.
type Provider struct{}

var _ llm.Provider = (*Provider)(nil)

// New gives the demo provider.
func New() *Provider { return &Provider{} }

// Models lists the one model.
func (*Provider) Models(ctx context.Context) ([]llm.Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return []llm.Model{{ID: Model, Created: created}}, nil
}

// Complete gives the whole answer, after one wait where the caller asked for a slow one.
func (*Provider) Complete(ctx context.Context, call *llm.Call) (*llm.Reply, error) {
	if err := refuse(call.Request); err != nil {
		return nil, err
	}
	steer := steering(call.Request)
	if err := wait(ctx, steer.pause); err != nil {
		return nil, err
	}
	if steer.status != 0 {
		return nil, failure(steer.status)
	}
	return answer(call, steer), nil
}

// Stream gives the answer word by word, with a wait before each event where the caller asked for a slow one.
func (*Provider) Stream(ctx context.Context, call *llm.Call) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		if err := refuse(call.Request); err != nil {
			yield(llm.Event{}, err)
			return
		}
		steer := steering(call.Request)
		if steer.status != 0 {
			err := wait(ctx, steer.pause)
			if err == nil {
				err = failure(steer.status)
			}
			yield(llm.Event{}, err)
			return
		}
		for e := range events(answer(call, steer)) {
			if err := wait(ctx, steer.pause); err != nil {
				yield(llm.Event{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// refuse names the first parameter that the demo would have to pass over.
func refuse(r *llm.Request) error {
	switch {
	case r.N > 1:
		return &llm.UnsupportedError{Param: "n", Why: "the demo gives one answer"}
	case r.LogProbs:
		return &llm.UnsupportedError{Param: "logprobs", Why: "the demo does not draw its words"}
	case r.TopLogProbs > 0:
		return &llm.UnsupportedError{Param: "top_logprobs", Why: "the demo does not draw its words"}
	case r.FrequencyPenalty != 0:
		return &llm.UnsupportedError{Param: "frequency_penalty", Why: "the demo does not draw its words"}
	case r.PresencePenalty != 0:
		return &llm.UnsupportedError{Param: "presence_penalty", Why: "the demo does not draw its words"}
	case r.Audio:
		return &llm.UnsupportedError{Param: "audio", Why: "the demo does not speak"}
	}
	return nil
}

// failure is the error that a caller asked for.
func failure(status int) error {
	e := &llm.Error{Status: status, Message: fmt.Sprintf("the demo was asked to fail with %d", status)}
	if status == 429 {
		e.RetryAfter = "1"
	}
	return e
}

// wait lets a pause pass, or less where the context ends.
func wait(ctx context.Context, pause time.Duration) error {
	if err := ctx.Err(); err != nil || pause == 0 {
		return err
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
