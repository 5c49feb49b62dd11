package limittest

import (
	"math/big"
	"time"

	"nexus/gateway/limit"
)

// model is a store in the plainest words: exact numbers, one caller, nothing ever dropped.
type model struct {
	counters map[limit.Key]*counter
	held     map[limit.Key]map[uint64]bool // slots, by the receipt
}

func newModel() *model {
	return &model{counters: make(map[limit.Key]*counter), held: make(map[limit.Key]map[uint64]bool)}
}

// counter is what was paid for a key, in windows of several lengths, the one that was paid for last first.
type counter struct{ windows []*windows }

// windows are two windows of one length: what was paid in that of the index, and in the one before.
type windows struct {
	length, index  int64
	current, other *big.Int
}

// rotate makes the window that now is in the current one.
func (w *windows) rotate(now int64) {
	for ; w.index < now/w.length; w.index++ {
		if w.current.Sign() == 0 && w.other.Sign() == 0 {
			w.index = now / w.length
			return
		}
		w.other, w.current = w.current, new(big.Int)
	}
}

// used is what is used in the length that ends now: of the window before as much as that length covers of it.
func (w *windows) used(now int64) int64 {
	at := &windows{length: w.length, index: w.index, current: w.current, other: w.other}
	at.rotate(now)
	elapsed := now - at.index*at.length
	share := new(big.Rat).SetFrac64(at.length-elapsed, at.length)
	share.Mul(share, new(big.Rat).SetInt(at.other))
	whole := new(big.Int).Div(share.Num(), share.Denom())
	return whole.Add(whole, at.current).Int64()
}

// empty is when nothing is used any more; 0: nothing is.
func (w *windows) empty(now int64) int64 {
	at := &windows{length: w.length, index: w.index, current: w.current, other: w.other}
	at.rotate(now)
	switch {
	case at.current.Sign() > 0:
		return (at.index+2)*at.length - now
	case at.other.Sign() > 0:
		return (at.index+1)*at.length - now
	}
	return 0
}

// of are the windows of a length, or all where there are none of it.
func (c *counter) of(length int64) []*windows {
	if c == nil {
		return nil
	}
	for _, w := range c.windows {
		if w.length == length {
			return []*windows{w}
		}
	}
	return c.windows
}

func (c *counter) used(length, now int64) (most int64) {
	for _, w := range c.of(length) {
		most = max(most, w.used(now))
	}
	return most
}

func (c *counter) empty(length, now int64) (last int64) {
	for _, w := range c.of(length) {
		last = max(last, w.empty(now))
	}
	return last
}

// add adds to all windows.
func (c *counter) add(n, now int64) {
	for _, w := range c.windows {
		w.rotate(now)
		w.current.Add(w.current, big.NewInt(n))
	}
}

// find is the counter of a key; nil: it has none, or all its windows are over.
func (m *model) find(k limit.Key, now int64) *counter {
	c := m.counters[k]
	if c == nil {
		return nil
	}
	for _, w := range c.windows {
		if now < (w.index+2)*w.length {
			return c
		}
	}
	delete(m.counters, k)
	return nil
}

func (m *model) used(c *limit.Charge, now int64) int64 {
	if c.Key.Kind == limit.Concurrent {
		return int64(len(m.held[c.Key]))
	}
	return m.find(c.Key, now).used(c.Interval, now)
}

func (m *model) room(c *limit.Charge, now int64) bool {
	return c.Limit-m.used(c, now) >= max(c.Amount, 1)
}

// take pays a line and is what was taken.
func (m *model) take(c *limit.Charge, used, now int64, slot uint64) int64 {
	if c.Key.Kind == limit.Concurrent {
		if m.held[c.Key] == nil {
			m.held[c.Key] = make(map[uint64]bool)
		}
		m.held[c.Key][slot] = true
		return 1
	}
	taken := c.Amount + c.Reserve
	if !c.Observe {
		taken = min(taken, max(c.Limit-used, c.Amount))
	}
	of := m.find(c.Key, now)
	if of == nil {
		of = &counter{}
		m.counters[c.Key] = of
	}
	of.first(c.Interval, now)
	of.add(taken, now)
	return taken
}

// first makes the windows of a length the first, of four at most.
func (c *counter) first(length, now int64) {
	begin := c.used(length, now)
	front := &windows{length: length, index: now / length, current: big.NewInt(begin), other: new(big.Int)}
	order := []*windows{front}
	for _, w := range c.windows {
		if w.length == length {
			order[0] = w
		} else {
			order = append(order, w)
		}
	}
	c.windows = order[:min(len(order), 4)]
}

