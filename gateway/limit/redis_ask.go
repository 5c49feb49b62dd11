package limit

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

var (
	//go:embed window.lua
	windowLua string
	//go:embed pay.lua
	payLua string
	//go:embed settle.lua
	settleLua string
	//go:embed renew.lua
	renewLua string
	//go:embed forget.lua
	forgetLua string
	//go:embed probe.lua
	probeLua string
)

// scripts are all that Redis is ever asked. A user of Redis needs these rights and no others:
//
//	ACL SETUSER nexus on >… resetchannels ~nexus:rate_limit:* -@all +evalsha +eval +time +mget +set +del
//	    +pexpire +zadd +zcount +zrem +zremrangebyscore +ping
//
// with +select where the URL names a database, and the configured prefix for nexus:rate_limit: where there is one. Without
// +ping all works as well, but the list of what Redis has denied grows.
type scripts struct{ pay, settle, renew, forget, probe *rueidis.Lua }

func newScripts() scripts {
	made := func(body string) *rueidis.Lua { return rueidis.NewLuaScript(windowLua + body) }
	return scripts{made(payLua), made(settleLua), made(renewLua), made(forgetLua), made(probeLua)}
}

// offset is by how many milliseconds the clock of Redis is ahead of ours, as far as we know. It errs, if at all, towards
// too little, by the time that an answer takes. The zero value knows nothing.
type offset struct{ known atomic.Pointer[int64] }

// value is the offset, or 0.
func (o *offset) value() int64 {
	if known := o.known.Load(); known != nil {
		return *known
	}
	return 0
}

// hear takes in what Redis said its time was in an answer that has just come. A slow answer makes the offset little worse,
// a fast one makes it right.
func (o *offset) hear(clock int64) {
	known, fresh := o.known.Load(), clock-time.Now().UnixMilli()
	if known != nil && fresh <= *known {
		if fresh == *known {
			return
		}
		fresh = *known - (*known-fresh+7)/8
	}
	o.known.Store(&fresh)
}

// deadline is until when a script may begin that was sent at a time, by the clock of Redis; 0: whenever it likes, as long as
// nobody knows that clock. An eighth of the time is left for the answer to come back.
func (r *Redis) deadline(sent time.Time) int64 {
	known := r.offset.known.Load()
	if known == nil {
		return 0
	}
	return max(1, sent.UnixMilli()+*known+(r.settings.ResponseTimeout*7/8).Milliseconds())
}

// errNoLink is that there is no connection at the moment.
var errNoLink = errors.New("no connection")

// ask runs a script once, within the response timeout, and gives what follows the clock in its answer. The breaker hears of it.
//
// A script that came too late has done nothing. If we still have time, it was the clock of Redis that has moved, and
// the same is sent again by the new one.
func (r *Redis) ask(script *rueidis.Lua, c *call) (answer, error) {
	l := r.link.Load()
	if l == nil {
		return answer{}, errNoLink
	}
	begun, before := time.Now(), r.breaker.successes.Load()
	ctx, end := context.WithDeadline(context.Background(), begun.Add(r.settings.ResponseTimeout))
	defer end()
	keys, args := c.written()
	for again := true; ; again = false {
		args[0] = c.head(r.deadline(begun))
		text, err := l.do(ctx, script, keys, args)
		a := answer{text}
		if err == nil {
			err = r.heard(&a)
		}
		switch {
		case err == nil:
			r.breaker.succeeded()
			return a, nil
		case again && errors.Is(err, errLate) && time.Since(begun) < r.settings.ResponseTimeout/4:
		default:
			r.failed(l, before, err)
			return answer{}, err
		}
	}
}

// heard reads the beginning of an answer.
func (r *Redis) heard(a *answer) error {
	word := a.word()
	clock, err := a.number()
	if err != nil {
		return err
	}
	r.offset.hear(clock)
	switch word {
	case "paid", "done":
		return nil
	case "late":
		return errLate
	}
	return errAnswer
}

// failed tells the breaker of a call that has failed on a link.
func (r *Redis) failed(l *link, before uint64, err error) {
	if r.link.Load() != l || r.ctx.Err() != nil {
		r.breaker.failures.Add(1) // it says nothing of the link that is there now
		return
	}
	if lasting(err) {
		before = r.breaker.successes.Load() // that calls go well which ask for less changes nothing
	}
	if r.breaker.failed(before, lasting(err) || unreached(err), r.settings.why(err)) {
		r.tellOut()
	}
}

// tellOut tells once that Redis is out, and has the keeper look after it.
func (r *Redis) tellOut() {
	r.log.Warn("redis is out", "why", r.breaker.health().Why, "on_failure", string(r.settings.OnFailure))
	r.stir()
}

// stir has the keeper look at once.
func (r *Redis) stir() {
	select {
	case r.wake <- struct{}{}:
	default: // it is about to
	}
}
