package demo_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"nexus/gateway/llm"
	"nexus/gateway/llm/cl100k"
	"nexus/gateway/llm/demo"
)

// asking is a call with one message of a user.
func asking(text string, change ...func(*llm.Request)) *llm.Call {
	r := &llm.Request{Model: "m", Messages: []llm.Message{says(llm.RoleUser, text)}}
	for _, f := range change {
		f(r)
	}
	return &llm.Call{Request: r, Model: "m"}
}

func says(role llm.Role, text string) llm.Message {
	return llm.Message{Role: role, Parts: []llm.Part{{Kind: "text", Text: text}}}
}

// with adds messages to a request.
func with(messages ...llm.Message) func(*llm.Request) {
	return func(r *llm.Request) { r.Messages = append(r.Messages, messages...) }
}

// offering adds two tools to a request.
func offering(r *llm.Request) {
	r.Tools = []llm.Tool{
		{Name: "weather", Parameters: []byte(`{"type":"object","properties":{"city":{"type":"string"}}}`)},
		{Name: "now"},
	}
}

func choosing(mode llm.ToolMode, name string) func(*llm.Request) {
	return func(r *llm.Request) { r.ToolChoice = llm.ToolChoice{Mode: mode, Name: name} }
}

func complete(t *testing.T, call *llm.Call) *llm.Reply {
	t.Helper()
	reply, err := demo.New().Complete(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestAnAnswerIsAFriendlyText(t *testing.T) {
	call := asking("What is up?")
	call.Model = "gpt-4-0613"
	reply := complete(t, call)
	for _, want := range []string{"demo of Nexus", "gpt-4-0613", "“What is up?”", "nexus.toml"} {
		if !strings.Contains(reply.Text, want) {
			t.Errorf("no %q in %q", want, reply.Text)
		}
	}
	if n := len(strings.Fields(reply.Text)); n < 25 || n > 40 {
		t.Errorf("%d words: %q", n, reply.Text)
	}
	if reply.Finish != llm.FinishStop || !strings.HasPrefix(reply.ID, "chatcmpl-") || len(reply.ToolCalls) != 0 {
		t.Errorf("got %+v", reply)
	}
}

func TestAQuoteIsBounded(t *testing.T) {
	for _, letter := range []string{"x", "中", "😀"} {
		text := complete(t, asking(strings.Repeat(letter, 1000))).Text
		if n := strings.Count(text, letter); n < 200 || n > 203 || !utf8.ValidString(text) || !strings.Contains(text, "…") {
			t.Errorf("%d of %q are quoted", n, letter)
		}
	}
	if text := complete(t, asking(" \n ")).Text; strings.Contains(text, "“") {
		t.Errorf("white space is quoted: %q", text)
	}
}

func TestTheSameRequestHasTheSameAnswer(t *testing.T) {
	calls := map[string]*llm.Call{
		"a text":         asking("one"),
		"another text":   asking("two"),
		"a system text":  asking("one", with(says(llm.RoleSystem, "s"))),
		"a tool call":    asking("tool:", offering),
		"a temperature":  asking("one", func(r *llm.Request) { r.Temperature = new(float64) }),
		"a stop":         asking("one", func(r *llm.Request) { r.Stop = []string{"zzz"} }),
		"broken letters": asking("\xff"),
	}
	seen := map[string]string{}
	for name, call := range calls {
		first, second := complete(t, call), complete(t, call)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%s: another answer the second time:\n%s", name, diff)
		}
		if other, ok := seen[first.ID]; ok {
			t.Errorf("%s and %s share the id %s", name, other, first.ID)
		}
		seen[first.ID] = name
	}
	other := asking("one")
	other.Model = "n"
	if complete(t, other).ID == complete(t, asking("one")).ID {
		t.Error("two models share an id")
	}
}

// gather makes a reply of a stream, and gives its events as well.
func gather(t *testing.T, call *llm.Call) (*llm.Reply, []llm.Event) {
	t.Helper()
	var r llm.Reply
	var events []llm.Event
	for e, err := range demo.New().Stream(t.Context(), call) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
		switch e.Kind {
		case llm.EventStart:
			r.ID, r.Created = e.ID, e.Created
		case llm.EventText:
			r.Text += e.Text
		case llm.EventToolCall:
			if e.Index != len(r.ToolCalls) {
				t.Errorf("call %d follows %d others", e.Index, len(r.ToolCalls))
			}
			r.ToolCalls = append(r.ToolCalls, e.Call)
		case llm.EventToolArgs:
			r.ToolCalls[e.Index].Arguments += e.Text
		case llm.EventFinish:
			r.Finish = e.Finish
		case llm.EventUsage:
			r.Usage = e.Usage
		}
	}
	return &r, events
}

