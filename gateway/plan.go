package gateway

import (
	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/llm"
	"nexus/gateway/llm/demo"
)

// Plan is a configuration made ready: matchers and tables, and nothing that is connected, started or
// listening. A Plan is only read.
type Plan struct {
	config     *config.Config
	identifier *identity.Identifier
	address    addressRule
	providers  []llm.Upstream
}

// Compile makes the plan that a checked configuration asks for. It is pure: no network, no goroutine, no socket.
func Compile(cfg *config.Config) *Plan {
	return &Plan{
		config:     cfg,
		identifier: identity.Compile(&cfg.Server.ClientIdentification),
		address:    compileAddressRule(&cfg.Server.ClientIP),
		providers:  compileProviders(cfg),
	}
}

// compileProviders lists the providers in file order, which decides who answers a bare model name.
func compileProviders(cfg *config.Config) []llm.Upstream {
	var providers []llm.Upstream
	for name, p := range cfg.LLM.Providers.All() {
		upstream := llm.Upstream{Name: name, Provider: demo.New()}
		for model, m := range p.Models.All() {
			upstream.Explicit = append(upstream.Explicit, llm.Alias{Name: model, Sent: m.Rename})
		}
		providers = append(providers, upstream)
	}
	return providers
}
