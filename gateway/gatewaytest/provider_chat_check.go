package gatewaytest

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// nameForm is what the names of functions and schemas look like.
var nameForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// chatFields are the parameters of https://platform.openai.com/docs/api-reference/chat/create.
func chatFields() map[string]check {
	return map[string]check{
		"model": aString, "messages": listOf(1, 2048, aMessage), "stream": aBoolean,
		"stream_options":    objectOf(map[string]check{"include_usage": aBoolean, "include_obfuscation": aBoolean}),
		"max_tokens":        anInteger(1, math.MaxInt32),
		"temperature":       aDecimal(0, 2),
		"top_p":             aDecimal(0, 1),
		"frequency_penalty": aDecimal(-2, 2), "presence_penalty": aDecimal(-2, 2),
		"max_completion_tokens": anInteger(1, math.MaxInt32),
		"n":                     anInteger(1, 128), "seed": anInteger(math.MinInt64, math.MaxInt64),
		"stop":     either(listOf(0, 4, aString)),
		"logprobs": aBoolean, "top_logprobs": anInteger(0, 20),
		"logit_bias": weights, "user": aString, "safety_identifier": aString, "prompt_cache_key": aString,
		"prompt_cache_retention": oneOf("in-memory", "24h"),
		"metadata":               metadata, "store": aBoolean,
		"service_tier":     oneOf("auto", "default", "flex", "scale", "priority"),
		"reasoning_effort": oneOf("none", "minimal", "low", "medium", "high", "xhigh"),
		"verbosity":        oneOf("low", "medium", "high"),
		"modalities":       listOf(1, 2, oneOf("text", "audio")),
		"audio":            objectOf(map[string]check{"voice": nil, "format": aString}, "voice", "format"),
		"prediction":       anObject, "web_search_options": anObject,
		"response_format": aFormat,
		"tools":           listOf(1, 128, aTool), "tool_choice": either(anObject), "parallel_tool_calls": aBoolean,
		"functions": listOf(1, 128, aFunction), "function_call": either(anObject),
	}
}

// weights takes the biases of tokens.
func weights(path string, v any) *APIError {
	o, ok := v.(map[string]any)
	if !ok {
		return wrongType(path, "an object", v)
	}
	for token, weight := range o {
		n, _ := weight.(json.Number)
		if f, err := n.Float64(); err != nil || f < -100 || f > 100 {
			return refuse(path, "", "Invalid value in '%s' for token %s: must be between -100 and 100.", path, token)
		}
	}
	return nil
}

// metadata takes sixteen pairs of texts.
func metadata(path string, v any) *APIError {
	o, ok := v.(map[string]any)
	if !ok {
		return wrongType(path, "an object", v)
	}
	if len(o) > 16 {
		return refuse(path, "object_above_max_properties",
			"Invalid '%s': too many properties. Expected an object with at most 16 properties, but got an object with %d properties instead.",
			path, len(o))
	}
	for name, v := range o {
		if err := aString(path+"."+name, v); err != nil {
			return err
		}
	}
	return nil
}

func aFunction(path string, v any) *APIError {
	return objectOf(map[string]check{
		"name": matching(nameForm), "description": aString, "parameters": aSchema, "strict": aBoolean,
	}, "name")(path, v)
}

// aSchema takes the parameters of a function: an object's schema.
func aSchema(path string, v any) *APIError {
	o, ok := v.(map[string]any)
	if !ok {
		return wrongType(path, "an object", v)
	}
	if kind := o["type"]; len(o) > 0 && kind != "object" {
		return refuse(path, "invalid_function_parameters",
			"Invalid schema for function: schema must be a JSON Schema of 'type: \"object\"', got 'type: \"%v\"'.", kind)
	}
	return nil
}

func aTool(path string, v any) *APIError {
	return named(map[string]check{
		"function": objectOf(map[string]check{"type": nil, "function": aFunction}, "function"),
		"custom":   objectOf(map[string]check{"type": nil, "custom": anObject}, "custom"),
	})(path, v)
}