func TestAStreamTellsTheSameAsTheWholeAnswer(t *testing.T) {
	for name, call := range map[string]*llm.Call{
		"a text":      asking("some  words\nand lines"),
		"a cut text":  asking("x", func(r *llm.Request) { r.MaxTokens = 3 }),
		"nothing":     asking("x", func(r *llm.Request) { r.Stop = []string{"H"} }),
		"a tool call": asking("tool:", offering),
		"long arguments": asking("tool:", func(r *llm.Request) {
			r.Tools = []llm.Tool{{Name: "f", Parameters: []byte(`{"default":{"a":"ääääääääääääääääääääääää"}}`)}}
		}),
		"JSON":            asking("x", func(r *llm.Request) { r.Format.Kind = llm.FormatJSON }),
		"cut short twice": asking("tool:", offering, func(r *llm.Request) { r.MaxTokens = 1 }),
	} {
		whole := complete(t, call)
		streaming := *call.Request
		streaming.Stream, streaming.StreamUsage = true, true
		streamed, events := gather(t, &llm.Call{Request: &streaming, Model: call.Model})
		if diff := cmp.Diff(whole, streamed); diff != "" {
			t.Errorf("%s: the stream differs (-whole +streamed):\n%s", name, diff)
		}
		n := len(events)
		if events[0].Kind != llm.EventStart || events[n-2].Kind != llm.EventFinish || events[n-1].Kind != llm.EventUsage {
			t.Errorf("%s: the events are out of order", name)
		}
		for _, e := range events {
			if !utf8.ValidString(e.Text) || e.Kind == llm.EventText && len(strings.Fields(e.Text)) > 2 {
				t.Errorf("%s: an event of %q", name, e.Text)
			}
		}
	}
}

func TestToolsAreCalled(t *testing.T) {
	result := says(llm.RoleTool, "12 degrees")
	tests := map[string]struct {
		call *llm.Call
		tool string // "" is an answer in words
	}{
		"the first one where the message says so":        {asking("please tool: now", offering), "weather"},
		"whatever stands after the colon":                {asking("tool:x", offering), "weather"},
		"not without the word":                           {asking("a tool please", offering), ""},
		"not where the word is part of another":          {asking("a-tool: please", offering), ""},
		"not where there is none":                        {asking("tool:"), ""},
		"not where it must not be":                       {asking("tool:", offering, choosing(llm.ToolNone, "")), ""},
		"the first one where one is required":            {asking("x", offering, choosing(llm.ToolRequired, "")), "weather"},
		"the one that is named":                          {asking("tool:", offering, choosing(llm.ToolNamed, "now")), "now"},
		"not again after the result":                     {asking("tool:", offering, with(result)), ""},
		"not again where it was required":                {asking("x", offering, with(result), choosing(llm.ToolRequired, "")), ""},
		"not again where it was named":                   {asking("x", offering, with(result), choosing(llm.ToolNamed, "now")), ""},
		"again where the user asks again":                {asking("tool:", offering, with(result, says(llm.RoleUser, "tool:"))), "weather"},
		"not for what the user said before":              {asking("tool:", offering, with(says(llm.RoleUser, "thanks"))), ""},
		"not for what others say":                        {asking("x", offering, with(says(llm.RoleAssistant, "tool:"), says(llm.RoleSystem, "tool:"))), ""},
		"also where the assistant has spoken in between": {asking("tool:", offering, with(says(llm.RoleAssistant, "hm"))), "weather"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			reply := complete(t, tt.call)
			if tt.tool == "" {
				if len(reply.ToolCalls) != 0 || reply.Text == "" || reply.Finish != llm.FinishStop {
					t.Errorf("got %+v, want words", reply)
				}
				return
			}
			if len(reply.ToolCalls) != 1 || reply.ToolCalls[0].Name != tt.tool || reply.Text != "" || reply.Finish != llm.FinishToolCalls {
				t.Fatalf("got %+v, want a call of %s", reply, tt.tool)
			}
			if call := reply.ToolCalls[0]; !strings.HasPrefix(call.ID, "call_") || !strings.HasPrefix(call.Arguments, "{") {
				t.Errorf("the call is %+v", call)
			}
		})
	}
	if text := complete(t, asking("tool:", offering, with(result))).Text; !strings.Contains(text, "“12 degrees”") {
		t.Errorf("the result is not in %q", text)
	}
}

