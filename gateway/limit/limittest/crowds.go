package limittest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"nexus/gateway/limit"
)

// crowds are what is promised where many pay at once, or many times.
var crowds = []promise{
	{"of a thousand who ask at once for 1 of 100, exactly 100 pass, 50 times of 50", func(b *bench) {
		for run := range 50 {
			line := input(fmt.Sprint("run ", run), "", 1, 100)
			if passed := b.crowd(1000, line); passed != 100 {
				b.Fatalf("run %d: %d passed", run, passed)
			}
		}
	}},
	{"of a thousand bills with several lines, in any order, none is paid in part", func(b *bench) {
		first, second, third := input("alice", "a", 2, 100), input("alice", "b", 3, 100), input("alice", "c", 1, 1000)
		calls := request("alice", 1e6)
		if passed := b.crowd(500, calls, first, second, third) + b.crowd(500, third, calls, second, first); passed != 33 {
			b.Fatalf("%d passed", passed)
		}
		b.uses(first, 66)
		b.uses(second, 99)
		b.uses(third, 33)
		b.uses(calls, 1000)
	}},
	{"no more slots are held at once than there are", func(b *bench) {
		place := slot("alice", 7)
		var held, passed atomic.Int64
		b.together(200, func(int) error {
			r, err := b.try(place)
			if err != nil || r.Refused >= 0 {
				return err
			}
			if n := held.Add(1); n > 7 {
				return fmt.Errorf("%d of 7 are held", n)
			}
			passed.Add(1)
			held.Add(-1)
			return b.store.Settle(context.Background(), &limit.Settlement{At: r.At, Slots: []limit.Key{place.Key}, Slot: r.Slot})
		})
		if passed.Load() < 7 {
			b.Fatalf("%d of 200 passed", passed.Load())
		}
		b.uses(place, 0)
	}},
	{"random bills are taken as the model takes them", func(b *bench) {
		for range 4 {
			seed := rand.Uint64()
			b.Logf("seed %#x", seed)
			w := &walk{bench: b, random: rand.New(rand.NewPCG(seed, 0)), model: newModel()}
			w.open(seed)
			for range 1500 {
				w.step()
			}
		}
	}},
	{"the estimate is near to an exact log", deviation},
}

// try pays a bill with the lines, from any goroutine.
func (b *bench) try(lines ...limit.Charge) (*limit.Receipt, error) {
	bill := limit.Bill{Lines: lines, At: b.now}
	for i := range lines {
		bill.Candidates = max(bill.Candidates, int(lines[i].Candidate)+1)
	}
	r := new(limit.Receipt)
	return r, b.store.Pay(context.Background(), &bill, r)
}

