package config

import (
	"cmp"
	"strings"
	"time"
)

// LLM is the table llm: which protocols callers speak and which providers answer.
type LLM struct {
	Enabled   bool            `toml:"enabled"`
	Protocols Protocols       `toml:"protocols"`
	Providers Table[Provider] `toml:"providers"`
}

// Protocols is the table llm.protocols.
type Protocols struct {
	OpenAI Protocol `toml:"openai"`
}

// Protocol is one protocol that callers may speak.
type Protocol struct {
	Enabled bool `toml:"enabled"`
	// Path is the prefix of the protocol's endpoints. Default "/llm" for openai.
	Path Path `toml:"path"`
}

// Provider is one table llm.providers.NAME. Their order in the file decides who answers a bare model name. Of a demo only
// Type, RateLimits and Models mean anything; its other fields are zero.
type Provider struct {
	// Type is the provider's kind. Needed.
	Type ProviderType `toml:"type"`
	// APIKey is sent to the provider as a bearer token. Not set: only callers that send a key of their own are answered,
	// which needs ForwardToken.
	APIKey Secret `toml:"api_key"`
	// BaseURL is where the provider's endpoints are, with the version part, as the file says it: without query and user
	// information, maybe with a slash at its end, see [Provider.Base]. Default "https://api.openai.com/v1".
	BaseURL URL `toml:"base_url"`
	// ForwardToken sends the caller's X-Provider-API-Key in the place of APIKey, where the caller has one.
	ForwardToken bool `toml:"forward_token"`
	// ModelFilter limits the models that are discovered, and the names after "provider/" that are passed on, to those that
	// it matches anywhere, in any case. Not set: no limit.
	ModelFilter Pattern `toml:"model_filter" guard:"\".*\""`
	// ConnectTimeout bounds a new connection, TLS included, at least "100ms". Default "5s".
	ConnectTimeout Duration `toml:"connect_timeout"`
	// ResponseTimeout bounds the time to the first byte of an answer, at least "100ms". Default "10m".
	ResponseTimeout Duration `toml:"response_timeout"`
	// IdleTimeout bounds a silence inside an answer, at least "100ms". Default "5m".
	IdleTimeout Duration `toml:"idle_timeout"`
	// Headers say what of a caller's headers goes to the provider, in order; 100 at most. Empty: nothing but what always does.
	Headers []HeaderRule `toml:"headers"`
	// RateLimits are the token limits of each caller: one budget for all models that have no limits of their own. The zero
	// value: none.
	RateLimits TokenLimits `toml:"rate_limits" guard:"limit"`
	// Models are the models that callers may name, by that name.
	Models Table[Model] `toml:"models"`
}

const defaultBaseURL URL = "https://api.openai.com/v1"

func (p *Provider) setDefaults() {
	p.BaseURL = defaultBaseURL
	p.ConnectTimeout = Duration(5 * time.Second)
	p.ResponseTimeout = Duration(10 * time.Minute)
	p.IdleTimeout = Duration(5 * time.Minute)
}

// complete takes back the defaults of what a demo does not have.
func (p *Provider) complete(string) {
	switch {
	case p.Type == ProviderDemo:
		p.BaseURL, p.ConnectTimeout, p.ResponseTimeout, p.IdleTimeout = "", 0, 0, 0
	case p.BaseURL == "":
		p.BaseURL = defaultBaseURL
	}
}

// fits reports whether a provider of its type has a key.
func (p *Provider) fits(name string) bool {
	return p.Type != ProviderDemo || name == "type" || name == "models" || name == "rate_limits"
}

// has reports whether a key is shown: a provider of its type has it, and it says something if it is a table of limits.
func (p *Provider) has(name string) bool {
	return p.fits(name) && (name != "rate_limits" || p.RateLimits.some())
}

// Base is BaseURL without a slash at its end, to put "/chat/completions" behind. Without a BaseURL it is the default.
func (p *Provider) Base() string {
	return strings.TrimRight(string(cmp.Or(p.BaseURL, defaultBaseURL)), "/")
}

// ProviderType is the kind of a provider.
type ProviderType string

const (
	// ProviderOpenAI is OpenAI, and every server that speaks like it.
	ProviderOpenAI ProviderType = "openai"
	// ProviderDemo is built in: no key, no network, the same answer to the same question.
	ProviderDemo ProviderType = "demo"
)

// providerTypes are the kinds of providers that exist.
var providerTypes = []string{string(ProviderOpenAI), string(ProviderDemo)}

func (p *ProviderType) example() string { return `"openai"` }

func (p *ProviderType) parse(text string) *mistake {
	m := oneOf(text, providerTypes, "is not a provider type")
	if m == nil {
		*p = ProviderType(text)
	}
	return m
}

// Model is one table llm.providers.NAME.models.MODEL; MODEL is the name that callers use.
type Model struct {
	// Rename is the name sent to the provider. Default, and also for "": the name that callers use.
	Rename string `toml:"rename"`
	// Headers are rules that apply after the provider's, 100 at most. Empty for a demo.
	Headers []HeaderRule `toml:"headers"`
	// RateLimits are the token limits of each caller for this model alone, in the place of the provider's. The zero value:
	// the provider's hold.
	RateLimits TokenLimits `toml:"rate_limits" guard:"limit"`
	// Fallback are the models, each as provider/model, that answer in this order where a caller is over its limit here or the
	// provider fails before its first byte; 8 at most, and no circle. Empty: none.
	Fallback []string `toml:"fallback"`
}

// has reports whether a key is shown. What most models do not have is not.
func (m *Model) has(name string) bool {
	switch name {
	case "rate_limits":
		return m.RateLimits.some()
	case "fallback":
		return len(m.Fallback) > 0
	}
	return true
}

func (m *Model) complete(name string) {
	if m.Rename == "" {
		m.Rename = name
	}
}
