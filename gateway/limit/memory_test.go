package limit_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"nexus/gateway/limit"
	"nexus/gateway/limit/limittest"
)

const (
	start  = int64(1_800_000_000_000) // a time at which a minute begins
	minute = int64(60_000)
)

// TestTheMemoryKeepsWhatEveryStorePromises.
func TestTheMemoryKeepsWhatEveryStorePromises(t *testing.T) {
	limittest.Run(t, func(t *testing.T) limit.Store { return limit.NewMemory(0, nil) })
}

// prompt is a line of tokens.
func prompt(client string, amount, most int64) limit.Charge {
	return limit.Charge{
		Key:    limit.Key{Kind: limit.Input, Client: client, Provider: "openai", Model: "gpt-4"},
		Amount: amount, Limit: most, Interval: minute,
	}
}

// pay pays for one line at a time, and gives its reading.
func pay(t testing.TB, m limit.Store, now int64, c limit.Charge) limit.Reading {
	t.Helper()
	var r limit.Receipt
	if err := m.Pay(t.Context(), &limit.Bill{Lines: []limit.Charge{c}, Candidates: 1, At: now}, &r); err != nil {
		t.Fatal(err)
	}
	return r.Readings[0]
}

// look is how a line stands at a time.
func look(t testing.TB, m limit.Store, now int64, c limit.Charge) limit.Reading {
	t.Helper()
	var r limit.Receipt
	if err := m.Pay(t.Context(), &limit.Bill{Lines: []limit.Charge{c}, Candidates: 1, At: now, Dry: true}, &r); err != nil {
		t.Fatal(err)
	}
	return r.Readings[0]
}

