package jwks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	defaultPoll     = 5 * time.Minute
	defaultMaxStale = 24 * time.Hour
	// missPause is the least time between two fetches for unknown keys. Anybody can make up a key id, so what such a
	// fetch costs the issuer must not depend on how many do.
	missPause = 10 * time.Second
)

// retries are the pauses after the first failed fetch, the second, and so on; the last one stays.
var retries = [...]time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}

// Settings are what shapes [Keys]: those with equal ones may be shared.
type Settings struct {
	URL      string
	Poll     time.Duration // how often the set is fetched anew; 0: 5 minutes
	MaxStale time.Duration // how long the last good set serves; 0: 24 hours
}

// Keys is the key set of one issuer, kept fresh. It may be used by many goroutines. The zero Keys never has a set.
type Keys struct {
	maxStale time.Duration // 0: the set never gets too old
	poll     time.Duration
	log      *slog.Logger
	fetch    func(context.Context) (*Set, error)

	now    atomic.Pointer[state]
	missed chan struct{} // holds at most one: somebody asked for an unknown key
	// turn is there while the next who misses a key sets off a fetch, and while that runs; it is closed when it has ended.
	turn   atomic.Pointer[chan struct{}]
	loaded chan struct{} // closed once there was a set
	done   chan struct{} // closed when nothing is fetched any more
	told   map[string]bool
}

// state is all that a fetch changes. It is never written once it is stored.
type state struct {
	Status
	set *Set
}

// Status is how the keys are.
type Status struct {
	Count     int       // usable keys of the last good set
	FetchedAt time.Time // the last successful fetch; zero: none
	NextAt    time.Time // when the next fetch is due; zero: none is
	Error     string    // why the last fetch failed, without a secret; empty: it did not
	ErrorAt   time.Time // when it failed; zero: it did not
}

// Open begins to fetch, and gives the function that ends it: it gives up a fetch that is running, and returns when nothing
// runs any more. Open itself returns at once.
func Open(settings Settings, logger *slog.Logger) (*Keys, func()) {
	return OpenFrom(nil, settings, logger)
}

// OpenFrom is [Open] for keys from the same place as others, whose last good set serves until there is a newer one. Nil: there
// are no others.
func OpenFrom(others *Keys, settings Settings, logger *slog.Logger) (*Keys, func()) {
	return open(others, settings, logger, newFetcher(settings.URL, fetchTimeout).fetch)
}

func open(others *Keys, settings Settings, logger *slog.Logger, fetch func(context.Context) (*Set, error)) (*Keys, func()) {
	k := &Keys{
		maxStale: settings.MaxStale,
		poll:     settings.Poll,
		log:      logger,
		fetch:    guarded(fetch, logger),
		missed:   make(chan struct{}, 1),
		loaded:   make(chan struct{}),
		done:     make(chan struct{}),
		told:     make(map[string]bool),
	}
	if k.maxStale <= 0 {
		k.maxStale = defaultMaxStale
	}
	if k.poll <= 0 {
		k.poll = defaultPoll
	}
	k.now.Store(&state{Status: Status{NextAt: time.Now()}})
	if others != nil {
		k.inherit(others.now.Load())
	}
	ctx, cancel := context.WithCancel(context.Background())
	go k.run(ctx)
	return k, func() {
		cancel()
		<-k.done
	}
}

// errBug is a fetch that a bug has ended.
var errBug = errors.New("nexus has a bug, which the log tells of")

// guarded is a fetch that fails where it would panic: what an issuer answers must not end the process. Of what was thrown
// only the type is told, since it may hold anything.
func guarded(fetch func(context.Context) (*Set, error), log *slog.Logger) func(context.Context) (*Set, error) {
	return func(ctx context.Context) (set *Set, err error) {
		defer func() {
			if thrown := recover(); thrown != nil {
				log.Error("fetching the key set panicked", "type", fmt.Sprintf("%T", thrown), "stack", string(debug.Stack()))
				set, err = nil, errBug
			}
		}()
		return fetch(ctx)
	}
}

