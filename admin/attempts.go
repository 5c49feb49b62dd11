package admin

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"nexus/gateway/journal"
)

const (
	wrongTokens    = 10          // from one address …
	wrongWindow    = time.Minute // … within this time, and the address must wait
	wrongAddresses = 10_000      // how many addresses are remembered; the one that was wrong longest ago gives way
)

// attempts remembers who sent wrong tokens within the last minute.
type attempts struct {
	mu     sync.Mutex
	byAddr map[netip.Addr]*list.Element
	recent *list.List // of *attempt; who was wrong last is at the back
}

// attempt is what is known of one address.
type attempt struct {
	addr netip.Addr
	at   [wrongTokens]time.Time // when the last wrong tokens came, a ring
	next int                    // the place of the oldest, and of the next
}

func newAttempts() *attempts {
	return &attempts{byAddr: make(map[netip.Addr]*list.Element), recent: list.New()}
}

// judge takes note of one try from addr and gives the time that addr must wait before any try counts
// again; 0: this one counts. A right token is refused too while its address must wait, so that the
// refusal tells a guesser nothing. blocked is true for the one wrong token that fills the measure.
func (a *attempts) judge(addr netip.Addr, right bool) (wait time.Duration, blocked bool) {
	now := time.Now()
	key := journal.Network(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now)
	e, known := a.byAddr[key]
	if known {
		t := e.Value.(*attempt)
		if oldest := t.at[t.next]; now.Sub(oldest) < wrongWindow {
			return wrongWindow - now.Sub(oldest), false
		}
	}
	if right {
		return 0, false
	}
	if !known {
		if len(a.byAddr) >= wrongAddresses {
			a.drop(a.recent.Front())
		}
		e = a.recent.PushBack(&attempt{addr: key})
		a.byAddr[key] = e
	}
	a.recent.MoveToBack(e)
	t := e.Value.(*attempt)
	t.at[t.next] = now
	t.next = (t.next + 1) % wrongTokens
	return 0, now.Sub(t.at[t.next]) < wrongWindow
}

// forget drops the addresses whose last wrong token is over a minute old.
func (a *attempts) forget(now time.Time) {
	for e := a.recent.Front(); e != nil; e = a.recent.Front() {
		t := e.Value.(*attempt)
		if now.Sub(t.at[(t.next+wrongTokens-1)%wrongTokens]) < wrongWindow {
			return
		}
		a.drop(e)
	}
}

func (a *attempts) drop(e *list.Element) {
	delete(a.byAddr, a.recent.Remove(e).(*attempt).addr)
}
