package limit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"nexus/config"
	"nexus/gateway/gatewaytest"
	"nexus/gateway/limit"
)

const (
	mostAdded = 250 * time.Millisecond // to any request, whatever happens
	mostOpen  = time.Millisecond       // to a request while it is known that Redis is out
	mostBack  = 5 * time.Second        // from the return of Redis
	workers   = 8
	amount    = 10
	back      = 3 // what is given back of each amount
)

// slack is how much slower things may be under the race detector, on a machine with other things to do.
func slack() time.Duration {
	if raced {
		return 4
	}
	return 1
}

// fault is something that goes wrong with a server, or between it and us.
type fault struct {
	name  string
	spoil func(*gatewaytest.Redis, *gatewaytest.Relay)
	mend  func(*gatewaytest.Redis, *gatewaytest.Relay)
	why   string
	// lost are calls of which nobody can know whether they were carried out.
	lost int64
}

var faults = []fault{
	{"paused", func(s *gatewaytest.Redis, _ *gatewaytest.Relay) { s.Pause() },
		func(s *gatewaytest.Redis, _ *gatewaytest.Relay) { s.Resume() }, "no answer in 200ms", workers},
	{"swallowed by the network", func(_ *gatewaytest.Redis, r *gatewaytest.Relay) { r.Mute() },
		func(_ *gatewaytest.Redis, r *gatewaytest.Relay) { r.Mend() }, "no answer in 200ms", workers},
	{"cut off", func(_ *gatewaytest.Redis, r *gatewaytest.Relay) { r.Refuse() },
		func(_ *gatewaytest.Redis, r *gatewaytest.Relay) { r.Mend() }, "connection refused", workers},
	{"too slow", func(_ *gatewaytest.Redis, r *gatewaytest.Relay) { r.Delay(time.Second) },
		func(_ *gatewaytest.Redis, r *gatewaytest.Relay) { r.Mend() }, "no answer in 200ms", 2 * workers},
	{"out of memory", func(s *gatewaytest.Redis, _ *gatewaytest.Relay) { s.Do("CONFIG", "SET", "maxmemory", "1") },
		func(s *gatewaytest.Redis, _ *gatewaytest.Relay) { s.Do("CONFIG", "SET", "maxmemory", "0") },
		"it refuses writes: its memory is full", 0},
	{"without replicas", func(s *gatewaytest.Redis, _ *gatewaytest.Relay) { s.Do("CONFIG", "SET", "min-replicas-to-write", "1") },
		func(s *gatewaytest.Redis, _ *gatewaytest.Relay) { s.Do("CONFIG", "SET", "min-replicas-to-write", "0") },
		"it refuses writes: it lacks replicas", 0},
	{"a replica", func(s *gatewaytest.Redis, _ *gatewaytest.Relay) { s.Do("REPLICAOF", "127.0.0.1", "1") },
		func(s *gatewaytest.Redis, _ *gatewaytest.Relay) { s.Do("REPLICAOF", "NO", "ONE") },
		"it refuses writes: it is a replica", 0},
	{"closed to our user", func(s *gatewaytest.Redis, _ *gatewaytest.Relay) { s.Do("ACL", "SETUSER", "nexus", "-zadd") },
		func(s *gatewaytest.Redis, _ *gatewaytest.Relay) { s.Do("ACL", "SETUSER", "nexus", "+zadd") },
		"its user lacks a right", 0},
}

// leastRights is what the user of a gateway must be able to do.
var leastRights = []string{
	"ACL", "SETUSER", "nexus", "on", ">secret-word", "resetchannels", "~nexus:rate_limit:*", "-@all", "+evalsha", "+eval", "+time",
	"+mget", "+set", "+del", "+pexpire", "+zadd", "+zcount", "+zrem", "+zremrangebyscore",
}

