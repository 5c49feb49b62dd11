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
}
