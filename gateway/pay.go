package gateway

import (
	"context"
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
		x.pays.receipt.Candidate, x.pays.receipt.Readings = 0, x.pays.receipt.Readings[:0]
		x.tellTokens(0)
		return 0, true
	}
	r := &x.pays.receipt
	if err := s.limits.store.Pay(context.Background(), b, r); err != nil || r.Refused >= 0 {
		for i := range q.others {
			q.failed = append(q.failed, q.others[i].name()+" has no room")
		}
		return 0, false
	}
	x.pays.owes = !r.Unchecked
	at = max(0, r.Candidate)
	for i := range at {
		q.failed = append(q.failed, q.others[i].name()+" has no room")
	}
	if !r.Unchecked {
		x.tellTokens(r.Candidate)
	}
	return at, true
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

// enforced is whether the bill has a line that could refuse the candidate that was asked for.
func (p *paying) enforced() bool {
	for i := range p.bill.Lines {
		if c := &p.bill.Lines[i]; !c.Observe && c.Candidate <= 0 {
			return true
		}
	}
	return false
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
	if err != nil && p.enforced() {
		return l.refuseUnavailable(x, took, err)
	}
	if err != nil || p.receipt.Unchecked {
		p.receipt.Unchecked = true
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
	x.tell(p.receipt.Candidate)
	if at < 0 {
		return nil
	}
	return s.refuseBill(x, q, took)
}
