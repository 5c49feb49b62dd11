package gateway

import (
	"net/http"
	"strings"

	"nexus/config"
	"nexus/gateway/llm"
	"nexus/gateway/llm/demo"
	"nexus/gateway/llm/upstream"
	"nexus/gateway/shared"
)

// provider is a provider as the file wants it.
type provider struct {
	name     string
	kind     config.ProviderType
	explicit []llm.Alias
	filter   config.Pattern
	account  accountSettings // of a provider that is called over the network
	key      config.Secret
	// forward is whether the caller's own key takes the place of ours.
	forward bool
	rules   upstream.Rules   // of models that the file does not list
	aliases []upstream.Rules // of those that it lists: the provider's rules, then the model's
	bearer  []string         // the header Authorization with our key; nil: there is none
	// fallbacks are the models that answer in the place of each alias, in order.
	fallbacks [][]string
	// secrets are what the rules insert, and aliasSecrets the same of the aliases: nobody sees what a provider repeats of it.
	secrets      []string
	aliasSecrets [][]string
}

// backend is a provider that is open.
type backend struct {
	*provider
	// answers speaks the neutral conversation; nil: the provider speaks the callers' own protocol.
	answers llm.Provider
	client  *upstream.Client // nil: there is nobody to call
	account *account
}

// compileProviders lists the providers in file order, which decides who answers a bare model name.
func compileProviders(cfg *config.Config) []provider {
	var providers []provider
	for name, p := range cfg.LLM.Providers.All() {
		rules := compileRules(p.Headers)
		wanted := provider{
			name: name, kind: p.Type, filter: p.ModelFilter, key: p.APIKey, forward: p.ForwardToken,
			rules: upstream.CompileRules(rules, config.NeverForwarded), secrets: secretsOf(rules),
		}
		if p.Type == config.ProviderOpenAI {
			wanted.account = accountSettings{
				connection: upstream.Settings{
					BaseURL:         p.Base(),
					ConnectTimeout:  p.ConnectTimeout.Duration(),
					ResponseTimeout: p.ResponseTimeout.Duration(),
					IdleTimeout:     p.IdleTimeout.Duration(),
				},
				key:     p.APIKey,
				inserts: insertsOf(rules),
			}
		}
		if p.APIKey.IsSet() {
			wanted.bearer = []string{"Bearer " + p.APIKey.Reveal()}
		}
		for model, m := range p.Models.All() {
			wanted.explicit = append(wanted.explicit, llm.Alias{Name: model, Sent: m.Rename})
			both := append(rules[:len(rules):len(rules)], compileRules(m.Headers)...)
			wanted.aliases = append(wanted.aliases, upstream.CompileRules(both, config.NeverForwarded))
			wanted.aliasSecrets = append(wanted.aliasSecrets, secretsOf(both))
		}
		wanted.fallbacks = compileFallbacks(cfg, &p)
		providers = append(providers, wanted)
	}
	return providers
}

// compileRules makes the header rules of one list ready.
func compileRules(rules []config.HeaderRule) []upstream.Rule {
	kinds := map[config.HeaderRuleKind]upstream.RuleKind{
		config.RuleForward: upstream.Forward, config.RuleInsert: upstream.Insert,
		config.RuleRemove: upstream.Remove, config.RuleRenameDuplicate: upstream.RenameDuplicate,
	}
	compiled := make([]upstream.Rule, len(rules))
	for i, r := range rules {
		compiled[i] = upstream.Rule{
			Kind: kinds[r.Rule], Name: http.CanonicalHeaderKey(r.Name), Pattern: r.Pattern.Regexp(),
			Default: r.Default, Rename: http.CanonicalHeaderKey(r.Rename), Value: r.Value.Reveal(),
		}
	}
	return compiled
}

// insertsOf writes down the headers that rules insert, for the calls that no caller has asked for.
func insertsOf(rules []upstream.Rule) string {
	var b strings.Builder
	for _, r := range rules {
		if r.Kind == upstream.Insert {
			b.WriteString(r.Name + ": " + r.Value + "\n")
		}
	}
	return b.String()
}

// leastSecret is the length from which an inserted value is taken for a secret, in bytes: a shorter one says little, and
// stands in many a sentence.
const leastSecret = 8

