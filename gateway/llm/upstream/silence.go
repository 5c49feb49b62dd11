package upstream

import (
	"sync"
	"sync/atomic"
	"time"
)

// silence watches how long a call waits for its provider, and ends the call when that is too long. Only the time counts in
// which somebody waits: a caller who reads slowly is not the provider's silence.
//
// A wait costs one look at the clock. The timer is not set anew for each: it looks by itself what is to be waited for.
type silence struct {
	began time.Time
	since atomic.Int64 // when the present wait began, in ns after began; 0: nobody waits; overdue: it was too long
	limit atomic.Int64 // of one wait, in ns
	step  int64        // the longest time between two looks: the shortest limit
	end   func()

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

const overdue = -1

// start begins the first wait. Later ones have another limit, and neither is overstepped.
func (s *silence) start(first, later time.Duration, end func()) {
	s.began, s.end, s.step = time.Now(), end, int64(min(first, later))
	s.since.Store(1)
	s.limit.Store(int64(first))
	s.mu.Lock() // for the timer, which may be faster than we are
	s.timer = time.AfterFunc(time.Duration(s.step), s.look)
	s.mu.Unlock()
}

// bound sets the limit of the waits to come.
func (s *silence) bound(limit time.Duration) { s.limit.Store(int64(limit)) }

// enter begins a wait.
func (s *silence) enter() { s.since.CompareAndSwap(0, max(1, int64(time.Since(s.began)))) }

// leave ends a wait, and reports whether it was too long.
func (s *silence) leave() bool { return s.since.Swap(0) == overdue }

// look ends the call if its wait is over the limit, and else looks again when it could be.
func (s *silence) look() {
	left := s.limit.Load()
	if since := s.since.Load(); since > 0 {
		left -= int64(time.Since(s.began)) - since
		if left <= 0 && s.since.CompareAndSwap(since, overdue) {
			s.end()
			return
		}
	}
	if left <= 0 {
		left = s.step // the answer came at this very moment
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.timer.Reset(time.Duration(min(left, s.step)))
	}
}

// stop ends the watch.
func (s *silence) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.timer.Stop()
}
