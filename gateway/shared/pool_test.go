package shared_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"nexus/gateway/shared"
)

// wire stands for a connection: what it is made by shapes it.
type wire struct {
	address string
	closed  atomic.Int32
}

type wireSettings struct{ address string }

type cacheSettings struct{ address string }

// wires opens wires and counts them.
type wires struct{ opened atomic.Int32 }

func (w *wires) open(s wireSettings) (*wire, func()) {
	w.opened.Add(1)
	made := &wire{address: s.address}
	return made, func() { made.closed.Add(1) }
}

func TestWhoAsksWithEqualSettingsGetsTheSame(t *testing.T) {
	var pool shared.Pool
	var w wires
	first, giveFirst := shared.Borrow(&pool, wireSettings{"a"}, w.open)
	second, giveSecond := shared.Borrow(&pool, wireSettings{"a"}, w.open)
	other, giveOther := shared.Borrow(&pool, wireSettings{"b"}, w.open)
	if first != second || first == other || w.opened.Load() != 2 || pool.Len() != 2 {
		t.Fatalf("%d opened, %d held", w.opened.Load(), pool.Len())
	}
	giveFirst()
	giveFirst()
	if first.closed.Load() != 0 {
		t.Fatal("closed while somebody holds it")
	}
	giveSecond()
	if first.closed.Load() != 1 || other.closed.Load() != 0 || pool.Len() != 1 {
		t.Errorf("closed %d times, the other %d, %d held", first.closed.Load(), other.closed.Load(), pool.Len())
	}
	again, giveAgain := shared.Borrow(&pool, wireSettings{"a"}, w.open)
	if again == first || again.address != "a" {
		t.Error("a closed one is handed out")
	}
	giveAgain()
	giveOther()
	if pool.Len() != 0 || w.opened.Load() != 3 {
		t.Errorf("%d opened, %d held at the end", w.opened.Load(), pool.Len())
	}
}

func TestKindsWithEqualSettingsDoNotMeet(t *testing.T) {
	var pool shared.Pool
	var w wires
	one, giveOne := shared.Borrow(&pool, wireSettings{"a"}, w.open)
	defer giveOne()
	text, giveText := shared.Borrow(&pool, cacheSettings{"a"}, func(cacheSettings) (string, func()) { return "cache", nil })
	if one == nil || text != "cache" || pool.Len() != 2 {
		t.Errorf("%v and %q, %d held", one, text, pool.Len())
	}
	giveText()
	if pool.Len() != 1 {
		t.Errorf("%d held", pool.Len())
	}
}

// TestASlowOpeningHoldsUpNobodyElse has one resource that takes its time: who wants the same waits and shares it,
// who wants another does not wait, and the pool opens it once.
func TestASlowOpeningHoldsUpNobodyElse(t *testing.T) {
	var pool shared.Pool
	var w wires
	begun, gate := make(chan struct{}), make(chan struct{})
	slow := func(s wireSettings) (*wire, func()) {
		close(begun)
		<-gate
		return w.open(s)
	}
	var got [4]*wire
	var wait sync.WaitGroup
	for i := range got {
		wait.Go(func() { got[i], _ = shared.Borrow(&pool, wireSettings{"slow"}, slow) })
	}
	<-begun
	quick, giveQuick := shared.Borrow(&pool, wireSettings{"quick"}, w.open)
	if quick.address != "quick" {
		t.Error("the other was not opened")
	}
	giveQuick()
	close(gate)
	wait.Wait()
	for _, one := range got {
		if one != got[0] || one.address != "slow" {
			t.Errorf("got %p, want %p", one, got[0])
		}
	}
	if w.opened.Load() != 2 {
		t.Errorf("%d opened", w.opened.Load())
	}
}

func TestAnOpeningThatPanicsIsTriedAgain(t *testing.T) {
	var pool shared.Pool
	var w wires
	thrown := func() (v any) {
		defer func() { v = recover() }()
		shared.Borrow(&pool, wireSettings{"a"}, func(wireSettings) (*wire, func()) { panic("boom") })
		return nil
	}()
	if thrown != "boom" || pool.Len() != 0 {
		t.Errorf("thrown: %v, %d held", thrown, pool.Len())
	}
	again, giveBack := shared.Borrow(&pool, wireSettings{"a"}, w.open)
	if again == nil || pool.Len() != 1 {
		t.Errorf("the next one gets %v, %d held", again, pool.Len())
	}
	giveBack()
}

// TestManyHoldersLeaveNothing borrows and gives back from many goroutines: nobody ever holds a closed resource, and
// what was opened is closed once.
func TestManyHoldersLeaveNothing(t *testing.T) {
	var pool shared.Pool
	var mu sync.Mutex
	var all []*wire
	open := func(s wireSettings) (*wire, func()) {
		made := &wire{address: s.address}
		mu.Lock()
		all = append(all, made)
		mu.Unlock()
		return made, func() { made.closed.Add(1) }
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i := range 5_000 {
				one, giveBack := shared.Borrow(&pool, wireSettings{string(rune('a' + i%3))}, open)
				if one.closed.Load() != 0 {
					t.Error("a closed resource was handed out")
				}
				giveBack()
			}
		})
	}
	wait.Wait()
	for _, one := range all {
		if n := one.closed.Load(); n != 1 {
			t.Errorf("closed %d times", n)
		}
	}
	if pool.Len() != 0 || len(all) < 3 {
		t.Errorf("%d held, %d were opened", pool.Len(), len(all))
	}
}
