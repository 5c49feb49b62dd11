package limit

import "sync"

// shardCount is how many shards there are: as many as an unsigned number of 64 bits can name a set of.
const shardCount = 64

// shard is a part of the counters, by the hash of their keys. The records lie side by side without a gap, and an index
// finds them: open addressing, the next place where one is taken. Both grow and shrink with what is live, which a map
// would not.
type shard struct {
	mu      sync.Mutex
	room    int // records at most
	records []record
	index   []uint64 // a power of two; upper half: of the hash, lower half: the place in records + 1; 0: free
	hand    int      // where sweeping resumes
	shared  sketch
	slots   slots
	_       [64]byte // the next shard's mutex is in another line of the processor's cache
}

// none is the place of a record that is not there.
const none = -1

const tagBits = 0xffffffff << 32

// start is where the search for a hash begins. The index is not empty.
func (s *shard) start(h hash) uint64 { return h.b & uint64(len(s.index)-1) }

func (s *shard) next(i uint64) uint64 { return (i + 1) & uint64(len(s.index)-1) }

// find is the place of a record.
func (s *shard) find(h hash) int {
	if len(s.index) == 0 {
		return none
	}
	for i := s.start(h); s.index[i] != 0; i = s.next(i) {
		if entry := s.index[i]; entry&tagBits == h.a&tagBits {
			if at := int(uint32(entry)) - 1; s.records[at].hash == h {
				return at
			}
		}
	}
	return none
}

// look is what is known of a key: by its own record, at that place, or by those that it shares.
func (s *shard) look(at int, h hash, k *Key, interval, now int64) []span {
	if at != none {
		if r := &s.records[at]; now < r.expires {
			return r.spans[:r.count]
		}
	}
	return s.shared.look(h, k.Kind, interval, now)
}

// own is the record of a key alone, made if need be; nil: there is no room for one more.
func (s *shard) own(h hash, kind Kind, now int64) *record {
	at := s.find(h)
	switch {
	case at == none && len(s.records) >= s.room:
		return nil
	case at == none:
		at = s.add(h)
	case now < s.records[at].expires:
		return &s.records[at]
	}
	r := &s.records[at]
	*r = record{hash: h}
	s.shared.inherit(r, kind, now)
	return r
}

// pay adds to the counter of a key, or to those that it shares.
func (s *shard) pay(at int, h hash, c *Charge, taken, now int64) {
	if at != none && now < s.records[at].expires {
		s.records[at].pay(c.Interval, taken, now)
	} else if r := s.own(h, c.Key.Kind, now); r != nil {
		r.pay(c.Interval, taken, now)
	} else {
		s.shared.pay(h, c.Key.Kind, c.Interval, taken, now)
	}
}

// correct changes what was paid at a time.
func (s *shard) correct(h hash, c *Correction, paid, now int64) {
	if c.Delta > 0 && c.Interval > 0 {
		s.pay(s.find(h), h, &Charge{Key: c.Key, Interval: c.Interval}, c.Delta, now)
		return
	}
	for _, r := range s.counters(h, c.Key.Kind, now) {
		switch {
		case r == nil:
		case c.Delta < 0:
			r.minus(-c.Delta, paid)
		default:
			r.add(c.Delta, now)
			s.shared.outlive(r)
		}
	}
}

// counters are the live records that count a key: its own, or those that it shares.
func (s *shard) counters(h hash, kind Kind, now int64) (live [rows]*record) {
	if at := s.find(h); at != none && now < s.records[at].expires {
		live[0] = &s.records[at]
		return live
	}
	for i, r := range s.shared.cells(h, kind) {
		if r != nil && now < r.expires {
			live[i] = r
		}
	}
	return live
}

// forget drops the counter of a key. While there are shared ones, what they say of it must be forgotten, too: an empty
// record stands before them for as long as they live.
func (s *shard) forget(h hash, kind Kind) {
	at := s.find(h)
	if at == none {
		return
	}
	if s.shared.table[kind] == nil {
		s.remove(at)
		return
	}
	s.records[at] = record{hash: h, expires: s.shared.expires}
}

// sweep looks at so many records, and drops those that say nothing any more; the shared ones as well.
func (s *shard) sweep(visits int, now int64) {
	for ; visits > 0 && len(s.records) > 0; visits-- {
		if s.hand >= len(s.records) {
			s.hand = 0
		}
		if now >= s.records[s.hand].expires {
			s.remove(s.hand)
		} else {
			s.hand++
		}
	}
	s.shrink()
	s.shared.sweep(now)
}

// makeRoom drops a few that say nothing any more, if all room is taken: whoever comes new pays for that.
func (s *shard) makeRoom(now int64) {
	const visits = 8
	if len(s.records) >= s.room {
		s.sweep(visits, now)
	}
}

// add makes an empty record and gives its place. There is room.
func (s *shard) add(h hash) int {
	if len(s.records) == cap(s.records) {
		s.resize(min(max(8, 2*cap(s.records)), s.room))
	}
	at := len(s.records)
	s.records = append(s.records, record{hash: h})
	s.enter(at)
	return at
}

// enter puts the record at a place into the index.
func (s *shard) enter(at int) {
	h := s.records[at].hash
	i := s.start(h)
	for s.index[i] != 0 {
		i = s.next(i)
	}
	s.index[i] = h.a&tagBits | uint64(at+1)
}

// remove drops the record at a place; the last one moves there.
func (s *shard) remove(at int) {
	s.leave(s.entry(at))
	last := len(s.records) - 1
	if at != last {
		moved := s.entry(last)
		s.records[at] = s.records[last]
		s.index[moved] = s.index[moved]&tagBits | uint64(at+1)
	}
	s.records = s.records[:last]
}

// entry is where the index has the record at a place.
func (s *shard) entry(at int) uint64 {
	i := s.start(s.records[at].hash)
	for int(uint32(s.index[i]))-1 != at {
		i = s.next(i)
	}
	return i
}

// leave frees a place of the index, and moves up those behind it that the search would not reach any more.
func (s *shard) leave(free uint64) {
	mask := uint64(len(s.index) - 1)
	for i := s.next(free); s.index[i] != 0; i = s.next(i) {
		start := s.start(s.records[int(uint32(s.index[i]))-1].hash)
		if (i-start)&mask >= (i-free)&mask { // its search passes the free place
			s.index[free] = s.index[i]
			free = i
		}
	}
	s.index[free] = 0
}

// shrink gives memory back when most of it is empty.
func (s *shard) shrink() {
	if n := len(s.records); cap(s.records) > 8 && n*4 < cap(s.records) {
		s.resize(n * 2)
	}
}

// resize makes room for so many records, and an index of which a third stays free.
func (s *shard) resize(room int) {
	if room == 0 {
		s.records, s.index = nil, nil
		return
	}
	s.records = append(make([]record, 0, room), s.records...)
	size := 8
	for size*2 < room*3 {
		size *= 2
	}
	s.index = make([]uint64, size)
	for at := range s.records {
		s.enter(at)
	}
}
