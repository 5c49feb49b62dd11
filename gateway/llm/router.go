package llm

import (
	"cmp"
	"fmt"
	"strings"

	"nexus/config"
)

// Upstream is a provider with the models that callers may name.
type Upstream struct {
	Name     string
	Provider Provider
	// Explicit are the models that the file lists, in its order.
	Explicit []Alias
	// Discovered are the models that the provider itself lists.
	Discovered []Model
}

// Alias is a model under the name that callers use, and the name that is sent to the provider.
type Alias struct {
	Name string
	Sent string // empty: the same
}

// Target is where a model's name leads.
type Target struct {
	Provider Provider
	// Upstream is the provider's name.
	Upstream string
	// Model is the name that the caller used, in a string that the router owns where it knows it.
	Model string
	// Sent is the name that the provider knows the model by.
	Sent string
}

// Router knows where each model's name leads. It is built once and then only read.
type Router struct {
	names   []string          // of the providers, in file order
	byName  map[string]Target // provider name → its provider, without a model
	targets map[string]Target // every name known whole: bare ones and provider/model
	cards   []Card
	bare    []string
}

// NewRouter builds the Router of these providers; the first of them wins where two know one bare name.
func NewRouter(upstreams []Upstream) *Router {
	r := &Router{byName: make(map[string]Target), targets: make(map[string]Target)}
	for _, u := range upstreams {
		r.names = append(r.names, u.Name)
		r.byName[u.Name] = Target{Provider: u.Provider, Upstream: u.Name}
	}
	for _, u := range upstreams {
		for _, m := range u.Explicit {
			r.add(u, m.Name, cmp.Or(m.Sent, m.Name))
		}
		for _, m := range u.Discovered {
			r.add(u, m.ID, m.ID)
		}
	}
	r.list(upstreams)
	return r
}

// add makes a model known by its bare name, where that is still free, and by provider/model.
func (r *Router) add(u Upstream, name, sent string) {
	qualified := u.Name + "/" + name
	if _, taken := r.targets[qualified]; !taken {
		r.targets[qualified] = Target{Provider: u.Provider, Upstream: u.Name, Model: qualified, Sent: sent}
	}
	if _, taken := r.targets[name]; !taken {
		r.targets[name] = Target{Provider: u.Provider, Upstream: u.Name, Model: name, Sent: sent}
		r.bare = append(r.bare, name)
	}
}

// list makes the cards: bare discovered models first, then provider/model for the explicit ones.
func (r *Router) list(upstreams []Upstream) {
	seen := make(map[string]bool)
	add := func(card Card) {
		if !seen[card.ID] {
			seen[card.ID] = true
			r.cards = append(r.cards, card)
		}
	}
	for _, u := range upstreams {
		for _, m := range u.Discovered {
			if r.targets[m.ID].Upstream == u.Name {
				add(Card{ID: m.ID, Created: m.Created, Owner: u.Name})
			}
		}
	}
	for _, u := range upstreams {
		for _, m := range u.Explicit {
			add(Card{ID: u.Name + "/" + m.Name, Owner: u.Name})
		}
	}
}

// Route finds where a model's name leads. A name known whole wins; "provider/model" names a provider, which is
// passed a model that is not listed as it is. The errors are [*ModelFormatError], [*UnknownProviderError]
// and [*UnknownModelError].
func (r *Router) Route(model string) (Target, error) {
	if t, ok := r.targets[model]; ok {
		return t, nil
	}
	provider, name, qualified := strings.Cut(model, "/")
	if !qualified {
		return Target{}, &UnknownModelError{Model: model, Known: r.bare, Near: config.Nearest(model, r.bare)}
	}
	if provider == "" || name == "" {
		return Target{}, &ModelFormatError{Model: model}
	}
	t, ok := r.byName[provider]
	if !ok {
		return Target{}, &UnknownProviderError{Model: model, Provider: provider, Known: r.names, Near: config.Nearest(provider, r.names)}
	}
	t.Model, t.Sent = model, name
	return t, nil
}

// Cards lists the models as callers see them. The slice is for reading.
func (r *Router) Cards() []Card { return r.cards }

// Card finds one model of the list, by any name that leads to it: the listed one, the bare one, or provider/model.
func (r *Router) Card(model string) (Card, error) {
	t, ok := r.targets[model]
	if !ok {
		return Card{}, &UnknownModelError{Model: model, Known: r.bare, Near: config.Nearest(model, r.bare)}
	}
	card := Card{ID: model, Owner: t.Upstream}
	for _, c := range r.cards {
		if c.ID == model {
			card.Created = c.Created
		}
	}
	return card, nil
}

// ModelFormatError is a name with a slash and nothing on one side of it.
type ModelFormatError struct{ Model string }

func (e *ModelFormatError) Error() string {
	return fmt.Sprintf("Invalid model format: expected 'provider/model', got '%s'", e.Model)
}

// UnknownProviderError is a name before the slash that is no provider.
type UnknownProviderError struct {
	Model    string
	Provider string
	Known    []string
	Near     string // what may have been meant; empty: nothing comes close
}

func (e *UnknownProviderError) Error() string {
	return fmt.Sprintf("Provider '%s' not found", e.Provider)
}

// UnknownModelError is a bare name that no provider has.
type UnknownModelError struct {
	Model string
	Known []string
	Near  string // what may have been meant; empty: nothing comes close
}

func (e *UnknownModelError) Error() string { return fmt.Sprintf("Model '%s' not found", e.Model) }
