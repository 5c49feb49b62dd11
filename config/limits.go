package config

import (
	"strings"
	"time"
)

// maxLimit is the most that a limit may be: counters above it would lose precision.
const maxLimit = 1_000_000_000_000_000

// RateLimits is the table server.rate_limits: how many requests are answered, and where all limits are counted.
type RateLimits struct {
	// Enabled switches the request limits of this table. The token limits of providers and models hold without it.
	Enabled bool `toml:"enabled"`
	// Storage is used for the token limits, too, whether or not the table is on.
	Storage LimitStorage `toml:"storage" guard:"type = \"memory\""`
	// Global bounds all requests together. The zero value: no limit.
	Global RequestLimit `toml:"global" guard:"limit"`
	// PerIP bounds the requests of one address, an IPv6 /64 as one. The zero value: no limit.
	PerIP RequestLimit `toml:"per_ip" guard:"limit"`
	// PerUser bounds the requests of one client id. The zero value: no limit.
	PerUser UserLimit `toml:"per_user" guard:"limit"`
}

// RequestLimit is a number of requests in a sliding window. The zero value: no limit.
type RequestLimit struct {
	// Limit is how many requests are answered in one Interval, from 1 to 1e15.
	Limit int64 `toml:"limit" none:"0"`
	// Interval is the length of the window, in whole milliseconds, at least "1ms".
	Interval Interval `toml:"interval" none:"0"`
}

// UserLimit is the table server.rate_limits.per_user.
type UserLimit struct {
	// Limit and Interval are those of callers whose group has none of its own. Zero: no limit.
	Limit    int64    `toml:"limit" none:"0" guard:"limit"`
	Interval Interval `toml:"interval" none:"0"`
	// Concurrent is how many requests of one client id may be in flight, from 1 to 1e15. 0: any number.
	Concurrent int64 `toml:"concurrent" none:"0" guard:"limit"`
	// Groups are the limits of single groups.
	Groups Table[RequestLimit] `toml:"groups"`
}

// LimitStorage is the table server.rate_limits.storage: where limits are counted.
type LimitStorage struct {
	// Type is "memory" (each instance counts by itself) or "redis" (instances count together). Default "memory".
	Type StorageType `toml:"type" guard:"\"memory\""`
	// URL is where Redis is: redis://[[user]:password@]host[:port][/database], rediss:// for TLS; without a query. Needed
	// with redis, as all else in the table is for redis alone.
	URL Secret `toml:"url"`
	// KeyPrefix begins the name of each key: 256 bytes at most, without braces, which choose a node of a cluster. Default
	// "nexus:rate_limit:".
	KeyPrefix string `toml:"key_prefix" guard:"\"nexus:rate_limit:\""`
	// ResponseTimeout bounds one answer of Redis, at least "1ms". Default "200ms".
	ResponseTimeout Duration `toml:"response_timeout"`
	// ConnectionTimeout bounds a new connection, at least "1ms". Default "1s".
	ConnectionTimeout Duration `toml:"connection_timeout"`
	// OnFailure is what holds while Redis is out. Default "local".
	OnFailure OnFailure   `toml:"on_failure" guard:"\"local\""`
	Pool      StoragePool `toml:"pool"`
	TLS       StorageTLS  `toml:"tls"`
}

// StoragePool is the table server.rate_limits.storage.pool.
type StoragePool struct {
	// MaxSize is how many connections there are at most, 1 to 10,000. Default 64.
	MaxSize int `toml:"max_size"`
	// MinIdle is how many are kept when nothing happens, 0 to MaxSize. Default 4.
	MinIdle int `toml:"min_idle"`
}

// StorageTLS is the table server.rate_limits.storage.tls, for rediss://. A relative path begins in the directory of the
// file that says it; empty: none.
type StorageTLS struct {
	// CACertPath is the authority that has signed the server's certificate. Empty: the system's.
	CACertPath string `toml:"ca_cert_path"`
	// ClientCertPath and ClientKeyPath are what Nexus shows of itself. Both or none.
	ClientCertPath string `toml:"client_cert_path"`
	ClientKeyPath  string `toml:"client_key_path"`
	// Insecure takes any certificate of the server.
	Insecure bool `toml:"insecure"`
}

// StorageType is where limits are counted.
type StorageType string

// The storages.
const (
	StorageMemory StorageType = "memory"
	StorageRedis  StorageType = "redis"
)

// storageTypes are the storages that exist.
var storageTypes = []string{string(StorageMemory), string(StorageRedis)}

func (s *StorageType) example() string { return `"redis"` }

