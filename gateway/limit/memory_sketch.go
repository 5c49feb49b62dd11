package limit

const (
	rows    = 2   // counters that each key shares
	columns = 256 // counters of a row
)

// sketch counts the keys that no record is left for, in a fixed number of counters: each key in two, one of each row,
// together with whoever else falls there. Of the two, the one that says less is nearer to the truth, and neither says less
// than that. Kinds do not mix. The zero value has counted nothing and holds no memory.
type sketch struct {
	table   [Kinds]*[rows][columns]record
	expires int64 // when the last window of all ends
}

// cells are the two counters of a key; nil: nobody was counted.
func (s *sketch) cells(h hash, kind Kind) (cells [rows]*record) {
	if t := s.table[kind]; t != nil {
		cells[0] = &t[0][h.b>>32%columns]
		cells[1] = &t[1][h.b>>48%columns]
	}
	return cells
}

// nearest is the counter of a key that says less is used in an interval.
func (s *sketch) nearest(h hash, kind Kind, interval, now int64) *record {
	cells := s.cells(h, kind)
	if cells[0] == nil {
		return nil
	}
	if usedOf(cells[1].known(now), interval, now) < usedOf(cells[0].known(now), interval, now) {
		return cells[1]
	}
	return cells[0]
}

// look is what is known of a key.
func (s *sketch) look(h hash, kind Kind, interval, now int64) []span {
	if s.table[kind] == nil { // nearly always
		return nil
	}
	return s.nearest(h, kind, interval, now).known(now)
}

// inherit gives a record that begins what its shared counters say.
func (s *sketch) inherit(r *record, kind Kind, now int64) {
	if s.table[kind] == nil {
		return
	}
	from := s.nearest(r.hash, kind, 0, now) // of no interval: the most of all
	if known := from.known(now); len(known) > 0 {
		r.count = int32(copy(r.spans[:], known))
		r.expires = from.expires
	}
}

// pay adds to both counters of a key.
func (s *sketch) pay(h hash, kind Kind, interval, taken, now int64) {
	if s.table[kind] == nil {
		s.table[kind] = new([rows][columns]record)
	}
	for _, r := range s.cells(h, kind) {
		if now >= r.expires {
			r.count, r.expires = 0, 0
		}
		r.makeRoom(interval)
		r.pay(interval, taken, now)
		s.outlive(r)
	}
}

// makeRoom drops the shortest interval of a shared counter that has no room for one more: what comes after it is measured by
// the longer ones, so that nobody is counted less.
func (r *record) makeRoom(interval int64) {
	if r.count < spanCount || r.place(interval) < spanCount {
		return
	}
	shortest := 0
	for i := range r.spans {
		if r.spans[i].interval < r.spans[shortest].interval {
			shortest = i
		}
	}
	copy(r.spans[shortest:], r.spans[shortest+1:])
	r.count--
}

// outlive keeps the sketch for as long as a record.
func (s *sketch) outlive(r *record) { s.expires = max(s.expires, r.expires) }

// sweep gives the memory back when no counter says anything any more.
func (s *sketch) sweep(now int64) {
	if s.expires != 0 && now >= s.expires {
		*s = sketch{}
	}
}
