package gateway

import (
	"context"
	"time"

	"nexus/config"
	"nexus/gateway/llm"
	"nexus/gateway/llm/demo"
	"nexus/gateway/shared"
)

// provider is a provider as the file wants it.
type provider struct {
	name     string
	settings providerSettings
	explicit []llm.Alias
}

// providerSettings are what shapes a provider itself, whatever it is called and whichever models are named: generations
// with equal ones share it.
type providerSettings struct {
	kind config.ProviderType
}

// sharedProvider is a provider that is open, with the models that it listed then.
type sharedProvider struct {
	llm.Provider
	discovered []llm.Model
}

// compileProviders lists the providers in file order, which decides who answers a bare model name.
func compileProviders(cfg *config.Config) []provider {
	var providers []provider
	for name, p := range cfg.LLM.Providers.All() {
		wanted := provider{name: name, settings: providerSettings{kind: p.Type}}
		for model, m := range p.Models.All() {
			wanted.explicit = append(wanted.explicit, llm.Alias{Name: model, Sent: m.Rename})
		}
		providers = append(providers, wanted)
	}
	return providers
}

// discoverTime is how long a provider may take to list its models while it opens.
const discoverTime = 5 * time.Second

// openProvider opens a provider that no generation has. One that does not list its models has none; that never keeps a
// snapshot from opening.
func openProvider(providerSettings) (*sharedProvider, func()) {
	ctx, cancel := context.WithTimeout(context.Background(), discoverTime)
	defer cancel()
	p := &sharedProvider{Provider: demo.New()} // there is no other kind
	p.discovered, _ = p.Models(ctx)
	return p, nil
}

// borrowProviders gives a snapshot its providers. Those that another generation has with equal settings are the very
// same ones.
func (s *Snapshot) borrowProviders(pool *shared.Pool) []llm.Upstream {
	upstreams := make([]llm.Upstream, len(s.providers))
	for i, wanted := range s.providers {
		p, giveBack := shared.Borrow(pool, wanted.settings, openProvider)
		s.shares = append(s.shares, giveBack)
		upstreams[i] = llm.Upstream{Name: wanted.name, Provider: p, Explicit: wanted.explicit, Discovered: p.discovered}
	}
	return upstreams
}
