package config

import "strings"

// Join is the key of what is called name within key, in quotes where it must be. An empty key: name alone.
func Join(key, name string) string { return join(key, name) }

// Model is the model of a provider by its name as provider/model; ok is false where the file does not list it.
func (l *LLM) Model(name string) (m Model, ok bool) {
	provider, model, _ := strings.Cut(name, "/")
	p, ok := l.Providers.Get(provider)
	if !ok {
		return Model{}, false
	}
	return p.Models.Get(model)
}
