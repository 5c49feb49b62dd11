// Package journal is the gateway's bounded memory of what happened: the recent requests and refusals
// with their steps, exact counters for each group, who was seen lately, and the reload history. It outlives every reload.
//
// Records lie in four rings that share one sequence number: requests that were answered or failed,
// refusals whose client id is known, refusals before it was known, and what browsers ask before they call. In the two of refusals, one client (or
// address) of one reason holds a tenth at most, and in the lists each ring is sure of its part, so that
// a flood of one kind does not hide the rest. Add copies a record under a short lock; readers copy a few
// at a time and search their copies, so that reading never holds up a request for long.
//
// The package must not know a request in flight, a status code's meaning or how anything is shown.
package journal

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"nexus/gateway/trace"
)

// Journal is the memory itself. It is safe for concurrent use; make it with [New].
type Journal struct {
	mu       sync.Mutex
	seq      uint64 // of the newest record, 1 for the first
	answered ring   // allowed and failed requests
	known    ring   // refusals of a known client
	unknown  ring   // refusals before a client was known
	asked    ring   // browsers' questions whether a page of another origin may call
	tally    tally
	clients  clients
	reloads  []Reload // oldest first
}

// New makes an empty journal whose lists of requests and of refusals have room for that many rows.
// Room for 0 or less keeps none; the counters count all the same.
func New(traces, rejections int) *Journal {
	j := &Journal{
		known:   ring{queues: make(map[origin]*queue)},
		unknown: ring{queues: make(map[origin]*queue)},
		tally:   tally{groups: make(map[string]*counts)},
		clients: clients{byID: make(map[string]*client)},
	}
	j.Resize(traces, rejections)
	return j
}

// Resize changes the room for requests and for refusals. The newest rows are kept, 0 or less keeps none.
func (j *Journal) Resize(traces, rejections int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.answered.resize(max(traces, 0))
	j.known.resize(max(rejections, 0))
	j.unknown.resize(max(rejections, 0))
	j.asked.resize(max(traces, 0) / askedShare)
}

// Kept tells the room for requests and for refusals: how many rows the lists have at most.
func (j *Journal) Kept() (traces, rejections int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.answered.size, j.known.size
}

// askedShare is which part of the room for requests browsers' questions have, besides.
const askedShare = 10

// Add notes a request that has ended. The record is copied, so t may be used again; what its strings and
// slices point to must not change any more. The request counts for the group t.Tier() and for the client t.ClientID.
func (j *Journal) Add(t *trace.Trace) {
	ended := t.Time.Add(t.Duration)
	if t.Time.IsZero() {
		ended = time.Now()
	}

	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	if t.Method == http.MethodOptions && t.Outcome == trace.Allowed {
		// Nobody has called yet, and anybody may ask as often as it likes: it counts nowhere, and pushes nothing away.
		j.asked.add(j.seq, origin{}, t)
		return
	}
	tier := j.tally.add(t, minuteOf(ended))
	j.clients.add(t, ended, tier)
	switch {
	case t.Outcome != trace.Rejected:
		j.answered.add(j.seq, origin{}, t)
	case t.ClientID != "":
		j.known.add(j.seq, origin{reason: t.Reason, client: t.ClientID}, t)
	default:
		j.unknown.add(j.seq, origin{reason: t.Reason, network: Network(t.Remote)}, t)
	}
}

// Network is what an address counts as: itself, or for IPv6 its /64, which one caller has whole.
func Network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