func aFormat(path string, v any) *APIError {
	return named(map[string]check{
		"text": nothingBut("type"), "json_object": nothingBut("type"),
		"json_schema": objectOf(map[string]check{"type": nil, "json_schema": objectOf(map[string]check{
			"name": matching(nameForm), "description": aString, "schema": anObject, "strict": aBoolean,
		}, "name")}, "json_schema"),
	})(path, v)
}

// nothingBut takes objects of these fields alone, whatever they hold.
func nothingBut(names ...string) check {
	known := make(map[string]check, len(names))
	for _, name := range names {
		known[name] = nil
	}
	return objectOf(known)
}

// aMessage takes one message, by itself.
func aMessage(path string, v any) *APIError {
	m, ok := v.(map[string]any)
	if !ok {
		return wrongType(path, "an object", v)
	}
	role := fields(m).text("role")
	if m["role"] == nil {
		return refuse(path+".role", "missing_required_parameter", "Missing required parameter: '%s.role'.", path)
	}
	parts, known := rolesOfMessages[role]
	if !known {
		return refuse(path+".role", "invalid_value", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', "+
			"'function', 'tool', and 'developer'.", role)
	}
	f := fields(m)
	if !f.has("content") && !(role == "assistant" && (f.has("tool_calls") || f.has("function_call") || f.has("refusal") || f.has("audio"))) {
		return refuse(path+".content", "invalid_type", "Invalid value for 'content': expected a string, got null.")
	}
	return checkFields(path, m, fieldsOf(role, parts))
}

// rolesOfMessages are the kinds of parts that the messages of a role may have.
var rolesOfMessages = map[string][]string{
	"system": {"text"}, "developer": {"text"}, "user": {"text", "image_url", "input_audio", "file"},
	"assistant": {"text", "refusal"}, "tool": {"text"}, "function": {},
}

func fieldsOf(role string, parts []string) map[string]check {
	kinds := make(map[string]check)
	for _, kind := range parts {
		field := check(anObject)
		switch kind {
		case "text", "refusal":
			field = aString
		case "image_url":
			field = anImage
		}
		kinds[kind] = objectOf(map[string]check{"type": nil, kind: field}, kind)
	}
	known := map[string]check{"role": nil, "name": aString, "content": either(listOf(1, 2048, named(kinds)))}
	switch role {
	case "assistant":
		known["refusal"], known["audio"], known["function_call"], known["annotations"] = aString, anObject, anObject, nil
		known["tool_calls"] = listOf(1, 128, named(map[string]check{
			"function": objectOf(map[string]check{"type": nil, "id": aString,
				"function": objectOf(map[string]check{"name": aString, "arguments": aString}, "name", "arguments")}, "id", "function"),
			"custom": anObject,
		}))
	case "tool":
		known["tool_call_id"] = aString
	}
	return known
}

func anImage(path string, v any) *APIError {
	if err := objectOf(map[string]check{"url": aString, "detail": oneOf("auto", "low", "high")}, "url")(path, v); err != nil {
		return err
	}
	url := fields(v.(map[string]any)).text("url")
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "data:image/") {
		return refuse(path+".url", "invalid_value", "Invalid '%s.url': Expected a valid URL, but got a value with an invalid format.", path)
	}
	return nil
}

