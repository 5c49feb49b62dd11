package gateway

import (
	"fmt"
	"time"

	"nexus/gateway/limit"
	"nexus/gateway/trace"
)

// exceededError is a request for which a limit has no room.
type exceededError struct {
	reason     trace.Reason
	key        string        // of the file
	wait       time.Duration // until there is room; 0: there never will be
	impossible bool
}

func (e *exceededError) Error() string { return "over the limit " + e.key }

// unavailableError is a store that cannot be asked, where nothing may pass then.
type unavailableError struct{ error }

func (e *unavailableError) Unwrap() error { return e.error }

// refuseUnavailable notes that the limits cannot be counted.
func (l *limiter) refuseUnavailable(x *Exchange, took time.Duration, err error) error {
	step := x.trace.Note(trace.RequestLimits, trace.Failed, trace.StoreOut)
	step.Key, step.Detail, step.Took = "server.rate_limits.storage", whatHolds[l.failure], took
	return &unavailableError{err}
}

// refuseBill notes which line has refused, and makes the error of it.
func (s *Snapshot) refuseBill(x *Exchange, q *question, took time.Duration) error {
	p := &x.pays
	at := p.receipt.Refused
	if p.bill.Lines[at].Candidate < 0 {
		return s.limits.refuseLine(x, &p.bill.Lines[at], &p.receipt.Readings[at], s.limits.rule(x, at, q))
	}
	s.noteRoute(x, q)
	p.noteCount(x)
	at, wait, ever := p.soonest()
	rule := s.limits.rule(x, at, q)
	err := &exceededError{reason: trace.TokenLimitExceeded, key: rule.Key, wait: wait, impossible: !ever}
	finding := trace.Over
	if err.impossible {
		err.reason, finding = trace.TokenLimitImpossible, trace.OverAlone
	}
	kind := p.bill.Lines[at].Key.Kind.String()
	x.tellTokens(int(p.bill.Lines[at].Candidate))
	step := x.fill(x.trace.Note(trace.TokenLimit, trace.Failed, finding), at, rule)
	step.Value, step.Took, step.Detail = q.named, took, kind+"; "+roomAgain(wait)
	return err
}

// roomAgain says when there is room.
func roomAgain(wait time.Duration) string {
	return fmt.Sprintf("there is room again in %s", wait.Round(time.Millisecond))
}

// soonest is the line that keeps the candidate waiting which has room first, and for how long; ever is false where the
// request is too large for each of them.
func (p *paying) soonest() (at int, wait time.Duration, ever bool) {
	at = p.receipt.Refused
	for candidate := range p.bill.Candidates {
		last, longest, possible := -1, time.Duration(0), true
		for i := range p.bill.Lines {
			c, r := &p.bill.Lines[i], &p.receipt.Readings[i]
			if int(c.Candidate) != candidate || c.Observe || !r.Refused {
				continue
			}
			if possible = possible && max(c.Amount, 1) <= c.Limit; last < 0 || r.Retry > longest {
				last, longest = i, r.Retry
			}
		}
		if possible && last >= 0 && (!ever || longest < wait) {
			at, wait, ever = last, longest, true
		}
	}
	if ever {
		return at, wait, true
	}
	for i := range p.bill.Lines {
		if c := &p.bill.Lines[i]; c.Candidate >= 0 && !c.Observe && c.Amount > c.Limit {
			return i, 0, false
		}
	}
	return at, 0, false
}

// refuseLine notes a request or a slot that has no room, and makes the error of it.
func (l *limiter) refuseLine(x *Exchange, c *limit.Charge, r *limit.Reading, rule *limit.Rule) error {
	err := &exceededError{key: rule.Key, wait: r.Retry}
	finding := trace.Over
	switch {
	case c.Key.Kind == limit.Concurrent:
		err.reason, err.wait, finding = trace.ConcurrencyLimit, time.Second, trace.Busy
	case c.Key.Client != "":
		err.reason = trace.RateLimitUser
	case c.Key.Address.IsValid():
		err.reason = trace.RateLimitIP
	default:
		err.reason = trace.RateLimitGlobal
	}
	step := x.trace.Note(trace.RequestLimits, trace.Failed, finding)
	step.Key, step.Value, step.Limit, step.Used, step.Asked = rule.Key, counted(c), c.Limit, r.Used, 1
	step.Every, step.Detail = time.Duration(c.Interval)*time.Millisecond, roomAgain(r.Retry)
	return err
}
