package config

import "slices"

// CORS is the table server.cors: which pages of other origins may call (Fetch standard, "CORS protocol"). Without the
// table no page of another origin may read an answer.
type CORS struct {
	Enabled bool `toml:"enabled"`
	// AllowOrigins are the origins whose pages may call, each "scheme://host" or "scheme://host:port", or "*" for every
	// one. Needed; an empty list is none.
	AllowOrigins Choice `toml:"allow_origins"`
	// AllowMethods are the methods that such a page may use, or "*". Default GET and POST.
	AllowMethods Choice `toml:"allow_methods"`
	// AllowHeaders are the request headers that such a page may set, in any case, or "*". Default Authorization and
	// Content-Type.
	AllowHeaders Choice `toml:"allow_headers"`
	// ExposeHeaders are the headers of an answer that such a page may read, or "*". Default X-Request-ID.
	ExposeHeaders Choice `toml:"expose_headers"`
	// AllowCredentials lets such a page send cookies and client certificates; not with AllowOrigins "*".
	AllowCredentials bool `toml:"allow_credentials"`
	// AllowPrivateNetwork lets a page of a public network call a gateway in a private one.
	AllowPrivateNetwork bool `toml:"allow_private_network"`
	// MaxAge is how long a browser may remember what it was allowed; "0s": not at all. Default "10m".
	MaxAge Duration `toml:"max_age"`
}

// CSRF is the table server.csrf: requests on the LLM paths must have a header that no page of another origin can set
// without being allowed to.
type CSRF struct {
	Enabled bool `toml:"enabled"`
	// HeaderName is the header that must be there, with any value, on all requests but OPTIONS. Default
	// "X-Nexus-CSRF-Protection".
	HeaderName HeaderName `toml:"header_name"`
}

// Choice is a list of texts, or all there are: "*", in the file alone or in a list. The zero Choice is none.
type Choice []string

// All reports whether everything is chosen.
func (c Choice) All() bool { return slices.Contains(c, anything) }

// anything stands for everything there is.
const anything = "*"
