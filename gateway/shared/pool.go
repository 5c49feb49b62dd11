// Package shared keeps what outlives a configuration because the next one wants the same: connections, key
// sets, lists that were fetched. A [Pool] hands a resource out by the settings that shape it. While somebody holds
// it, whoever asks with equal settings gets the very same one, warm; whoever gives the last share back closes it.
// So an edit that leaves the settings alone reconnects nothing, and an edit that changes them lets the old
// resource live until the last request that uses it has ended.
//
// The package must know nothing of what it keeps.
package shared

import "sync"

// Pool is the resources that are held at the moment. The zero Pool holds none. It may be used by many goroutines.
type Pool struct {
	mu     sync.Mutex
	shares map[any]*share
}

// share is one resource with those who hold it.
type share struct {
	once     sync.Once
	resource any
	close    func()
	holders  int // guarded by the pool's mutex
}

// Borrow gives the resource that the settings shape, and the function that gives it back. Where nobody holds it, open
// makes it, with what closes it (nil: nothing does); where somebody is about to, Borrow waits for that. Resources of
// two kinds never meet: the type of the settings is part of them. Giving back twice is giving back once.
func Borrow[S comparable, R any](p *Pool, settings S, open func(S) (R, func())) (resource R, giveBack func()) {
	s := p.hold(settings)
	giveBack = sync.OnceFunc(func() { p.giveBack(settings, s) })
	opened := false
	defer func() {
		if !opened { // open panicked, here or where we waited for it: the next one tries again
			giveBack()
		}
	}()
	s.once.Do(func() { s.resource, s.close = open(settings) })
	resource, opened = s.resource.(R)
	if !opened {
		panic("shared: the resource could not be opened")
	}
	return resource, giveBack
}

// hold is the share for these settings, with one holder more.
func (p *Pool) hold(settings any) *share {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shares[settings]
	if s == nil {
		s = &share{}
		if p.shares == nil {
			p.shares = make(map[any]*share)
		}
		p.shares[settings] = s
	}
	s.holders++
	return s
}

// giveBack takes one holder away, and closes what nobody holds. Closing may take its time, so it happens when the
// pool has let go already: whoever asks now gets a new one.
func (p *Pool) giveBack(settings any, s *share) {
	p.mu.Lock()
	s.holders--
	last := s.holders == 0
	if last {
		delete(p.shares, settings)
	}
	p.mu.Unlock()
	if last && s.close != nil {
		s.close()
	}
}

// Len is how many resources are held.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.shares)
}
