package journal

import (
	"net/netip"

	"nexus/gateway/trace"
)

// origin is who was refused and why: the rows of one origin hold a tenth of their ring at most.
// Of client and network one is set.
type origin struct {
	reason  trace.Reason
	client  string
	network netip.Addr
}

// record is one row of a ring. Its links are apart from the trace, so that a walk through
// the ring touches little memory. A record that gives way is used again for the next row.
type record struct {
	seq          uint64 // 0: not in the ring
	trace        *trace.Trace
	newer, older *record // the neighbours in the ring
	next         *record // the next newer one of the same origin
	queue        *queue  // of its origin; nil in a ring without shares
}

// queue is the rows of one origin, oldest first. A row that leaves the ring is always the oldest of its
// origin: either its own kind pushed it out, or it was the oldest of all.
type queue struct {
	origin         origin
	oldest, newest *record
	n              int
}

// ring is the newest rows of one kind, size at most. With queues, each origin has at most share of them.
type ring struct {
	size, share    int
	n              int
	oldest, newest *record
	queues         map[origin]*queue // nil: no shares

	// One of each that just became free, so that a full ring allocates nothing.
	spareRecord *record
	spareQueue  *queue
}

// add puts a copy of t in the ring. The oldest row gives way: of its origin if that has its share,
// else of all if the ring is full.
func (r *ring) add(seq uint64, from origin, t *trace.Trace) {
	if r.size == 0 {
		return
	}
	if q := r.queues[from]; q != nil && q.n >= r.share {
		r.drop(q.oldest)
	} else if r.n >= r.size {
		r.drop(r.oldest)
	}

	rec := r.spareRecord
	r.spareRecord = nil
	if rec == nil {
		rec = &record{trace: new(trace.Trace)}
	}
	*rec.trace = *t
	rec.seq = seq
	rec.older, rec.newer = r.newest, nil
	if r.newest != nil {
		r.newest.newer = rec
	} else {
		r.oldest = rec
	}
	r.newest = rec
	r.n++
	if r.queues != nil {
		r.enqueue(rec, from)
	}
}

// enqueue puts rec at the new end of its origin's queue.
func (r *ring) enqueue(rec *record, from origin) {
	q := r.queues[from]
	if q == nil {
		q = r.spareQueue
		r.spareQueue = nil
		if q == nil {
			q = new(queue)
		}
		q.origin = from
		r.queues[from] = q
	}
	rec.queue, rec.next = q, nil
	if q.newest != nil {
		q.newest.next = rec
	} else {
		q.oldest = rec
	}
	q.newest = rec
	q.n++
}

// drop takes rec, the oldest of its origin, out of the ring.
func (r *ring) drop(rec *record) {
	if rec.older != nil {
		rec.older.newer = rec.newer
	} else {
		r.oldest = rec.newer
	}
	if rec.newer != nil {
		rec.newer.older = rec.older
	} else {
		r.newest = rec.older
	}
	r.n--

	if q := rec.queue; q != nil {
		q.oldest = rec.next
		q.n--
		if q.n == 0 {
			delete(r.queues, q.origin)
			*q = queue{}
			r.spareQueue = q
		}
	}
	// A reader may still point here: the sequence number tells it that the row is gone.
	*rec = record{trace: rec.trace}
	r.spareRecord = rec
}

// resize sets the room of the ring. Origins above their new share lose their oldest rows
// first, then the oldest of all go.
func (r *ring) resize(size int) {
	shrinks := size < r.size
	r.size, r.share = size, max(size/10, 1)
	if !shrinks {
		return
	}
	for _, q := range r.queues {
		for q.n > r.share {
			r.drop(q.oldest)
		}
	}
	for r.n > r.size {
		r.drop(r.oldest)
	}
	r.spareRecord, r.spareQueue = nil, nil
	if r.queues == nil {
		return
	}
	// A map keeps the room of its largest time, so the queues move to a new one.
	queues := make(map[origin]*queue, len(r.queues))
	for from, q := range r.queues {
		queues[from] = q
	}
	r.queues = queues
}
