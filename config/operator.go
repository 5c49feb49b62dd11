package config

// Admin is the table admin: the pages that explain each refusal. On without a table.
type Admin struct {
	Enabled bool `toml:"enabled" guard:"true"`
	// Path is the prefix of the pages. Default "/admin".
	Path Path `toml:"path"`
	// Token opens the pages to whoever signs in with it or sends it as a bearer token. Empty: direct
	// loopback callers alone.
	Token Secret `toml:"token" guard:"\"\""`
	// Traces is how many traces are kept. Default 1000.
	Traces int `toml:"traces"`
	// Rejections is how many refusals are kept. Default 1000.
	Rejections int `toml:"rejections"`
}

// Telemetry is the table telemetry.
type Telemetry struct {
	Prometheus Prometheus `toml:"prometheus" guard:"enabled = false"`
}

// Prometheus is the table telemetry.prometheus: the metrics for a scraper. On without a table.
type Prometheus struct {
	Enabled bool `toml:"enabled" guard:"true"`
	// Path is where the metrics are served. Default "/metrics".
	Path Path `toml:"path"`
	// Token is what a scraper sends as a bearer token. Empty: direct loopback callers alone.
	Token Secret `toml:"token" guard:"\"\""`
}