// pay says how a bill must be taken, where a slot is called as the store has called it.
func (m *model) pay(b *limit.Bill, slot uint64) *limit.Receipt {
	r := &limit.Receipt{Candidate: -1, Refused: -1, At: b.At, Readings: make([]limit.Reading, len(b.Lines))}
	used := make([]int64, len(b.Lines))
	paid := make([]bool, len(b.Lines))
	for i := range b.Lines {
		used[i] = m.used(&b.Lines[i], b.At)
		r.Readings[i].Refused = !m.room(&b.Lines[i], b.At)
	}
	refuses := func(i int) bool { return r.Readings[i].Refused && !b.Lines[i].Observe }
	for i, c := range b.Lines {
		if c.Candidate != limit.Always {
			continue
		}
		if paid[i] = !refuses(i) && (r.Refused < 0 || c.Key.Address.IsValid()); refuses(i) && r.Refused < 0 {
			r.Refused = i
		}
	}
	m.choose(b, r, refuses, paid)
	for i := range b.Lines {
		if paid[i] && !b.Dry {
			if b.Lines[i].Key.Kind == limit.Concurrent {
				r.Slot = slot
			}
			r.Readings[i].Taken = m.take(&b.Lines[i], used[i], b.At, slot)
		}
	}
	for i := range b.Lines {
		m.read(&b.Lines[i], &r.Readings[i], b.At)
	}
	return r
}

// choose finds the candidate that is paid, and marks its lines.
func (m *model) choose(b *limit.Bill, r *limit.Receipt, refuses func(int) bool, paid []bool) {
	first := func(of int8) int {
		for i, c := range b.Lines {
			if c.Candidate == of && refuses(i) {
				return i
			}
		}
		return -1
	}
	if r.Refused >= 0 {
		return
	}
	if r.Refused = first(limit.Whichever); r.Refused >= 0 {
		return
	}
	chosen := -1
	for of := b.Candidates - 1; of >= 0; of-- {
		if first(int8(of)) < 0 {
			chosen = of
		}
	}
	if b.Candidates > 0 && chosen < 0 {
		r.Refused = first(0)
		return
	}
	if !b.Dry {
		r.Candidate = chosen
	}
	for i, c := range b.Lines {
		if c.Candidate == limit.Whichever || c.Candidate >= 0 && int(c.Candidate) == chosen {
			paid[i] = true
		}
	}
}

// read fills in how a line stands. The time until there is room is left to [model.waited].
func (m *model) read(c *limit.Charge, r *limit.Reading, now int64) {
	r.Used = m.used(c, now)
	if c.Key.Kind != limit.Concurrent {
		r.Reset = time.Duration(m.find(c.Key, now).empty(c.Interval, now)) * time.Millisecond
	}
}

// waited is whether a line has room after that time, and not a millisecond sooner.
func (m *model) waited(c *limit.Charge, r *limit.Reading, now int64) bool {
	retry := r.Retry.Milliseconds()
	if !r.Refused || c.Key.Kind == limit.Concurrent || c.Amount > c.Limit || m.peek(c, now) {
		return retry == 0
	}
	return retry > 0 && m.peek(c, now+retry) && !m.peek(c, now+retry-1)
}

// peek is whether a line has room at a time to come, without dropping what is over then.
func (m *model) peek(c *limit.Charge, now int64) bool {
	return c.Limit-m.counters[c.Key].used(c.Interval, now) >= max(c.Amount, 1)
}

// settle corrects what was paid, and gives slots back.
func (m *model) settle(s *limit.Settlement) {
	for _, k := range s.Slots {
		delete(m.held[k], s.Slot)
	}
	for _, c := range s.Corrections {
		of := m.find(c.Key, s.At)
		if of == nil {
			continue
		}
		if c.Delta > 0 {
			of.add(c.Delta, s.At)
			continue
		}
		for _, w := range of.windows {
			switch s.At / w.length {
			case w.index:
				w.current = lower(w.current, c.Delta)
			case w.index - 1:
				w.other = lower(w.other, c.Delta)
			}
		}
	}
}

// lower adds a negative number, down to 0.
func lower(count *big.Int, delta int64) *big.Int {
	sum := new(big.Int).Add(count, big.NewInt(delta))
	if sum.Sign() < 0 {
		return new(big.Int)
	}
	return sum
}