// inherit begins with what others have, with its age.
func (k *Keys) inherit(s *state) {
	if s == nil || s.set == nil {
		return
	}
	inherited := *s
	inherited.NextAt = time.Now()
	k.now.Store(&inherited)
	k.offer() // the first fetch is on its way, and may bring what is missed
	if k.Current(time.Now()) != nil {
		k.nowLoaded()
	}
}

// nowLoaded tells that there is a set, once.
func (k *Keys) nowLoaded() {
	select {
	case <-k.loaded:
	default:
		close(k.loaded)
	}
}

// Fixed are keys that are never fetched and never too old.
func Fixed(set *Set) *Keys {
	k := &Keys{loaded: make(chan struct{})}
	k.now.Store(&state{Status: Status{Count: len(set.ids)}, set: set})
	close(k.loaded)
	return k
}

// Failed are keys that could not be fetched, and never will be: Current gives nil, and Status says why.
func Failed(err error) *Keys {
	k := &Keys{loaded: make(chan struct{})}
	k.now.Store(&state{Status: Status{Error: err.Error(), ErrorAt: time.Now()}})
	return k
}

// Current is the set that serves now; nil while none could ever be fetched, or the last one is too old.
// Equal pointers are equal sets: a fetch that brings the same keys keeps the set.
//
// The age of a set is told by the monotonic clock wherever now is from [time.Now]: a wall clock that is corrected by a
// day takes no service away, and one that is set back keeps no withdrawn key alive. While the machine sleeps, that clock
// stands still, and so do the polls; the next one settles it.
func (k *Keys) Current(now time.Time) *Set {
	s := k.now.Load()
	if s == nil || s.set == nil || k.maxStale > 0 && now.Sub(s.FetchedAt) > k.maxStale {
		return nil
	}
	return s.set
}

// Missed tells that a token's key may be none of the set but a new one: its key id is unknown, or it has none and its
// signature holds for no key. Never waits.
//
// The issuer is asked at most once in 10 s for this reason. What is asked within them is not kept: a stray token must not spend
// the fetch that a real rotation needs afterwards, and the tokens of that one keep coming. While there was never a set, the
// fetches are due anyway and nothing is added.
//
// The channel is closed when the fetch has ended that this has set off, or found running; nil where it set off none.
func (k *Keys) Missed() <-chan struct{} {
	turn := k.turn.Load()
	if turn == nil {
		return nil
	}
	k.mark()
	return *turn
}

// mark leaves word that a key was missed.
func (k *Keys) mark() {
	select {
	case k.missed <- struct{}{}:
	default: // somebody has told already
	}
}

// offer begins a turn, unless there is one.
func (k *Keys) offer() {
	if k.turn.Load() == nil {
		turn := make(chan struct{})
		k.turn.Store(&turn)
	}
}

// release ends the turn, if there is one.
func (k *Keys) release() {
	if turn := k.turn.Swap(nil); turn != nil {
		close(*turn)
	}
}

// Loaded is closed once there was a set that was not too old.
func (k *Keys) Loaded() <-chan struct{} { return k.loaded }

// Status may be asked at any time.
func (k *Keys) Status() Status {
	s := k.now.Load()
	if s == nil {
		return Status{}
	}
	return s.Status
}

// run fetches until ctx ends: when the schedule says so, and for unknown keys.
func (k *Keys) run(ctx context.Context) {
	defer close(k.done)
	defer k.release()
	failures := 0
	var allowed time.Time // when the next fetch for an unknown key may start
	for k.tryScheduled(ctx, &failures) {
		for k.await(ctx, allowed) {
			allowed = time.Now().Add(missPause)
			if k.tryUnknown(ctx) {
				failures = 0
			}
			k.forget() // whoever missed a key meanwhile has waited for this
			k.release()
		}
	}
}

