// Package limittest is what every [limit.Store] promises, as one suite of tests. It knows a store by its interface alone,
// and sets the time of each bill, so that it waits for nothing.
package limittest

import (
	"context"
	"testing"
	"time"

	"nexus/gateway/limit"
)

// Lengths of windows, in milliseconds. None is so short that a store which expires its counters by its own clock would do so
// while a test is under way.
const (
	minute = int64(60_000)
	hour   = 60 * minute
	day    = 24 * hour
)

// Run tests a store. Open makes an empty one whose clock is the system's, for one test each, and ends it with that.
func Run(t *testing.T, open func(t *testing.T) limit.Store) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.promise, func(t *testing.T) {
			test.run(&bench{T: t, store: open(t), now: beginning()})
		})
	}
}

// promise is one test: what is promised, and what shows whether it is kept.
type promise struct {
	promise string
	run     func(b *bench)
}

var tests = append(append(append([]promise{}, rules...), settlements...), crowds...)

// beginning is a time ahead of every clock, at which windows of all lengths begin that divide a day: nothing happens at the
// clock's own time but what a test lets happen there.
func beginning() int64 {
	const ahead = 1000 * day
	return time.Now().UnixMilli()/day*day + ahead
}

// bench is a store under test, and the time there.
type bench struct {
	*testing.T
	store limit.Store
	now   int64
}

// pass lets time pass.
func (b *bench) pass(milliseconds int64) { b.now += milliseconds }

// pay pays a bill with the lines, for as many candidates as they name.
func (b *bench) pay(lines ...limit.Charge) *limit.Receipt {
	b.Helper()
	return b.take(limit.Bill{Lines: lines})
}

// look takes the same bill without paying it.
func (b *bench) look(lines ...limit.Charge) *limit.Receipt {
	b.Helper()
	return b.take(limit.Bill{Lines: lines, Dry: true})
}

func (b *bench) take(bill limit.Bill) *limit.Receipt {
	b.Helper()
	for i := range bill.Lines {
		bill.Candidates = max(bill.Candidates, int(bill.Lines[i].Candidate)+1)
	}
	bill.At = b.now
	r := new(limit.Receipt)
	if err := b.store.Pay(context.Background(), &bill, r); err != nil {
		b.Fatal(err)
	}
	if r.At != b.now || len(r.Readings) != len(bill.Lines) {
		b.Fatalf("a bill of %d lines at %d was taken at %d with %d readings", len(bill.Lines), b.now, r.At, len(r.Readings))
	}
	if r.Local || r.Unchecked {
		b.Fatalf("the store was out: local %t, unchecked %t", r.Local, r.Unchecked)
	}
	return r
}

// settle corrects what a receipt has paid for a key.
func (b *bench) settle(r *limit.Receipt, k limit.Key, delta int64) {
	b.Helper()
	b.end(&limit.Settlement{At: r.At, Corrections: []limit.Correction{{Key: k, Delta: delta}}})
}

func (b *bench) end(s *limit.Settlement) {
	b.Helper()
	if err := b.store.Settle(context.Background(), s); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) forget(keys ...limit.Key) {
	b.Helper()
	if err := b.store.Forget(context.Background(), keys); err != nil {
		b.Fatal(err)
	}
}

// paid and refused tell which of the two a bill must have been, and by which candidate or line.
func (b *bench) paid(r *limit.Receipt, candidate int) {
	b.Helper()
	if r.Refused != -1 || r.Candidate != candidate {
		b.Fatalf("line %d refused, candidate %d was paid; not candidate %d: %+v", r.Refused, r.Candidate, candidate, r.Readings)
	}
}

func (b *bench) refused(r *limit.Receipt, line int) {
	b.Helper()
	if r.Refused != line || r.Candidate != -1 {
		b.Fatalf("line %d refused, candidate %d was paid; not refused by line %d: %+v", r.Refused, r.Candidate, line, r.Readings)
	}
}

// uses tells how much must be used of the limit of a line now.
func (b *bench) uses(c limit.Charge, want int64) {
	b.Helper()
	if c.Candidate > 0 {
		c.Candidate = 0
	}
	if got := b.look(c).Readings[0].Used; got != want {
		b.Fatalf("%d are used, not %d", got, want)
	}
}

// Lines of bills.

func input(client, model string, amount, most int64) limit.Charge {
	return limit.Charge{
		Key:    limit.Key{Kind: limit.Input, Client: client, Provider: "openai", Model: model},
		Amount: amount, Limit: most, Interval: minute,
	}
}

func request(client string, most int64) limit.Charge {
	return limit.Charge{
		Key:       limit.Key{Kind: limit.Requests, Client: client},
		Candidate: limit.Always, Amount: 1, Limit: most, Interval: minute,
	}
}

func slot(client string, most int64) limit.Charge {
	return limit.Charge{
		Key:       limit.Key{Kind: limit.Concurrent, Client: client},
		Candidate: limit.Whichever, Amount: 1, Limit: most,
	}
}

// with changes a line.
func with(c limit.Charge, change func(c *limit.Charge)) limit.Charge {
	change(&c)
	return c
}
