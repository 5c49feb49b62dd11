package limit

import (
	"sync"
	"sync/atomic"
	"time"
)

// breaker knows whether a server is there. Calls tell it how they went; while it is open nobody calls.
type breaker struct {
	open      atomic.Bool
	failing   atomic.Int32  // failures in a row
	successes atomic.Uint64 // of all calls

	failures atomic.Uint64 // of all calls
	rescued  atomic.Uint64 // bills that the memory has taken

	mu    sync.Mutex
	why   string
	since time.Time
	taken uint64 // what rescued was when it opened
}

// maxFailing is how many failures in a row open the breaker.
const maxFailing = 5

// succeeded notes a call that went well.
func (b *breaker) succeeded() {
	b.successes.Add(1)
	if b.failing.Load() != 0 {
		b.failing.Store(0)
	}
}

// failed notes a call that failed, and reports whether the breaker opens. Before is how many calls had gone well when the
// call began. At once: another call would fail like this one, unless one has gone well since.
func (b *breaker) failed(before uint64, atOnce bool, why string) bool {
	b.failures.Add(1)
	if b.failing.Add(1) < maxFailing && !(atOnce && b.successes.Load() == before) {
		return false
	}
	return b.trip(why)
}

// trip opens the breaker, and reports whether it was closed.
func (b *breaker) trip(why string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.why = why
	if b.open.Load() && !b.since.IsZero() {
		return false
	}
	b.since, b.taken = time.Now(), b.rescued.Load()
	b.open.Store(true)
	return true
}

// reset closes the breaker, and tells for how long it was open and how many bills the memory has taken meanwhile. It was
// not, if it only was open because nobody had called yet.
func (b *breaker) reset() (lasted time.Duration, rescued uint64, was bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if was = !b.since.IsZero(); was {
		lasted, rescued = time.Since(b.since), b.rescued.Load()-b.taken
	}
	b.why, b.since = "", time.Time{}
	b.failing.Store(0)
	b.open.Store(false)
	return lasted, rescued, was
}

// health is what can be told. A server that was not called yet is not out.
func (b *breaker) health() Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Health{
		Out: !b.since.IsZero(), Why: b.why, Since: b.since,
		Failures: b.failures.Load(), Rescued: b.rescued.Load(),
	}
}
