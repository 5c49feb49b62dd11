package openai

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"nexus/gateway/llm"
	"nexus/gateway/llm/jsonscan"
)

// What a request may hold at most. A model's and a tool's name come back in answers.
const (
	maxModel  = 256    // bytes
	maxName   = 128    // bytes of the name of a tool or a schema
	maxList   = 10_000 // messages, parts, tools, calls
	maxStops  = 4
	maxAnswer = 128 // answers to one request: n
	maxTop    = 20  // top_logprobs
)

// Decode reads the body of a chat completion. See [llm.Dialect] for its errors.
func (Dialect) Decode(body []byte) (*llm.Request, error) {
	if _, err := jsonscan.Scan(body); err != nil {
		return nil, unreadable(err)
	}
	return new(Envelope).Decode(body)
}

// request checks what the types cannot say, and builds the neutral request.
func (w *wireRequest) request() (*llm.Request, error) {
	if err := checkModel(w.Model); err != nil {
		return nil, err
	}
	r := &llm.Request{
		Model:             w.Model,
		Stream:            w.Stream,
		StreamUsage:       w.StreamOptions.IncludeUsage,
		ParallelToolCalls: w.ParallelToolCalls,
		LogProbs:          w.LogProbs,
		Messages:          w.Messages,
		Tools:             w.Tools,
		Stop:              w.Stop,
		Audio:             bool(w.Audio) || bool(w.Modalities),
	}
	if len(r.Messages) == 0 {
		return nil, wrong("messages", "must be a non-empty array")
	}
	for _, part := range []func(*llm.Request) error{
		w.legacy, w.toolChoice, w.format, w.length, w.sampling,
	} {
		if err := part(r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// legacy refuses what came before tools.
func (w *wireRequest) legacy(*llm.Request) error {
	if w.Functions {
		return &llm.UnsupportedError{Param: "functions", Why: "use tools instead"}
	}
	if w.FunctionCall {
		return &llm.UnsupportedError{Param: "function_call", Why: "use tool_choice instead"}
	}
	return nil
}

// length reads what bounds the answer.
func (w *wireRequest) length(r *llm.Request) error {
	old, limit := w.MaxTokens, w.MaxCompletionTokens
	if old != nil && *old < 1 {
		return wrong("max_tokens", "must be at least 1")
	}
	if limit != nil && *limit < 1 {
		return wrong("max_completion_tokens", "must be at least 1")
	}
	switch {
	case old != nil && limit != nil && *old != *limit:
		return wrong("max_tokens", "must not differ from max_completion_tokens; send only the latter")
	case limit != nil:
		r.MaxTokens = *limit
	case old != nil:
		r.MaxTokens = *old
	}
	return nil
}

// sampling reads how the answer is drawn, and how many there are to be.
func (w *wireRequest) sampling(r *llm.Request) error {
	for _, p := range []struct {
		name       string
		value      *float64
		least, top float64
	}{
		{"temperature", w.Temperature, 0, 2},
		{"top_p", w.TopP, 0, 1},
		{"frequency_penalty", w.FrequencyPenalty, -2, 2},
		{"presence_penalty", w.PresencePenalty, -2, 2},
	} {
		if p.value != nil && (*p.value < p.least || *p.value > p.top) {
			return wrong(p.name, "must be between %v and %v", p.least, p.top)
		}
	}
	r.Temperature, r.TopP = w.Temperature, w.TopP
	if w.FrequencyPenalty != nil {
		r.FrequencyPenalty = *w.FrequencyPenalty
	}
	if w.PresencePenalty != nil {
		r.PresencePenalty = *w.PresencePenalty
	}
	if w.N != nil {
		if *w.N < 1 || *w.N > maxAnswer {
			return wrong("n", "must be between 1 and %d", maxAnswer)
		}
		r.N = *w.N
	}
	if w.TopLogProbs != nil {
		if *w.TopLogProbs < 0 || *w.TopLogProbs > maxTop {
			return wrong("top_logprobs", "must be between 0 and %d", maxTop)
		}
		r.TopLogProbs = *w.TopLogProbs
	}
	return nil
}

// wrong is the error of the field at path.
func wrong(path, format string, args ...any) error {
	return &llm.InvalidError{What: path + " " + fmt.Sprintf(format, args...), Offset: -1}
}

// mistyped makes of the decoder's error, which may quote the body, one that names field and type alone.
func mistyped(err error) error {
	if invalid, ok := errors.AsType[*llm.InvalidError](err); ok {
		return invalid
	}
	if unsupported, ok := errors.AsType[*llm.UnsupportedError](err); ok {
		return unsupported
	}
	semantic, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return &llm.InvalidError{What: "the request body cannot be read as JSON", Offset: -1}
	}
	invalid := wrong(path(semantic.JSONPointer), "%s", expected(semantic)).(*llm.InvalidError)
	invalid.Offset = int(semantic.ByteOffset)
	return invalid
}

// expected says what a field should have held.
func expected(e *json.SemanticError) string {
	if must, ok := errors.AsType[mustBe](e.Err); ok {
		return must.Error()
	}
	if errors.Is(e.Err, strconv.ErrRange) {
		return "is out of range"
	}
	if e.GoType == nil {
		return "has a wrong type"
	}
	switch e.GoType.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int:
		return "must be an integer"
	case reflect.Float64:
		return "must be a number"
	case reflect.Slice:
		return "must be an array"
	case reflect.Struct:
		return "must be an object"
	}
	return "has a wrong type"
}

// path writes a pointer as programmers do: /messages/0/role is messages[0].role. Its names are those of the
// wire types, for nothing else is decoded.
func path(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		switch _, err := strconv.Atoi(token); {
		case err == nil:
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return b.String()
}
