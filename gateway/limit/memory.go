package limit

import (
	"context"
	"math/bits"
	"sync/atomic"
	"time"
)

// defaultRoom is how many live counters a store has room for where nobody says.
const defaultRoom = 100_000

// Memory is a Store in this process. It is bounded: a counter that says nothing any more makes room, one that still does
// never has to. While live counters fill all the room, further keys share counters, in tables of a fixed size. Such a
// newcomer may find used what others have used, never less than it has used itself: while ids are invented faster than
// their intervals end, strangers may be refused, but nobody gains an allowance and whoever was here before keeps a counter
// of its own. The shared counters go when nothing that they have counted counts any more.
type Memory struct {
	clock  func() time.Time
	hasher hasher
	shards [shardCount]shard

	slot    atomic.Uint64 // the last that was given out
	sweepAt atomic.Int64  // when the next shard is swept
	hand    atomic.Uint32 // which one that was
}

// NewMemory makes an empty store with room for about that many live counters; 0: 100,000. Clock gives the time; nil: the
// system's.
func NewMemory(room int, clock func() time.Time) *Memory {
	if room <= 0 {
		room = defaultRoom
	}
	if clock == nil {
		clock = time.Now
	}
	m := &Memory{clock: clock, hasher: newHasher()}
	for i := range m.shards {
		m.shards[i].room = max(1, (room+shardCount-1)/shardCount)
	}
	return m
}

func (m *Memory) now() int64 { return m.clock().UnixMilli() }

// Pay is [Store.Pay]. The error is always nil.
func (m *Memory) Pay(_ context.Context, b *Bill, r *Receipt) error {
	now := b.At
	if now == 0 {
		now = m.now()
	}
	*r = Receipt{Candidate: -1, Refused: -1, Readings: r.Readings, At: now}
	if cap(r.Readings) < len(b.Lines) {
		r.Readings = make([]Reading, len(b.Lines))
	}
	r.Readings = r.Readings[:len(b.Lines)]

	var few [16]place
	p := payment{m: m, b: b, r: r, now: now, places: few[:]}
	if len(b.Lines) > len(few) {
		p.places = make([]place, len(b.Lines))
	}
	p.take(m.hasher.places(b.Lines, p.places))
	m.sweep(now)
	return nil
}

// Settle is [Store.Settle]. The error is always nil.
func (m *Memory) Settle(_ context.Context, s *Settlement) error {
	m.settle(s, m.now())
	return nil
}

// settle is Settle at a time, but not before what it settles was paid.
func (m *Memory) settle(s *Settlement, now int64) {
	now = max(now, s.At)
	var few [16]hash
	hashes := few[:]
	if n := len(s.Corrections) + len(s.Slots); n > len(few) {
		hashes = make([]hash, n)
	}
	held := m.hasher.settled(s, hashes)
	m.lock(held)
	defer m.unlock(held) // also where a bug ends this: nobody else waits for ever
	for i := range s.Corrections {
		if c := &s.Corrections[i]; c.Delta != 0 && c.Key.Kind != Concurrent {
			m.shard(hashes[i]).correct(hashes[i], c, s.At, now)
		}
	}
	for i := range s.Slots {
		h := hashes[len(s.Corrections)+i]
		m.shard(h).slots.giveBack(h, s.Slot)
	}
}

// Forget is [Store.Forget]. The error is always nil. Of a key that shares its counters nothing can be forgotten.
func (m *Memory) Forget(_ context.Context, keys []Key) error {
	for i := range keys {
		if keys[i].Kind == Concurrent {
			continue
		}
		h := m.hasher.hash(&keys[i])
		s := m.shard(h)
		s.mu.Lock()
		s.forget(h, keys[i].Kind)
		s.mu.Unlock()
	}
	return nil
}

// Len is how many counters are kept, those not counted that are shared.
func (m *Memory) Len() int {
	n := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += len(s.records) + len(s.slots.held)
		s.mu.Unlock()
	}
	return n
}

// Over tells whether the counter has no room for amount, by what it knows already: it pays nothing and makes no counter. Retry is
// how long it takes until there is room; 0: it never will be, or nobody can know.
func (m *Memory) Over(c *Charge) (retry time.Duration, over bool) { return m.over(c, m.now()) }

// over is Over at a time.
func (m *Memory) over(c *Charge, now int64) (retry time.Duration, over bool) {
	h := m.hasher.hash(&c.Key)
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Key.Kind == Concurrent {
		return 0, !hasRoom(c, s.slots.count(h))
	}
	spans := s.look(s.find(h), h, &c.Key, c.Interval, now)
	if hasRoom(c, usedOf(spans, c.Interval, now)) {
		return 0, false
	}
	return waitOf(spans, c, now), true
}

// learn sets the window of a counter to what somebody else has counted who knows better, if there is room for a counter
// of its own. Now is the time by the clock of that somebody.
func (m *Memory) learn(k Key, interval int64, w window, now int64) {
	h := m.hasher.hash(&k)
	s := m.shard(h)
	s.mu.Lock()
	s.makeRoom(now)
	if r := s.own(h, k.Kind, max(now, w.index*interval)); r != nil {
		r.learn(interval, w)
	}
	s.mu.Unlock()
	m.sweep(now)
}

func (m *Memory) shard(h hash) *shard { return &m.shards[h.shard()] }

// lock takes the shards whose bits are set, in the order of all, so that no two bills wait for each other.
func (m *Memory) lock(set uint64) {
	for ; set != 0; set &= set - 1 {
		m.shards[bits.TrailingZeros64(set)].mu.Lock()
	}
}

func (m *Memory) unlock(set uint64) {
	for ; set != 0; set &= set - 1 {
		m.shards[bits.TrailingZeros64(set)].mu.Unlock()
	}
}

// sweepEvery is how many milliseconds pass between two shards that are swept.
const sweepEvery = 10

// sweep lets one shard drop what is idle, if it is time for one: whoever pays does so, and the memory of a flood goes
// back with the next few requests, whoever makes them.
func (m *Memory) sweep(now int64) {
	due := m.sweepAt.Load()
	if now < due && now >= due-sweepEvery || !m.sweepAt.CompareAndSwap(due, now+sweepEvery) {
		return
	}
	s := &m.shards[m.hand.Add(1)%shardCount]
	s.mu.Lock()
	s.hand = 0 // what moves up while it goes comes from where it has not been
	s.sweep(len(s.records), now)
	s.mu.Unlock()
}
