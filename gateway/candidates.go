package gateway

import (
	"errors"

	"nexus/config"
	"nexus/gateway/limit"
	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
)

// candidate is a model that could answer a request.
type candidate struct {
	target  llm.Target
	backend *backend
	tier    *limit.Tier // the limits of the caller for this model; nil: there are none
}

// name is how callers name the model, in a refusal or a trace.
func (c *candidate) name() string { return c.target.Model }

// maxCandidates bounds how many models are tried for one request, the one that was asked for among them.
const maxCandidates = 9

// compileFallbacks lists, for each model of a provider, the models that answer in its place: its own, and then theirs.
func compileFallbacks(cfg *config.Config, p *config.Provider) [][]string {
	var all [][]string
	for _, m := range p.Models.All() {
		var chain []string
		seen := map[string]bool{}
		next := m.Fallback
		for len(next) > 0 && len(chain) < maxCandidates-1 {
			var further []string
			for _, name := range next {
				if seen[name] || len(chain) == maxCandidates-1 {
					continue
				}
				seen[name] = true
				chain = append(chain, name)
				if m, ok := cfg.LLM.Model(name); ok {
					further = append(further, m.Fallback...)
				}
			}
			next = further
		}
		all = append(all, chain)
	}
	return all
}

// others are the candidates that answer where the first cannot: what the file says, as far as it leads to somebody who
// speaks the endpoint.
func (s *Snapshot) others(q *question, group string) []candidate {
	if q.target.Alias < 0 {
		return nil
	}
	names := q.backend.fallbacks[q.target.Alias]
	if len(names) == 0 {
		return nil
	}
	others := make([]candidate, 0, len(names))
	for _, name := range names {
		target, err := s.router().Route(name)
		if err != nil || target.Upstream == q.target.Upstream && target.Sent == q.target.Sent && target.Alias == q.target.Alias {
			continue
		}
		b := &s.backends[target.Provider]
		if b.client == nil && q.endpoint != openai.Chat {
			continue
		}
		others = append(others, s.candidate(target, group))
	}
	return others
}

// candidate is where a model's name leads, with the caller's limits there.
func (s *Snapshot) candidate(target llm.Target, group string) candidate {
	return candidate{
		target: target, backend: &s.backends[target.Provider],
		tier: s.limits.table.Tier(target.Provider, target.Alias, target.Sent, group),
	}
}

// promote makes the candidate at that place among the others the one that is asked; those before it have no room, or failed.
func (q *question) promote(x *Exchange, at int) {
	q.candidate = q.others[at]
	q.others, q.replaced = q.others[at+1:], true
	q.named = q.name()
	x.trace.Fallback, x.trace.Provider = q.named, q.target.Upstream
	x.Response().Header()[fallbackHeader] = []string{q.named}
}

// fallbackHeader says which model answers in the place of the one that was asked for.
const fallbackHeader = "X-Nexus-Fallback"

// replaceable is whether another model may answer after this failure: the provider could not be reached, was silent for too
// long, answered with a failure of its own or with its own limit, or broke off.
func replaceable(err error) bool {
	var (
		unreachable *llm.UnreachableError
		timeout     *llm.TimeoutError
		broken      *llm.BrokenError
		told        *llm.Error
	)
	if errors.As(err, &told) {
		return told.Status == 429 || told.Status >= 500
	}
	return errors.As(err, &unreachable) || errors.As(err, &timeout) || errors.As(err, &broken)
}

// notForThis is whether a candidate that nobody has asked for cannot take the request at all: it wants a key that the caller
// has not brought for it, or cannot honour a parameter.
func notForThis(err error) bool {
	var (
		unsupported *llm.UnsupportedError
		invalid     *llm.InvalidError
	)
	return errors.Is(err, errNoKey) || errors.As(err, &unsupported) || errors.As(err, &invalid)
}

// replace lets the next candidate answer after a failure, if there is one that has room and nothing was sent to the caller
// yet. What was paid for the one that failed is given back.
func (s *Snapshot) replace(x *Exchange, q *question, failure error) bool {
	further := replaceable(failure) || q.replaced && notForThis(failure)
	if len(q.others) == 0 || x.Response().Committed || x.Request().Context().Err() != nil || !further {
		return false
	}
	q.failed = append(q.failed, q.name()+" failed: "+failure.Error())
	s.limits.giveBack(x)
	x.trace.Input, x.trace.Output = -1, -1
	at, ok := s.payAgain(x, q)
	if !ok {
		return false
	}
	q.promote(x, at)
	return true
}
