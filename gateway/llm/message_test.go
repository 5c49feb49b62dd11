package llm_test

import (
	"strings"
	"testing"

	"nexus/gateway/llm"
)

func TestTheTextOfAMessageIsThatOfItsParts(t *testing.T) {
	tests := map[string]struct {
		parts []llm.Part
		want  string
	}{
		"no parts":            {nil, ""},
		"one text":            {[]llm.Part{{Kind: "text", Text: "a"}}, "a"},
		"one image":           {[]llm.Part{{Kind: "image_url"}}, ""},
		"texts and an image":  {[]llm.Part{{Kind: "text", Text: "a"}, {Kind: "image_url"}, {Kind: "text", Text: "b"}}, "ab"},
		"a refusal is a text": {[]llm.Part{{Kind: "text", Text: "a"}, {Kind: "refusal", Text: "b"}}, "ab"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := llm.Message{Parts: tt.parts}
			if got := m.Text(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestManyPartsAreJoinedInLinearMemory(t *testing.T) {
	m := llm.Message{Parts: make([]llm.Part, 10_000)}
	for i := range m.Parts {
		m.Parts[i] = llm.Part{Kind: "text", Text: "0123456789"}
	}
	if allocs := testing.AllocsPerRun(5, func() { _ = m.Text() }); allocs > 100 {
		t.Errorf("%v allocations to join %d parts", allocs, len(m.Parts))
	}
	if got := m.Text(); got != strings.Repeat("0123456789", 10_000) {
		t.Errorf("%d bytes", len(got))
	}
}
