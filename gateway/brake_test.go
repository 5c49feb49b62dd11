package gateway_test

import (
	"context"
	"sync"
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
