package limit

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"nexus/config"
)

// RedisSettings are what shapes a connection to Redis: generations with equal ones share it. It is comparable.
type RedisSettings struct {
	URL                           config.Secret
	KeyPrefix                     string
	ResponseTimeout               time.Duration
	ConnectionTimeout             time.Duration
	MaxSize, MinIdle              int
	CACert, ClientCert, ClientKey string   // paths; empty: none
	Files                         [32]byte // a sum of what is in them: other files are other settings
	Insecure                      bool
	OnFailure                     config.OnFailure
}

// Redis is a Store that several gateways share. While Redis is out it does what OnFailure says.
//
// Redis counts for all, and whatever it says is learned by the memory beside it. While it is out, and OnFailure is "local",
// the memory goes on from there. What is paid to the memory then is owed to Redis; so are the corrections of what was paid
// in Redis before, whatever OnFailure says. Before Redis is asked again it is told all that is owed, each for the time
// at which it was paid, so that what counts is what was used.
//
// A call of which nobody knows whether Redis has carried it out is taken not to have been: a script does nothing once its
// caller has given up. What remains is the calls whose answers are lost on their way, when Redis stands still or a
// connection breaks: those under way at that moment, and no others, may count twice, a bill as well as a correction.
//
// While Redis is out the slots that are held there are not known to the memory, and those taken from the memory meanwhile
// are never known to Redis.
type Redis struct {
	settings RedisSettings
	times    times
	prefix   string // of the names of all keys
	memory   *Memory
	log      *slog.Logger

	breaker breaker
	link    atomic.Pointer[link] // nil: there is none
	offset  offset
	scripts scripts
	calls   calls
	owed    owed
	slots   holding

	first chan struct{} // closed when Redis was tried for the first time
	wake  chan struct{} // has room for one
	ctx   context.Context
	done  chan struct{} // closed when the keeper has ended
}

// times are how often the keeper does what.
type times struct {
	life   time.Duration // of a slot that nobody renews
	renew  time.Duration // between two renewals of all slots
	probe  time.Duration // between two tries while Redis is out
	look   time.Duration // between two looks at whether there is anything to do
	silent time.Duration // after which Redis is tried though nobody has asked
}

func usualTimes() times {
	return times{
		life: time.Minute, renew: 20 * time.Second, probe: 500 * time.Millisecond, look: time.Second, silent: 5 * time.Second,
	}
}

// OpenRedis connects behind the scenes: it never waits and never fails. Memory is what stands in for a Redis that is out, and learns
// what Redis says while it is there. Close ends it, and waits for a second or two at most.
func OpenRedis(s RedisSettings, memory *Memory, log *slog.Logger) (*Redis, func()) {
	return openRedis(s, memory, log, usualTimes())
}

func openRedis(s RedisSettings, memory *Memory, log *slog.Logger, every times) (*Redis, func()) {
	s.ResponseTimeout = atLeast(s.ResponseTimeout, 200*time.Millisecond)
	s.ConnectionTimeout = atLeast(s.ConnectionTimeout, time.Second)
	ctx, end := context.WithCancel(context.Background())
	r := &Redis{
		settings: s, times: every, prefix: namePrefix(s.KeyPrefix), memory: memory, log: log, scripts: newScripts(),
		first: make(chan struct{}), wake: make(chan struct{}, 1), ctx: ctx, done: make(chan struct{}),
	}
	r.breaker.open.Store(true) // nobody has called yet
	go r.keep()
	return r, sync.OnceFunc(func() {
		r.leave()
		end()
		<-r.done
	})
}

// atLeast is a time, or another where it was not set.
func atLeast(d, unset time.Duration) time.Duration {
	if d <= 0 {
		return unset
	}
	return d
}

// Pay is [Store.Pay]. It adds the settings' ResponseTimeout at most; while Redis is out, nothing. A caller who hangs up
// does not end it: whether a bill is paid must not be left open.
func (r *Redis) Pay(ctx context.Context, b *Bill, receipt *Receipt) error {
	if len(b.Lines) == 0 {
		return r.memory.Pay(ctx, b, receipt) // there is nothing to ask
	}
	if r.ready() && r.pay(b, receipt) == nil {
		return nil
	}
	return r.standIn(ctx, b, receipt)
}

