package gateway

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

const (
	brakeRate  = 1000        // refusals a second that are answered without waiting
	brakeBurst = 200         // how many may come at once
	brakeLimit = time.Second // the longest wait
)

// brake slows those down who try one bad token after the other: beyond a rate their refusals wait, each in its own
// connection, so that a hundred of them cannot keep the processors from honest callers. With more of them than there are
// turns in the longest wait, each waits just as long. As many wait as there are connections, and those have a bound.
type brake struct{ limiter *rate.Limiter }

func newBrake() brake { return brake{rate.NewLimiter(brakeRate, brakeBurst)} }

// hold lets one refusal wait for its turn, as long as its caller is there.
func (b brake) hold(ctx context.Context) {
	wait := brakeLimit
	if now := time.Now(); b.limiter.TokensAt(now) > -brakeRate*brakeLimit.Seconds() {
		wait = min(wait, b.limiter.ReserveN(now, 1).DelayFrom(now))
	}
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
