package gateway

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"time"

	"nexus/config"
	"nexus/gateway/journal"
	"nexus/gateway/limit"
	"nexus/gateway/shared"
	"nexus/gateway/telemetry"
)

// limiter is the limits of one generation, and where they are counted.
type limiter struct {
	table    *limit.Table
	log      *slog.Logger
	store    store
	redis    *limit.Redis // nil: the store is the memory of this process
	forecast *limit.Forecast
	failure  config.OnFailure
	// behind bounds the addresses that are being charged behind the scenes.
	behind chan struct{}
}

// store keeps counters, and tells without waiting what it knows already.
type store interface {
	limit.Store
	Over(c *limit.Charge) (retry time.Duration, over bool)
}

// maxBehind bounds the addresses that are charged at once behind the scenes, where that takes a round trip. A flood of more
// is over any limit already.
const maxBehind = 256

// borrowLimits gives a snapshot its limits. Counters belong to no generation: what was used stays used.
func (s *Snapshot) borrowLimits(pool *shared.Pool) {
	g := s.gateway
	s.limits = limiter{table: s.tiers, log: g.logger, store: g.memory, forecast: &g.forecast, behind: g.behind}
	storage := &s.config.Server.RateLimits.Storage
	if storage.Type != config.StorageRedis {
		return
	}
	redis, giveBack := shared.Borrow(pool, redisSettings(s.config), func(settings limit.RedisSettings) (*limit.Redis, func()) {
		return limit.OpenRedis(settings, g.memory, g.logger)
	})
	s.shares = append(s.shares, giveBack)
	s.limits.store, s.limits.redis, s.limits.failure = redis, redis, storage.OnFailure
}

const keyRedisTLS = "server.rate_limits.storage.tls."

func redisSettings(cfg *config.Config) limit.RedisSettings {
	storage := &cfg.Server.RateLimits.Storage
	return limit.RedisSettings{
		URL: storage.URL, KeyPrefix: storage.KeyPrefix,
		ResponseTimeout:   storage.ResponseTimeout.Duration(),
		ConnectionTimeout: storage.ConnectionTimeout.Duration(),
		MaxSize:           storage.Pool.MaxSize, MinIdle: storage.Pool.MinIdle,
		CACert: cfg.PathOf(storage.TLS.CACertPath), ClientCert: cfg.PathOf(storage.TLS.ClientCertPath), ClientKey: cfg.PathOf(storage.TLS.ClientKeyPath),
		Files:    cfg.MaterialSum(keyRedisTLS+"ca_cert_path", keyRedisTLS+"client_cert_path", keyRedisTLS+"client_key_path"),
		Insecure: storage.TLS.Insecure, OnFailure: storage.OnFailure,
	}
}

// door refuses an address that is known to be over its limit, before anything else is looked at. It asks nobody but this
// process's own memory.
func (l *limiter) door(x *Exchange) error {
	c, ok := l.table.Address(journal.Network(x.trace.Remote))
	if !ok {
		return nil
	}
	retry, over := l.store.Over(&c)
	if !over {
		return nil
	}
	h := x.Response().Header()
	h["X-Ratelimit-Limit-Requests"] = []string{strconv.FormatInt(c.Limit, 10)}
	h["X-Ratelimit-Remaining-Requests"] = []string{"0"}
	h["X-Ratelimit-Reset-Requests"] = []string{retry.Round(time.Millisecond).String()}
	return l.refuseLine(x, &c, &limit.Reading{Used: c.Limit, Refused: true, Retry: max(retry, time.Millisecond)}, &l.table.PerIP)
}

// chargeAddress lets an address pay for a request that was refused before it had a bill. Nobody waits for it.
func (l *limiter) chargeAddress(remote netip.Addr) {
	c, ok := l.table.Address(journal.Network(remote))
	if !ok {
		return
	}
	pay := func() {
		b, r := limit.Bill{Lines: []limit.Charge{c}}, limit.Receipt{}
		_ = l.store.Pay(context.Background(), &b, &r) // that the store is out is told elsewhere
	}
	if l.redis == nil {
		pay()
		return
	}
	select {
	case l.behind <- struct{}{}:
		go func() {
			defer func() {
				if thrown := recover(); thrown != nil {
					logPanic(l.log, "charging an address panicked", thrown)
				}
				<-l.behind
			}()
			pay()
		}()
	default:
	}
}

// LimiterStatus says how the limits are counted.
type LimiterStatus struct {
	Storage string // "memory" or "redis"
	State   string // "ok" or "degraded"
	// Error is why it is degraded, and what holds meanwhile; empty: it is not.
	Error     string
	Since     time.Time // when it began to be degraded
	OnFailure string    // what holds while Redis is out; empty for memory
}

// status is what the admin shows.
func (l *limiter) status() LimiterStatus {
	if l.redis == nil {
		return LimiterStatus{Storage: string(config.StorageMemory), State: "ok"}
	}
	told := LimiterStatus{Storage: string(config.StorageRedis), State: "ok", OnFailure: string(l.failure)}
	if h := l.redis.Health(); h.Out {
		told.State, told.Error, told.Since = "degraded", "Redis is out ("+h.Why+"): "+whatHolds[l.failure], h.Since
	}
	return told
}

// whatHolds says what holds while Redis is out.
var whatHolds = map[config.OnFailure]string{
	config.OnFailureLocal: "each instance counts by itself until it is back",
	config.OnFailureAllow: "nothing is limited until it is back",
	config.OnFailureDeny:  "requests that have a limit are refused until it is back",
}

// limiterFigures are what the metrics show of the limits of the running generation.
func (g *Gateway) limiterFigures() telemetry.Limiter {
	told := telemetry.Limiter{Storage: string(config.StorageMemory), Healthy: true, Counters: g.memory.Len()}
	s := g.live.acquire()
	if s == nil {
		return told
	}
	defer s.release()
	if redis := s.limits.redis; redis != nil {
		h := redis.Health()
		told.Storage, told.Healthy, told.Failures, told.Local = string(config.StorageRedis), !h.Out, h.Failures, h.Rescued
	}
	return told
}