func TestFailuresCanBeAskedFor(t *testing.T) {
	tests := map[string]struct {
		text   string
		status int
		after  string
	}{
		"too many requests":            {"error:429", 429, "1"},
		"amid other words":             {"please\nerror:503 now", 503, ""},
		"the first of two":             {"error:400 error:599", 400, ""},
		"before a tool":                {"tool: error:500", 500, ""},
		"not with a status of success": {"error:399", 0, ""},
		"not beyond the statuses":      {"error:600", 0, ""},
		"not without a number":         {"error:x error: error", 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			call := asking(tt.text, offering)
			_, err := demo.New().Complete(t.Context(), call)
			var events int
			var streamErr error
			for _, e := range demo.New().Stream(t.Context(), call) {
				if streamErr = e; e == nil {
					events++
				}
			}
			if tt.status == 0 {
				if err != nil || streamErr != nil {
					t.Fatalf("failed with %v and %v", err, streamErr)
				}
				return
			}
			for _, err := range []error{err, streamErr} {
				var e *llm.Error
				if !errors.As(err, &e) || e.Status != tt.status || e.RetryAfter != tt.after || !strings.Contains(e.Message, "asked to fail") {
					t.Errorf("the error is %#v", err)
				}
			}
			if events != 0 {
				t.Errorf("%d events before the error", events)
			}
		})
	}
}

func TestWhatTheDemoCannotHonourIsRefused(t *testing.T) {
	for param, change := range map[string]func(*llm.Request){
		"n":                 func(r *llm.Request) { r.N = 2 },
		"logprobs":          func(r *llm.Request) { r.LogProbs = true },
		"top_logprobs":      func(r *llm.Request) { r.TopLogProbs = 1 },
		"frequency_penalty": func(r *llm.Request) { r.FrequencyPenalty = 0.1 },
		"presence_penalty":  func(r *llm.Request) { r.PresencePenalty = -0.1 },
		"audio":             func(r *llm.Request) { r.Audio = true },
	} {
		call := asking("error:500 slow:10s", change)
		_, err := demo.New().Complete(t.Context(), call)
		var unsupported *llm.UnsupportedError
		if !errors.As(err, &unsupported) || unsupported.Param != param {
			t.Errorf("%s: the error is %v", param, err)
		}
		for _, err := range demo.New().Stream(t.Context(), call) {
			if !errors.As(err, &unsupported) || unsupported.Param != param {
				t.Errorf("%s: the stream yields %v", param, err)
			}
		}
	}
	complete(t, asking("x", func(r *llm.Request) { r.N = 1 }))
}

func TestAnswersEndWhereTheyShould(t *testing.T) {
	ending := func(most int, stops ...string) func(*llm.Request) {
		return func(r *llm.Request) { r.MaxTokens, r.Stop = most, stops }
	}
	tests := map[string]struct {
		change func(*llm.Request)
		text   string // "" is the whole answer
		finish llm.FinishReason
	}{
		"before a stop":                        {ending(0, "from"), "Hello ", llm.FinishStop},
		"before the first of several":          {ending(0, "Nexus", "the", "demo"), "Hello from ", llm.FinishStop},
		"not at a stop that does not occur":    {ending(0, "zzz", ""), "", llm.FinishStop},
		"after so many tokens":                 {ending(2), "Hello from", llm.FinishLength},
		"not where there is room":              {ending(1000), "", llm.FinishStop},
		"not where there is room beyond count": {ending(1 << 62), "", llm.FinishStop},
		"at a stop before the last token":      {ending(3, "from"), "Hello ", llm.FinishStop},
		"at the last token before a stop":      {ending(1, "from"), "Hello", llm.FinishLength},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			reply := complete(t, asking("x", tt.change))
			if tt.text == "" {
				tt.text = complete(t, asking("x")).Text
			}
			if reply.Text != tt.text || reply.Finish != tt.finish {
				t.Errorf("got %q, %s; want %q, %s", reply.Text, reply.Finish, tt.text, tt.finish)
			}
		})
	}
	for most := 1; most < 60; most++ { // within characters of two tokens and three, too
		cut := complete(t, asking("龘龘龘龘😀龘龘龘龘", func(r *llm.Request) { r.MaxTokens = most }))
		if !utf8.ValidString(cut.Text) || cut.Usage.Output > int64(most) || cut.Finish == llm.FinishLength && cut.Usage.Output < int64(most)-2 {
			t.Errorf("%d tokens at most: %q, %+v", most, cut.Text, cut.Usage)
		}
	}
	call := complete(t, asking("tool:", offering, func(r *llm.Request) { r.MaxTokens = 1 }))
	if call.Finish != llm.FinishLength || call.ToolCalls[0].Arguments != `{"` {
		t.Errorf("arguments of one token: %+v", call)
	}
}