// await waits for the next scheduled fetch, or until one for an unknown key was asked for and is allowed: then it is true.
func (k *Keys) await(ctx context.Context, allowed time.Time) (unknown bool) {
	due := time.NewTimer(time.Until(k.now.Load().NextAt))
	defer due.Stop()
	if k.now.Load().set == nil {
		select {
		case <-ctx.Done():
		case <-due.C:
		}
		return false
	}
	pause := time.NewTimer(time.Until(allowed))
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-due.C:
		return false
	case <-pause.C:
	}
	k.offer()
	select {
	case <-ctx.Done():
		return false
	case <-due.C:
		return false
	case <-k.missed:
		return true
	}
}

// tryScheduled fetches because it is time to. It is false once ctx has ended.
func (k *Keys) tryScheduled(ctx context.Context, failures *int) (open bool) {
	if ctx.Err() != nil {
		return false
	}
	first, asked := k.now.Load().set == nil, k.forget()
	set, err := k.fetch(ctx)
	if ctx.Err() != nil {
		return false
	}
	if err == nil {
		*failures = 0
		k.take(set)
		k.forget()
		k.release()
		return true
	}
	pause := retries[min(*failures, len(retries)-1)]
	*failures++
	if !first {
		pause = min(pause, k.poll)
		if asked {
			k.mark() // this fetch would have done, had it been one
		}
	}
	k.fail(err, time.Now().Add(pause))
	return true
}

// tryUnknown fetches because a key is unknown. When that fails, the schedule stays as it is: whoever makes up key ids
// must not have a say in it.
func (k *Keys) tryUnknown(ctx context.Context) (fetched bool) {
	if ctx.Err() != nil {
		return false
	}
	set, err := k.fetch(ctx)
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil:
		k.fail(err, k.now.Load().NextAt)
		return false
	}
	k.take(set)
	return true
}

// forget takes back that a key was missed, and reports whether one was.
func (k *Keys) forget() bool {
	select {
	case <-k.missed:
		return true
	default:
		return false
	}
}

// take has a set serve. One with the same keys as the last keeps that one: verified tokens are remembered with the set that
// has verified them.
func (k *Keys) take(set *Set) {
	last := k.now.Load().set
	k.tellDropped(set)
	if set.equal(last) {
		set = last
	} else {
		k.log.Info("key set loaded", "keys", len(set.ids), "dropped", set.left)
	}
	now := time.Now()
	// Gateways that were started together should not ask together: 95 to 105 % of the interval.
	pause := time.Duration(float64(k.poll) * (0.95 + 0.1*rand.Float64()))
	k.now.Store(&state{Status: Status{Count: len(set.ids), FetchedAt: now, NextAt: now.Add(pause)}, set: set})
	k.nowLoaded()
}

// fail notes why a fetch brought nothing. The last good set stays.
func (k *Keys) fail(err error, next time.Time) {
	s := *k.now.Load()
	s.Error, s.ErrorAt, s.NextAt = err.Error(), time.Now(), next
	k.now.Store(&s)
	k.log.Warn("key set not fetched", "err", s.Error, "keys", s.Count, "next_at", next)
}

// maxFindings bounds how many different findings about sets are remembered as told.
const maxFindings = 64

// tellDropped warns of what is wrong with a set, once for as long as it stays the same.
func (k *Keys) tellDropped(set *Set) {
	if set.left > 0 && k.news(tell(set.dropped, set.left, maxNotes)) {
		k.log.Warn("keys of the set left out", "dropped", set.left, "why", tell(set.dropped, set.left, maxTold))
	}
	for _, warning := range set.warnings {
		if k.news(warning) {
			k.log.Warn("the issuer publishes a private key: it must be withdrawn", "what", warning)
		}
	}
}

// news reports whether a text was not told before.
func (k *Keys) news(text string) bool {
	if k.told[text] {
		return false
	}
	if len(k.told) >= maxFindings {
		clear(k.told)
	}
	k.told[text] = true
	return true
}
