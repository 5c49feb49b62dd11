package llm_test

import (
	"errors"
	"testing"

	"nexus/gateway/llm"
)

// upstreams are two providers that share a name, an alias, and a model whose own name has a slash.
func upstreams() []llm.Upstream {
	return []llm.Upstream{
		{Name: "one", Explicit: []llm.Alias{{Name: "fast", Sent: "fast-2026"}, {Name: "meta/llama"}, {Name: "two/x"}}, Discovered: []llm.Model{{ID: "shared", Created: 1}, {ID: "fast-2026", Created: 3}}},
		{Name: "two", Explicit: []llm.Alias{{Name: "fast"}}, Discovered: []llm.Model{{ID: "shared", Created: 2}, {ID: "own", Created: 4}}},
	}
}

func TestRoute(t *testing.T) {
	r := llm.NewRouter(upstreams())
	for _, tt := range []struct{ name, model, upstream, sent string }{
		{"the first provider in the file wins a bare name", "shared", "one", "shared"},
		{"an alias is sent under its other name", "fast", "one", "fast-2026"},
		{"a provider is named", "two/fast", "two", "fast"},
		{"a discovered model of a named provider", "two/shared", "two", "shared"},
		{"a name that is not listed is passed on", "two/anything/at-all", "two", "anything/at-all"},
		{"a model's own slash", "meta/llama", "one", "meta/llama"},
		{"a provider's name before the slash means that provider", "two/x", "two", "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := r.Route(tt.model)
			if err != nil || got.Upstream != tt.upstream || got.Sent != tt.sent || got.Model != tt.model {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestRouteRefuses(t *testing.T) {
	r := llm.NewRouter(upstreams())
	var unknown *llm.UnknownModelError
	if _, err := r.Route("shred"); !errors.As(err, &unknown) || unknown.Near != "shared" {
		t.Errorf("an unknown name: %v", err)
	}
	var provider *llm.UnknownProviderError
	if _, err := r.Route("tow/x"); !errors.As(err, &provider) || provider.Near != "two" || provider.Provider != "tow" {
		t.Errorf("an unknown provider: %v", err)
	}
	for _, model := range []string{"one/", "/fast", "/"} {
		var format *llm.ModelFormatError
		if _, err := r.Route(model); !errors.As(err, &format) {
			t.Errorf("%q: %v", model, err)
		}
	}
}

func TestCards(t *testing.T) {
	r := llm.NewRouter(upstreams())
	want := []llm.Card{
		{ID: "shared", Created: 1, Owner: "one"}, {ID: "fast-2026", Created: 3, Owner: "one"}, {ID: "own", Created: 4, Owner: "two"},
		{ID: "one/fast", Created: 3, Owner: "one"}, {ID: "one/meta/llama", Owner: "one"}, {ID: "one/two/x", Owner: "one"}, {ID: "two/fast", Owner: "two"},
	}
	got := r.Cards()
	if len(got) != len(want) {
		t.Fatalf("cards %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("card %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if card, err := r.Card("two/own"); err != nil || card.Created != 4 || card.ID != "two/own" {
		t.Errorf("%+v, %v", card, err)
	}
	var provider *llm.UnknownProviderError
	if _, err := r.Card("tow/x"); !errors.As(err, &provider) {
		t.Errorf("an unknown provider: %v", err)
	}
	var model *llm.UnknownModelError
	if _, err := r.Card("two/passed-on"); !errors.As(err, &model) {
		t.Errorf("a model that is not listed: %v", err)
	}
}
