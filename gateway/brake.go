package gateway

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

const (
	brakeRate  = 1000        // refusals a second that are answered without waiting
	brakeBurst = 200         // how many may come at once
	brakeLimit = time.Second // the longest wait; whoever would wait longer is answered at once
)

// brake slows those down who try one bad token after the other: beyond a rate their refusals wait, each in its own
// connection, so that a hundred of them cannot keep the processors from honest callers. What it holds is bounded by
// rate and wait. Many more connections than that are a matter for limits per address.
type brake struct{ limiter *rate.Limiter }

func newBrake() brake { return brake{rate.NewLimiter(brakeRate, brakeBurst)} }

// hold lets one refusal wait for its turn, as long as its caller is there.
func (b brake) hold(ctx context.Context) {
	turn := b.limiter.Reserve()
	wait := turn.Delay()
	switch {
	case wait == 0:
		return
	case wait > brakeLimit:
		turn.Cancel()
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
