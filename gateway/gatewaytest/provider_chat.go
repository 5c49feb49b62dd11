package gatewaytest

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
)

// lastTurn is what the last message says, and whether a tool said it. Parts of text are joined.
func lastTurn(messages []any) (text string, ofTool bool) {
	if len(messages) == 0 {
		return "", false
	}
	last, _ := messages[len(messages)-1].(map[string]any)
	return textOf(last["content"]), last["role"] == "tool"
}

func textOf(content any) string {
	if s, ok := content.(string); ok {
		return s
	}
	parts, _ := content.([]any)
	var b strings.Builder
	for _, part := range parts {
		p, _ := part.(map[string]any)
		b.WriteString(fields(p).text("text"))
	}
	return b.String()
}

// toolsOf are the functions that may be called.
func toolsOf(f fields) (tools []tool) {
	if f.text("tool_choice") == "none" {
		return nil
	}
	for _, v := range f.list("tools") {
		t, _ := v.(map[string]any)
		function := fields(t).object("function")
		if name := function.text("name"); name != "" {
			tools = append(tools, tool{name, function.object("parameters")})
		}
	}
	return tools
}

// The shape of an answer, its fields in the order of the real one.
type (
	chatAnswer struct {
		ID      string          `json:"id"`
		Object  string          `json:"object"`
		Created int64           `json:"created"`
		Model   string          `json:"model"`
		Choices []chatChoice    `json:"choices"`
		Usage   json.RawMessage `json:"usage,omitempty"`
		Tier    string          `json:"service_tier"`
		Print   string          `json:"system_fingerprint"`
	}
	chatChoice struct {
		Index   int              `json:"index"`
		Message *chatMessage     `json:"message,omitempty"`
		Delta   *chatDelta       `json:"delta,omitempty"`
		Logs    *json.RawMessage `json:"logprobs"`
		Finish  *string          `json:"finish_reason"`
	}
	chatMessage struct {
		Role        string     `json:"role"`
		Content     *string    `json:"content"`
		Calls       []chatCall `json:"tool_calls,omitempty"`
		Refusal     *string    `json:"refusal"`
		Annotations []any      `json:"annotations"`
	}
	chatDelta struct {
		Role    string     `json:"role,omitempty"`
		Content *string    `json:"content,omitempty"`
		Calls   []chatCall `json:"tool_calls,omitempty"`
	}
	chatCall struct {
		Index    *int   `json:"index,omitempty"`
		ID       string `json:"id,omitempty"`
		Type     string `json:"type,omitempty"`
		Function struct {
			Name      string `json:"name,omitempty"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	}
)

// answered is the name that the real one answers with: that of the version that an alias stands for at the moment.
func answered(model string) string {
	if strings.HasPrefix(model, "gpt-4") {
		return model + "-2024-08-06"
	}
	return model
}

func chatUsage(s *said) json.RawMessage {
	text, err := json.Marshal(struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
		OfPrompt   any `json:"prompt_tokens_details"`
		OfAnswer   any `json:"completion_tokens_details"`
	}{s.input, s.output, s.input + s.output,
		map[string]int{"cached_tokens": 0, "audio_tokens": 0},
		map[string]int{"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}})
	if err != nil {
		panic(err) // numbers have a form in JSON
	}
	return text
}

func (p *Provider) chat(w http.ResponseWriter, r *http.Request, f fields) {
	text, ofTool := lastTurn(f.list("messages"))
	want := wishOf(text)
	if want.toolOfTurns = ofTool; want.fail != nil {
		want.fail.write(w)
		return
	}
	limit := f.number("max_completion_tokens", f.number("max_tokens", math.MaxInt32))
	s := answerTo(want, toolsOf(f), limit)
	finish := "stop"
	switch {
	case len(s.calls) > 0:
		finish = "tool_calls"
	case len(s.pieces) == limit:
		finish = "length"
	}
	answer := chatAnswer{
		ID: "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", Object: "chat.completion", Created: created, Model: answered(f.text("model")),
		Tier: "default", Print: "fp_44709d6fcb",
	}
	if f.is("stream") {
		p.streamChat(p.begin(w, r, want), answer, s, finish, f)
		return
	}
	message := &chatMessage{Role: "assistant", Annotations: []any{}}
	if len(s.calls) == 0 {
		content := s.text()
		message.Content = &content
	}
	for _, c := range s.calls {
		message.Calls = append(message.Calls, c.chat(nil))
	}
	for i := range f.number("n", 1) {
		answer.Choices = append(answer.Choices, chatChoice{Index: i, Message: message, Finish: &finish})
	}
	answer.Usage = chatUsage(s)
	p.whole(w, r, want, answer)
}

func (c *calling) chat(index *int) chatCall {
	out := chatCall{Index: index, ID: c.id, Type: "function"}
	out.Function.Name, out.Function.Arguments = c.name, c.arguments
	return out
}

func (p *Provider) streamChat(e *events, chunk chatAnswer, s *said, finish string, f fields) {
	chunk.Object = "chat.completion.chunk"
	asked := f.object("stream_options").is("include_usage")
	if asked {
		chunk.Usage = json.RawMessage("null")
	}
	n := f.number("n", 1)
	send := func(delta chatDelta, finish *string) {
		for i := range n {
			chunk.Choices = []chatChoice{{Index: i, Delta: &delta, Finish: finish}}
			e.event("", chunk)
		}
	}
	empty := ""
	if len(s.calls) == 0 {
		send(chatDelta{Role: "assistant", Content: &empty}, nil)
	}
	for i := range s.pieces {
		send(chatDelta{Content: &s.pieces[i]}, nil)
	}
	for i := range s.calls {
		first := s.calls[i].chat(&i)
		arguments := first.Function.Arguments
		first.Function.Arguments = ""
		role := ""
		if i == 0 {
			role = "assistant"
		}
		send(chatDelta{Role: role, Calls: []chatCall{first}}, nil)
		half := len(arguments) / 2
		for _, piece := range []string{arguments[:half], arguments[half:]} {
			more := chatCall{Index: &i}
			more.Function.Arguments = piece
			send(chatDelta{Calls: []chatCall{more}}, nil)
		}
	}
	send(chatDelta{}, &finish)
	if asked {
		chunk.Choices, chunk.Usage = []chatChoice{}, chatUsage(s)
		e.event("", chunk)
	}
	e.line("", "[DONE]")
	e.end()
}