func TestFaultsUnderLoadAddLittleAndLoseNothing(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
			server.Do(leastRights...)
			relay := gatewaytest.StartRelay(t, server.Address)
			o := open(t, settings("redis://nexus:secret-word@"+relay.Address), limit.Hurry{})
			o.paid(tokens("client 0", 1))
			l := o.load()
			l.more(200)
			l.mark()

			f.spoil(server, relay)
			if f.name == "closed to our user" { // tokens need no slots: it is the next look that notices
				o.pay(limit.Charge{Key: limit.Key{Kind: limit.Concurrent}, Candidate: limit.Whichever, Limit: 1})
			}
			await(t, "it is noticed", patient, o.out)
			await(t, "why is known: "+f.why, patient, func() bool { return o.Health().Why == f.why })
			l.more(workers)
			if longest, _ := l.mark(); longest > mostAdded*slack() {
				t.Errorf("a bill took %v", longest)
			}
			l.more(2000)
			longest, usual := l.mark()
			if usual > mostOpen*slack() {
				t.Errorf("while Redis was out, one bill in a hundred took more than %v", usual)
			}
			t.Logf("while out: all but 1 %% within %v, the longest %v", usual, longest)

			f.mend(server, relay)
			t.Logf("back after %v", await(t, "it is back", mostBack*slack(), o.in))
			l.more(200)
			paid, local := l.end()
			await(t, "all is told", patient, func() bool { return !o.Owes() && o.in() })
			l.check(paid+1, local, f.lost)
			o.checkLog()
		})
	}
}

// checkLog looks for one line of each kind and for what must never stand in a log.
func (o *shared) checkLog() {
	o.t.Helper()
	text := o.log.String()
	if out, in := strings.Count(text, "redis is out"), strings.Count(text, "redis is back"); out != 1 || in != 1 {
		o.t.Errorf("%d times out, %d times back:\n%s", out, in, text)
	}
	for _, never := range []string{"secret", "127.0.0.1", "redis://", "client 0", "user_script"} {
		if strings.Contains(text, never) {
			o.t.Errorf("%q stands in the log:\n%s", never, text)
		}
	}
}

func TestWhatWasPaidWithoutRedisArrivesWhenItStarts(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	o := hurried(t, settings(server.URL()))
	before := o.paid(tokens("a", 100))
	server.Stop()
	var local *limit.Receipt
	await(t, "the memory stands in", patient, func() bool {
		r, err := o.pay(tokens("a", 10))
		if err != nil {
			t.Fatal(err)
		}
		o.settle(r, "a", -10)
		local = r
		return r.Local
	})
	if local.Readings[0].Used != 110 {
		t.Errorf("used %d by memory, which has learned of 100", local.Readings[0].Used)
	}
	first, _ := o.pay(tokens("a", 50))
	second, _ := o.pay(tokens("b", 70))
	o.settle(first, "a", -20)
	o.settle(before, "a", -1) // of what the server lost: there is nothing to give back below what was paid since
	server.Start()
	t.Logf("back after %v", await(t, "it is back", mostBack, o.in))
	if got := o.used("a"); got != 29 {
		t.Errorf("a has used %d", got)
	}
	o.settle(second, "b", -30)
	o.settle(second, "b", 5)
	if got := o.used("b"); got != 45 {
		t.Errorf("b has used %d", got)
	}
	o.checkLog()
}

func TestAStartWithoutRedisIsAnOutage(t *testing.T) {
	for _, on := range []config.OnFailure{config.OnFailureLocal, config.OnFailureAllow, config.OnFailureDeny} {
		t.Run(string(on), func(t *testing.T) {
			s := settings("redis://" + gatewaytest.FreeAddress(t))
			s.OnFailure = on
			o := hurried(t, s)
			line := tokens("a", 60)
			line.Limit = 100
			begun := time.Now()
			r, err := o.pay(line)
			if took := time.Since(begun); took > mostAdded*slack() {
				t.Errorf("the first bill took %v", took)
			}
			again, errAgain := o.pay(line)
			switch on {
			case config.OnFailureLocal:
				if err != nil || errAgain != nil || !r.Local || r.Refused >= 0 || again.Refused != 0 {
					t.Errorf("the limit does not hold: %+v, %v; %+v, %v", r, err, again, errAgain)
				}
			case config.OnFailureAllow:
				if err != nil || !r.Unchecked || again.Refused >= 0 || !again.Unchecked || len(again.Readings) != 1 {
					t.Errorf("not let through unchecked: %+v, %v", again, errAgain)
				}
			case config.OnFailureDeny:
				if !errors.Is(err, limit.ErrUnavailable) || !errors.Is(errAgain, limit.ErrUnavailable) {
					t.Errorf("not denied: %v, %v", err, errAgain)
				}
			}
			await(t, "it is noticed", patient, o.out)
			if h := o.Health(); h.Why != "connection refused" || h.Since.IsZero() {
				t.Errorf("%+v", h)
			}
			if err := o.Forget(context.Background(), []limit.Key{line.Key}); !errors.Is(err, limit.ErrUnavailable) {
				t.Errorf("Redis has forgotten while it was out: %v", err)
			}
		})
	}
}