// ready reports whether Redis can be asked. Right after the start it waits for the first answer.
func (r *Redis) ready() bool {
	if !r.breaker.open.Load() {
		return true
	}
	select {
	case <-r.first:
	default:
		limit := time.NewTimer(r.settings.ResponseTimeout)
		defer limit.Stop()
		select {
		case <-r.first:
		case <-limit.C:
		}
	}
	return !r.breaker.open.Load()
}

// pay has Redis take a bill.
func (r *Redis) pay(b *Bill, receipt *Receipt) error {
	c := r.calls.take(r.prefix)
	defer r.calls.giveBack(c)
	slot := uint64(0)
	if !b.Dry && b.slots() {
		slot = rand.Uint64() | 1
	}
	c.bill(b, slot, r.times.life.Milliseconds())
	a, err := r.ask(r.scripts.pay, c)
	if err == nil {
		err = r.receive(&a, b, receipt, slot)
	}
	if err != nil && slot != 0 {
		r.disown(b, slot)
	}
	return err
}

// slots reports whether a bill asks for slots.
func (b *Bill) slots() bool {
	for i := range b.Lines {
		if b.Lines[i].Key.Kind == Concurrent {
			return true
		}
	}
	return false
}

// disown has Redis told that slots are free of which nobody knows whether they were taken.
func (r *Redis) disown(b *Bill, slot uint64) {
	for i := range b.Lines {
		if b.Lines[i].Key.Kind == Concurrent {
			r.slots.owe(hold{b.Lines[i].Key, slot})
		}
	}
}

// receive reads how Redis has taken a bill, and has the memory learn it.
func (r *Redis) receive(a *answer, b *Bill, receipt *Receipt, slot uint64) error {
	receipt.reset(len(b.Lines))
	var candidate, refused int64
	if err := a.numbers(&receipt.At, &candidate, &refused); err != nil {
		return err
	}
	if candidate < -1 || candidate >= int64(max(b.Candidates, 1)) || refused < -1 || refused >= int64(len(b.Lines)) {
		return errAnswer
	}
	receipt.Candidate, receipt.Refused = int(candidate), int(refused)
	for i := range b.Lines {
		if err := r.receiveLine(a, &b.Lines[i], receipt.At, &receipt.Readings[i]); err != nil {
			return err
		}
		if b.Lines[i].Key.Kind == Concurrent && receipt.Readings[i].Taken > 0 {
			receipt.Slot = slot
		}
	}
	if receipt.Slot != 0 {
		r.slots.take(b, receipt)
	}
	return nil
}

func (r *Redis) receiveLine(a *answer, c *Charge, now int64, to *Reading) error {
	var full, taken int64
	if err := a.numbers(&full, &taken); err != nil {
		return err
	}
	counter := answer{a.line()}
	if c.Key.Kind == Concurrent {
		used, err := counter.number()
		*to = Reading{Used: used, Taken: taken, Refused: full != 0}
		return err
	}
	var room [spanCount]span
	spans, err := spansIn(counter.text, &room)
	if err != nil {
		return err
	}
	*to = read(spans, c, now, taken, full != 0)
	for i := len(spans) - 1; i >= 0; i-- { // the one paid for last comes last, and so to the front
		r.memory.learn(c.Key, spans[i].interval, spans[i].window, r.now())
	}
	return nil
}

// reset is an empty receipt with room for the readings of so many lines.
func (r *Receipt) reset(lines int) {
	*r = Receipt{Candidate: -1, Refused: -1, Readings: r.Readings}
	if cap(r.Readings) < lines {
		r.Readings = make([]Reading, lines)
	}
	r.Readings = r.Readings[:lines]
	clear(r.Readings)
}

// standIn does what is to be done while Redis is out.
func (r *Redis) standIn(ctx context.Context, b *Bill, receipt *Receipt) error {
	switch r.settings.OnFailure {
	case config.OnFailureAllow:
		receipt.reset(len(b.Lines))
		receipt.At, receipt.Unchecked = r.now(), true
		return nil
	case config.OnFailureDeny:
		return ErrUnavailable
	}
	r.breaker.rescued.Add(1)
	here := *b
	if here.At == 0 {
		here.At = r.now() // so that windows begin when those of Redis do
	}
	if err := r.memory.Pay(ctx, &here, receipt); err != nil {
		return err
	}
	receipt.Local = true
	for i := range b.Lines {
		c := &b.Lines[i]
		if taken := receipt.Readings[i].Taken; taken > 0 && c.Key.Kind != Concurrent {
			r.owed.add(&c.Key, c.Interval, receipt.At, taken)
		}
	}
	r.remind()
	return nil
}

