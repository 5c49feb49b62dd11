package gatewaytest

import (
	"fmt"
	"math"
	"net/http"
)

// responsesFields are the parameters of https://platform.openai.com/docs/api-reference/responses/create.
func responsesFields() map[string]check {
	return map[string]check{
		"model": aString, "input": either(listOf(1, 2048, anItem)), "instructions": aString, "stream": aBoolean,
		"stream_options":    objectOf(map[string]check{"include_obfuscation": aBoolean}),
		"max_output_tokens": anInteger(16, math.MaxInt32), "max_tool_calls": anInteger(1, math.MaxInt32),
		"temperature": aDecimal(0, 2), "top_p": aDecimal(0, 1), "top_logprobs": anInteger(0, 20),
		"tools": listOf(0, 128, aResponsesTool), "tool_choice": either(anObject), "parallel_tool_calls": aBoolean,
		"text": objectOf(map[string]check{"format": anObject, "verbosity": oneOf("low", "medium", "high")}), "reasoning": anObject,
		"include": listOf(0, 16, aString), "truncation": oneOf("auto", "disabled"), "metadata": metadata, "store": aBoolean,
		"service_tier": oneOf("auto", "default", "flex", "priority"), "user": aString, "safety_identifier": aString,
		"prompt_cache_key": aString, "prompt_cache_retention": aString, "background": aBoolean, "previous_response_id": aString,
		"conversation": either(anObject), "prompt": anObject,
	}
}

func aResponsesTool(path string, v any) *APIError {
	return named(map[string]check{
		"function": objectOf(map[string]check{"type": nil, "name": matching(nameForm), "description": aString, "parameters": aSchema,
			"strict": aBoolean}, "name"),
		"web_search": anObject, "file_search": anObject, "code_interpreter": anObject, "image_generation": anObject, "mcp": anObject,
		"custom": anObject,
	})(path, v)
}

// anItem takes one item of the input: a message has no need of a type.
func anItem(path string, v any) *APIError {
	item, ok := v.(map[string]any)
	if !ok {
		return wrongType(path, "an object", v)
	}
	f := fields(item)
	switch kind := f.text("type"); kind {
	case "", "message":
		return objectOf(map[string]check{
			"type": nil, "id": aString, "status": aString, "role": oneOf("assistant", "system", "developer", "user"), "phase": aString,
			"content": either(listOf(1, 2048, named(map[string]check{
				"input_text":  objectOf(map[string]check{"type": nil, "text": aString}, "text"),
				"output_text": objectOf(map[string]check{"type": nil, "text": aString, "annotations": nil, "logprobs": nil}, "text"),
				"input_image": anObject, "input_file": anObject, "refusal": anObject,
			}))),
		}, "role", "content")(path, v)
	case "function_call":
		return objectOf(map[string]check{"type": nil, "id": aString, "status": aString, "call_id": aString, "name": aString,
			"arguments": aString}, "call_id", "name", "arguments")(path, v)
	case "function_call_output":
		return objectOf(map[string]check{"type": nil, "id": aString, "status": aString, "call_id": aString, "output": nil},
			"call_id", "output")(path, v)
	case "reasoning", "item_reference", "web_search_call", "file_search_call", "custom_tool_call", "custom_tool_call_output":
		return nil
	default:
		return refuse(path, "invalid_value", "Invalid value: '%s'. Supported values are: 'message', 'function_call', "+
			"'function_call_output', 'reasoning', and 'item_reference'.", kind)
	}
}

// oddResponses refuses results without a call, and calls without a result.
func oddResponses(f fields) *APIError {
	calls := make(map[string]bool) // whether it has its result
	for i, v := range f.list("input") {
		item := fields(v.(map[string]any))
		id := item.text("call_id")
		switch item.text("type") {
		case "function_call":
			calls[id] = false
		case "function_call_output":
			if _, known := calls[id]; !known {
				return refuse(fmt.Sprintf("input[%d]", i), "", "No tool call found for function call output with call_id %s.", id)
			}
			calls[id] = true
		}
	}
	for id, done := range calls {
		if !done {
			return refuse("input", "", "No tool output found for function call %s.", id)
		}
	}
	return nil
}

func (p *Provider) responses(w http.ResponseWriter, r *http.Request, f fields) {
	text, ofTool := f.text("input"), false
	if items := f.list("input"); len(items) > 0 {
		last := fields(items[len(items)-1].(map[string]any))
		if ofTool = last.text("type") == "function_call_output"; ofTool {
			text = textOf(last["output"])
		} else {
			text = textOf(last["content"])
		}
	}
	want := wishOf(text)
	if want.toolOfTurns = ofTool; want.fail != nil {
		want.fail.write(w)
		return
	}
	var tools []tool
	for _, v := range f.list("tools") {
		t := fields(v.(map[string]any))
		if t.text("type") == "function" {
			tools = append(tools, tool{t.text("name"), t.object("parameters")})
		}
	}
	s := answerTo(want, tools, f.number("max_output_tokens", math.MaxInt32))
	if f.is("stream") {
		e := p.begin(w, r, want)
		(&responseStream{events: e, f: f, said: s}).run()
		return
	}
	p.whole(w, r, want, response(f, "completed", items(s, "completed"), usageOfResponse(s)))
}

