package openai

import (
	"nexus/gateway/llm"
	"nexus/gateway/llm/jsonscan"
)

// unsaid is the usage that a provider has not told.
var unsaid = llm.Usage{Input: -1, Output: -1}

// readUsage reads a usage object, under the names of chats or of responses; what it does not say is -1. Embeddings say
// nothing of an answer, because there is none.
func readUsage(e Endpoint, object []byte) llm.Usage {
	prompt, completion, input, output, total := int64(-1), int64(-1), int64(-1), int64(-1), int64(-1)
	_ = jsonscan.Walk(object, func(name []byte, v jsonscan.Span) {
		switch string(name) {
		case "prompt_tokens":
			prompt = count(object, v)
		case "completion_tokens":
			completion = count(object, v)
		case "input_tokens":
			input = count(object, v)
		case "output_tokens":
			output = count(object, v)
		case "total_tokens":
			total = count(object, v)
		}
	})
	u := llm.Usage{Input: firstSaid(prompt, input), Output: firstSaid(completion, output)}
	if u == unsaid && total >= 0 && e == Embeddings {
		return llm.Usage{Input: total}
	}
	if e == Embeddings && u.Input >= 0 && u.Output < 0 {
		u.Output = 0
	}
	return u
}

func firstSaid(a, b int64) int64 {
	if a >= 0 {
		return a
	}
	return b
}

// count reads a number that counts something: digits alone, 15 of them at most; anything else is -1.
func count(value []byte, v jsonscan.Span) int64 {
	if v.Kind != jsonscan.Number || v.End-v.Start > 15 {
		return -1
	}
	n := int64(0)
	for _, c := range v.Of(value) {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}
