package limit_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/config"
	"nexus/gateway/gatewaytest"
	"nexus/gateway/limit"
	"nexus/gateway/limit/limittest"
)

const (
	patient = 10 * time.Second // for what happens on its own
	slowly  = 5 * time.Second  // for Redis to answer a crowd, on a machine with other things to do
)

// shared is a store on a true server, with what was logged.
type shared struct {
	*limit.Redis
	t    testing.TB
	log  *lines
	end  func()
	here *limit.Memory
}

// lines is a log that a test may read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// settings are the usual ones for a URL.
func settings(url string) limit.RedisSettings {
	return limit.RedisSettings{
		URL: config.NewSecret(url), KeyPrefix: "nexus:rate_limit:", ResponseTimeout: 200 * time.Millisecond,
		ConnectionTimeout: time.Second, MaxSize: 64, MinIdle: 4, OnFailure: config.OnFailureLocal,
	}
}

// open opens a store, which ends with the test.
func open(t testing.TB, s limit.RedisSettings, h limit.Hurry) *shared {
	t.Helper()
	o := &shared{t: t, log: new(lines), here: limit.NewMemory(0, nil)}
	o.Redis, o.end = limit.OpenRedisHurried(s, o.here, slog.New(slog.NewTextHandler(o.log, nil)), h)
	t.Cleanup(o.end)
	return o
}

// hurried is a store that notices everything soon.
func hurried(t testing.TB, s limit.RedisSettings) *shared {
	t.Helper()
	return open(t, s, limit.Hurry{Probe: 200 * time.Millisecond, Look: 50 * time.Millisecond})
}

// tokens is a line of a bill that asks for n tokens of a client, of a thousand million in an hour.
func tokens(client string, n int64) limit.Charge {
	return limit.Charge{
		Key: limit.Key{Kind: limit.Input, Client: client, Provider: "openai"}, Amount: n, Limit: 1e9, Interval: 60 * minute,
	}
}

// pay pays lines, for the first candidate.
func (o *shared) pay(lines ...limit.Charge) (*limit.Receipt, error) {
	r := new(limit.Receipt)
	return r, o.Pay(context.Background(), &limit.Bill{Lines: lines, Candidates: 1}, r)
}

// paid pays lines, and expects that they were paid in Redis.
func (o *shared) paid(lines ...limit.Charge) *limit.Receipt {
	o.t.Helper()
	r, err := o.pay(lines...)
	if err != nil || r.Refused >= 0 || r.Local || r.Unchecked {
		o.t.Fatalf("not paid in Redis: %+v, %v; %+v", r, err, o.Health())
	}
	return r
}

// look asks how a client stands, and pays nothing.
func (o *shared) look(client string) (*limit.Receipt, error) {
	r := new(limit.Receipt)
	return r, o.Pay(context.Background(), &limit.Bill{Lines: []limit.Charge{tokens(client, 1)}, Candidates: 1, Dry: true}, r)
}

// used is what Redis itself says that a client has used.
func (o *shared) used(client string) int64 {
	o.t.Helper()
	r, err := o.look(client)
	if err != nil || r.Local || r.Unchecked {
		o.t.Fatalf("Redis did not say: %+v, %v", r, err)
	}
	return r.Readings[0].Used
}

// settle ends what a receipt began, with a correction for a client.
func (o *shared) settle(r *limit.Receipt, client string, delta int64) {
	o.t.Helper()
	s := limit.Settlement{At: r.At, Local: r.Local, Corrections: []limit.Correction{{Key: tokens(client, 1).Key, Delta: delta}}}
	if err := o.Settle(context.Background(), &s); err != nil {
		o.t.Fatal(err)
	}
}

// await waits until something is so.
func await(t testing.TB, what string, within time.Duration, is func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !is() {
		if time.Since(begun) > within {
			t.Fatalf("%s: not within %v", what, within)
		}
		<-poll.C
	}
	return time.Since(begun)
}

func (o *shared) in() bool  { return !o.Health().Out }
func (o *shared) out() bool { return o.Health().Out }

func TestRedisKeepsAllThatAStorePromises(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	prefix := 0
	limittest.Run(t, func(t *testing.T) limit.Store {
		prefix++
		s := settings(server.URL())
		s.KeyPrefix, s.ResponseTimeout = fmt.Sprintf("test:%d:", prefix), slowly
		return open(t, s, limit.Hurry{}).Redis
	})
}

func TestNoIdImitatesAnothersKey(t *testing.T) {
	a := limit.Name("p:", limit.Key{Kind: limit.Input, Client: "a:1:b"})
	b := limit.Name("p:", limit.Key{Kind: limit.Input, Client: "a", Provider: "b"})
	if a == b {
		t.Errorf("both are called %s", a)
	}
	full := limit.Key{
		Kind: limit.Output, Address: netip.MustParseAddr("2001:db8::"), Client: "al:ice", Provider: "openai", Model: "gpt-4",
	}
	want := "p:{nexus}:output:10:2001:db8:::6:al:ice:6:openai:5:gpt-4"
	if got := limit.Name("p:", full); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for prefix, want := range map[string]string{
		"{team}:": "{team}:requests:0::0::0::0:", "a{b": "a{b{nexus}:requests:0::0::0::0:", "": "{nexus}:requests:0::0::0::0:",
	} {
		if got := limit.Name(prefix, limit.Key{Kind: limit.Requests}); got != want {
			t.Errorf("with the prefix %q: got %s, want %s", prefix, got, want)
		}
	}
}

