package openai

import (
	"bytes"
	"unicode/utf8"

	"nexus/gateway/llm"
	"nexus/gateway/llm/jsonscan"
)

// maxListed is how many models of a provider are taken at most.
const maxListed = 10_000

// Listing reads a provider's list of models: {"data":[…]}, or the list alone. At most 10,000 models are taken, each once;
// those without a usable id (1 to 256 bytes of text without control characters) are left out. The error is an
// [*llm.BrokenError].
func Listing(body []byte) ([]llm.Model, error) {
	list := body
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		var data jsonscan.Span
		if err := jsonscan.Walk(body, func(name []byte, v jsonscan.Span) {
			if string(name) == "data" {
				data = v
			}
		}); err != nil {
			return nil, &llm.BrokenError{Why: "the list of models is not JSON"}
		}
		if data.Kind != jsonscan.Array {
			return nil, &llm.BrokenError{Why: "the answer is no list of models"}
		}
		list = data.Of(body)
	}
	models := []llm.Model{}
	seen := map[string]bool{}
	if err := jsonscan.Walk(list, func(_ []byte, v jsonscan.Span) {
		if v.Kind != jsonscan.Object || len(models) == maxListed {
			return
		}
		if m := readCard(v.Of(list)); usableID(m.ID) && !seen[m.ID] {
			seen[m.ID] = true
			models = append(models, m)
		}
	}); err != nil {
		return nil, &llm.BrokenError{Why: "the list of models is not JSON"}
	}
	return models, nil
}

// readCard reads one entry of a list of models.
func readCard(object []byte) (m llm.Model) {
	_ = jsonscan.Walk(object, func(name []byte, v jsonscan.Span) {
		switch string(name) {
		case "id":
			if v.Kind == jsonscan.String && v.End-v.Start <= 6*maxModel+2 {
				m.ID = jsonscan.Text(v.Of(object))
			}
		case "created":
			m.Created = max(count(object, v), 0)
		}
	})
	return m
}

func usableID(id string) bool {
	if id == "" || len(id) > maxModel || !utf8.ValidString(id) {
		return false
	}
	for _, r := range id {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return true
}
