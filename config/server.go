package config

import "net/netip"

// Server is the table server: where Nexus listens, what it accepts, and who the caller is.
type Server struct {
	// ListenAddress is the host and port of the LLM endpoints, and of everything else without
	// an address of its own. Default "127.0.0.1:8000"; port 0 takes any free one.
	ListenAddress Address `toml:"listen_address"`
	// ShutdownTimeout is how long a stopping process waits for what is in flight. Default "30s".
	ShutdownTimeout Duration `toml:"shutdown_timeout"`
	// MaxBodySize is the largest request body; a larger one is answered 413. Default "20MiB".
	MaxBodySize Size `toml:"max_body_size"`
	// MaxBodyMemory bounds all bodies in flight together; over it the answer is 503. Default "512MiB".
	MaxBodyMemory Size `toml:"max_body_memory"`

	Health               Health               `toml:"health"`
	ClientIP             ClientIP             `toml:"client_ip"`
	ClientIdentification ClientIdentification `toml:"client_identification" guard:"enabled = false"`
}

// Health is the table server.health: the probes of an orchestrator. On without a table.
type Health struct {
	Enabled bool `toml:"enabled"`
	// Path answers {"status":"healthy"} as long as the process runs. Default "/health".
	Path Path `toml:"path"`
	// ReadyPath answers 200 while requests are served, 503 while starting or draining. Default "/ready".
	ReadyPath Path `toml:"ready_path"`
}

// ClientIP is the table server.client_ip: where the caller's address comes from when Nexus stands
// behind a proxy. Without it, it is the address of the socket's peer.
type ClientIP struct {
	// XRealIP believes the header X-Real-IP.
	XRealIP bool `toml:"x_real_ip"`
	// XForwardedForTrustedHops is how many entries to skip from the right of X-Forwarded-For:
	// 0 takes the rightmost. Nil: the header is not used. Too few entries: the socket's address.
	XForwardedForTrustedHops *int `toml:"x_forwarded_for_trusted_hops"`
	// TrustedProxies are the peers from which either header is believed. Empty: from every peer,
	// which only a loopback listener may say.
	TrustedProxies []netip.Prefix `toml:"trusted_proxies" guard:"[]"`
}

// ClientIdentification is the table server.client_identification: who calls, and in which tier.
type ClientIdentification struct {
	Enabled bool `toml:"enabled"`
	// ClientID says where the caller's id is found. Needed.
	ClientID Source `toml:"client_id" guard:"http_header = \"\""`
	// GroupID says where the caller's tier is found. The zero value: callers have no tier.
	GroupID Source `toml:"group_id" guard:"http_header = \"\""`
	// TrustedSources are the peers from which identity headers are believed. Empty: from every peer.
	TrustedSources []netip.Prefix `toml:"trusted_sources" guard:"[]"`
	Validation     Validation     `toml:"validation"`
}

// Source is one place where an identity is found.
type Source struct {
	// HTTPHeader is the name of a request header, in any case.
	HTTPHeader HeaderName `toml:"http_header"`
}

// Validation is the table server.client_identification.validation.
type Validation struct {
	// GroupValues are the tiers that exist; any other is refused. Needed with group_id.
	GroupValues []string `toml:"group_values" guard:"[]"`
}