// TestAMillionClientsHoldLittleMemoryAndGiveItBack: 64 MiB at most while they come, and next to nothing once they are gone
// and a few have paid again.
func TestAMillionClientsHoldLittleMemoryAndGiveItBack(t *testing.T) {
	m := limit.NewMemory(0, nil)
	before := heap()
	most := int64(0)
	for i := range 1_000_000 {
		pay(t, m, start+int64(i)/100, prompt(fmt.Sprint("client ", i), 8, 1e6))
		if i%200_000 == 199_999 {
			most = max(most, heap()-before)
		}
	}
	if n := m.Len(); n < 95_000 || n > 100_100 {
		t.Errorf("%d counters are kept", n)
	}
	for i := range int64(70) { // one shard with each
		pay(t, m, start+10*minute+20*i, prompt("alice", 8, 1e6))
	}
	after := heap() - before
	t.Logf("grown by %d KiB, then by %d KiB, with %d counters", most>>10, after>>10, m.Len())
	if most > 64<<20 || after > 1<<20 || m.Len() != 1 {
		t.Error("that is too much")
	}
	runtime.KeepAlive(m)
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// TestAFloodOfNewClientsTakesNothingFromWhoIsActive: alice has used her budget, and 300,000 strangers later she still has.
func TestAFloodOfNewClientsTakesNothingFromWhoIsActive(t *testing.T) {
	m := limit.NewMemory(0, nil)
	alice := prompt("alice", 90, 100)
	if r := pay(t, m, start, alice); r.Taken != 90 {
		t.Fatalf("%+v", r)
	}
	for i := range 300_000 {
		pay(t, m, start+int64(i)/10, prompt(fmt.Sprint("stranger ", i), 1, 100))
	}
	if r := pay(t, m, start+30_000, alice); !r.Refused || r.Used != 90 {
		t.Errorf("alice after the flood: %+v", r)
	}
	if r := look(t, m, start+minute+30_000, alice); r.Used != 45 {
		t.Errorf("alice a minute later: %+v", r)
	}
	if r := pay(t, m, start+10*minute, prompt("stranger 299999", 1, 100)); r.Used != 1 {
		t.Errorf("a stranger when all is over: %+v", r)
	}
}

// TestSharedCountersNeverCountLess: with hardly any room, each of many keys has used at least what it has used, at every
// moment, whatever is given back or charged later.
func TestSharedCountersNeverCountLess(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	small, large := limit.NewMemory(1, nil), limit.NewMemory(1_000_000, nil)
	now, above := start, 0
	type owed struct {
		key   limit.Key
		at    int64
		taken int64
	}
	var open []owed
	for range 60_000 {
		now += random.Int64N(20)
		c := prompt(fmt.Sprint(random.IntN(3000)), random.Int64N(50), 1e9)
		if random.IntN(2) == 0 {
			c.Key.Kind, c.Interval = limit.Total, 10*minute
		}
		got, want := pay(t, small, now, c), pay(t, large, now, c)
		if got.Used < want.Used || got.Reset < want.Reset {
			t.Fatalf("%+v is %+v where it shares, %+v alone", c, got, want)
		}
		if got.Used > want.Used {
			above++
		}
		open = append(open, owed{c.Key, now, c.Amount})
		if random.IntN(3) > 0 {
			continue
		}
		last := open[len(open)-1]
		open = open[:len(open)-1]
		s := limit.Settlement{At: last.at, Corrections: []limit.Correction{{Key: last.key, Delta: random.Int64N(2*last.taken+1) - last.taken}}}
		for _, m := range []*limit.Memory{small, large} {
			if err := m.Settle(t.Context(), &s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if above == 0 {
		t.Error("nothing was shared")
	}
}

// TestAnIdleCounterMakesRoom: where all room is taken by what is over, a new key gets a counter of its own.
func TestAnIdleCounterMakesRoom(t *testing.T) {
	m := limit.NewMemory(1000, nil)
	for i := range 10_000 {
		pay(t, m, start, prompt(fmt.Sprint("old ", i), 5, 100))
	}
	full := m.Len()
	for i := range 500 {
		c := prompt(fmt.Sprint("new ", i), 5, 100)
		if r := pay(t, m, start+2*minute, c); r.Used != 5 {
			t.Fatalf("new client %d: %+v", i, r)
		}
	}
	if n := m.Len(); n > full || full > 1024 {
		t.Errorf("%d counters, %d after that", full, n)
	}
}

// TestWhatIsForgottenInAFloodStaysSo: where a key has got a counter of its own again, what the shared ones say of it is
// forgotten, too.
func TestWhatIsForgottenInAFloodStaysSo(t *testing.T) {
	m := limit.NewMemory(1, nil)
	for i := range 2000 {
		pay(t, m, start, prompt(fmt.Sprint(i), 5, 1000))
	}
	alice := prompt("alice", 5, 1000)
	alice.Interval = 10 * minute
	pay(t, m, start, alice)
	if r := pay(t, m, start+2*minute, alice); r.Used < 10 {
		t.Fatalf("what was paid in the flood is lost: %+v", r)
	}
	if err := m.Forget(t.Context(), []limit.Key{alice.Key}); err != nil {
		t.Fatal(err)
	}
	if r := look(t, m, start+2*minute, alice); r != (limit.Reading{}) {
		t.Fatalf("%+v", r)
	}
	if r := pay(t, m, start+2*minute, alice); r.Used != 5 {
		t.Fatalf("%+v", r)
	}
}

// TestOverLooksAndPaysNothing: it says what the next bill would, by the store's own clock, and makes no counter.
func TestOverLooksAndPaysNothing(t *testing.T) {
	now := time.UnixMilli(start)
	m := limit.NewMemory(0, func() time.Time { return now })
	line := prompt("alice", 60, 100)
	if retry, over := m.Over(&line); over || retry != 0 || m.Len() != 0 {
		t.Fatalf("over %t, retry %v, %d counters", over, retry, m.Len())
	}
	pay(t, m, 0, line)
	if retry, over := m.Over(&line); !over || retry != 79_001*time.Millisecond { // floor(60 * 40.999 / 60) is 40
		t.Fatalf("over %t, retry %v", over, retry)
	}
	retry, _ := m.Over(&line)
	if told := look(t, m, 0, line).Retry; told != retry {
		t.Errorf("the bill tells %v, over %v", told, retry)
	}
	now = now.Add(retry - time.Millisecond)
	if _, over := m.Over(&line); !over {
		t.Error("there is room a millisecond too early")
	}
	now = now.Add(time.Millisecond)
	if _, over := m.Over(&line); over {
		t.Error("there is no room after the wait")
	}
	place := limit.Charge{Key: limit.Key{Kind: limit.Concurrent, Client: "alice"}, Candidate: limit.Whichever, Amount: 1, Limit: 1}
	if _, over := m.Over(&place); over {
		t.Error("a slot is taken that nobody took")
	}
	pay(t, m, 0, place)
	if retry, over := m.Over(&place); !over || retry != 0 {
		t.Errorf("over %t, retry %v", over, retry)
	}
}

// TestWhatIsLearnedHoldsUnlessMoreIsKnown: a store that knows better tells what was used.
func TestWhatIsLearnedHoldsUnlessMoreIsKnown(t *testing.T) {
	m := limit.NewMemory(0, func() time.Time { return time.UnixMilli(start) })
	line := prompt("alice", 10, 100)
	index := start / minute
	used := func(now, want int64) {
		t.Helper()
		if r := look(t, m, now, line); r.Used != want {
			t.Fatalf("%+v", r)
		}
	}
	m.Learn(line.Key, minute, index, 70, 20)
	used(start, 90)
	used(start+30_000, 80)
	m.Learn(line.Key, minute, index, 50, 20)
	used(start, 70)
	m.Learn(line.Key, minute, index-1, 99, 0) // an answer that comes late
	used(start, 70)
	pay(t, m, start, line)
	used(start, 80)
	used(start+minute, 60)
	m.Learn(line.Key, minute, index+5, 1, 0)
	used(start+5*minute, 1)
}

// TestWhatIsLearnedIsBoundedAndGoesWhenItIsOver: also where nobody ever pays here.
func TestWhatIsLearnedIsBoundedAndGoesWhenItIsOver(t *testing.T) {
	now := time.UnixMilli(start)
	m := limit.NewMemory(1000, func() time.Time { return now })
	for i := range 5000 {
		m.Learn(prompt(fmt.Sprint(i), 1, 1).Key, minute, start/minute, 7, 0)
	}
	full := m.Len()
	if full < 900 || full > 1024 {
		t.Errorf("%d counters", full)
	}
	for range 70 {
		now = now.Add(2 * time.Minute)
		m.Learn(prompt("alice", 1, 1).Key, minute, now.UnixMilli()/minute, 7, 0)
	}
	if n := m.Len(); n != 1 {
		t.Errorf("%d counters of %d are left", n, full)
	}
}

// TestASharedCounterOfManyIntervalsCountsNobodyLess: it has no room for a fifth, and measures the shortest by the others.
func TestASharedCounterOfManyIntervalsCountsNobodyLess(t *testing.T) {
	m := limit.NewMemory(1, nil)
	for i := range 2000 {
		pay(t, m, start, prompt(fmt.Sprint(i), 1, 1000))
	}
	alice := prompt("alice", 5, 1000)
	for i, interval := range []int64{minute, 60 * minute, 10 * minute, 1440 * minute, 30 * minute, minute, 10 * minute} {
		alice.Interval = interval
		if r := pay(t, m, start, alice); r.Used < int64(5*(i+1)) {
			t.Fatalf("payment %d: %+v", i, r)
		}
	}
}

// TestSlotsOfACrowdAreGivenBackWhole: whatever order they come back in, nothing is left.
func TestSlotsOfACrowdAreGivenBackWhole(t *testing.T) {
	m := limit.NewMemory(0, nil)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			receipts := make([]limit.Receipt, 5000)
			lines := make([]limit.Charge, len(receipts))
			for i := range receipts {
				lines[i] = limit.Charge{Key: limit.Key{Kind: limit.Concurrent, Client: fmt.Sprint(i % 3000)}, Candidate: limit.Whichever, Amount: 1, Limit: 100}
				if err := m.Pay(t.Context(), &limit.Bill{Lines: lines[i : i+1]}, &receipts[i]); err != nil || receipts[i].Slot == 0 {
					t.Errorf("%v, %+v", err, receipts[i])
				}
			}
			for _, i := range rand.Perm(len(receipts)) {
				s := limit.Settlement{At: receipts[i].At, Slots: []limit.Key{lines[i].Key}, Slot: receipts[i].Slot}
				if err := m.Settle(t.Context(), &s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if n := m.Len(); n != 0 {
		t.Errorf("%d keys still hold slots", n)
	}
}