func TestSeveralGatewaysNeverPayMoreThanTheLimit(t *testing.T) {
	const gateways, callers, limited, runs = 4, 1000, 100, 5
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	var stores [gateways]*shared
	for i := range stores {
		s := settings(server.URL())
		s.ResponseTimeout = slowly
		stores[i] = open(t, s, limit.Hurry{})
	}
	for run := range runs {
		line := tokens(fmt.Sprint("run ", run), 1)
		line.Limit = limited
		var passed, other atomic.Int64
		var crowd sync.WaitGroup
		for i := range callers {
			crowd.Go(func() {
				switch r, err := stores[i%gateways].pay(line); {
				case err != nil || r.Local:
					other.Add(1)
				case r.Refused < 0:
					passed.Add(1)
				}
			})
		}
		crowd.Wait()
		if passed.Load() != limited || other.Load() != 0 {
			t.Fatalf("run %d: %d passed and %d were not asked, of a limit of %d", run, passed.Load(), other.Load(), limited)
		}
	}
}

func TestGreatNumbersSurviveRedis(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	o := open(t, settings(server.URL()), limit.Hurry{})
	line := tokens("rich", 1e15-1)
	line.Limit, line.Interval = 1e15, 365*24*60*minute
	if r := o.paid(line); r.Readings[0].Used != 1e15-1 {
		t.Errorf("used %d after 1e15-1 were paid", r.Readings[0].Used)
	}
	line.Amount = 1
	if r := o.paid(line); r.Readings[0].Used != 1e15 {
		t.Errorf("used %d after 1e15 were paid", r.Readings[0].Used)
	}
	if r, err := o.pay(line); err != nil || r.Refused != 0 {
		t.Errorf("one more was paid: %+v, %v", r, err)
	}
}

func TestKeysExpireAfterTwoIntervals(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	o := open(t, settings(server.URL()), limit.Hurry{})
	line := tokens("a", 1)
	line.Interval = minute
	o.paid(line, limit.Charge{Key: limit.Key{Kind: limit.Concurrent, Client: "a"}, Candidate: limit.Whichever, Limit: 1})
	for name := range strings.Lines(server.Do("KEYS", "*")) {
		left := server.Do("PTTL", strings.TrimSpace(name))
		if len(left) > 6 || strings.HasPrefix(left, "-") {
			t.Errorf("%s lives for %s ms", strings.TrimSpace(name), left)
		}
	}
	if got := server.Do("DBSIZE"); got != "2" {
		t.Errorf("%s keys", got)
	}
}

func TestSlotsAreRenewedAndThoseOfACrashedGatewayEnd(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	// A relay that swallows everything is a gateway that has crashed, as Redis sees it.
	relay := gatewaytest.StartRelay(t, server.Address)
	quick := limit.Hurry{Life: 600 * time.Millisecond, Renew: 100 * time.Millisecond, Look: 50 * time.Millisecond}
	crashing := open(t, settings("redis://"+relay.Address), quick)
	other := open(t, settings(server.URL()), quick)
	slot := limit.Charge{Key: limit.Key{Kind: limit.Concurrent, Client: "a"}, Candidate: limit.Whichever, Limit: 1}
	if r := crashing.paid(slot); r.Slot == 0 {
		t.Fatalf("no slot was taken: %+v", r)
	}
	free := func() bool {
		r, err := other.pay(slot)
		return err == nil && r.Refused < 0
	}
	for begun := time.Now(); time.Since(begun) < 2*quick.Life; {
		if free() {
			t.Fatal("a slot that is renewed was given to somebody else")
		}
	}
	relay.Mute()
	await(t, "the slot of the crashed gateway is free", patient, free)
}

func TestSlotsGivenBackAreFree(t *testing.T) {
	server := gatewaytest.StartRedis(t, gatewaytest.RedisOptions{})
	o := open(t, settings(server.URL()), limit.Hurry{})
	slot := limit.Charge{Key: limit.Key{Kind: limit.Concurrent, Client: "a"}, Candidate: limit.Whichever, Limit: 1}
	for range 3 {
		r := o.paid(slot)
		if again, err := o.pay(slot); err != nil || again.Refused != 0 {
			t.Fatalf("two have the only slot: %+v, %v", again, err)
		}
		s := limit.Settlement{At: r.At, Slot: r.Slot, Slots: []limit.Key{slot.Key}}
		if err := o.Settle(context.Background(), &s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsOwedIsBoundedAndNeverMixesWindows(t *testing.T) {
	var d limit.Debts
	a := tokens("a", 1).Key
	for at := range int64(100) { // a minute each: of the hour that counts, and of the hour before
		d.Add(a, 60*minute, at*minute, 10)
	}
	if sum, parts := d.Sum(); sum != 1000 || parts != 2 {
		t.Errorf("%d in %d parts", sum, parts)
	}
	d.Add(a, minute, minute, 5)
	d.Add(a, 0, minute+1, -3)
	d.Add(a, minute, 9*minute, 1)
	if sum, parts := d.Sum(); sum != 1 || parts != 1 {
		t.Errorf("%d in %d parts: what is too old to count was kept", sum, parts)
	}
	for i := range limit.MaxDebts + 7 {
		d.Add(tokens(fmt.Sprint(i), 1).Key, minute, minute, 1)
	}
	if sum, _ := d.Sum(); sum != limit.MaxDebts || d.Lost() != 7 {
		t.Errorf("owes %d, lost %d", sum, d.Lost())
	}
}
