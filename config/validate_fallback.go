package config

import (
	"fmt"
	"strings"
)

const maxFallbacks = 8

// checkFallbacks looks at the models that answer in the place of others.
func (r *reading) checkFallbacks() {
	c := chains{r: r, done: map[string]bool{}, place: map[string]int{}}
	for provider, p := range r.cfg.LLM.Providers.All() {
		for model, m := range p.Models.All() {
			if len(m.Fallback) > 0 {
				r.checkFallback(provider, model, m.Fallback)
			}
		}
	}
	for provider, p := range r.cfg.LLM.Providers.All() {
		for model, m := range p.Models.All() {
			if len(m.Fallback) > 0 {
				c.follow(provider+"/"+model, fallbackKey(provider, model), m)
			}
		}
	}
}

func fallbackKey(provider, model string) string {
	return join(join("llm.providers", provider)+".models", model) + ".fallback"
}

// checkFallback looks at the list of one model.
func (r *reading) checkFallback(provider, model string, list []string) {
	key := fallbackKey(provider, model)
	if len(list) > maxFallbacks {
		r.fail(key, fmt.Sprintf("has %d models, and 8 are the most", len(list)), "keep those that matter most")
		return
	}
	seen := map[string]bool{}
	for i, name := range list {
		at := element(key, i)
		if !r.sound(at) {
			continue
		}
		switch {
		case name == provider+"/"+model:
			r.fail(at, "is this model itself, which has just failed", "name another model, or take it out")
		case seen[name]:
			r.fail(at, r.show(at, name)+" is in the list twice", "take one out")
		default:
			r.checkTarget(at, name)
		}
		seen[name] = true
	}
}

// checkTarget looks at one name of a list.
func (r *reading) checkTarget(at, name string) {
	provider, model, slash := strings.Cut(name, "/")
	if !slash || provider == "" || strings.TrimSpace(model) != model || model == "" {
		r.fail(at, r.show(at, name)+" is not provider/model", `write the provider's name, a slash and the model's, such as "openai/gpt-4o-mini"`)
		return
	}
	p, known := r.cfg.LLM.Providers.Get(provider)
	if !known {
		// A provider that was refused, or misspelt, has its own message.
		if r.sound(join("llm.providers", provider)) {
			r.fail(at, r.show(at, name)+" names no provider of this file", r.nearProvider(at, provider, model))
		}
		return
	}
	if _, listed := p.Models.Get(model); !listed && p.ModelFilter.IsSet() && !p.ModelFilter.Matches(model) {
		r.fail(at, r.show(at, name)+" is left out by the model_filter of its provider", "list it among the models of that provider, let the filter match it, or name another model")
	}
}

// nearProvider is the remedy for a provider that does not exist.
func (r *reading) nearProvider(at, provider, model string) string {
	var names []string
	for name := range r.cfg.LLM.Providers.All() {
		if names = append(names, name); len(names) == mostGuesses {
			break
		}
	}
	if guess := Nearest(provider, names); guess != "" && !r.hidden[at] {
		return fmt.Sprintf("did you mean %s?", quote(guess+"/"+model))
	}
	return "add the provider, or name a model of one that is there"
}

// chains finds circles among fallbacks, visiting each model and each entry of a list once.
type chains struct {
	r     *reading
	done  map[string]bool
	path  []string
	place map[string]int // of those in path
}

func (c *chains) follow(name, key string, m Model) {
	if c.done[name] {
		return
	}
	c.place[name] = len(c.path)
	c.path = append(c.path, name)
	for i, next := range m.Fallback {
		at := element(key, i)
		if start, inPath := c.place[next]; inPath {
			if next != name && c.r.sound(at) {
				c.fail(at, append(c.path[start:len(c.path):len(c.path)], next))
			}
			continue
		}
		if further, ok := c.r.cfg.LLM.Model(next); ok && len(further.Fallback) > 0 {
			provider, model, _ := strings.Cut(next, "/")
			c.follow(next, fallbackKey(provider, model), further)
		}
	}
	c.path = c.path[:len(c.path)-1]
	delete(c.place, name)
	c.done[name] = true
}

// shownCircle is how many models at the beginning of a circle a message names.
const shownCircle = 8

func (c *chains) fail(at string, circle []string) {
	told := ""
	if !c.r.hidden[at] {
		told = ": "
		for i, name := range circle {
			switch last := len(circle) - 1; {
			case i == last:
				told += quote(name)
			case i < shownCircle || i == last-1:
				told += quote(name) + " -> "
			case i == shownCircle:
				told += "… -> "
			}
		}
	}
	c.r.fail(at, "leads in a circle"+told, "take it out, or one of the others")
}
