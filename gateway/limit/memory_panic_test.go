package limit_test

import (
	"context"
	"testing"
	"time"

	"nexus/gateway/limit"
)

// TestABugHoldsNobodyUp: a bill that no file can bring about ends in a panic, and the next one is taken like any other.
func TestABugHoldsNobodyUp(t *testing.T) {
	m := limit.NewMemory(0, nil)
	bad := limit.Charge{Key: limit.Key{Kind: limit.Kinds + 100, Client: "alice"}, Candidate: limit.Always, Amount: 1, Limit: 10, Interval: 1000}
	good := bad
	good.Key.Kind = limit.Requests
	pay := func(c limit.Charge) (thrown any) {
		defer func() { thrown = recover() }()
		_ = m.Pay(context.Background(), &limit.Bill{Lines: []limit.Charge{c, {Key: limit.Key{Kind: limit.Requests}, Candidate: limit.Always, Amount: 1, Limit: 10, Interval: 1000}}}, new(limit.Receipt))
		return nil
	}
	if pay(bad) == nil {
		t.Skip("it is no bug")
	}
	done := make(chan any)
	go func() { done <- pay(good) }()
	select {
	case thrown := <-done:
		if thrown != nil {
			t.Errorf("the next one ends in %v", thrown)
		}
	case <-time.After(5 * time.Second):
		t.Error("the next one waits for ever")
	}
}
