package limit

import "sync"

// holding is the slots that this process holds in Redis, and those given back without Redis being told. The zero value
// holds none.
type holding struct {
	mu    sync.Mutex
	held  map[hold]struct{}
	freed map[hold]struct{}
}

// hold is one slot that is taken.
type hold struct {
	key Key
	id  uint64
}

// maxFreed bounds the slots that Redis is still to be told of: one that it is not told of ends by itself.
const maxFreed = 10_000

// take notes the slots that a bill has taken.
func (h *holding) take(b *Bill, r *Receipt) {
	for i := range b.Lines {
		if b.Lines[i].Key.Kind == Concurrent && r.Readings[i].Taken > 0 {
			h.mu.Lock()
			if h.held == nil {
				h.held = make(map[hold]struct{})
			}
			h.held[hold{b.Lines[i].Key, r.Slot}] = struct{}{}
			h.mu.Unlock()
		}
	}
}

// giveBack forgets slots, before Redis is told.
func (h *holding) giveBack(s *Settlement) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range s.Slots {
		delete(h.held, hold{s.Slots[i], s.Slot})
	}
}

// owe notes that Redis was not told of slots that are free.
func (h *holding) owe(holds ...hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range holds {
		if len(h.freed) >= maxFreed {
			return
		}
		if h.freed == nil {
			h.freed = make(map[hold]struct{})
		}
		h.freed[one] = struct{}{}
	}
}

// all are the slots that are held, and free those that Redis has not been told of, which are taken out.
func (h *holding) all() (held, free []hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for one := range h.held {
		held = append(held, one)
	}
	for one := range h.freed {
		free = append(free, one)
	}
	h.freed = nil
	return held, free
}

// gone are those that are not held any more.
func (h *holding) gone(of []hold) (gone []hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range of {
		if _, still := h.held[one]; !still {
			gone = append(gone, one)
		}
	}
	return gone
}
