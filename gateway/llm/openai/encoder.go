package openai

import (
	"strconv"

	"nexus/gateway/llm"
)

// Encoder gives what writes the chunks of one answer to r. model is the name that the caller used.
func (Dialect) Encoder(model string, r *llm.Request) llm.Encoder {
	return &encoder{model: model, usage: r.StreamUsage}
}

// encoder writes one streamed answer. All that its chunks have in common is made once, at the first event.
type encoder struct {
	model string
	usage bool   // the caller asked for the usage
	head  []byte // a frame's beginning, up to the list of choices
}

// Event appends the chunk that e is. Only the usage that nobody asked for is none.
func (enc *encoder) Event(dst []byte, e llm.Event) []byte {
	if enc.head == nil {
		enc.head = appendHead([]byte("data: "), "chat.completion.chunk", e.ID, e.Created, enc.model)
		enc.head = append(enc.head, `,"choices":[`...)
	}
	switch e.Kind {
	case llm.EventUsage:
		if !enc.usage {
			return dst
		}
		dst = append(dst, enc.head...)
		dst = append(dst, `],"usage":`...)
		dst = appendUsage(dst, e.Usage)
		return append(dst, "}\n\n"...)
	case llm.EventFinish:
		dst = append(dst, enc.head...)
		dst = append(dst, `{"index":0,"delta":{},"logprobs":null,"finish_reason":`...)
		dst = appendString(dst, string(e.Finish))
	default:
		dst = append(dst, enc.head...)
		dst = append(dst, `{"index":0,"delta":{`...)
		dst = appendDelta(dst, &e)
		dst = append(dst, `},"logprobs":null,"finish_reason":null`...)
	}
	if enc.usage {
		return append(dst, "}],\"usage\":null}\n\n"...)
	}
	return append(dst, "}]}\n\n"...)
}

// End appends the word that a complete stream ends with.
func (enc *encoder) End(dst []byte) []byte { return append(dst, "data: [DONE]\n\n"...) }

// Failure appends the event by which a stream breaks off.
func (enc *encoder) Failure(dst []byte, f *llm.Failure) []byte {
	dst = append(dst, "event: error\ndata: "...)
	dst = Dialect{}.Failure(dst, f)
	return append(dst, "\n\n"...)
}

// appendDelta appends the members of a chunk's delta.
func appendDelta(dst []byte, e *llm.Event) []byte {
	switch e.Kind {
	case llm.EventStart:
		return append(dst, `"role":"assistant","content":"","refusal":null`...)
	case llm.EventText:
		dst = append(dst, `"content":`...)
		return appendString(dst, e.Text)
	case llm.EventToolCall:
		dst = append(dst, `"tool_calls":[{"index":`...)
		dst = strconv.AppendInt(dst, int64(e.Index), 10)
		dst = append(dst, `,"id":`...)
		dst = appendString(dst, e.Call.ID)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = appendString(dst, e.Call.Name)
		return append(dst, `,"arguments":""}}]`...)
	case llm.EventToolArgs:
		dst = append(dst, `"tool_calls":[{"index":`...)
		dst = strconv.AppendInt(dst, int64(e.Index), 10)
		dst = append(dst, `,"function":{"arguments":`...)
		dst = appendString(dst, e.Text)
		return append(dst, `}}]`...)
	}
	return dst
}
