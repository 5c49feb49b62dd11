package gateway

import (
	"time"

	"nexus/config"
	"nexus/gateway/identity/jwks"
)

// Status is what runs, for the admin.
type Status struct {
	// Config is the running configuration: for reading, like every Config.
	Config          *config.Config
	Generation      uint64
	LiveGenerations int // the running one, and those whose last requests have not ended yet
	LoadedAt        time.Time
	StartedAt       time.Time
	Version         string
	// Model is the first of the models that callers may name; empty: none is known.
	Model string
	// LastReloadError says why the file on disk is not what runs; empty: it is.
	LastReloadError string
	// Watching says why changes of the file are noticed seconds late; empty: they are noticed at once.
	Watching string
	// Keys says why tokens are not verified with the issuer's newest keys; empty: they are, or no token is asked for.
	Keys string
	// KeySet is the keys that tokens are verified with; nil: no token is asked for.
	KeySet *jwks.Status
	// Limiter is how the limits are counted.
	Limiter LimiterStatus
	// Providers are the running configuration's, in file order.
	Providers []ProviderStatus
}

// ProviderStatus is what is known of one provider that the running configuration has.
type ProviderStatus struct {
	Name string
	Type string // as in the file: "openai", "demo"
	// Reachable tells whether the last call, of a caller or for the list of models, was answered at all. Nil: nothing was
	// tried yet.
	Reachable *bool
	// Models are the names of the models that the provider listed last, without those that model_filter leaves out.
	Models []string
	// LastError is what went wrong last, in words of ours alone: no address, no key, nothing that the provider said.
	// Empty: nothing did.
	LastError   string
	LastErrorAt time.Time // zero: nothing went wrong
	// Latency is the time from a call to the head of its answer, smoothed over the last calls. Zero: none was answered.
	Latency time.Duration
	// DiscoveredAt is when Models were listed. Zero: never.
	DiscoveredAt time.Time
}
