package limit

import "math/bits"

// place is where the counter of a line is.
type place struct {
	hash hash
	at   int32 // in the records of its shard, or none
	paid bool
}

// payment is a bill while it is taken.
type payment struct {
	m      *Memory
	b      *Bill
	r      *Receipt
	places []place // of the lines
	now    int64
}

// take decides, pays and reads, with the shards of all lines locked.
func (p *payment) take(shards uint64) {
	p.m.lock(shards)
	defer p.m.unlock(shards) // also where a bug ends this: nobody else waits for ever
	for ; shards != 0; shards &= shards - 1 {
		p.m.shards[bits.TrailingZeros64(shards)].makeRoom(p.now) // from here on no record moves
	}
	p.weigh()
	if p.requests() && p.whichever() {
		p.candidates()
	}
	p.pay()
	p.read()
}

// weigh finds out of each line whether it has room, and what it takes if it is paid.
func (p *payment) weigh() {
	for i := range p.b.Lines {
		c, at := &p.b.Lines[i], &p.places[i]
		s := p.m.shard(at.hash)
		reading := &p.r.Readings[i]
		*reading = Reading{}
		if c.Key.Kind == Concurrent {
			reading.Refused = !hasRoom(c, s.slots.count(at.hash))
			reading.Taken = 1
		} else {
			at.at = int32(s.find(at.hash))
			used := usedOf(s.look(int(at.at), at.hash, &c.Key, c.Interval, p.now), c.Interval, p.now)
			reading.Refused = !hasRoom(c, used)
			reading.Taken = takes(c, used)
		}
	}
}

// refuses is whether a line stands in the way.
func (p *payment) refuses(line int) bool {
	return p.r.Readings[line].Refused && !p.b.Lines[line].Observe
}

// requests chooses the request lines that are paid, and is whether none refuses.
func (p *payment) requests() bool {
	for i := range p.b.Lines {
		switch c := &p.b.Lines[i]; {
		case c.Candidate != Always:
		case p.refuses(i):
			if p.r.Refused < 0 {
				p.r.Refused = i
			}
		default:
			p.places[i].paid = p.r.Refused < 0 || c.Key.Address.IsValid()
		}
	}
	return p.r.Refused < 0
}

// whichever is whether none of the lines refuses that belong to every candidate.
func (p *payment) whichever() bool {
	for i := range p.b.Lines {
		if p.b.Lines[i].Candidate == Whichever && p.refuses(i) {
			p.r.Refused = i
			return false
		}
	}
	return true
}

// candidates chooses the first candidate whose lines all have room, and its lines.
func (p *payment) candidates() {
	var full [2]uint64 // a bit for each candidate that has no room
	first := -1
	for i := range p.b.Lines {
		if c := p.b.Lines[i].Candidate; c >= 0 && p.refuses(i) {
			full[c>>6] |= 1 << (c & 63)
			if c == 0 && first < 0 {
				first = i
			}
		}
	}
	chosen := bits.TrailingZeros64(^full[0])
	if chosen == 64 {
		chosen += bits.TrailingZeros64(^full[1])
	}
	if p.b.Candidates > 0 && chosen >= p.b.Candidates {
		p.r.Refused = first
		return
	}
	if p.b.Candidates > 0 && !p.b.Dry {
		p.r.Candidate = chosen
	}
	for i := range p.b.Lines {
		c := p.b.Lines[i].Candidate
		if c == Whichever || p.b.Candidates > 0 && int(c) == chosen {
			p.places[i].paid = true
		}
	}
}

// pay pays the lines that were chosen.
func (p *payment) pay() {
	for i := range p.b.Lines {
		at, reading := &p.places[i], &p.r.Readings[i]
		if !at.paid || p.b.Dry {
			reading.Taken = 0
			continue
		}
		c, s := &p.b.Lines[i], p.m.shard(at.hash)
		if c.Key.Kind != Concurrent {
			s.pay(int(at.at), at.hash, c, reading.Taken, p.now)
			continue
		}
		if p.r.Slot == 0 {
			p.r.Slot = p.m.slot.Add(1)
		}
		s.slots.take(at.hash, p.r.Slot)
	}
}

// read tells how each line stands now.
func (p *payment) read() {
	for i := range p.b.Lines {
		c, at, reading := &p.b.Lines[i], &p.places[i], &p.r.Readings[i]
		s := p.m.shard(at.hash)
		if c.Key.Kind == Concurrent {
			reading.Used = s.slots.count(at.hash)
			continue
		}
		place := int(at.at)
		if place == none { // unless this bill has made it
			place = s.find(at.hash)
		}
		spans := s.look(place, at.hash, &c.Key, c.Interval, p.now)
		*reading = read(spans, c, p.now, reading.Taken, reading.Refused)
	}
}
