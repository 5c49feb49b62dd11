package openai

import "nexus/gateway/llm/jsonscan"

// HasTokens is whether the prompt of an endpoint is counted in tokens.
func (e Endpoint) HasTokens() bool { return e <= Embeddings }

// HasAnswer is whether the answer of an endpoint is counted in tokens.
func (e Endpoint) HasAnswer() bool { return e <= Responses }

// Said shows the texts of a whole answer, each as a JSON string with its quotes: of messages, reasoning and arguments.
func Said(e Endpoint, body []byte, said func(value []byte)) {
	_ = walkObject(body, func(member []byte, v jsonscan.Span) {
		switch string(member) {
		case "choices", "output":
			saidWithin(body, v, 0, said)
		}
	})
}

// maxSaid is how deep the texts of an answer stand at most: in the arguments of the calls of the message of a choice.
const maxSaid = 6

// saidWithin shows the texts of a value.
func saidWithin(body []byte, v jsonscan.Span, depth int, said func(value []byte)) {
	if depth > maxSaid {
		return
	}
	within(body, v, func(name []byte, v jsonscan.Span) {
		switch v.Kind {
		case jsonscan.Array, jsonscan.Object:
			if string(name) != "logprobs" && string(name) != "annotations" {
				saidWithin(body, v, depth+1, said)
			}
		case jsonscan.String:
			switch string(name) {
			case "content", "text", "arguments", "refusal", "reasoning", "reasoning_content":
				said(v.Of(body))
			}
		}
	})
}