func usageOfResponse(s *said) any {
	return map[string]any{
		"input_tokens": s.input, "input_tokens_details": map[string]int{"cached_tokens": 0},
		"output_tokens": s.output, "output_tokens_details": map[string]int{"reasoning_tokens": 0}, "total_tokens": s.input + s.output,
	}
}

// response is the object of that name.
func response(f fields, status string, output []any, usage any) map[string]any {
	out := map[string]any{
		"id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "object": "response", "created_at": created, "status": status,
		"error": nil, "incomplete_details": nil, "instructions": f["instructions"], "max_output_tokens": f["max_output_tokens"],
		"model": answered(f.text("model")), "output": output, "parallel_tool_calls": true, "previous_response_id": nil,
		"reasoning": map[string]any{"effort": nil, "summary": nil}, "store": true, "temperature": 1.0,
		"text": map[string]any{"format": map[string]any{"type": "text"}}, "tool_choice": "auto", "tools": f.list("tools"), "top_p": 1.0,
		"truncation": "disabled", "usage": usage, "user": nil, "metadata": map[string]any{},
	}
	if out["tools"].([]any) == nil {
		out["tools"] = []any{}
	}
	return out
}

// items are the items of an answer.
func items(s *said, status string) []any {
	var out []any
	for i := range s.calls {
		out = append(out, s.calls[i].item(i, status, s.calls[i].arguments))
	}
	if len(out) == 0 {
		out = append(out, message(status, []any{textPart(s.text())}))
	}
	return out
}

func (c *calling) item(i int, status, arguments string) map[string]any {
	return map[string]any{"id": fmt.Sprintf("fc_%d", i+1), "type": "function_call", "status": status, "call_id": c.id, "name": c.name,
		"arguments": arguments}
}

func message(status string, content []any) map[string]any {
	return map[string]any{"id": "msg_67ccd2bf17f0819081ff3bb2cf6508e6", "type": "message", "status": status, "role": "assistant", "content": content}
}

func textPart(text string) map[string]any {
	return map[string]any{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
}

// responseStream sends an answer event by event: each has its name in two places, and a number.
type responseStream struct {
	*events
	f      fields
	said   *said
	number int
}

func (e *responseStream) send(kind string, more map[string]any) {
	more["type"], more["sequence_number"] = kind, e.number
	e.number++
	e.event(kind, more)
}

func (e *responseStream) run() {
	for _, kind := range []string{"response.created", "response.in_progress"} {
		e.send(kind, map[string]any{"response": response(e.f, "in_progress", []any{}, nil)})
	}
	for i := range e.said.calls {
		e.call(i, &e.said.calls[i])
	}
	if len(e.said.calls) == 0 {
		e.text()
	}
	e.send("response.completed", map[string]any{
		"response": response(e.f, "completed", items(e.said, "completed"), usageOfResponse(e.said)),
	})
	e.end()
}

func (e *responseStream) call(i int, c *calling) {
	at := func(more map[string]any) map[string]any {
		more["output_index"] = i
		return more
	}
	id := fmt.Sprintf("fc_%d", i+1)
	e.send("response.output_item.added", at(map[string]any{"item": c.item(i, "in_progress", "")}))
	half := len(c.arguments) / 2
	for _, piece := range []string{c.arguments[:half], c.arguments[half:]} {
		e.send("response.function_call_arguments.delta", at(map[string]any{"item_id": id, "delta": piece}))
	}
	e.send("response.function_call_arguments.done", at(map[string]any{"item_id": id, "name": c.name, "arguments": c.arguments}))
	e.send("response.output_item.done", at(map[string]any{"item": c.item(i, "completed", c.arguments)}))
}

func (e *responseStream) text() {
	at := func(more map[string]any) map[string]any {
		more["output_index"], more["content_index"], more["item_id"] = 0, 0, message("", nil)["id"]
		return more
	}
	e.send("response.output_item.added", map[string]any{"output_index": 0, "item": message("in_progress", []any{})})
	e.send("response.content_part.added", at(map[string]any{"part": textPart("")}))
	for _, piece := range e.said.pieces {
		e.send("response.output_text.delta", at(map[string]any{"delta": piece, "logprobs": []any{}}))
	}
	whole := e.said.text()
	e.send("response.output_text.done", at(map[string]any{"text": whole, "logprobs": []any{}}))
	e.send("response.content_part.done", at(map[string]any{"part": textPart(whole)}))
	e.send("response.output_item.done", map[string]any{"output_index": 0, "item": items(e.said, "completed")[0]})
}
