package limit

import (
	"log/slog"
	"time"
)

// Hurry is how often a store on Redis looks after things, for tests that do not want to wait.
type Hurry struct{ Life, Renew, Probe, Look, Silent time.Duration }

// OpenRedisHurried is OpenRedis with other times; those of 0 are the usual ones.
func OpenRedisHurried(s RedisSettings, m *Memory, log *slog.Logger, h Hurry) (*Redis, func()) {
	every := usualTimes()
	for _, t := range []struct {
		to   *time.Duration
		than time.Duration
	}{{&every.life, h.Life}, {&every.renew, h.Renew}, {&every.probe, h.Probe}, {&every.look, h.Look}, {&every.silent, h.Silent}} {
		if t.than > 0 {
			*t.to = t.than
		}
	}
	return openRedis(s, m, log, every)
}

// Name is what a key is called in Redis.
func Name(prefix string, k Key) string { return string(appendName(nil, namePrefix(prefix), &k)) }

// Shift has the store believe that the clock of Redis is ahead of ours by so much.
func (r *Redis) Shift(by time.Duration) {
	ms := by.Milliseconds()
	r.offset.known.Store(&ms)
}

// Owes reports whether Redis is still to be told of something.
func (r *Redis) Owes() bool { return r.owed.any() }

// Debts is the rules of what is owed, alone.
type Debts struct{ owed owed }

// Add owes so much of a time to a key.
func (d *Debts) Add(k Key, interval, at, delta int64) { d.owed.add(&k, interval, at, delta) }

// Sum is all that is owed, and in how many parts; it is owed no more.
func (d *Debts) Sum() (sum int64, parts int) {
	for d.owed.any() {
		for _, c := range d.owed.take(batch) {
			sum += c.delta
			parts++
		}
	}
	return sum, parts
}

// Lost is how often there was no room for what is owed.
func (d *Debts) Lost() uint64 { return d.owed.lost.Load() }

// MaxDebts is to how many keys something can be owed.
const MaxDebts = maxDebts
