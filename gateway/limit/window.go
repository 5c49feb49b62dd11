package limit

import "time"

// The rules that both stores keep to the last token. All times are Unix milliseconds.
//
//   - A counter is a record of windows, one for each interval (4 at most) that was paid for. Paying a line, also one that
//     takes 0, first makes sure that there is a window of the line's interval, as the first of the record; where a fifth
//     would be, the last goes. A new one begins with what the others say at most is used, nothing in the window before.
//     Then all windows of the record are rotated to now, and what is taken is added to each.
//   - Looking, being refused and Dry change nothing. A line whose interval has no window yet reads the largest that the
//     windows say: as used, until it has room, until nothing is used.
//   - A record ends when all its windows have: when their index is two or more behind. It is then as if it had never been.
//   - Room is decided for all lines before anything is paid. Readings are as the whole bill leaves the counters.
//   - Time does not run backwards in a record: a window that is ahead of now stays as it is, at its first millisecond.
//   - A settlement happens now, but not before its At.

// maxCount is where counters stop: up to here Go and Lua count exactly.
const maxCount = 1<<53 - 1

// window is what was paid in one window of an interval, and in the one before it. The index is the time divided by the
// interval. The zero value has counted nothing.
type window struct{ index, cur, prev int64 }

// at is the window rotated to a later index. To an earlier one nothing rotates.
func (w window) at(index int64) window {
	switch {
	case index <= w.index:
		return w
	case index == w.index+1:
		return window{index: index, prev: w.cur}
	}
	return window{index: index}
}

// now is the window rotated to a time.
func (w window) now(interval, now int64) window {
	if now-w.index*interval < interval { // spares a division nearly always
		return w
	}
	return w.at(now / interval)
}

// plus is the window with so much more paid in it now; less than nothing never leaves less than nothing.
func (w window) plus(n int64) window {
	w.cur = clamp(w.cur, n)
	return w
}

// minus is the window with n given back that was paid in the window of an index, which need not be known any more.
func (w window) minus(n, index int64) window {
	switch index {
	case w.index:
		w.cur = clamp(w.cur, -n)
	case w.index - 1:
		w.prev = clamp(w.prev, -n)
	}
	return w
}

// clamp is the sum, which is neither below 0 nor above what can be counted. The count is neither.
func clamp(count, n int64) int64 {
	if n > maxCount-count {
		return maxCount
	}
	return max(0, count+max(n, -maxCount))
}

// used estimates what was used in the interval that ends now. The order of the operations is part of it: the script for
// Redis has the same.
func used(w window, interval, now int64) int64 {
	w = w.now(interval, now)
	if w.prev == 0 {
		return w.cur
	}
	elapsed := max(0, now-w.index*interval)
	// A product and a quotient of numbers below 2^53 are rounded alike everywhere; the conversion cuts as floor does.
	return int64(float64(w.prev)*float64(interval-elapsed)/float64(interval)) + w.cur
}

// need is what must be left of a limit so that a line has room.
func need(c *Charge) int64 { return max(c.Amount, 1) }

// hasRoom is whether a line has room where so much is used.
func hasRoom(c *Charge, used int64) bool { return c.Limit-used >= need(c) }

// takes is what a line takes when it is paid where so much is used.
func takes(c *Charge, used int64) int64 {
	if c.Observe {
		return c.Amount + c.Reserve
	}
	return c.Amount + max(0, min(c.Reserve, c.Limit-used-c.Amount))
}

// ends is when nothing of a window counts any more, whatever is in it.
func ends(w window, interval int64) int64 { return (w.index + 2) * interval }

// wait is how many milliseconds it takes until no more than left is used, if nobody uses anything meanwhile. What is used
// only falls, and at the end of the next window it is 0: the search halves that time, 36 times for the longest interval.
func wait(w window, interval, now, left int64) int64 {
	if left < 0 || used(w, interval, now) <= left {
		return 0
	}
	low, high := int64(0), max(ends(w, interval)-now, 1) // more is used after low, and not after high
	for high-low > 1 {
		middle := low + (high-low)/2
		if used(w, interval, now+middle) > left {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// empties is how many milliseconds it takes until nothing is used.
func empties(w window, interval, now int64) int64 {
	w = w.now(interval, now)
	switch {
	case w.cur > 0:
		return ends(w, interval) - now
	case w.prev > 0:
		return ends(w, interval) - interval - now
	}
	return 0
}

// span is the window of one interval of a record. An interval of 0: there is none.
type span struct {
	interval int64
	window
}

// usedOf is what a record says that is used in an interval.
func usedOf(spans []span, interval, now int64) int64 {
	most := int64(0)
	for i := range spans {
		s := &spans[i]
		if s.interval == interval {
			return used(s.window, interval, now)
		}
		most = max(most, used(s.window, s.interval, now))
	}
	return most
}

// waitOf is how long it takes until a line has room in a record: 0 where it has, or never will.
func waitOf(spans []span, c *Charge, now int64) time.Duration {
	most, left := int64(0), c.Limit-need(c)
	for i := range spans {
		s := &spans[i]
		w := wait(s.window, s.interval, now, left)
		if s.interval == c.Interval {
			most = w
			break
		}
		most = max(most, w)
	}
	return time.Duration(most) * time.Millisecond
}

// resetOf is how long it takes until a record says that nothing is used in an interval.
func resetOf(spans []span, interval, now int64) time.Duration {
	most := int64(0)
	for i := range spans {
		s := &spans[i]
		e := empties(s.window, s.interval, now)
		if s.interval == interval {
			most = e
			break
		}
		most = max(most, e)
	}
	return time.Duration(most) * time.Millisecond
}

// read is how a line stands in a record as the bill has left it: what was taken for it, and whether it was refused.
func read(spans []span, c *Charge, now, taken int64, refused bool) Reading {
	r := Reading{Taken: taken, Refused: refused}
	if len(spans) == 0 {
		return r
	}
	if first := &spans[0]; first.interval == c.Interval { // as it is whenever the line was paid
		w := first.window.now(c.Interval, now)
		r.Used = used(w, c.Interval, now)
		r.Reset = time.Duration(empties(w, c.Interval, now)) * time.Millisecond
	} else {
		r.Used = usedOf(spans, c.Interval, now)
		r.Reset = resetOf(spans, c.Interval, now)
	}
	if refused {
		r.Retry = waitOf(spans, c, now)
	}
	return r
}
