package limit

// spanCount is how many intervals a record has windows for.
const spanCount = 4

// record is one counter: its windows, the one whose interval was paid for last first. It holds no pointer, so that a
// hundred thousand of them cost the garbage collector nothing. The zero value has counted nothing.
type record struct {
	hash    hash
	expires int64 // when the last window ends
	spans   [spanCount]span
	count   int32 // of spans
}

// known are the windows that still say something.
func (r *record) known(now int64) []span {
	if now >= r.expires {
		return nil
	}
	return r.spans[:r.count]
}

// pay adds to all windows, and first makes sure that there is one for the interval.
func (r *record) pay(interval, taken, now int64) {
	if now >= r.expires {
		r.count, r.expires = 0, 0
	}
	r.join(interval, now)
	r.add(taken, now)
}

// add adds to all windows that there are.
func (r *record) add(n, now int64) {
	for i := range r.spans[:r.count] {
		s := &r.spans[i]
		s.window = s.window.now(s.interval, now).plus(n)
	}
	r.date()
}

// date finds out anew when the last window ends: one that would have may have made room for another.
func (r *record) date() {
	if r.count == 0 {
		return // it stands for what was forgotten
	}
	r.expires = 0
	for i := range r.spans[:r.count] {
		r.expires = max(r.expires, ends(r.spans[i].window, r.spans[i].interval))
	}
}

// minus gives back what was paid at a time.
func (r *record) minus(n, at int64) {
	for i := range r.spans[:r.count] {
		s := &r.spans[i]
		s.window = s.window.minus(n, at/s.interval)
	}
}

// join makes the window of an interval the first. A new one begins with the most that the others say is used.
func (r *record) join(interval, now int64) {
	if r.count > 0 && r.spans[0].interval == interval {
		return
	}
	from, joining := r.place(interval), span{}
	if from < int(r.count) {
		joining = r.spans[from]
	} else {
		begins := window{index: now / interval, cur: usedOf(r.spans[:r.count], interval, now)}
		joining = span{interval, begins}
		from = min(from, spanCount-1)
		r.count = int32(from) + 1
	}
	copy(r.spans[1:from+1], r.spans[:from])
	r.spans[0] = joining
}

// place is where the window of an interval is; the count: nowhere.
func (r *record) place(interval int64) int {
	for i := range r.spans[:r.count] {
		if r.spans[i].interval == interval {
			return i
		}
	}
	return int(r.count)
}

// learn sets the window of an interval, unless a later one is known.
func (r *record) learn(interval int64, w window) {
	if i := r.place(interval); i < int(r.count) && r.spans[i].index > w.index {
		return
	}
	r.join(interval, w.index*interval)
	r.spans[0].window = w
	r.date()
}
