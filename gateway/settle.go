package gateway

import (
	"context"

	"nexus/gateway/limit"
	"nexus/gateway/llm/cl100k"
	"nexus/gateway/llm/jsonscan"
)

// settle ends what a request began at the limits, once the answer is known to be over or broken off: what was reserved for
// it becomes what it needed, and its slot is free. It is called before the last of an answer is sent, so that whoever has
// the answer finds the limits as they are, and once more when the request ends, which then does nothing.
func (l *limiter) settle(x *Exchange, q *question) {
	p := &x.pays
	if p.owes {
		p.owes = false
		output := x.output()
		for i := range p.bill.Lines {
			c, r := &p.bill.Lines[i], &p.receipt.Readings[i]
			if c.Candidate < 0 || c.Beside || !p.paid(i) || c.Key.Kind == limit.Input {
				continue
			}
			p.correct(i, c.Amount+output-r.Taken)
		}
		if output > 0 && x.whole && q.tier.CountsOutput() {
			l.forecast.Note(q.target.Upstream, q.target.Sent, output)
		}
		if !x.Response().Committed {
			x.tellTokens(p.receipt.Candidate) // what is left is known before the answer is begun
		}
	}
	p.close(l)
}

// giveBack takes back what was paid for tokens: the provider has failed before its first byte.
func (l *limiter) giveBack(x *Exchange) {
	p := &x.pays
	if !p.owes {
		return
	}
	p.owes = false
	for i := range p.bill.Lines {
		if c := &p.bill.Lines[i]; c.Candidate >= 0 {
			p.correct(i, -p.receipt.Readings[i].Taken)
		}
	}
	p.send(l, p.receipt.Local, 0)
	if !x.Response().Committed {
		x.tellTokens(p.receipt.Candidate)
	}
}

// paid is whether a line is one of the candidate that was paid, if with nothing.
func (p *paying) paid(i int) bool { return int(p.bill.Lines[i].Candidate) == p.receipt.Candidate }

// correct notes a correction of a line.
func (p *paying) correct(at int, delta int64) {
	if delta == 0 {
		return
	}
	c, r := &p.bill.Lines[at], &p.receipt.Readings[at]
	p.room.Corrections = append(p.room.Corrections, limit.Correction{Key: c.Key, Delta: delta, Interval: c.Interval})
	r.Used, r.Taken = max(0, r.Used+delta), r.Taken+delta
}

// close tells the store of all corrections, and gives the slots back: together, where the same store has taken both.
func (p *paying) close(l *limiter) {
	if p.slot != 0 && p.slotLocal != p.receipt.Local {
		p.send(l, p.receipt.Local, 0)
		p.send(l, p.slotLocal, p.slot)
	} else {
		p.send(l, p.receipt.Local, p.slot)
	}
	p.slot = 0
}

// send tells the store of the corrections, and gives a slot back (0: none).
func (p *paying) send(l *limiter, local bool, slot uint64) {
	if len(p.room.Corrections) == 0 && slot == 0 {
		return
	}
	p.room.At, p.room.Local, p.room.Slot, p.room.Slots = p.receipt.At, local, slot, nil
	if slot != 0 {
		p.room.Slots = p.slots
	}
	// The caller may have gone, and still has used what was used. What a store cannot be told now, it keeps in mind itself.
	_ = l.store.Settle(context.Background(), &p.room)
	p.room.Corrections = p.room.Corrections[:0]
}

// output is how many tokens the answer had: as the provider says, or as many as were streamed. Of an answer that broke off a
// provider may have said something before its end.
func (x *Exchange) output() int64 {
	switch {
	case !x.whole:
		return max(x.trace.Output, x.streamed.tokens())
	case x.trace.Output >= 0:
		return x.trace.Output
	}
	return x.streamed.tokens()
}

// streamed counts the tokens of an answer as it passes, for where the provider does not say.
type streamed struct {
	on    bool
	text  []byte // not counted yet
	count int64
}

const (
	// maxUncounted bounds the text that waits to be counted, in bytes: cutting it costs a token at most.
	maxUncounted = 16 << 10
	// maxPiece bounds what one event is counted for, in bytes.
	maxPiece = 1 << 20
)

// add takes in a piece of text, as a JSON string with its quotes.
func (s *streamed) add(value []byte) {
	if s.text = jsonscan.AppendText(s.text, value, maxPiece); len(s.text) >= maxUncounted {
		s.sum()
	}
}

// addText takes in a piece of text.
func (s *streamed) addText(text string) {
	if !s.on {
		return
	}
	if s.text = append(s.text, text...); len(s.text) >= maxUncounted {
		s.sum()
	}
}

func (s *streamed) sum() {
	s.count += int64(cl100k.Count(s.text))
	s.text = s.text[:0]
}

// tokens is how many have passed.
func (s *streamed) tokens() int64 {
	if len(s.text) > 0 {
		s.sum()
	}
	return s.count
}
