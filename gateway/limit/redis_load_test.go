package limit_test

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// load is callers who pay and settle, each a thousand times in a second at most: a machine that has time for nothing else
// would be measured itself.
type load struct {
	o    *shared
	stop chan struct{}
	all  sync.WaitGroup

	mu    sync.Mutex
	took  []time.Duration
	paid  int64 // tokens that stay paid
	local int   // bills that the memory took
}

func (o *shared) load() *load {
	l := &load{o: o, stop: make(chan struct{})}
	for i := range workers {
		l.all.Go(func() { l.work(fmt.Sprint("client ", i%3)) })
	}
	return l
}

func (l *load) work(client string) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-pace.C:
		}
		begun := time.Now()
		r, err := l.o.pay(tokens(client, amount))
		took := time.Since(begun)
		if err != nil || r.Refused >= 0 {
			l.o.t.Errorf("a bill with room was not paid: %+v, %v", r, err)
			return
		}
		l.o.settle(r, client, -back)
		l.mu.Lock()
		l.took = append(l.took, took)
		l.paid += amount - back
		if r.Local {
			l.local++
		}
		l.mu.Unlock()
	}
}

// mark forgets how long bills took so far, and gives the longest and what all but one in a hundred kept to.
func (l *load) mark() (longest, usual time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.took)
	if n := len(l.took); n > 0 {
		longest, usual = l.took[n-1], l.took[n*99/100]
	}
	l.took = l.took[:0]
	return longest, usual
}

// more waits until so many bills more have come back.
func (l *load) more(n int) {
	l.o.t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.took)
	}
	goal := count() + n
	await(l.o.t, "bills are taken", patient, func() bool { return count() >= goal })
}

func (l *load) end() (paid int64, local int) {
	close(l.stop)
	l.all.Wait()
	return l.paid, l.local
}

// used is what all clients of a load have used, by what Redis says.
func (l *load) used() (sum int64) {
	l.o.t.Helper()
	for i := range 3 {
		sum += l.o.used(fmt.Sprint("client ", i))
	}
	return sum
}

// check compares what Redis counts with what was paid.
func (l *load) check(paid int64, local int, lost int64) {
	t := l.o.t
	t.Helper()
	used := l.used()
	t.Logf("paid %d, of %d bills in memory; Redis counts %d (%+d)", paid, local, used, used-paid)
	if off := max(used-paid, paid-used); off > lost*amount {
		t.Errorf("Redis counts %d, but %d were paid", used, paid)
	}
	if local == 0 {
		t.Error("the memory never stood in")
	}
}
