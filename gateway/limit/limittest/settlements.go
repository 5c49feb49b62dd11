package limittest

import (
	"context"
	"testing"
	"time"

	"nexus/gateway/limit"
)

// settlements are what is promised of the time after a bill was paid, and of slots.
var settlements = []promise{
	{"what was reserved and not needed is given back", func(b *bench) {
		line := with(input("alice", "", 0, 1000), func(c *limit.Charge) { c.Key.Kind, c.Reserve = limit.Output, 900 })
		r := b.pay(line)
		b.settle(r, line.Key, 600-r.Readings[0].Taken)
		b.uses(line, 600)
		r = b.pay(line)
		b.settle(r, line.Key, -r.Readings[0].Taken)
		b.uses(line, 600)
	}},
	{"what was needed beyond the reservation is charged, room or not", func(b *bench) {
		line := with(input("alice", "", 0, 1000), func(c *limit.Charge) { c.Key.Kind, c.Reserve = limit.Output, 900 })
		b.settle(b.pay(line), line.Key, 300)
		b.uses(line, 1200)
		b.refused(b.pay(line), 0)
	}},
	{"what is given back goes to the window in which it was paid", func(b *bench) {
		line := input("alice", "", 40, 1000)
		first := b.pay(line)
		b.pass(minute)
		line.Amount = 10
		second := b.pay(line)
		b.uses(line, 50)
		b.settle(first, line.Key, -30)
		b.uses(line, 20)
		b.settle(second, line.Key, -10)
		b.uses(line, 10)
		b.settle(second, line.Key, -5) // there is nothing left in that window
		b.uses(line, 10)
		b.settle(first, line.Key, -1e15)
		b.uses(line, 0)
	}},
	{"what was paid two windows ago is not given back", func(b *bench) {
		line := input("alice", "", 40, 1000)
		first := b.pay(line)
		b.pass(minute)
		b.pay(line)
		b.pass(minute)
		b.pay(line)
		b.settle(first, line.Key, -40)
		b.uses(line, 80)
	}},
	{"what is charged late counts from now", func(b *bench) {
		line := input("alice", "", 40, 1000)
		first := b.pay(line)
		b.pass(minute)
		b.pay(line)
		b.settle(first, line.Key, 7)
		b.uses(line, 87)
		b.pass(minute)
		b.uses(line, 47)
	}},
	{"a settlement counts in all intervals", func(b *bench) {
		line := input("alice", "", 40, 1000)
		daily := with(line, func(c *limit.Charge) { c.Interval = day })
		b.pay(line)
		r := b.pay(daily)
		b.settle(r, line.Key, 15)
		b.uses(line, 95)
		b.uses(daily, 95)
		b.settle(r, line.Key, -20)
		b.uses(line, 75)
		b.uses(daily, 75)
	}},
	{"what is charged when a counter has ended begins a new one, where its interval is known", func(b *bench) {
		line := input("alice", "", 40, 1000)
		late := func(delta, interval int64) {
			b.end(&limit.Settlement{At: b.now, Corrections: []limit.Correction{{Key: line.Key, Delta: delta, Interval: interval}}})
		}
		b.pay(line)
		b.pass(5 * minute)
		late(5000, 0)
		b.uses(line, 0)
		late(-10, minute)
		b.uses(line, 0)
		late(5000, minute)
		b.uses(line, 5000)
		b.refused(b.pay(line), 0)
	}},
	{"a line beside another keeps the window of its interval in step", func(b *bench) {
		line := input("alice", "", 40, 1000)
		beside := with(line, func(c *limit.Charge) { c.Beside, c.Observe, c.Amount, c.Limit, c.Interval = true, true, 0, 1e15, day })
		for range 3 {
			b.pay(line, beside)
			b.pass(5 * minute)
		}
		b.uses(line, 0)
		b.uses(with(line, func(c *limit.Charge) { c.Interval = day }), 120)
	}},
	{"a settlement makes no counter", func(b *bench) {
		line := input("alice", "", 40, 1000)
		r := b.pay(line)
		b.forget(line.Key)
		b.settle(r, line.Key, 50)
		b.uses(line, 0)
		b.settle(r, line.Key, -50)
		b.uses(line, 0)
		b.end(&limit.Settlement{At: r.At})
	}},
	{"a line that takes nothing can be charged later", func(b *bench) {
		line := input("alice", "", 0, 1000)
		r := b.pay(line)
		b.paid(r, 0)
		b.settle(r, line.Key, 50)
		b.uses(line, 50)
	}},
	{"several corrections are one settlement", func(b *bench) {
		in, out := input("alice", "", 40, 1000), input("alice", "", 40, 1000)
		out.Key.Kind = limit.Output
		r := b.pay(in, out)
		b.end(&limit.Settlement{At: r.At, Corrections: []limit.Correction{{Key: in.Key, Delta: -10}, {Key: out.Key, Delta: 10}}})
		b.uses(in, 30)
		b.uses(out, 50)
	}},
	{"a slot is taken until it is given back", func(b *bench) {
		place, prompt := slot("alice", 2), input("alice", "", 1, 1000)
		first, second := b.pay(place, prompt), b.pay(place, prompt)
		b.paid(second, 0)
		if first.Slot == 0 || second.Slot == 0 || second.Readings[0].Used != 2 || second.Readings[0].Taken != 1 {
			b.Fatalf("%+v, %+v", first, second)
		}
		r := b.pay(place, prompt)
		b.refused(r, 0)
		if got := r.Readings[0]; r.Slot != 0 || got.Used != 2 || got.Taken != 0 || !got.Refused || got.Retry != 0 || got.Reset != 0 {
			b.Fatalf("%+v", r)
		}
		b.uses(prompt, 2)
		b.paid(b.pay(slot("bob", 2), prompt), 0)
		b.pass(10 * 1000)
		b.giveBack(first, place.Key)
		b.giveBack(first, place.Key) // the second time it is not taken
		b.paid(b.pay(place, prompt), 0)
		b.refused(b.pay(place, prompt), 0)
		b.giveBack(second, place.Key)
		b.paid(b.pay(place, prompt), 0)
	}},
	{"a slot is not taken where no candidate is paid", func(b *bench) {
		place, prompt := slot("alice", 1), input("alice", "", 2000, 1000)
		for range 3 {
			r := b.pay(place, prompt)
			b.refused(r, 1)
			if r.Slot != 0 {
				b.Fatalf("%+v", r)
			}
		}
		b.uses(place, 0)
	}},
	{"a bill may be of slots alone", func(b *bench) {
		place := slot("alice", 1)
		r := b.pay(place)
		b.paid(r, -1)
		b.refused(b.pay(place), 0)
		b.giveBack(r, place.Key)
		b.paid(b.pay(place), -1)
	}},
	{"slots that are observed are taken beyond the limit", func(b *bench) {
		place := with(slot("alice", 1), func(c *limit.Charge) { c.Observe = true })
		b.paid(b.pay(place), -1)
		r := b.pay(place)
		b.paid(r, -1)
		if got := r.Readings[0]; !got.Refused || got.Used != 2 || got.Taken != 1 {
			b.Fatalf("%+v", got)
		}
	}},
	{"forgetting gives no slot back", func(b *bench) {
		place := slot("alice", 1)
		b.paid(b.pay(place), -1)
		b.forget(place.Key)
		b.refused(b.pay(place), 0)
	}},
	{"a receipt is overwritten whole", func(b *bench) {
		r := &limit.Receipt{Candidate: 7, Refused: 7, Slot: 7, Local: true, Unchecked: true, Readings: make([]limit.Reading, 9)}
		line := input("alice", "", 1, 10)
		bill := limit.Bill{Lines: []limit.Charge{line}, Candidates: 1, At: b.now}
		if err := b.store.Pay(context.Background(), &bill, r); err != nil {
			b.Fatal(err)
		}
		if r.Candidate != 0 || r.Refused != -1 || r.Slot != 0 || r.Local || r.Unchecked || len(r.Readings) != 1 || r.At != b.now {
			b.Fatalf("%+v", r)
		}
	}},
	{"a bill without a time is paid now", func(b *bench) {
		const year = 365 * day
		line := with(input("alice", "", 5, 10), func(c *limit.Charge) { c.Interval = year })
		r := new(limit.Receipt)
		before := time.Now()
		if err := b.store.Pay(context.Background(), &limit.Bill{Lines: []limit.Charge{line}, Candidates: 1}, r); err != nil {
			b.Fatal(err)
		}
		if away := time.UnixMilli(r.At).Sub(before).Abs(); away > time.Minute {
			b.Fatalf("it was paid %v away from now", away)
		}
		b.now = r.At
		b.settle(r, line.Key, 2)
		b.uses(line, 7)
	}},
	{"time that runs backwards gives nothing back", func(b *bench) {
		line := input("alice", "", 60, 100)
		b.paid(b.pay(line), 0)
		b.pass(-hour)
		b.refused(b.pay(line), 0)
		b.uses(line, 60)
		line.Amount = 40
		b.paid(b.pay(line), 0)
		b.pass(hour)
		b.uses(line, 100)
	}},
}

// giveBack gives back the slots of a receipt.
func (b *bench) giveBack(r *limit.Receipt, keys ...limit.Key) {
	b.Helper()
	b.end(&limit.Settlement{At: r.At, Slots: keys, Slot: r.Slot})
}

var _ testing.TB = (*bench)(nil)
