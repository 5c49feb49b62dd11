package openai_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
)

func TestReplies(t *testing.T) {
	tests := map[string]struct {
		reply llm.Reply
		want  string
	}{
		"a text": {
			llm.Reply{ID: "chatcmpl-1", Created: 7, Text: "Hi \"you\"\n", Finish: llm.FinishStop, Usage: llm.Usage{Input: 3, Output: 2}},
			`{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"openai/m","choices":[{"index":0,` +
				`"message":{"role":"assistant","content":"Hi \"you\"\n","refusal":null},"logprobs":null,"finish_reason":"stop"}],` +
				`"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`,
		},
		"an empty text": {
			llm.Reply{ID: "1", Finish: llm.FinishLength},
			`{"id":"1","object":"chat.completion","created":0,"model":"openai/m","choices":[{"index":0,` +
				`"message":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":"length"}],` +
				`"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}`,
		},
		"two tool calls": {
			llm.Reply{ID: "1", Finish: llm.FinishToolCalls, ToolCalls: []llm.ToolCall{
				{ID: "call_1", Name: "a", Arguments: `{"x":"y"}`}, {ID: "call_2", Name: "b", Arguments: `{}`},
			}},
			`{"id":"1","object":"chat.completion","created":0,"model":"openai/m","choices":[{"index":0,` +
				`"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[` +
				`{"id":"call_1","type":"function","function":{"name":"a","arguments":"{\"x\":\"y\"}"}},` +
				`{"id":"call_2","type":"function","function":{"name":"b","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],` +
				`"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}`,
		},
		"a text with a tool call": {
			llm.Reply{ID: "1", Text: "wait", Finish: llm.FinishToolCalls, ToolCalls: []llm.ToolCall{{ID: "c", Name: "a"}}},
			`{"id":"1","object":"chat.completion","created":0,"model":"openai/m","choices":[{"index":0,` +
				`"message":{"role":"assistant","content":"wait","refusal":null,"tool_calls":[` +
				`{"id":"c","type":"function","function":{"name":"a","arguments":""}}]},"logprobs":null,"finish_reason":"tool_calls"}],` +
				`"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := string(openai.Dialect{}.Reply([]byte("before"), "openai/m", &tt.reply))
			if got != "before"+tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// story is a stream with every kind of event.
var story = []llm.Event{
	{Kind: llm.EventStart, ID: "chatcmpl-1", Created: 7},
	{Kind: llm.EventText, Text: "Hello "},
	{Kind: llm.EventText, Text: "\"<é>\""},
	{Kind: llm.EventToolCall, Index: 1, Call: llm.ToolCall{ID: "call_1", Name: "f"}},
	{Kind: llm.EventToolArgs, Index: 1, Text: `{"a":`},
	{Kind: llm.EventFinish, Finish: llm.FinishToolCalls},
	{Kind: llm.EventUsage, Usage: llm.Usage{Input: 3, Output: 2}},
}

func TestStreams(t *testing.T) {
	deltas := []string{
		`{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}`,
		`{"index":0,"delta":{"content":"Hello "},"logprobs":null,"finish_reason":null}`,
		`{"index":0,"delta":{"content":"\"<é>\""},"logprobs":null,"finish_reason":null}`,
		`{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},"logprobs":null,"finish_reason":null}`,
		`{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"a\":"}}]},"logprobs":null,"finish_reason":null}`,
		`{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}`,
	}
	const head = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[`
	for _, usage := range []bool{false, true} {
		var want strings.Builder
		for _, delta := range deltas {
			want.WriteString(head + delta + `]`)
			if usage {
				want.WriteString(`,"usage":null`)
			}
			want.WriteString("}\n\n")
		}
		if usage {
			want.WriteString(head + `],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}` + "\n\n")
		}
		want.WriteString("data: [DONE]\n\n")

		enc := openai.Dialect{}.Encoder("m", &llm.Request{Stream: true, StreamUsage: usage})
		var got []byte
		for _, e := range story {
			got = enc.Event(got, e)
		}
		if got = enc.End(got); string(got) != want.String() {
			t.Errorf("usage %v: got\n%s\nwant\n%s", usage, got, want.String())
		}
	}
}

