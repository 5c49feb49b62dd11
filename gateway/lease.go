package gateway

import "sync/atomic"

// live is the snapshot that new requests get. The zero live has none yet.
type live struct{ current atomic.Pointer[Snapshot] }

// acquire borrows the live snapshot, or gives nil where there is none yet. Whoever acquires must release.
func (l *live) acquire() *Snapshot {
	for {
		s := l.current.Load()
		if s == nil || s.retain() {
			return s
		}
		// A swap came between the load and the retain, and the snapshot has closed: there is a newer one.
	}
}

// retain adds a reference, unless the last one is gone already.
func (s *Snapshot) retain() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives a reference back; whoever gives back the last one closes the snapshot.
func (s *Snapshot) release() {
	if s.refs.Add(-1) == 0 {
		s.close()
	}
}
