package gateway_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nexus/gateway"
)

// TestRefusalsOfBadTokensAreSlowedDown sends more of them than a caller with a reason would, from many connections.
func TestRefusalsOfBadTokensAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold, began := gateway.Brake(), time.Now()
		for range 200 {
			hold(t.Context())
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the first 200 waited %v", took)
		}
		var forgers sync.WaitGroup
		for range 100 {
			forgers.Go(func() {
				for range 100 {
					hold(t.Context())
				}
			})
		}
		forgers.Wait()
		if took := time.Since(began); took < 9900*time.Millisecond || took > 10100*time.Millisecond {
			t.Errorf("10,000 refusals took %v", took)
		}
	})
}

func TestNobodyWaitsLongForARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold, began := gateway.Brake(), time.Now()
		var forgers sync.WaitGroup
		for range 50_000 {
			forgers.Go(func() { hold(t.Context()) })
		}
		forgers.Wait()
		if took := time.Since(began); took > 1100*time.Millisecond {
			t.Errorf("50,000 at once waited %v", took)
		}
	})
}

// TestManyForgersAreSlowedDownToo has more of them than there are turns in the longest wait, and then fewer again.
func TestManyForgersAreSlowedDownToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := gateway.Brake()
		flood := func(forgers int, length time.Duration) (refusals int64) {
			ctx, stop := context.WithTimeout(t.Context(), length)
			defer stop()
			var wait sync.WaitGroup
			var count atomic.Int64
			for range forgers {
				wait.Go(func() {
					for hold(ctx); ctx.Err() == nil; hold(ctx) {
						count.Add(1)
					}
				})
			}
			wait.Wait()
			return count.Load()
		}
		if n := flood(3000, 10*time.Second); n > 45_000 {
			t.Errorf("3,000 forgers got %d refusals in 10 s", n)
		}
		if n := flood(100, 10*time.Second); n > 11_000 {
			t.Errorf("after them, 100 got %d refusals in 10 s", n)
		}
	})
}

func TestACallerWhoLeavesWaitsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := gateway.Brake()
		gone, leave := context.WithCancel(t.Context())
		for range 200 {
			hold(gone)
		}
		leave()
		began := time.Now()
		for range 500 {
			hold(gone)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("who has left waited %v", took)
		}
	})
}
