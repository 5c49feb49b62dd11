package limit_test

import (
	"math/rand/v2"
	"testing"

	"nexus/gateway/limit"
)

// TestWhatIsUsedFallsWithTheWindowBefore: it counts by how much of it the interval still covers, cut to whole tokens.
func TestWhatIsUsedFallsWithTheWindowBefore(t *testing.T) {
	const minute = 60_000
	for _, c := range []struct{ index, cur, prev, interval, now, want int64 }{
		{10, 0, 0, minute, 10 * minute, 0},
		{10, 7, 0, minute, 10*minute + 59_999, 7},
		{10, 7, 100, minute, 10 * minute, 107},
		{10, 7, 100, minute, 10*minute + 1, 106}, // 99.998
		{10, 7, 100, minute, 10*minute + 30_000, 57},
		{10, 7, 100, minute, 10*minute + 59_999, 7},
		{10, 7, 100, minute, 11 * minute, 7},
		{10, 7, 100, minute, 11*minute + 30_000, 3}, // 3.5
		{10, 7, 100, minute, 12 * minute, 0},
		{10, 7, 100, minute, 99 * minute, 0},
		{10, 7, 100, minute, 9 * minute, 107}, // a clock that went back
		{10, 7, 100, minute, 0, 107},
		{5, 3, 8, 1, 5, 11},
		{5, 3, 8, 1, 6, 3},
		{5, 3, 8, 1, 7, 0},
		{3, 0, 1e15, 86_400_000, 3*86_400_000 + 43_200_000, 5e14},
		{1, 1, 1e15, 31_536_000_000, 31_536_000_000, 1e15 + 1},
	} {
		if got := limit.Used(c.index, c.cur, c.prev, c.interval, c.now); got != c.want {
			t.Errorf("%+v: %d are used", c, got)
		}
	}
}

// TestTheWaitIsExact: after it no more than that is used, a millisecond sooner more is, whatever the numbers.
func TestTheWaitIsExact(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200_000 {
		interval := 1 + random.Int64N(1<<(1+random.IntN(34)))
		index := random.Int64N(1000)
		cur, prev := random.Int64N(1<<random.IntN(40)), random.Int64N(1<<random.IntN(40))
		now, left := (index-1)*interval+random.Int64N(4*interval), random.Int64N(1<<random.IntN(40))-1
		used := func(now int64) int64 { return limit.Used(index, cur, prev, interval, now) }
		wait := limit.Wait(index, cur, prev, interval, now, left)
		switch {
		case left < 0 || used(now) <= left:
			if wait != 0 {
				t.Fatalf("index %d, %d and %d in %d at %d: waits %d for %d", index, cur, prev, interval, now, wait, left)
			}
		case wait <= 0 || used(now+wait) > left || used(now+wait-1) <= left:
			t.Fatalf("index %d, %d and %d in %d at %d: waits %d for %d", index, cur, prev, interval, now, wait, left)
		}
		if empties := limit.Empties(index, cur, prev, interval, now); used(now+empties) != 0 || empties > max(0, (index+2)*interval-now) {
			t.Fatalf("index %d, %d and %d in %d at %d: is empty in %d", index, cur, prev, interval, now, empties)
		}
	}
}

// TestALineTakesWhatThereIsRoomFor.
func TestALineTakesWhatThereIsRoomFor(t *testing.T) {
	for _, c := range []struct {
		amount, reserve, limit, used int64
		observe                      bool
		takes                        int64
		room                         bool
	}{
		{amount: 8, limit: 100, used: 92, takes: 8, room: true},
		{amount: 8, limit: 100, used: 93, takes: 8},
		{amount: 0, limit: 100, used: 99, takes: 0, room: true},
		{amount: 0, limit: 100, used: 100},
		{amount: 0, limit: 100, used: 900},
		{amount: 10, reserve: 50, limit: 100, used: 20, takes: 60, room: true},
		{amount: 10, reserve: 50, limit: 100, used: 70, takes: 30, room: true},
		{amount: 10, reserve: 50, limit: 100, used: 90, takes: 10, room: true},
		{amount: 10, reserve: 50, limit: 100, used: 99, observe: true, takes: 60},
		{amount: 101, limit: 100, takes: 101},
	} {
		line := limit.Charge{Amount: c.amount, Reserve: c.reserve, Limit: c.limit, Observe: c.observe}
		if takes, room := limit.Takes(&line, c.used); takes != c.takes || room != c.room {
			t.Errorf("%+v: takes %d, room %t", c, takes, room)
		}
	}
}
