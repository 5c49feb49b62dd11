package openai

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"nexus/gateway/llm"
)

// wireTools are the functions that the model may call.
type wireTools []llm.Tool

// UnmarshalJSONFrom takes a list of tools, all of them functions.
func (l *wireTools) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return elements(d, maxList, func(at func(string) string, w *wireTool) error {
		switch w.Type {
		case "function":
		case "":
			return wrong(at(".type"), "must be function")
		default:
			return &llm.UnsupportedError{Param: at(".type"), Why: "only functions can be offered"}
		}
		f := &w.Function
		if !isName(f.Name) {
			return wrong(at(".function.name"), "must be a string of 1 to %d bytes", maxName)
		}
		schema, ok := object(f.Parameters)
		if !ok {
			return wrong(at(".function.parameters"), "must be an object")
		}
		*l = append(*l, llm.Tool{Name: f.Name, Description: f.Description, Parameters: schema})
		return nil
	})
}

// wireToolCalls are the calls that a message of the assistant made.
type wireToolCalls []llm.ToolCall

// UnmarshalJSONFrom takes a list of calls, all of them of functions.
func (l *wireToolCalls) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return elements(d, maxList, func(at func(string) string, w *wireToolCall) error {
		switch f := &w.Function; {
		case w.Type != "function" && w.Type != "":
			return &llm.UnsupportedError{Param: at(".type"), Why: "only calls of functions are known"}
		case w.ID == "":
			return wrong(at(".id"), "must be a non-empty string")
		case f.Name == "":
			return wrong(at(".function.name"), "must be a non-empty string")
		case f.Arguments == nil:
			return wrong(at(".function.arguments"), "must be a string")
		default:
			*l = append(*l, llm.ToolCall{ID: w.ID, Name: f.Name, Arguments: *f.Arguments})
			return nil
		}
	})
}

// toolChoice reads whether a tool must be called, and which.
func (w *wireRequest) toolChoice(r *llm.Request) error {
	switch choice := &w.ToolChoice; {
	case choice.Type == "function":
		if !slices.ContainsFunc(r.Tools, func(t llm.Tool) bool { return t.Name == choice.Name }) {
			return wrong("tool_choice.function.name", "must be the name of one of the tools")
		}
		r.ToolChoice = llm.ToolChoice{Mode: llm.ToolNamed, Name: choice.Name}
	case choice.Type != "":
		return &llm.UnsupportedError{Param: "tool_choice", Why: "a choice must be none, auto, required or one function"}
	case choice.Mode == "", choice.Mode == "auto":
	case choice.Mode == "none":
		r.ToolChoice.Mode = llm.ToolNone
	case choice.Mode == "required":
		if len(r.Tools) == 0 {
			return wrong("tool_choice", "must not be required where there are no tools")
		}
		r.ToolChoice.Mode = llm.ToolRequired
	default:
		return wrong("tool_choice", "must be none, auto, required or an object that names a function")
	}
	return nil
}

// format reads the form that the answer must have.
func (w *wireRequest) format(r *llm.Request) error {
	if w.ResponseFormat == nil {
		return nil
	}
	switch w.ResponseFormat.Type {
	case "text":
	case "json_object":
		r.Format.Kind = llm.FormatJSON
	case "json_schema":
		wanted := &w.ResponseFormat.JSONSchema
		if !isName(wanted.Name) {
			return wrong("response_format.json_schema.name", "must be a string of 1 to %d bytes", maxName)
		}
		schema, ok := object(wanted.Schema)
		if !ok {
			return wrong("response_format.json_schema.schema", "must be an object")
		}
		r.Format = llm.Format{Kind: llm.FormatSchema, Name: wanted.Name, Schema: schema}
	default:
		return wrong("response_format.type", "must be text, json_object or json_schema")
	}
	return nil
}

func isName(name string) bool { return name != "" && len(name) <= maxName }

// object gives a raw value that must be an object where it is there at all.
func object(v jsontext.Value) (schema []byte, ok bool) {
	switch v.Kind() {
	case '{':
		return v, true
	case 0, 'n':
		return nil, true
	}
	return nil, false
}
