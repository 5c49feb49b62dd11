package openai

import (
	"github.com/go-json-experiment/json/jsontext"

	"nexus/gateway/llm"
)

// wireMessages is the conversation.
type wireMessages []llm.Message

// UnmarshalJSONFrom takes a list of messages.
func (l *wireMessages) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return elements(d, maxList, func(at func(string) string, w *wireMessage) error {
		m, err := w.message(at)
		*l = append(*l, m)
		return err
	})
}

// message checks a message; at makes the path of one of its fields.
func (w *wireMessage) message(at func(string) string) (llm.Message, error) {
	m := llm.Message{Parts: w.Content}
	switch w.Role {
	case "system":
		m.Role = llm.RoleSystem
	case "developer":
		m.Role = llm.RoleDeveloper
	case "user":
		m.Role = llm.RoleUser
	case "assistant":
		m.Role = llm.RoleAssistant
		m.ToolCalls = w.ToolCalls
		if w.Refusal != nil {
			m.Parts = append(m.Parts, llm.Part{Kind: "refusal", Text: *w.Refusal})
		}
		if w.Audio {
			m.Parts = append(m.Parts, llm.Part{Kind: "audio"})
		}
	case "tool":
		m.Role = llm.RoleTool
		m.ToolCallID = w.ToolCallID
		if w.ToolCallID == "" {
			return m, wrong(at(".tool_call_id"), "must be a non-empty string")
		}
	case "function":
		return m, wrong(at(".role"), "must not be function any more; use tool with a tool_call_id")
	default:
		return m, wrong(at(".role"), "must be system, developer, user, assistant or tool")
	}
	switch {
	case bool(w.FunctionCall):
		return m, &llm.UnsupportedError{Param: at(".function_call"), Why: "use tool_calls instead"}
	case m.Role != llm.RoleAssistant && len(w.ToolCalls) > 0:
		return m, wrong(at(".tool_calls"), "must be in a message of the assistant")
	case len(m.Parts) == 0 && len(m.ToolCalls) == 0:
		return m, wrong(at(".content"), "must be a string or a non-empty array of parts")
	}
	return m, nil
}

// part checks a part; field names the field that is wrong, and must says what it must be.
func (w *wirePart) part() (p llm.Part, field, must string) {
	p.Kind = w.Type
	switch {
	case w.Type == "text" && w.Text != nil:
		p.Text = *w.Text
	case w.Type == "refusal" && w.Refusal != nil:
		p.Text = *w.Refusal
	case w.Type == "image_url" && bool(w.ImageURL), w.Type == "input_audio" && bool(w.InputAudio), w.Type == "file" && bool(w.File):
	case w.Type == "text", w.Type == "refusal":
		return p, w.Type, "a string"
	case w.Type == "image_url", w.Type == "input_audio", w.Type == "file":
		return p, w.Type, "an object"
	default:
		return p, "type", "text, image_url, input_audio, file or refusal"
	}
	return p, "", ""
}