// oddChat refuses what is wrong only as a whole.
func oddChat(f fields) *APIError {
	reasons := strings.HasPrefix(f.text("model"), "o3")
	switch {
	case !isChat(f.text("model")):
		err := refuse("model", "", "This is not a chat model and thus not supported in the v1/chat/completions endpoint. "+
			"Did you mean to use v1/completions?")
		err.Status = 404
		return err
	case f.has("stream_options") && !f.is("stream"):
		return refuse("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case f.has("max_tokens") && f.has("max_completion_tokens"):
		return refuse("max_tokens", "invalid_value", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case reasons && f.has("max_tokens"):
		return refuse("max_tokens", "unsupported_parameter", "Unsupported parameter: 'max_tokens' is not supported with this model. "+
			"Use 'max_completion_tokens' instead.")
	case reasons && f.has("temperature"):
		return refuse("temperature", "unsupported_parameter", "Unsupported parameter: 'temperature' is not supported with this model.")
	case !reasons && f.has("reasoning_effort"):
		return refuse("", "", "Unrecognized request argument supplied: reasoning_effort")
	case f.has("top_logprobs") && !f.is("logprobs"):
		return refuse("top_logprobs", "", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	case f.has("tool_choice") && f.text("tool_choice") != "none" && !f.has("tools"):
		return refuse("tool_choice", "", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	case f.has("parallel_tool_calls") && !f.has("tools"):
		return refuse("parallel_tool_calls", "",
			"Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.")
	}
	if err := oddFormat(f); err != nil {
		return err
	}
	if err := oddChoice(f); err != nil {
		return err
	}
	return oddConversation(f.list("messages"))
}

// isChat is whether a model talks: whatever is not known for something else does.
func isChat(model string) bool {
	return !slices.ContainsFunc([]string{"instruct", "embedding", "moderation", "dall-e", "image", "tts"}, func(s string) bool {
		return strings.Contains(model, s)
	})
}

func oddFormat(f fields) *APIError {
	format := f.object("response_format")
	switch format.text("type") {
	case "json_object":
		said, err := json.Marshal(f["messages"])
		if err == nil && !strings.Contains(strings.ToLower(string(said)), "json") {
			return refuse("messages", "", "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.")
		}
	case "json_schema":
		wanted := format.object("json_schema")
		schema := wanted.object("schema")
		if v, said := schema["additionalProperties"]; wanted.is("strict") && (!said || v != false) {
			return refuse("response_format", "", "Invalid schema for response_format '%s': In context=(), 'additionalProperties' is required "+
				"to be supplied and to be false.", wanted.text("name"))
		}
	}
	return nil
}

// oddChoice refuses a choice of what is not there.
func oddChoice(f fields) *APIError {
	if mode := f.text("tool_choice"); mode != "" && !slices.Contains([]string{"none", "auto", "required"}, mode) {
		return refuse("tool_choice", "invalid_value", "Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", mode)
	}
	choice := f.object("tool_choice")
	if choice.text("type") != "function" {
		return nil
	}
	name := choice.object("function").text("name")
	for _, tool := range f.list("tools") {
		if t, _ := tool.(map[string]any); fields(t).object("function").text("name") == name {
			return nil
		}
	}
	return refuse("tool_choice", "", "Tool choice '%s' not found in 'tools' parameter.", name)
}

// oddConversation refuses results that nobody asked for, and calls that have no result.
func oddConversation(messages []any) *APIError {
	var open []string // calls that still lack their result
	unanswered := func() *APIError {
		if len(open) == 0 {
			return nil
		}
		return refuse("messages", "", "An assistant message with 'tool_calls' must be followed by tool messages responding to each "+
			"'tool_call_id'. The following tool_call_ids did not have response messages: %s", strings.Join(open, ", "))
	}
	called := false
	for i, v := range messages {
		m := fields(v.(map[string]any))
		if m.text("role") == "tool" {
			at := fmt.Sprintf("messages.[%d].role", i)
			if !called {
				return refuse(at, "", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")
			}
			k := slices.Index(open, m.text("tool_call_id"))
			if k < 0 {
				return refuse(fmt.Sprintf("messages.[%d].tool_call_id", i), "", "Invalid parameter: 'tool_call_id' of '%s' not found in "+
					"'tool_calls' of previous message.", m.text("tool_call_id"))
			}
			open = slices.Delete(open, k, k+1)
			continue
		}
		if err := unanswered(); err != nil {
			return err
		}
		called, open = false, nil
		for _, c := range m.list("tool_calls") {
			called, open = true, append(open, fields(c.(map[string]any)).text("id"))
		}
	}
	return unanswered()
}
