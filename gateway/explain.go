package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"nexus/gateway/identity"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
	"nexus/gateway/trace"
)

// errNotAsked is why there are no keys where none are needed.
var errNotAsked = errors.New("the issuer was not asked")

// Question is a request that is described instead of sent: a POST to the chat completions of the OpenAI protocol.
type Question struct {
	// Header are the request's headers, with canonical names.
	Header http.Header
	// Peer is the other end of the socket.
	Peer netip.Addr
	// Model is what is asked for. Empty: the question ends before the route.
	Model string
	// KeySet is the issuer's JWK Set (RFC 7517). Nil: it is fetched, once, where tokens are asked for.
	KeySet []byte
}

// errNothingServed is a file in which no request could be asked about.
var errNothingServed = errors.New("the file serves no LLM endpoint: llm.enabled or llm.protocols.openai.enabled is false")

// Explain says what would become of a request. It takes the very steps that the live one would take, asks no provider and
// keeps nothing. The error says that the question cannot be answered: its KeySet has no usable key, or nothing is served.
func Explain(ctx context.Context, plan *Plan, q Question) (*trace.Trace, error) {
	protocol := &plan.config.LLM.Protocols.OpenAI
	if !plan.config.LLM.Enabled || !protocol.Enabled {
		return nil, errNothingServed
	}
	var verifier *identity.Verifier
	if plan.tokens != nil {
		keys, err := plan.keysOnce(ctx, q)
		if err != nil {
			return nil, err
		}
		verifier = identity.NewVerifier(plan.tokens.rules, keys)
	}
	s := &Snapshot{Plan: plan, verifier: verifier, backends: plan.unopened()}

	now := time.Now()
	x := &Exchange{noted: now, trace: trace.Trace{
		Time: now, Method: http.MethodPost, Remote: q.Peer, Input: -1, Output: -1,
		Path: strings.TrimSuffix(string(protocol.Path), "/") + "/v1/chat/completions",
	}}
	if err := s.retrace(x, q); err != nil {
		r := classify(err)
		s.conclude(&x.trace, &r)
	}
	return &x.trace, nil
}

// retrace takes the steps up to the provider.
func (s *Snapshot) retrace(x *Exchange, q Question) error {
	s.cors.visit(q.Header, http.Header{}, &x.trace)
	if err := s.csrf.check(x.trace.Method, q.Header, &x.trace); err != nil {
		return err
	}
	evidence := identity.Evidence{Header: q.Header, Peer: q.Peer}
	if err := s.whoCalls(s.verifier, evidence, x.trace.Time, &x.trace); err != nil {
		return err
	}
	s.limits = limiter{table: s.tiers}
	if finding := s.noRequestLimit(); finding == trace.Unlimited {
		x.trace.Note(trace.RequestLimits, trace.Skipped, trace.NotLooked)
	} else {
		x.trace.Note(trace.RequestLimits, trace.Skipped, finding)
	}
	if q.Model == "" {
		return nil
	}
	target, err := s.routeOf(x, q.Model)
	if lists := s.unlisted(); len(lists) > 0 && onlyUnlisted(err) {
		step := x.trace.Note(trace.Route, trace.Skipped, trace.NotAsked)
		step.Value, step.Near = x.trace.Model, lists
		return nil
	}
	if err != nil {
		s.noteRouteFailure(x, err)
		return err
	}
	step := x.trace.Note(trace.Route, trace.Passed, trace.Routed)
	step.Key, step.Value, step.Detail = target.Upstream, target.Model, target.Sent
	s.noteTier(x, &target)
	return nil
}

// noteTier says which limit of tokens would hold. How much is used of it, only the running gateway knows.
func (s *Snapshot) noteTier(x *Exchange, target *llm.Target) {
	tier := s.tiers.Tier(target.Provider, target.Alias, target.Sent, x.trace.Group)
	switch {
	case tier != nil:
		r := &tier.Rules[0]
		step := x.trace.Note(trace.TokenLimit, trace.Skipped, trace.NotLooked)
		step.Key, step.Limit, step.Detail = r.Key, r.Limit, r.Kind.String()
		step.Every = time.Duration(r.Interval) * time.Millisecond
	case s.tiers.Tokens():
		x.trace.Note(trace.TokenLimit, trace.Skipped, trace.Unlimited)
	default:
		x.trace.Note(trace.TokenLimit, trace.Skipped, trace.NotConfigured)
	}
}

// routeOf finds where the smallest body with this model leads, so that a name which no body may have is refused as there.
func (s *Snapshot) routeOf(x *Exchange, model string) (llm.Target, error) {
	body, err := json.Marshal(map[string]any{
		"model": model, "messages": []any{map[string]string{"role": "user", "content": "Hello"}},
	})
	if err != nil {
		return llm.Target{}, fmt.Errorf("write the request: %w", err)
	}
	look, err := openai.Look(openai.Chat, body)
	if err != nil {
		return llm.Target{}, err
	}
	x.trace.Model = look.Model
	target, err := s.router().Route(look.Model)
	if err != nil {
		return llm.Target{}, err
	}
	x.trace.Model, x.trace.Provider = target.Model, target.Upstream
	return target, nil
}

// keysOnce gives the keys that tokens are verified with: those of a document, or those that the issuer has now. That it
// does not answer is part of the explanation.
func (p *Plan) keysOnce(ctx context.Context, q Question) (*jwks.Keys, error) {
	if q.KeySet != nil {
		set, err := jwks.Parse(q.KeySet)
		if err != nil {
			return nil, fmt.Errorf("read the key set: %w", err)
		}
		return jwks.Fixed(set), nil
	}
	// A request that is refused whatever the keys are asks nobody for them.
	none, refusal := jwks.Failed(errNotAsked), (*identity.Refusal)(nil)
	_, err := identity.NewVerifier(p.tokens.rules, none).Authenticate(q.Header, time.Now(), &trace.Trace{})
	if errors.As(err, &refusal) && refusal.Fault != identity.NoKeys {
		return none, nil
	}
	set, err := jwks.Fetch(ctx, p.tokens.keys.URL)
	if err != nil {
		return jwks.Failed(err), nil
	}
	return jwks.Fixed(set), nil
}

// unlisted are the providers whose models are not known, since they are not asked.
func (s *Snapshot) unlisted() []string {
	var names []string
	for i := range s.backends {
		if s.backends[i].account.models.Load() == nil {
			names = append(names, s.backends[i].name)
		}
	}
	return names
}

// onlyUnlisted is whether a model is unknown for no other reason than that nobody was asked for it.
func onlyUnlisted(err error) bool {
	var unknown *llm.UnknownModelError
	return errors.As(err, &unknown) && unknown.Filter == ""
}