func TestFailures(t *testing.T) {
	tests := map[string]struct {
		failure llm.Failure
		want    string
	}{
		"of a parameter": {
			llm.Failure{Status: 400, Type: "invalid_request_error", Code: "unsupported_parameter", Param: "n", Message: "n is \"too\" large", RequestID: "r"},
			`{"error":{"message":"n is \"too\" large","type":"invalid_request_error","param":"n","code":"unsupported_parameter"}}`,
		},
		"of nothing in particular": {
			llm.Failure{Status: 500, Type: "api_error", Message: "broken"},
			`{"error":{"message":"broken","type":"api_error","param":null,"code":null}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := string(openai.Dialect{}.Failure(nil, &tt.failure)); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			enc := openai.Dialect{}.Encoder("m", &llm.Request{})
			if got := string(enc.Failure(nil, &tt.failure)); got != "event: error\ndata: "+tt.want+"\n\n" {
				t.Errorf("in a stream: %q", got)
			}
		})
	}
}

func TestModels(t *testing.T) {
	cards := []llm.Card{{ID: "gpt-4", Created: 7, Owner: "openai"}, {ID: `a"b`, Owner: "demo"}}
	const first, second = `{"id":"gpt-4","object":"model","created":7,"owned_by":"openai"}`, `{"id":"a\"b","object":"model","created":0,"owned_by":"demo"}`
	for want, got := range map[string][]byte{
		first:                         openai.Dialect{}.Model(nil, cards[0]),
		`{"object":"list","data":[]}`: openai.Dialect{}.Models(nil, nil),
		`{"object":"list","data":[` + first + `,` + second + `]}`: openai.Dialect{}.Models(nil, cards),
	} {
		if string(got) != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// FuzzText holds that whatever a provider says arrives as it was said, in JSON that stands on one line; bytes
// that are no UTF-8 arrive as U+FFFD.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "<é中😀>\u2028", "a\xffb\xe4\xb8", "\xed\xa0\x80", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		frame := openai.Dialect{}.Encoder("m", &llm.Request{}).Event(nil, llm.Event{Kind: llm.EventText, Text: s})
		if bytes.Count(frame, []byte("\n")) != 2 || !bytes.HasSuffix(frame, []byte("\n\n")) || !utf8.Valid(frame) {
			t.Fatalf("not one frame: %q", frame)
		}
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } } `json:"choices"`
		}
		data := bytes.TrimPrefix(frame, []byte("data: "))
		if err := json.Unmarshal(data, &chunk, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		quoted, _ := jsontext.AppendQuote(nil, s)
		want, _ := jsontext.AppendUnquote(nil, quoted)
		if got := chunk.Choices[0].Delta.Content; got != string(want) {
			t.Fatalf("%q arrived as %q", s, got)
		}
	})
}

func TestEventsCostNoAllocation(t *testing.T) {
	enc := openai.Dialect{}.Encoder("m", &llm.Request{StreamUsage: true})
	buffer := enc.Event(make([]byte, 0, 4096), story[0])
	allocs := testing.AllocsPerRun(100, func() {
		for _, e := range story {
			buffer = enc.Event(buffer[:0], e)
		}
		buffer = enc.End(buffer[:0])
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a stream, want none", allocs)
	}
	reply := llm.Reply{ID: "1", Text: "text", ToolCalls: []llm.ToolCall{{ID: "1", Name: "f", Arguments: "{}"}}}
	failure := llm.Failure{Type: "t", Message: "m"}
	cards := []llm.Card{{ID: "m"}}
	allocs = testing.AllocsPerRun(100, func() {
		buffer = openai.Dialect{}.Reply(buffer[:0], "m", &reply)
		buffer = openai.Dialect{}.Failure(buffer[:0], &failure)
		buffer = openai.Dialect{}.Models(buffer[:0], cards)
	})
	if allocs != 0 {
		t.Errorf("%v allocations for whole answers, want none", allocs)
	}
}

func BenchmarkEvent(b *testing.B) {
	enc := openai.Dialect{}.Encoder("gpt-4o-mini", &llm.Request{})
	buffer := enc.Event(make([]byte, 0, 4096), story[0])
	b.ReportAllocs()
	for b.Loop() {
		buffer = enc.Event(buffer[:0], story[1])
	}
}
