package limit

// slots are the requests in flight of each key. There are as many as requests that were let in, so they need no bound of
// their own. The zero value has none.
type slots struct {
	held map[hash]*holders
	free []*holders // to be used again
}

// holders are the slots of one key that are taken, by what the receipts call them.
type holders struct{ ids []uint64 }

// count is how many slots of a key are taken.
func (s *slots) count(h hash) int64 {
	if held := s.held[h]; held != nil {
		return int64(len(held.ids))
	}
	return 0
}

// take takes one slot of a key.
func (s *slots) take(h hash, id uint64) {
	held := s.held[h]
	if held == nil {
		if s.held == nil {
			s.held = make(map[hash]*holders)
		}
		held = s.fresh()
		s.held[h] = held
	}
	held.ids = append(held.ids, id)
}

func (s *slots) fresh() *holders {
	if last := len(s.free) - 1; last >= 0 {
		held := s.free[last]
		s.free = s.free[:last]
		return held
	}
	return new(holders)
}

// giveBack gives the slot of a key back that is called so, if it is taken.
func (s *slots) giveBack(h hash, id uint64) {
	const spare, most = 16, 64 // what is kept to be used again: so many, with room for so many slots
	held := s.held[h]
	if held == nil {
		return
	}
	for i := range held.ids {
		if held.ids[i] == id {
			last := len(held.ids) - 1
			held.ids[i] = held.ids[last]
			held.ids = held.ids[:last]
			break
		}
	}
	if len(held.ids) > 0 {
		return
	}
	delete(s.held, h)
	if len(s.held) == 0 && len(s.free) >= spare {
		*s = slots{} // a crowd has gone; a map does not shrink by itself
		return
	}
	if len(s.free) < spare && cap(held.ids) <= most {
		s.free = append(s.free, held)
	}
}
