// Package openai is OpenAI's wire format: the dialect of its chat completions, as callers speak it, and the passage
// of requests and answers between callers and providers who both speak it.
//
// A request goes three ways through Decode: [jsonscan.Scan] makes sure that it is JSON which reads the same
// to everybody, the wire types take it apart, and functions named after its parts check them and build the
// [llm.Request]. Fields that are not known here are passed over. The answers are appended by hand to the
// caller's buffer, since one is written for every word of a stream: no reflection, no allocation.
//
// On the passage nothing is taken apart. [Look] finds in a request what a gateway needs, [Envelope.Outgoing] changes the
// model's name in it and no other byte; [Rewrite] and [Tap] do the same on the way back, to a whole answer and to the
// events of a stream, and note in passing what the answer cost and whether it is complete.
//
// The package asks no provider and writes no answer. Its errors name fields, never what is in them, but for the words of
// a provider's own error.
package openai

import (
	"strconv"

	"nexus/gateway/llm"
)

// Dialect is OpenAI's wire format. The zero value is ready, and safe for use by many at once.
type Dialect struct{}

var _ llm.Dialect = Dialect{}

// Reply appends the object "chat.completion". model is the name that the caller used.
func (Dialect) Reply(dst []byte, model string, r *llm.Reply) []byte {
	dst = appendHead(dst, "chat.completion", r.ID, r.Created, model)
	dst = append(dst, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	if r.Text == "" && len(r.ToolCalls) > 0 {
		dst = append(dst, `null`...)
	} else {
		dst = appendString(dst, r.Text)
	}
	dst = append(dst, `,"refusal":null`...)
	for i := range r.ToolCalls {
		if i == 0 {
			dst = append(dst, `,"tool_calls":[`...)
		} else {
			dst = append(dst, ',')
		}
		call := &r.ToolCalls[i]
		dst = append(dst, `{"id":`...)
		dst = appendString(dst, call.ID)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = appendString(dst, call.Name)
		dst = append(dst, `,"arguments":`...)
		dst = appendString(dst, call.Arguments)
		dst = append(dst, `}}`...)
	}
	if len(r.ToolCalls) > 0 {
		dst = append(dst, ']')
	}
	dst = append(dst, `},"logprobs":null,"finish_reason":`...)
	dst = appendString(dst, string(r.Finish))
	dst = append(dst, `}],"usage":`...)
	dst = appendUsage(dst, r.Usage)
	return append(dst, '}')
}

// Failure appends the object that every SDK of OpenAI's makes its error from. The request's id is not in it:
// it travels in a header.
func (Dialect) Failure(dst []byte, f *llm.Failure) []byte {
	dst = append(dst, `{"error":{"message":`...)
	dst = appendString(dst, f.Message)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, f.Type)
	dst = append(dst, `,"param":`...)
	dst = appendOptional(dst, f.Param)
	dst = append(dst, `,"code":`...)
	dst = appendOptional(dst, f.Code)
	return append(dst, `}}`...)
}

// Models appends the list of models, in the order of cards.
func (d Dialect) Models(dst []byte, cards []llm.Card) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, card := range cards {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = d.Model(dst, card)
	}
	return append(dst, `]}`...)
}

// Model appends one model.
func (Dialect) Model(dst []byte, card llm.Card) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, card.ID)
	dst = append(dst, `,"object":"model","created":`...)
	dst = strconv.AppendInt(dst, card.Created, 10)
	dst = append(dst, `,"owned_by":`...)
	dst = appendString(dst, card.Owner)
	return append(dst, '}')
}

// appendHead appends what a whole answer and each chunk of a stream begin with.
func appendHead(dst []byte, object, id string, created int64, model string) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, id)
	dst = append(dst, `,"object":"`...)
	dst = append(dst, object...)
	dst = append(dst, `","created":`...)
	dst = strconv.AppendInt(dst, created, 10)
	dst = append(dst, `,"model":`...)
	return appendString(dst, model)
}

func appendUsage(dst []byte, u llm.Usage) []byte {
	dst = append(dst, `{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input, 10)
	dst = append(dst, `,"completion_tokens":`...)
	dst = strconv.AppendInt(dst, u.Output, 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input+u.Output, 10)
	return append(dst, '}')
}