// secretsOf are the values that rules insert, and what stands behind a scheme in them ("Basic …").
func secretsOf(rules []upstream.Rule) []string {
	var secrets []string
	for _, r := range rules {
		if r.Kind != upstream.Insert {
			continue
		}
		_, behind, _ := strings.Cut(r.Value, " ")
		for _, secret := range [...]string{r.Value, behind} {
			if len(secret) >= leastSecret {
				secrets = append(secrets, secret)
			}
		}
	}
	return secrets
}

// secretsFor are the inserted values of a model.
func (p *provider) secretsFor(t *llm.Target) []string {
	if t.Alias >= 0 {
		return p.aliasSecrets[t.Alias]
	}
	return p.secrets
}

// rulesFor are the header rules of a model.
func (p *provider) rulesFor(t *llm.Target) *upstream.Rules {
	if t.Alias >= 0 {
		return &p.aliases[t.Alias]
	}
	return &p.rules
}

// borrowProviders gives a snapshot its providers. What another generation has with equal settings is the very same:
// connections, and what is known of the account.
func (s *Snapshot) borrowProviders(pool *shared.Pool) {
	s.backends = make([]backend, len(s.providers))
	for i := range s.providers {
		wanted := &s.providers[i]
		b := &s.backends[i]
		b.provider = wanted
		if wanted.kind == config.ProviderDemo {
			b.answers, b.account = demo.New(), builtInAccount()
			continue
		}
		client, giveBack := shared.Borrow(pool, wanted.account.connection, upstream.Open)
		s.shares = append(s.shares, giveBack)
		account, giveBack := shared.Borrow(pool, wanted.account, func(settings accountSettings) (*account, func()) {
			return openAccount(client, settings, s.gateway.modelsOf(wanted), s.gateway.logger.With("provider", wanted.name))
		})
		s.shares = append(s.shares, giveBack)
		b.client, b.account = client, account
	}
}

// modelsOf are the models that the running generation knows of the provider of that name at that place; nil: none. Another
// key, or other deadlines, must not make every discovered name unknown until the next list is there.
func (g *Gateway) modelsOf(wanted *provider) *[]llm.Model {
	running := g.live.current.Load() // only a reload stores it, and this is one
	if running == nil {
		return nil
	}
	for i := range running.backends {
		b := &running.backends[i]
		if b.name == wanted.name && b.provider.account.connection.BaseURL == wanted.account.connection.BaseURL {
			return b.account.models.Load()
		}
	}
	return nil
}

// routing is a router with the lists of models that it was made of.
type routing struct {
	*llm.Router
	lists []*[]llm.Model
}

// router knows where each model's name leads at the moment: providers list other models from time to time.
func (s *Snapshot) router() *llm.Router {
	r := s.routing.Load()
	if r == nil {
		return s.reroute()
	}
	for i := range s.backends {
		if s.backends[i].account.models.Load() != r.lists[i] {
			return s.reroute()
		}
	}
	return r.Router
}

// reroute makes the router of the models that are listed now. Two at once make two equal ones.
func (s *Snapshot) reroute() *llm.Router {
	r := &routing{lists: make([]*[]llm.Model, len(s.backends))}
	upstreams := make([]llm.Upstream, len(s.backends))
	for i := range s.backends {
		b := &s.backends[i]
		r.lists[i] = b.account.models.Load()
		upstreams[i] = llm.Upstream{Name: b.name, Explicit: b.explicit}
		if r.lists[i] != nil {
			upstreams[i].Discovered = *r.lists[i]
		}
		if b.filter.IsSet() {
			upstreams[i].Filter = b.filter.Matches
		}
	}
	r.Router = llm.NewRouter(upstreams)
	s.routing.Store(r)
	return r.Router
}

// providerStatus says how each provider is, in file order.
func (s *Snapshot) providerStatus() []ProviderStatus {
	all := make([]ProviderStatus, len(s.backends))
	for i := range s.backends {
		b := &s.backends[i]
		all[i] = b.account.status()
		all[i].Name, all[i].Type = b.name, string(b.kind)
		for _, m := range b.account.listed() {
			if !b.filter.IsSet() || b.filter.Matches(m.ID) {
				all[i].Models = append(all[i].Models, m.ID)
			}
		}
	}
	return all
}

// unopened are the providers for a question that calls none of them.
func (p *Plan) unopened() []backend {
	backends := make([]backend, len(p.providers))
	for i := range p.providers {
		backends[i].provider = &p.providers[i]
		if p.providers[i].kind == config.ProviderDemo {
			backends[i].account = builtInAccount()
		} else {
			backends[i].account = &account{}
		}
	}
	return backends
}