func TestCorrectionsReachRedisWhateverHoldsMeanwhile(t *testing.T) {
	for _, on := range []config.OnFailure{config.OnFailureLocal, config.OnFailureAllow, config.OnFailureDeny} {
		t.Run(string(on), func(t *testing.T) {
			server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
			relay := gatewaytest.StartRelay(t, server.Address)
			s := settings("redis://" + relay.Address)
			s.OnFailure = on
			o := hurried(t, s)
			r := o.paid(tokens("a", 100))
			slot := limit.Charge{Key: limit.Key{Kind: limit.Concurrent, Client: "a"}, Candidate: limit.Whichever, Limit: 1}
			held := o.paid(slot)
			relay.Refuse()
			await(t, "it is noticed", patient, func() bool { o.pay(tokens("b", 1)); return o.out() })
			o.settle(r, "a", -40)
			end := limit.Settlement{At: held.At, Slot: held.Slot, Slots: []limit.Key{slot.Key}}
			if err := o.Settle(context.Background(), &end); err != nil {
				t.Fatal(err)
			}
			relay.Mend()
			await(t, "it is back", mostBack*slack(), o.in)
			if got := o.used("a"); got != 60 {
				t.Errorf("used %d", got)
			}
			await(t, "the slot is free", patient, func() bool { r, err := o.pay(slot); return err == nil && r.Refused < 0 })
		})
	}
}

func TestAScriptThatComesTooLateDoesNothing(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	o := hurried(t, settings(server.URL()))
	o.paid(tokens("a", 1))
	server.Pause()
	r, err := o.pay(tokens("a", 10))
	if err != nil || !r.Local {
		t.Fatalf("a paused server has answered: %+v, %v", r, err)
	}
	server.Resume()
	used := int64(0)
	await(t, "all is told", patient, func() bool {
		var r *limit.Receipt
		if r, err = o.look("a"); err == nil && !r.Local {
			used = r.Readings[0].Used
		}
		return used > 1 && !o.Owes()
	})
	if used != 11 {
		t.Errorf("used %d: not paid once", used)
	}
}

func TestAClockThatJumpsCostsNothing(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	o := hurried(t, settings(server.URL()))
	o.paid(tokens("a", 1))
	o.Shift(-time.Hour) // as if the clock of Redis had gone ahead by an hour since
	o.paid(tokens("a", 1))
	o.Shift(time.Hour)
	o.paid(tokens("a", 1))
	if got := o.used("a"); got != 3 {
		t.Errorf("used %d", got)
	}
}

func TestForgottenScriptsAndCountersAreNoFailure(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	o := hurried(t, settings(server.URL()))
	r := o.paid(tokens("a", 10))
	server.Do("SCRIPT", "FLUSH")
	o.paid(tokens("a", 10))
	o.settle(r, "a", -5)
	if got := o.used("a"); got != 15 {
		t.Errorf("used %d", got)
	}
	server.Do("FLUSHALL")
	o.settle(r, "a", -5)
	o.settle(r, "a", 5) // nothing to charge it to
	if got := o.used("a"); got != 0 {
		t.Errorf("used %d after all was flushed", got)
	}
	o.paid(tokens("a", 10))
	if h := o.Health(); h.Out || h.Failures != 0 {
		t.Errorf("%+v", h)
	}
}

func TestASilentGatewayNoticesThatRedisIsOut(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	o := open(t, settings(server.URL()), limit.Hurry{Look: 20 * time.Millisecond, Silent: 50 * time.Millisecond})
	o.paid(tokens("a", 1))
	server.Stop()
	await(t, "it is noticed without a request", patient, o.out)
}

func TestABrokenConnectionCostsOneBillAtMost(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	relay := gatewaytest.StartRelay(t, server.Address)
	s := settings("redis://" + relay.Address)
	s.MinIdle = 1
	o := open(t, s, limit.Hurry{})
	o.paid(tokens("a", 1))
	relay.Cut()
	if _, err := o.pay(tokens("a", 1)); err != nil {
		t.Fatal(err)
	}
	o.paid(tokens("a", 1))
	if o.out() {
		t.Errorf("%+v", o.Health())
	}
}

func TestClosingTellsWhatIsOwedAndWaitsForNothing(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	o := open(t, settings(server.URL()), limit.Hurry{})
	o.paid(tokens("a", 1))
	server.Pause()
	o.pay(tokens("a", 1))
	begun := time.Now()
	o.end()
	o.end()
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if r, err := o.pay(tokens("a", 1)); err != nil || !r.Local {
		t.Errorf("after the end: %+v, %v", r, err)
	}
}
