package limit

import (
	"time"

	"github.com/redis/rueidis"
)

// batch is how many keys one script is told of at most.
const batch = 500

// maxBatches bounds how long what is owed is told while more comes in.
const maxBatches = 4 * maxDebts / batch

// keep looks after the connections until the store is closed: it makes them, tells Redis what is owed, and renews slots.
// It is the only goroutine of the store, and the only one that touches Redis while it is out.
func (r *Redis) keep() {
	defer close(r.done)
	r.connect()
	close(r.first)
	timer := time.NewTimer(0)
	defer timer.Stop()
	renewed, probed := time.Now(), time.Now()
	heard := r.breaker.successes.Load()
	for {
		open := r.breaker.open.Load()
		if open {
			timer.Reset(time.Until(probed.Add(r.pause())))
		} else {
			timer.Reset(min(r.times.look, r.times.renew))
		}
		select {
		case <-r.ctx.Done():
			r.drop()
			return
		case <-r.wake:
			if !open && r.breaker.open.Load() {
				probed = time.Now() // calls that are under way may still end by themselves
			}
		case <-timer.C:
		}
		switch now := time.Now(); {
		case r.breaker.open.Load():
			if now.Sub(probed) >= r.pause() {
				r.connect()
				probed, renewed = time.Now(), time.Now()
			}
		case now.Sub(renewed) >= r.times.renew:
			renewed = now
			r.catchUp(true)
		default:
			r.catchUp(false)
			if n := r.breaker.successes.Load(); n != heard {
				heard, probed = n, now
			} else if now.Sub(probed) >= r.times.silent {
				probed = now
				r.look()
			}
		}
	}
}

// pause is how long Redis is left alone between two tries: at least as long as the last calls may take.
func (r *Redis) pause() time.Duration { return max(r.times.probe, r.settings.ResponseTimeout) }

// drop ends the link.
func (r *Redis) drop() {
	if l := r.link.Swap(nil); l != nil {
		l.cut()
	}
}

// connect makes a new link. If Redis takes whatever will be asked of it, and has been told what it is owed, it is back.
func (r *Redis) connect() {
	r.drop()
	l, err := r.open()
	if err == nil {
		r.link.Store(l)
		err = r.catchUp(true)
	}
	if r.ctx.Err() != nil {
		return // what went wrong now is that we leave
	}
	if err != nil {
		if r.breaker.trip(r.settings.why(err)) {
			r.tellOut()
		}
		return
	}
	if lasted, rescued, was := r.breaker.reset(); was {
		r.log.Info("redis is back", "out_for", lasted.Round(time.Millisecond), "answered_meanwhile", rescued,
			"not_told", r.owed.lost.Swap(0))
	}
}

// open opens a link to the node that has our keys, and tries all connections.
func (r *Redis) open() (l *link, err error) {
	const maxNodes = 3
	node := ""
	for range maxNodes {
		if l, err = openLink(r.ctx, r.settings, node); err != nil {
			return nil, err
		}
		r.offset.known.Store(nil) // it may be another machine
		if err = r.try(l); err == nil {
			return l, nil
		}
		l.cut()
		if node = movedTo(err); node == "" {
			break
		}
	}
	return nil, err
}

// try does on each connection what the scripts do.
func (r *Redis) try(l *link) error {
	const stay = "60000"
	keys := []string{r.prefix + "probe", r.prefix + "probe:slots"}
	text, err := l.everywhere(r.scripts.probe, keys, []string{stay})
	if err != nil {
		return err
	}
	return r.heard(&answer{text})
}

// look tries Redis though nobody has asked for long, so that it is known whether it is there.
func (r *Redis) look() {
	l, before := r.link.Load(), r.breaker.successes.Load()
	if l == nil {
		return
	}
	if err := r.try(l); err != nil {
		r.failed(l, before, err)
	}
}

// catchUp tells Redis what it has not been told, and which slots are held where that is due.
func (r *Redis) catchUp(renew bool) error {
	for range maxBatches {
		if !r.owed.any() {
			break
		}
		if err := r.pass(r.owed.take(batch)); err != nil {
			return err
		}
	}
	held, free := r.slots.all()
	if renew {
		if err := r.renew(held); err != nil {
			r.slots.owe(free...)
			return err
		}
		free = append(free, r.slots.gone(held)...) // given back while they were renewed
	}
	return r.release(free)
}

// pass tells what is owed to some counters.
func (r *Redis) pass(claims []claim) error {
	for len(claims) > 0 {
		few := claims[:min(batch, len(claims))]
		err := r.tell(r.scripts.settle, len(few), func(c *call, i int) { c.key(&few[i].key) },
			func(c *call, i int) { c.debt(&few[i]) })
		if err != nil {
			r.owed.putBack(claims)
			return err
		}
		claims = claims[len(few):]
	}
	return nil
}

// renew has slots live on.
func (r *Redis) renew(held []hold) error {
	for len(held) > 0 {
		few := held[:min(batch, len(held))]
		held = held[len(few):]
		err := r.tell(r.scripts.renew, len(few), func(c *call, i int) { c.key(&few[i].key) }, func(c *call, i int) {
			if i == 0 {
				c.plain(uint64(r.times.life.Milliseconds()))
			}
			c.plain(few[i].id)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// release tells which slots are free.
func (r *Redis) release(free []hold) error {
	for len(free) > 0 {
		few := free[:min(batch, len(free))]
		err := r.tell(r.scripts.settle, len(few), func(c *call, i int) { c.key(&few[i].key) },
			func(c *call, i int) { c.free(few[i].id) })
		if err != nil {
			r.slots.owe(free...)
			return err
		}
		free = free[len(few):]
	}
	return nil
}

// tell runs a script with some keys and what belongs to each.
func (r *Redis) tell(script *rueidis.Lua, count int, key, argument func(c *call, i int)) error {
	c := r.calls.take(r.prefix)
	defer r.calls.giveBack(c)
	for i := range count {
		key(c, i)
	}
	for i := range count {
		argument(c, i)
	}
	_, err := r.ask(script, c)
	return err
}

// leave tells Redis what is owed, if it is there, before the store is closed.
func (r *Redis) leave() {
	if !r.breaker.open.Load() && r.owed.any() {
		_ = r.catchUp(false) // the breaker has heard of it; nobody can do more
	}
}
