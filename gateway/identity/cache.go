package identity

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"nexus/gateway/identity/jwks"
)

const (
	shardCount  = 16
	maxAccepted = 28 << 20 / shardCount // bytes of accepted tokens in one shard
	maxRefused  = 4 << 20 / shardCount  // bytes of refused ones: a flood of forgeries pushes out nothing but forgeries
)

// cache remembers the verdicts on whole tokens, in 32 MiB at most. It belongs to one key set: whoever asks for another
// finds it empty. The zero cache is ready to be used.
type cache struct {
	current atomic.Pointer[verdicts]
}

// verdicts are those that one key set has led to.
type verdicts struct {
	set    *jwks.Set
	seed   maphash.Seed
	shards [shardCount]shard
}

// shard is a part of the verdicts, by the hash of the token. Nobody sweeps: an entry goes when a newer one needs its
// room, those that have run out and those that nobody asked for first.
type shard struct {
	mu       sync.RWMutex
	entries  map[uint64]*entry
	accepted queue
	refused  queue
}

// entry is one token with its verdict.
type entry struct {
	*verdict
	token string
	hash  uint64
	size  int
	asked atomic.Bool // since the hand came by

	queue      *queue
	prev, next *entry // towards the newer and the older one
}

// queue is entries from the newest to the oldest, in bounded room.
type queue struct {
	newest, oldest *entry
	hand           *entry // where the search for what may go resumes; nil: at the oldest
	size           int
}

// find gives the verdict on a token, or nil. Without keys nothing is known any more.
func (c *cache) find(set *jwks.Set, token string, now time.Time) *verdict {
	v := c.current.Load()
	if v == nil {
		return nil
	}
	if v.set != set {
		c.current.CompareAndSwap(v, nil) // the keys have changed, and with them every verdict
		return nil
	}
	hash := maphash.String(v.seed, token)
	s := &v.shards[hash%shardCount]
	s.mu.RLock()
	e := s.entries[hash]
	s.mu.RUnlock()
	if e == nil || e.token != token || !e.stands(now) {
		return nil
	}
	if !e.asked.Load() { // the line in the processor's cache stays shared among those who only read
		e.asked.Store(true)
	}
	return e.verdict
}

// add remembers a verdict that came of this key set.
func (c *cache) add(set *jwks.Set, token string, found *verdict, now time.Time) {
	if set == nil {
		return
	}
	v := c.current.Load()
	if v == nil || v.set != set {
		fresh := &verdicts{set: set, seed: maphash.MakeSeed()}
		if !c.current.CompareAndSwap(v, fresh) {
			return // somebody was faster; the next one who asks will find room
		}
		v = fresh
	}
	hash := maphash.String(v.seed, token)
	e := &entry{verdict: found, token: strings.Clone(token), hash: hash}
	e.size = e.weigh()
	v.shards[hash%shardCount].add(e, now)
}

// weigh is about how many bytes an entry holds, its place in the map included.
func (e *entry) weigh() int {
	const inMap = 64
	size := int(unsafe.Sizeof(*e)+unsafe.Sizeof(*e.verdict)) + inMap
	size += len(e.token) + len(e.token)/8 + len(e.step.Detail) + 32
	if e.claims != nil {
		size += e.claims.size()
	}
	return size
}

func (s *shard) add(e *entry, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := maxRefused
	e.queue = &s.refused
	if e.refusal == nil {
		limit, e.queue = maxAccepted, &s.accepted
	}
	if e.size > limit {
		return
	}
	if old := s.entries[e.hash]; old != nil {
		s.drop(old)
	}
	for e.queue.size+e.size > limit {
		s.drop(e.queue.dispensable(now))
	}
	if s.entries == nil {
		s.entries = make(map[uint64]*entry)
	}
	s.entries[e.hash] = e
	e.queue.push(e)
}

func (s *shard) drop(e *entry) {
	delete(s.entries, e.hash)
	e.queue.remove(e)
}

func (q *queue) push(e *entry) {
	e.next = q.newest
	if q.newest != nil {
		q.newest.prev = e
	} else {
		q.oldest = e
	}
	q.newest = e
	q.size += e.size
}

func (q *queue) remove(e *entry) {
	if q.hand == e {
		q.hand = e.prev
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.newest = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.oldest = e.prev
	}
	q.size -= e.size
}

// dispensable is the next entry that nobody has asked for since the hand last came by, or that has run out. The hand
// goes from old to new and spares what was asked for, but not for longer than a lock may be held. The queue is not empty.
func (q *queue) dispensable(now time.Time) *entry {
	const most = 1024
	for spared := 0; ; spared++ {
		e := q.hand
		if e == nil {
			e = q.oldest
		}
		q.hand = e.prev
		if spared == most || !e.asked.Load() || !e.stands(now) {
			return e
		}
		e.asked.Store(false)
	}
}
