package llm

import (
	"cmp"
	"fmt"
	"strings"

	"nexus/config"
)

// Upstream is a provider with the models that callers may name.
type Upstream struct {
	Name string
	// Explicit are the models that the file lists, in its order.
	Explicit []Alias
	// Discovered are the models that the provider itself lists.
	Discovered []Model
	// Filter is whether a model that the file does not list may be used; nil: each may.
	Filter func(model string) bool
}

// allows is whether a model that the file does not list may be used.
func (u *Upstream) allows(model string) bool { return u.Filter == nil || u.Filter(model) }

// Alias is a model under the name that callers use, and the name that is sent to the provider.
type Alias struct {
	Name string
	Sent string // empty: the same
}

// Target is where a model's name leads.
type Target struct {
	// Provider is the provider's place among those that the router was made of.
	Provider int
	// Alias is the model's place among the provider's explicit ones; -1: it is none of them.
	Alias int
	// Upstream is the provider's name.
	Upstream string
	// Model is the name that the caller used, in a string that the router owns where it knows it.
	Model string
	// Sent is the name that the provider knows the model by.
	Sent string
	// Created is when the provider made the model, in Unix seconds; 0: not known.
	Created int64
}

// Router knows where each model's name leads. It is built once and then only read.
type Router struct {
	upstreams []Upstream
	names     []string          // of the providers, in file order
	byName    map[string]Target // provider name → its provider, without a model
	targets   map[string]Target // every name known whole: bare ones and provider/model
	cards     []Card
	bare      []string
}

// NewRouter builds the Router of these providers; the first of them wins where two know one bare name.
func NewRouter(upstreams []Upstream) *Router {
	r := &Router{upstreams: upstreams, byName: make(map[string]Target), targets: make(map[string]Target)}
	for i, u := range upstreams {
		r.names = append(r.names, u.Name)
		r.byName[u.Name] = Target{Provider: i, Alias: -1, Upstream: u.Name}
	}
	for i := range upstreams {
		r.take(i, &upstreams[i])
	}
	r.list()
	return r
}

// take makes the models of a provider known.
func (r *Router) take(at int, u *Upstream) {
	created := make(map[string]int64, len(u.Discovered))
	for _, m := range u.Discovered {
		created[m.ID] = m.Created
	}
	for i, m := range u.Explicit {
		sent := cmp.Or(m.Sent, m.Name)
		r.add(m.Name, Target{Provider: at, Alias: i, Upstream: u.Name, Sent: sent, Created: created[sent]})
	}
	for _, m := range u.Discovered {
		if u.allows(m.ID) {
			r.add(m.ID, Target{Provider: at, Alias: -1, Upstream: u.Name, Sent: m.ID, Created: m.Created})
		}
	}
}

// add makes a model known by its bare name and by provider/model, as far as they are still free.
func (r *Router) add(name string, t Target) {
	for _, model := range [...]string{t.Upstream + "/" + name, name} {
		if _, taken := r.targets[model]; taken || model == name && r.qualified(name) {
			continue
		}
		t.Model = model
		r.targets[model] = t
		if model == name {
			r.bare = append(r.bare, name)
		}
	}
}

// qualified is whether a name begins with a provider's, so that it can only mean a model of that provider.
func (r *Router) qualified(name string) bool {
	provider, _, slash := strings.Cut(name, "/")
	_, known := r.byName[provider]
	return slash && known
}

// list makes the cards: bare discovered models first, then provider/model for the explicit ones.
func (r *Router) list() {
	seen := make(map[string]bool)
	add := func(card Card) {
		if !seen[card.ID] {
			seen[card.ID] = true
			r.cards = append(r.cards, card)
		}
	}
	for i, u := range r.upstreams {
		for _, m := range u.Discovered {
			if t, ok := r.targets[m.ID]; ok && t.Provider == i {
				add(Card{ID: m.ID, Created: m.Created, Owner: u.Name})
			}
		}
	}
	for _, u := range r.upstreams {
		for _, m := range u.Explicit {
			id := u.Name + "/" + m.Name
			add(Card{ID: id, Created: r.targets[id].Created, Owner: u.Name})
		}
	}
}

// Route finds where a model's name leads. A name known whole wins; "provider/model" names a provider, which is
// passed a model that is not listed as it is, unless its filter excludes that. The errors are [*ModelFormatError], [*UnknownProviderError]
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
	if !r.upstreams[t.Provider].allows(name) {
		return Target{}, &UnknownModelError{Model: model, Filter: provider, Known: r.bare}
	}
	t.Model, t.Sent = model, name
	return t, nil
}

// Cards lists the models as callers see them. The slice is for reading.
func (r *Router) Cards() []Card { return r.cards }

// Card finds one model of the list, by any name that leads to it: the listed one, the bare one, or provider/model. The
// errors are those of [Router.Route].
func (r *Router) Card(model string) (Card, error) {
	t, ok := r.targets[model]
	if !ok {
		if _, err := r.Route(model); err != nil {
			return Card{}, err
		}
		return Card{}, &UnknownModelError{Model: model, Known: r.bare, Near: config.Nearest(model, r.bare)}
	}
	return Card{ID: model, Created: t.Created, Owner: t.Upstream}, nil
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

// UnknownModelError is a bare name that no provider has, or one that a provider's filter excludes.
type UnknownModelError struct {
	Model  string
	Filter string // the provider whose filter excludes it; empty: no provider has it
	Known  []string
	Near   string // what may have been meant; empty: nothing comes close
}

func (e *UnknownModelError) Error() string { return fmt.Sprintf("Model '%s' not found", e.Model) }
