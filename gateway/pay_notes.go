package gateway

import (
	"net/http"
	"strconv"
	"time"

	"nexus/gateway/limit"
	"nexus/gateway/trace"
)

// noRequestLimit is why no request limit holds.
func (s *Snapshot) noRequestLimit() trace.Finding {
	if t := s.limits.table; t.Global.Some() || t.PerIP.Some() || t.PerUser.Some() || t.Slots.Some() {
		return trace.Unlimited
	}
	return trace.NotConfigured
}

// noteRequests notes how the tightest of the request limits stands.
func (s *Snapshot) noteRequests(x *Exchange, took time.Duration) {
	at := x.tightest(func(c *limit.Charge) bool { return c.Key.Kind == limit.Requests })
	if at < 0 {
		at = x.tightest(func(c *limit.Charge) bool { return c.Key.Kind == limit.Concurrent })
	}
	if at < 0 {
		x.trace.Note(trace.RequestLimits, trace.Skipped, s.noRequestLimit()).Took = took
		return
	}
	x.fill(x.trace.Note(trace.RequestLimits, trace.Passed, trace.Within), at, s.limits.rule(x, at, nil)).Took = took
}

// tightest is the enforced line with the least left among those that are meant; -1: there is none.
func (x *Exchange) tightest(meant func(*limit.Charge) bool) int {
	least, at := int64(0), -1
	for i := range x.pays.bill.Lines {
		c := &x.pays.bill.Lines[i]
		if c.Observe || !meant(c) {
			continue
		}
		if left := c.Limit - x.pays.receipt.Readings[i].Used; at < 0 || left < least {
			least, at = left, i
		}
	}
	return at
}

// fill says in a step how a line of the bill stands.
func (x *Exchange) fill(step *trace.Step, at int, rule *limit.Rule) *trace.Step {
	c, r := &x.pays.bill.Lines[at], &x.pays.receipt.Readings[at]
	step.Value, step.Limit, step.Used = counted(c), c.Limit, r.Used-r.Taken
	step.Asked = max(r.Taken, c.Amount)
	step.Every = time.Duration(c.Interval) * time.Millisecond
	if rule != nil {
		step.Key = rule.Key
	}
	return step
}

// counted is whose requests a line counts.
func counted(c *limit.Charge) string {
	switch {
	case c.Key.Client != "":
		return "the client"
	case c.Key.Address.IsValid():
		return "the address"
	}
	return "everybody"
}

// rule is what the file says of a line; the candidates may be nil where the line is none of theirs.
func (l *limiter) rule(x *Exchange, at int, q *question) *limit.Rule {
	c := &x.pays.bill.Lines[at]
	switch {
	case c.Candidate >= 0 && q != nil:
		return ruleOf(q.at(int(c.Candidate)).tier, c.Key.Kind)
	case c.Key.Kind == limit.Concurrent:
		return &l.table.Slots
	case c.Key.Client != "":
		return l.table.User(x.trace.Group)
	case c.Key.Address.IsValid():
		return &l.table.PerIP
	}
	return &l.table.Global
}

// at is the candidate at that place of the bill.
func (q *question) at(i int) *candidate {
	if i == 0 {
		return &q.candidate
	}
	return &q.others[i-1]
}

// noteCount notes how many tokens the prompt has, if anybody asked.
func (p *paying) noteCount(x *Exchange) {
	if p.counted {
		step := x.trace.Note(trace.TokenCount, trace.Passed, trace.Counted)
		step.Asked, step.Took = p.tokens, p.counting
	} else {
		x.trace.Note(trace.TokenCount, trace.Skipped, trace.Uncounted)
	}
}

// noteTokens notes the steps of the tokens, once it is known who answers.
func (s *Snapshot) noteTokens(x *Exchange, q *question) {
	p := &x.pays
	p.noteCount(x)
	if p.receipt.Unchecked {
		step := x.trace.Note(trace.TokenLimit, trace.Skipped, trace.StoreOut)
		step.Key, step.Detail = "server.rate_limits.storage", whatHolds[s.limits.failure]
		return
	}
	at, would := -1, -1
	for i := range p.receipt.Readings {
		c, r := &p.bill.Lines[i], &p.receipt.Readings[i]
		if int(c.Candidate) != max(0, p.receipt.Candidate) || c.Beside {
			continue
		}
		if c.Observe && r.Refused {
			would = i
			x.wouldRefuse(c)
		}
		if at < 0 || c.Limit-r.Used < p.bill.Lines[at].Limit-p.receipt.Readings[at].Used {
			at = i
		}
	}
	var step *trace.Step
	switch {
	case would >= 0:
		step, at = x.trace.Note(trace.TokenLimit, trace.Passed, trace.Observed), would
	case at >= 0:
		step = x.trace.Note(trace.TokenLimit, trace.Passed, trace.Within)
	case q.tier == nil && !s.limits.table.Tokens():
		x.trace.Note(trace.TokenLimit, trace.Skipped, trace.NotConfigured)
		return
	default:
		step = x.trace.Note(trace.TokenLimit, trace.Skipped, trace.Unlimited)
	}
	if at >= 0 {
		x.fill(step, at, ruleOf(q.tier, p.bill.Lines[at].Key.Kind)).Detail = p.bill.Lines[at].Key.Kind.String()
	}
	step.Value, step.Near = q.named, q.skipped
}

func ruleOf(tier *limit.Tier, kind limit.Kind) *limit.Rule {
	if tier == nil {
		return nil
	}
	for i := range tier.Rules {
		if tier.Rules[i].Kind == kind {
			return &tier.Rules[i]
		}
	}
	return nil
}

// wouldRefuse notes that a limit that only observes would have refused.
func (x *Exchange) wouldRefuse(c *limit.Charge) {
	w := &x.trace.Would
	w.Provider, w.Model = c.Key.Provider, c.Key.Model
	w.Kinds |= 1 << c.Key.Kind
	if w.Reason == "" || c.Amount > c.Limit {
		w.Reason = trace.TokenLimitExceeded
		if c.Amount > c.Limit {
			w.Reason = trace.TokenLimitImpossible
		}
	}
}

// tell says in the answer's header what is left of the tightest limits that refuse: those of requests, and those of a
// candidate.
func (x *Exchange) tell(candidate int) {
	if at := x.tightest(func(c *limit.Charge) bool { return c.Key.Kind == limit.Requests }); at >= 0 {
		x.tellLine(x.Response().Header(), at, "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests")
	}
	x.tellTokens(candidate)
}

// tellTokens says what is left of the tightest limit of a candidate, in the place of what was said of it, or of another.
func (x *Exchange) tellTokens(candidate int) {
	const limited, remaining, reset = "X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"
	h, chosen := x.Response().Header(), int8(max(0, candidate))
	if at := x.tightest(func(c *limit.Charge) bool { return c.Candidate == chosen }); at >= 0 {
		x.tellLine(h, at, limited, remaining, reset)
		return
	}
	delete(h, limited)
	delete(h, remaining)
	delete(h, reset)
}

// tellLine says how a line stands, as OpenAI does: the last of the three is how long it takes until nothing is used.
func (x *Exchange) tellLine(h http.Header, at int, limited, remaining, reset string) {
	c, r := &x.pays.bill.Lines[at], &x.pays.receipt.Readings[at]
	values := make([]string, 3)
	values[0] = strconv.FormatInt(c.Limit, 10)
	values[1] = strconv.FormatInt(max(0, c.Limit-r.Used), 10)
	values[2] = r.Reset.Round(time.Millisecond).String()
	h[limited], h[remaining], h[reset] = values[0:1:1], values[1:2:2], values[2:3:3]
}