func TestUsageIsCountedInTokens(t *testing.T) {
	if got := complete(t, asking("Hello")).Usage.Input; got != 8 {
		t.Errorf("Hello is %d tokens, want 8", got)
	}
	call := asking("Hello world", with(says(llm.RoleAssistant, "é"), llm.Message{Role: llm.RoleUser, Parts: []llm.Part{
		{Kind: "text", Text: "Hel"}, {Kind: "image_url"}, {Kind: "text", Text: "lo"}, {Kind: "refusal", Text: "no"},
	}}))
	reply := complete(t, call)
	if want := (llm.Usage{Input: 3 + 3 + 1 + 2 + 3 + 1 + 1 + 3 + 1 + 2, Output: int64(cl100k.CountString(reply.Text))}); reply.Usage != want {
		t.Errorf("usage is %+v, want %+v", reply.Usage, want)
	}
	call.InputTokens = 1000
	if counted := complete(t, call); counted.Usage.Input != 1000 || counted.ID != reply.ID {
		t.Errorf("a prompt that was counted: %+v", counted)
	}
	reply = complete(t, asking("tool:", offering))
	if want := (llm.Usage{Input: 9, Output: int64(cl100k.CountString(reply.ToolCalls[0].Arguments))}); reply.Usage != want {
		t.Errorf("usage of a tool call is %+v, want %+v", reply.Usage, want)
	}
}

func TestSlowAnswersTakeTheirTime(t *testing.T) {
	tests := map[string]struct {
		text   string
		events time.Duration // of which each event takes
	}{
		"as slow as asked":         {"slow:50ms", 50 * time.Millisecond},
		"with a tool":              {"slow:50ms tool:", 50 * time.Millisecond},
		"no slower than the bound": {"slow:1h", time.Minute},
		"the first of two":         {"slow:1s slow:2s", time.Second},
		"not backwards":            {"slow:-1s", 0},
		"not without a unit":       {"slow:5", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, events := gather(t, asking(tt.text, offering))
				if got, want := time.Since(began), time.Duration(len(events))*tt.events; got != want {
					t.Errorf("the stream of %d events took %v, want %v", len(events), got, want)
				}
				began = time.Now()
				complete(t, asking(tt.text, offering))
				if got := time.Since(began); got != tt.events {
					t.Errorf("the whole answer took %v, want %v", got, tt.events)
				}
			})
		})
	}
}

func TestAnAnswerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, text := range []string{"slow:10s", "slow:10s error:500"} {
			ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
			began := time.Now()
			var events int
			var last error
			for _, err := range demo.New().Stream(ctx, asking(text)) {
				if last = err; err == nil {
					events++
				}
			}
			cancel()
			if strings.Contains(text, "error") {
				var e *llm.Error
				if !errors.As(last, &e) || events != 0 || time.Since(began) != 10*time.Second {
					t.Errorf("%s: %d events and %v after %v", text, events, last, time.Since(began))
				}
				continue
			}
			if !errors.Is(last, context.DeadlineExceeded) || events != 2 || time.Since(began) != 25*time.Second {
				t.Errorf("%s: %d events and %v after %v", text, events, last, time.Since(began))
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := demo.New().Complete(ctx, asking("slow:2s")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the whole answer fails with %v", err)
		}
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := demo.New().Complete(gone, asking("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	if _, err := demo.New().Models(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context, models: %v", err)
	}
	for e, err := range demo.New().Stream(gone, asking("x")) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("an ended context, stream: %+v, %v", e, err)
		}
	}
}

func TestAStreamMayBeLeftAtAnyEvent(t *testing.T) {
	for _, text := range []string{"x", "tool:"} {
		_, all := gather(t, asking(text, offering))
		for leave := range all {
			n := 0
			for range demo.New().Stream(t.Context(), asking(text, offering)) {
				if n++; n > leave {
					break
				}
			}
		}
	}
}

func TestTheDemoHasOneModel(t *testing.T) {
	models, err := demo.New().Models(t.Context())
	if err != nil || len(models) != 1 || models[0].ID != "demo-1" || models[0].Created == 0 {
		t.Errorf("the models are %v, %v", models, err)
	}
}

func BenchmarkStream(b *testing.B) {
	call := asking("Hello")
	b.ReportAllocs()
	for b.Loop() {
		for range demo.New().Stream(b.Context(), call) {
		}
	}
}
