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
	TLS                  TLS                  `toml:"tls" guard:"enabled = false"`
	ClientIP             ClientIP             `toml:"client_ip"`
	CORS                 CORS                 `toml:"cors"`
	CSRF                 CSRF                 `toml:"csrf" guard:"enabled = false"`
	OAuth                OAuth                `toml:"oauth" guard:"enabled = false"`
	ClientIdentification ClientIdentification `toml:"client_identification" guard:"enabled = false"`
	RateLimits           RateLimits           `toml:"rate_limits" guard:"enabled = false"`
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

// OAuth is the table server.oauth: on, every request to the LLM endpoints needs a bearer token (RFC 6750), a JWT
// (RFC 7519) that one of the issuer's keys has signed.
type OAuth struct {
	Enabled bool `toml:"enabled"`
	// URL is where the issuer's key set is found, a JWK Set (RFC 7517, section 5). Needed. https, or on loopback.
	URL URL `toml:"url"`
	// PollInterval is how often the key set is fetched anew, at least "100ms". Default "5m".
	PollInterval Duration `toml:"poll_interval"`
	// ExpectedIssuer is what a token's claim iss must be, exactly. Empty: any.
	ExpectedIssuer string `toml:"expected_issuer" guard:"\"\""`
	// ExpectedAudience is what a token's claim aud must be, or hold. Empty: any.
	ExpectedAudience string `toml:"expected_audience" guard:"\"\""`
	// Algorithms are those that tokens may be signed with. Empty: all of the function Algorithms.
	Algorithms []Algorithm `toml:"algorithms" guard:"[]"`
	// ClockSkew is how far the issuer's clock and ours may be apart. Default "60s".
	ClockSkew Duration `toml:"clock_skew"`
	// MaxStale is how long the last good key set serves without a refresh, never 0. Default "24h".
	MaxStale Duration `toml:"max_stale"`

	ProtectedResource ProtectedResource `toml:"protected_resource"`
}

// ProtectedResource is the table server.oauth.protected_resource: what callers may learn about who issues the tokens
// (RFC 9728). The zero value: nothing.
type ProtectedResource struct {
	// Resource is the identifier of this gateway as its callers know it: https, or on loopback, without a query. Needed
	// where the table is written. Empty: no metadata is served.
	Resource URL `toml:"resource"`
	// AuthorizationServers are the issuers of the tokens, each https, or on loopback. May be empty.
	AuthorizationServers []URL `toml:"authorization_servers"`
}

// ClientIdentification is the table server.client_identification: who calls, and in which tier.
type ClientIdentification struct {
	Enabled bool `toml:"enabled"`
	// ClientID says where the caller's id is found: in exactly one source. Without any, with server.oauth, in the
	// claim "sub".
	ClientID ClientSource `toml:"client_id" guard:"jwt_claim = \"sub\""`
	// GroupID says where the caller's tier is found. The zero value: callers have no tier.
	GroupID Source `toml:"group_id" guard:"jwt_claim = \"\""`
	// TrustedSources are the peers from which identity headers are believed. Empty: from every peer.
	TrustedSources []netip.Prefix `toml:"trusted_sources" guard:"[]"`
	Validation     Validation     `toml:"validation"`
}

// Source is one place where an identity is found: a claim or a header, never both. The zero Source: none.
type Source struct {
	// JWTClaim is a claim of the verified token, and needs server.oauth. Empty: none.
	JWTClaim ClaimPath `toml:"jwt_claim"`
	// HTTPHeader is the name of a request header, in any case. Empty: none.
	HTTPHeader HeaderName `toml:"http_header"`
}

// ClientSource is one place where a client id is found: a claim, a header or a client certificate. The zero
// ClientSource: none.
type ClientSource struct {
	// JWTClaim and HTTPHeader are as in [Source].
	JWTClaim   ClaimPath  `toml:"jwt_claim"`
	HTTPHeader HeaderName `toml:"http_header"`
	// ClientCertificate is a part of the caller's certificate, and needs server.tls.client_ca. Empty: none.
	ClientCertificate CertificateField `toml:"client_certificate"`
}

// Validation is the table server.client_identification.validation.
type Validation struct {
	// GroupValues are the tiers that exist; any other is refused. Needed with group_id.
	GroupValues []string `toml:"group_values" guard:"[]"`
}