// remind has the keeper tell what is owed, if Redis came back in the middle of it. While it is out the keeper needs no reminder.
func (r *Redis) remind() {
	if !r.breaker.open.Load() {
		r.stir()
	}
}

// now is the time by the clock of Redis, as far as it is known.
func (r *Redis) now() int64 { return time.Now().UnixMilli() + r.offset.value() }

// Settle is [Store.Settle]. The error is always nil: what Redis cannot be told now it is told when it is back. The memory is
// corrected, too, since it has learned what was paid.
//
// A receipt of the memory is settled like one of Redis: what it has paid was owed, and is in the counters of Redis, in the
// windows of that time, as soon as Redis is asked again. Until nothing is owed any more, corrections queue behind.
func (r *Redis) Settle(_ context.Context, s *Settlement) error {
	here := *s
	if !s.Local {
		here.Slots, here.Slot = nil, 0
		r.slots.giveBack(s)
	}
	r.memory.settle(&here, r.now())
	if r.breaker.open.Load() || r.owed.any() || r.settle(s) != nil {
		r.owe(s)
	}
	return nil
}

// settle has Redis settle a receipt.
func (r *Redis) settle(s *Settlement) error {
	c := r.calls.take(r.prefix)
	defer r.calls.giveBack(c)
	corrections, slots := 0, s.Slots
	if s.Local {
		slots = nil
	}
	for i := range s.Corrections {
		if s.Corrections[i].owes() {
			c.key(&s.Corrections[i].Key)
			corrections++
		}
	}
	for i := range slots {
		c.key(&slots[i])
	}
	if corrections+len(slots) == 0 {
		return nil
	}
	for i := range s.Corrections {
		if s.Corrections[i].owes() {
			c.correction(&s.Corrections[i], s.At)
		}
	}
	for range slots {
		c.free(s.Slot)
	}
	_, err := r.ask(r.scripts.settle, c)
	return err
}

// owes reports whether there is anything to correct.
func (c *Correction) owes() bool { return c.Delta != 0 && c.Key.Kind != Concurrent }

// owe has Redis told later. What is charged is charged now.
func (r *Redis) owe(s *Settlement) {
	for i := range s.Corrections {
		c := &s.Corrections[i]
		if !c.owes() {
			continue
		}
		at := s.At
		if c.Delta > 0 {
			at = max(at, r.now())
		}
		r.owed.add(&c.Key, c.Interval, at, c.Delta)
	}
	if !s.Local {
		for i := range s.Slots {
			r.slots.owe(hold{s.Slots[i], s.Slot})
		}
	}
	r.remind()
}

// Forget is [Store.Forget]. The memory forgets in any case. The error is that Redis could not be told.
func (r *Redis) Forget(ctx context.Context, keys []Key) error {
	if err := r.memory.Forget(ctx, keys); err != nil {
		return err
	}
	c := r.calls.take(r.prefix)
	defer r.calls.giveBack(c)
	for i := range keys {
		r.owed.forget(&keys[i])
		if keys[i].Kind != Concurrent {
			c.key(&keys[i])
		}
	}
	if c.split == 0 {
		return nil
	}
	if !r.ready() {
		return ErrUnavailable
	}
	if _, err := r.ask(r.scripts.forget, c); err != nil {
		return ErrUnavailable
	}
	return nil
}

// Over is [Memory.Over] by what Redis said of that counter last, and by its clock. While it is out and nothing is limited,
// nothing is over.
func (r *Redis) Over(c *Charge) (retry time.Duration, over bool) {
	if r.settings.OnFailure == config.OnFailureAllow && r.breaker.open.Load() {
		return 0, false
	}
	return r.memory.over(c, r.now())
}

// Health tells whether Redis is there; if not, why, in words of ours that hold no address and no secret, and since when.
func (r *Redis) Health() Health { return r.breaker.health() }

// Health is how a store is.
type Health struct {
	Out   bool
	Why   string
	Since time.Time
	// Failures is how many calls have failed since the start, Rescued how many bills were taken by the memory instead.
	Failures, Rescued uint64
}