func (s *StorageType) parse(text string) *mistake {
	m := oneOf(text, storageTypes, "is not a storage")
	if m == nil {
		*s = StorageType(text)
	}
	return m
}

// OnFailure is what holds while the storage is out.
type OnFailure string

// What may hold.
const (
	OnFailureLocal OnFailure = "local" // each instance counts by itself
	OnFailureAllow OnFailure = "allow" // nothing is limited
	OnFailureDeny  OnFailure = "deny"  // nothing that has a limit is answered
)

// failureWays are the ways in which limits can hold while the storage is out.
var failureWays = []string{string(OnFailureLocal), string(OnFailureAllow), string(OnFailureDeny)}

func (o *OnFailure) example() string { return `"local"` }

func (o *OnFailure) parse(text string) *mistake {
	m := oneOf(text, failureWays, "is not what can hold while the storage is out")
	if m == nil {
		*o = OnFailure(text)
	}
	return m
}

// TokenLimits is the table rate_limits of a provider, or of a model.
type TokenLimits struct {
	// PerUser is the limit of each client id. The zero value: none.
	PerUser TokenLimit `toml:"per_user"`
}

// some reports whether the table says anything.
func (l *TokenLimits) some() bool {
	p := &l.PerUser
	return p.Budget() != TokenBudget{} || p.Groups.Len() > 0
}

// TokenBudget is how many tokens may be used in a sliding window. The zero value: no limit.
type TokenBudget struct {
	// Input, Output and Total bound the tokens of prompts, of answers, and of both together, from 1 to 1e15. 0: no limit of
	// that kind.
	Input  int64 `toml:"input_token_limit" none:"0"`
	Output int64 `toml:"output_token_limit" none:"0"`
	Total  int64 `toml:"total_token_limit" none:"0"`
	// Interval is the length of the window, in whole milliseconds, at least "1ms".
	Interval Interval `toml:"interval" none:"0"`
	// Enforce is whether the limit refuses; false only measures and shows. Nil: true, and for a group what the table above says.
	Enforce *bool `toml:"enforce"`
}

// TokenLimit is the table rate_limits.per_user of a provider or a model. A table that says nothing but enforce = false says
// that no limit is meant.
type TokenLimit struct {
	Input    int64    `toml:"input_token_limit" none:"0"`
	Output   int64    `toml:"output_token_limit" none:"0"`
	Total    int64    `toml:"total_token_limit" none:"0"`
	Interval Interval `toml:"interval" none:"0"`
	Enforce  *bool    `toml:"enforce"`
	// Groups are the limits of single groups.
	Groups Table[TokenBudget] `toml:"groups"`
}

// Budget is the limit of callers whose group has none of its own; the zero value: none.
func (l *TokenLimit) Budget() TokenBudget {
	return TokenBudget{Input: l.Input, Output: l.Output, Total: l.Total, Interval: l.Interval, Enforce: l.Enforce}
}

// Some reports whether there is a limit.
func (b TokenBudget) Some() bool { return b.Input > 0 || b.Output > 0 || b.Total > 0 }

// Of is the limit of a group, and whether it has one of its own.
func (l *TokenLimit) Of(group string) (b TokenBudget, own bool) {
	if group == "" {
		return TokenBudget{}, false
	}
	b, own = l.Groups.Get(group)
	if own && b.Enforce == nil {
		b.Enforce = l.Enforce
	}
	return b, own
}

// Enforced reports whether the limit refuses.
func (b TokenBudget) Enforced() bool { return b.Enforce == nil || *b.Enforce }

// Milliseconds is an interval as the limits count it.
func (d Duration) Milliseconds() int64 { return time.Duration(d).Milliseconds() }

// Interval is the length of a window, which remembers how the file says it: "60s" is told as that, and not as a minute. The
// zero value: there is none.
type Interval struct {
	length Duration
	text   string
}

// Duration is the interval's length.
func (i Interval) Duration() time.Duration { return i.length.Duration() }

// Milliseconds is the interval's length as the limits count it.
func (i Interval) Milliseconds() int64 { return i.Duration().Milliseconds() }

// String is the interval as the file says it.
func (i Interval) String() string { return i.text }

// MarshalText is String.
func (i Interval) MarshalText() ([]byte, error) { return []byte(i.text), nil }

func (i *Interval) example() string { return `"60s"` }

func (i *Interval) parse(text string) *mistake {
	m := i.length.parse(text)
	switch {
	case m == nil:
		i.text = text
	case strings.Contains(m.fix, `"0s"`):
		m.fix = `write a duration from "1ms" to "365d", such as "60s"`
	}
	return m
}
