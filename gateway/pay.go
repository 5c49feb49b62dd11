package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"nexus/gateway/journal"
	"nexus/gateway/limit"
	"nexus/gateway/trace"
)

// paying is what a request has paid, and what it still has to settle.
type paying struct {
	bill    limit.Bill
	receipt limit.Receipt
	// owes is set while something of the receipt may have to be corrected or given back.
	owes bool
	// slot is what gives back the slots that were taken, which stay taken over fallbacks.
	slot      uint64
	slotLocal bool
	slots     []limit.Key
	counted   bool          // the prompt was counted
	tokens    int64         // of the prompt
	counting  time.Duration // how long that took
	room      limit.Settlement
}

// forget makes it ready for another request.
func (p *paying) forget() paying {
	clear(p.bill.Lines)
	clear(p.room.Corrections)
	return paying{
		bill:    limit.Bill{Lines: p.bill.Lines[:0]},
		receipt: limit.Receipt{Readings: p.receipt.Readings[:0]},
		room:    limit.Settlement{Corrections: p.room.Corrections[:0]},
		slots:   p.slots[:0],
	}
}

// payRequests takes what a request pays that asks for no model, or that leads to none. The error is that there is no room.
func (s *Snapshot) payRequests(x *Exchange, client string) error {
	l, b := &s.limits, &x.pays.bill
	b.Lines = l.table.AppendRequests(b.Lines[:0], journal.Network(x.trace.Remote), client, x.trace.Group)
	b.Candidates = 0
	return s.payBill(x, nil)
}

// pay takes what a request pays, and chooses the candidate that has room. The error is that none has.
func (s *Snapshot) pay(x *Exchange, q *question) error {
	l, b, client := &s.limits, &x.pays.bill, x.trace.ClientID
	b.Lines = l.table.AppendRequests(b.Lines[:0], journal.Network(x.trace.Remote), client, x.trace.Group)
	b.Lines = l.table.AppendSlot(b.Lines, client)
	s.appendCandidates(x, q, true)
	err := s.payBill(x, q)
	if err != nil {
		return err
	}
	if at := x.pays.receipt.Candidate; at > 0 {
		q.skipped = append(q.skipped, q.name())
		for i := range at - 1 {
			q.skipped = append(q.skipped, q.others[i].name())
		}
		q.promote(x, at-1)
	}
	return nil
}

// payAgain takes what one of the remaining candidates costs, after a failure. The request itself and its slot are paid.
func (s *Snapshot) payAgain(x *Exchange, q *question) (at int, ok bool) {
	b := &x.pays.bill
	b.Lines = b.Lines[:0]
	s.appendCandidates(x, q, false)
	if len(b.Lines) == 0 {
		return 0, true
	}
	if err := s.limits.store.Pay(context.Background(), b, &x.pays.receipt); err != nil || x.pays.receipt.Refused >= 0 {
		return 0, false
	}
	x.pays.owes = !x.pays.receipt.Unchecked
	return max(0, x.pays.receipt.Candidate), true
}

// appendCandidates adds the lines of those who could answer, the one that is asked first among them or left out.
func (s *Snapshot) appendCandidates(x *Exchange, q *question, first bool) {
	b, at := &x.pays.bill, int8(0)
	if first {
		s.appendCandidate(x, q, &q.candidate, at)
		at++
	}
	for i := range q.others {
		s.appendCandidate(x, q, &q.others[i], at)
		at++
	}
	b.Candidates = int(at)
}

func (s *Snapshot) appendCandidate(x *Exchange, q *question, c *candidate, at int8) {
	if c.tier == nil || !q.endpoint.HasTokens() {
		return
	}
	if c.tier.CountsInput() && !x.pays.counted {
		x.lap()
		x.pays.counted, x.pays.tokens = true, q.look.InputTokens(q.source, s.gateway.memo)
		x.pays.counting = x.lap()
	}
	reserve := int64(0)
	if c.tier.CountsOutput() && q.endpoint.HasAnswer() {
		reserve = s.limits.forecast.Expect(c.target.Upstream, c.target.Sent)
		if most := q.look.MaxOutput(q.source); most > 0 {
			reserve = min(reserve, most)
		}
	}
	x.pays.bill.Lines = c.tier.Append(x.pays.bill.Lines, at, x.trace.ClientID, x.pays.tokens, reserve)
}

// payBill takes the bill, notes the step of the request limits, and says what is left in the header.
func (s *Snapshot) payBill(x *Exchange, q *question) error {
	l, p := &s.limits, &x.pays
	if len(p.bill.Lines) == 0 {
		p.receipt.Candidate, p.receipt.Refused, p.receipt.Readings = -1, -1, p.receipt.Readings[:0]
		x.trace.Note(trace.RequestLimits, trace.Skipped, s.noRequestLimit())
		return nil
	}
	x.lap()
	// Not until the caller leaves: what was paid must be known, to be settled.
	err := l.store.Pay(context.Background(), &p.bill, &p.receipt)
	took := x.lap()
	if err != nil {
		return l.refuseUnavailable(x, took, err)
	}
	if p.receipt.Unchecked {
		p.receipt.Candidate, p.receipt.Refused = -1, -1
		step := x.trace.Note(trace.RequestLimits, trace.Skipped, trace.StoreOut)
		step.Key, step.Detail, step.Took = "server.rate_limits.storage", whatHolds[l.failure], took
		return nil
	}
	for i := range p.bill.Lines {
		if line := &p.bill.Lines[i]; line.Candidate == limit.Whichever && p.receipt.Readings[i].Taken > 0 {
			p.slot, p.slotLocal, p.slots = p.receipt.Slot, p.receipt.Local, append(p.slots[:0], line.Key)
		}
	}
	p.owes = p.receipt.Refused < 0 && q != nil
	at := p.receipt.Refused
	if at < 0 || p.bill.Lines[at].Candidate >= 0 {
		s.noteRequests(x, took)
	}
	s.tell(x, q)
	if at < 0 {
		return nil
	}
	return s.refuseBill(x, q, took)
}

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
		if int(c.Candidate) != max(0, p.receipt.Candidate) {
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

// tell says in the answer's header what is left of the tightest limits that refuse.
func (s *Snapshot) tell(x *Exchange, q *question) {
	h := x.Response().Header()
	if at := x.tightest(func(c *limit.Charge) bool { return c.Key.Kind == limit.Requests }); at >= 0 {
		x.tellLine(h, at, "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests")
	}
	chosen := int8(max(0, x.pays.receipt.Candidate))
	if at := x.tightest(func(c *limit.Charge) bool { return c.Candidate == chosen }); at >= 0 {
		x.tellLine(h, at, "X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens")
	}
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
