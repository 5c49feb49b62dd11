package limit

import (
	"sync"
	"sync/atomic"
)

// owed is what was paid, or is to be corrected, without Redis being told. It is bounded in keys and in times of each: what
// is too old to count is dropped as the counters themselves would drop it. The zero value owes nothing.
type owed struct {
	size atomic.Int64 // of debts, for those who only want to know whether there are any
	lost atomic.Uint64

	mu    sync.Mutex
	debts map[Key]*debt
}

const (
	maxDebts = 10_000
	maxParts = 8
	// blindly is how finely times are told apart while nobody knows the interval.
	blindly = 1000
)

// debt is what is owed to one counter.
type debt struct {
	interval int64 // that was paid for last; 0: nobody knows
	parts    []part
}

// part is what is owed for a time: all of the same window, of which that is one moment.
type part struct{ at, delta int64 }

// claim is what is owed to a counter for a time.
type claim struct {
	key      Key
	interval int64
	part
}

// any reports whether anything is owed.
func (o *owed) any() bool { return o.size.Load() > 0 }

// add owes more, or with less than nothing less, which was paid at a time. An interval of 0: nobody knows.
func (o *owed) add(k *Key, interval, at, delta int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.debts[*k]
	if d == nil {
		if len(o.debts) >= maxDebts {
			o.lost.Add(1)
			return
		}
		if o.debts == nil {
			o.debts = make(map[Key]*debt)
		}
		d = new(debt)
		o.debts[*k] = d
		o.size.Store(int64(len(o.debts)))
	}
	d.add(interval, at, delta)
}

func (d *debt) add(interval, at, delta int64) {
	if interval > 0 && interval != d.interval {
		d.interval = interval
	}
	width := d.interval
	if width == 0 {
		width = blindly
	}
	newest := at / width
	for i := range d.parts {
		p := &d.parts[i]
		if p.at/width == at/width {
			p.delta += delta
			return
		}
		newest = max(newest, p.at/width)
	}
	if d.interval > 0 { // what lies before the last two windows counts no more
		kept := d.parts[:0]
		for _, p := range d.parts {
			if p.at/width >= newest-1 {
				kept = append(kept, p)
			}
		}
		d.parts = kept
	}
	if len(d.parts) == maxParts { // nothing is lost, but counts a little longer
		d.parts[maxParts-1].delta += delta
		return
	}
	d.parts = append(d.parts, part{at, delta})
}

// take takes out what is owed to some counters.
func (o *owed) take(most int) (claims []claim) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, d := range o.debts {
		if most--; most < 0 {
			break
		}
		for _, p := range d.parts {
			if p.delta != 0 {
				claims = append(claims, claim{key, d.interval, p})
			}
		}
		delete(o.debts, key)
	}
	o.size.Store(int64(len(o.debts)))
	return claims
}

// putBack owes again what could not be told.
func (o *owed) putBack(claims []claim) {
	for i := range claims {
		c := &claims[i]
		o.add(&c.key, c.interval, c.at, c.delta)
	}
}

// forget owes nothing to a counter any more.
func (o *owed) forget(k *Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.debts, *k)
	o.size.Store(int64(len(o.debts)))
}