// together runs a function in so many goroutines that start at once, and waits for all.
func (b *bench) together(n int, run func(i int) error) {
	b.Helper()
	var wait sync.WaitGroup
	start, failed := make(chan struct{}), make(chan error, n)
	for i := range n {
		wait.Go(func() {
			<-start
			failed <- run(i)
		})
	}
	close(start)
	wait.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// crowd pays the same bill so often at once, and counts how often it passed.
func (b *bench) crowd(n int, lines ...limit.Charge) int64 {
	b.Helper()
	var passed atomic.Int64
	b.together(n, func(int) error {
		r, err := b.try(lines...)
		if err == nil && r.Refused < 0 {
			passed.Add(1)
		}
		return err
	})
	return passed.Load()
}

// walk does random things to a store and to the model of it.
type walk struct {
	*bench
	random   *rand.Rand
	model    *model
	name     string // of this walk: walks share a store, and no key
	receipts []*owed
}

// owed is a bill that was paid and not yet settled.
type owed struct {
	bill    limit.Bill
	receipt *limit.Receipt
}

// lengths are those of the windows of a walk; one more than a counter keeps, and some that begin together with no other.
var lengths = []int64{minute, 90_001, 10 * minute, hour, 2 * hour, day}

func (w *walk) open(seed uint64) { w.name = fmt.Sprintf("%x", seed) }

// step pays, settles or forgets, and compares.
func (w *walk) step() {
	switch n := w.random.IntN(100); {
	case n < 60:
		w.pass(w.random.Int64N(5_000))
	case n < 70:
		w.pass(w.random.Int64N(3 * minute))
	case n < 71:
		w.pass(w.random.Int64N(3 * day))
	}
	switch n := w.random.IntN(100); {
	case n < 25 && len(w.receipts) > 0:
		w.settleOne()
	case n < 28:
		k := w.line(limit.Kind(w.random.IntN(4))).Key
		w.forget(k)
		delete(w.model.counters, k)
	default:
		w.payOne()
	}
}

// payOne pays a random bill and compares all that the receipt says.
func (w *walk) payOne() {
	bill := w.bill()
	got := w.take(bill)
	for i := range bill.Lines { // as take does
		bill.Candidates = max(bill.Candidates, int(bill.Lines[i].Candidate)+1)
	}
	bill.At = w.now
	want := w.model.pay(&bill, got.Slot)
	same := got.Candidate == want.Candidate && got.Refused == want.Refused && got.Slot == want.Slot
	for i := range bill.Lines {
		reading := got.Readings[i]
		same = same && w.model.waited(&bill.Lines[i], &reading, w.now)
		reading.Retry = 0
		same = same && reading == want.Readings[i]
	}
	if !same {
		w.Fatalf("bill %+v\nwas taken as %+v\nbut for the model %+v", bill, got, want)
	}
	if !bill.Dry {
		w.receipts = append(w.receipts, &owed{bill, got})
	}
}

// settleOne settles a receipt as a request that has ended would, or gets more wrong than one ever would.
func (w *walk) settleOne() {
	i := w.random.IntN(len(w.receipts))
	o := w.receipts[i]
	w.receipts = append(w.receipts[:i], w.receipts[i+1:]...)
	s := &limit.Settlement{At: o.receipt.At, Slot: o.receipt.Slot}
	for line, c := range o.bill.Lines {
		taken := o.receipt.Readings[line].Taken
		switch {
		case taken == 0:
		case c.Key.Kind == limit.Concurrent:
			s.Slots = append(s.Slots, c.Key)
		case w.random.IntN(2) == 0:
			s.Corrections = append(s.Corrections, limit.Correction{Key: c.Key, Delta: w.random.Int64N(4*taken) - 2*taken})
		}
	}
	w.end(s)
	w.model.settle(s)
}

// bill is a random one: requests, a slot, candidates, in that order.
func (w *walk) bill() limit.Bill {
	b := limit.Bill{Dry: w.random.IntN(8) == 0, Candidates: w.random.IntN(4)}
	for _, client := range []string{"", "address", "alice"}[w.random.IntN(3):] {
		b.Lines = append(b.Lines, w.request(client))
	}
	if w.random.IntN(2) == 0 {
		b.Lines = append(b.Lines, slot(w.name+w.client(), 1+w.random.Int64N(8)))
	}
	for of := range b.Candidates {
		for kind := range limit.Requests {
			if w.random.IntN(2) == 0 {
				c := w.line(kind)
				c.Candidate = int8(of)
				b.Lines = append(b.Lines, c)
			}
		}
	}
	for i := range b.Lines {
		b.Lines[i].Observe = w.random.IntN(6) == 0
	}
	return b
}

func (w *walk) client() string { return []string{"alice", "bob", "carol"}[w.random.IntN(3)] }

func (w *walk) request(client string) limit.Charge {
	c := w.line(limit.Requests)
	c.Candidate, c.Amount, c.Reserve, c.Limit = limit.Always, 1, 0, 1+w.random.Int64N(200)
	c.Key = limit.Key{Kind: limit.Requests, Client: w.name + client}
	if client == "address" {
		c.Key.Address = netip.AddrFrom4([4]byte{192, 0, 2, byte(w.random.IntN(3))})
	}
	return c
}

// line is a line of tokens.
func (w *walk) line(kind limit.Kind) limit.Charge {
	c := limit.Charge{
		Key:      limit.Key{Kind: kind, Client: w.name + w.client(), Provider: "openai"},
		Limit:    1 + w.random.Int64N(100_000),
		Interval: lengths[w.random.IntN(len(lengths))],
	}
	if w.random.IntN(2) == 0 {
		c.Key.Model = "gpt-4"
	}
	if w.random.IntN(4) > 0 {
		c.Amount = w.random.Int64N(3_000)
	}
	if w.random.IntN(3) > 0 {
		c.Reserve = w.random.Int64N(20_000)
	}
	return c
}

// deviation measures how far the estimate is from an exact log of who has paid what when, for callers who ask more often
// than there is room.
//
// The estimate spreads what was paid in the window before evenly over it, so it is never off by more than what was paid in
// that one window, which is the limit at most. Hence nobody uses more than twice the limit in any one interval, and that
// only who uses it all at the very end of a window and then each token that the next one frees. Callers like those below are
// told the truth within 1 % (steady), 2 % (random) and 10 % (in bursts) of the limit in the mean.
func deviation(b *bench) {
	type entry struct{ at, amount int64 }
	callers := map[string]func(random *rand.Rand) (pause int64){
		"steady": func(r *rand.Rand) int64 { return 200 + r.Int64N(50) },
		"random": func(r *rand.Rand) int64 { return int64(r.ExpFloat64() * 250) },
		"bursty": func(r *rand.Rand) int64 {
			if r.IntN(300) == 0 {
				return r.Int64N(2 * minute)
			}
			return r.Int64N(20)
		},
	}
	const most = 1000
	for name, pause := range callers {
		random := rand.New(rand.NewPCG(1, 2))
		line := input(name, "", 5, most)
		var log []entry
		var worst, sum, peak, asked int64
		before := b.now
		for range 4000 {
			b.pass(pause(random))
			r := b.pay(line).Readings[0]
			if r.Taken > 0 {
				log = append(log, entry{b.now, r.Taken})
			}
			for len(log) > 0 && log[0].at <= b.now-minute {
				log = log[1:]
			}
			exact := int64(0)
			for _, e := range log {
				exact += e.amount
			}
			off := max(r.Used-exact, exact-r.Used)
			worst, peak, sum, asked = max(worst, off), max(peak, exact), sum+off, asked+1
		}
		b.Logf("%s, in %v: off by %.1f%% of the limit in the mean, %.1f%% at worst; %.1f%% of the limit were used in one interval at worst",
			name, time.Duration(b.now-before)*time.Millisecond, 100*float64(sum)/float64(asked)/most, 100*float64(worst)/most, 100*float64(peak)/most)
		if worst > most || peak > 2*most {
			b.Fatalf("%s: off by %d, %d used in one interval, of a limit of %d", name, worst, peak, most)
		}
	}
}
