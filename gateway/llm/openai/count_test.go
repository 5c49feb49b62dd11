package openai_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tiktoken-go/tokenizer"

	"nexus/gateway/llm/cl100k"
	"nexus/gateway/llm/openai"
)

// counted is the tokens of a body's prompt.
func counted(t testing.TB, e openai.Endpoint, body string, m *cl100k.Memo) int64 {
	t.Helper()
	v, err := openai.Look(e, []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v.InputTokens([]byte(body), m)
}

func TestAPromptIsCountedByItsTexts(t *testing.T) {
	chat := func(messages string) string { return `{"model":"m","messages":[` + messages + `]}` }
	tests := map[string]struct {
		endpoint openai.Endpoint
		body     string
		want     int64
	}{
		"one word":               {openai.Chat, chat(`{"role":"user","content":"Hello"}`), 8},
		"content before role":    {openai.Chat, chat(`{"content" : "Hello" , "role":"user"}`), 8},
		"two messages":           {openai.Chat, chat(`{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"}`), 3 + 3 + 1 + 3 + 3 + 1 + 1},
		"parts, each for itself": {openai.Chat, chat(`{"role":"user","content":[{"type":"text","text":"Hel"},{"type":"text","text":"lo"}]}`), 3 + 3 + 1 + 1 + 1},
		"pictures":               {openai.Chat, chat(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x","text":"no"}},{"type":"text","text":"Hello"}]}`), 8},
		"refusals":               {openai.Chat, chat(`{"role":"assistant","content":null,"refusal":"I will not"},{"role":"user","content":[{"type":"refusal","refusal":"no"}]}`), 3 + 3 + 1 + 3 + 1},
		"tool calls":             {openai.Chat, chat(`{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"content\":\"x\"}","content":"x"}}]}`), 3 + 3 + 1},
		"tool results":           {openai.Chat, chat(`{"role":"tool","tool_call_id":"c","content":"Hello"}`), 8},
		"tools":                  {openai.Chat, `{"model":"m","tools":[{"function":{"content":"x"}}],"messages":[{"role":"user","content":"Hello"}]}`, 8},
		"escaped text":           {openai.Chat, chat(`{"role":"\u0075ser","content":"H\u0065llo"}`), 8},
		"escaped names":          {openai.Chat, chat(`{"r\u006fle":"user","c\u006fntent":"Hello"}`), 8},
		"escaped names of parts": {openai.Chat, chat(`{"role":"user","content":[{"type":"text","\u0074\u0065\u0078\u0074":"Hello"}]}`), 8},
		"names in other case":    {openai.Chat, chat(`{"Role":"user","CONTENT":[{"Text":"Hello"}]}`), 8},
		"an escaped list":        {openai.Chat, `{"model":"m","m\u0065ssages":[{"role":"user","content":"Hello"}]}`, 8},
		"line breaks":            {openai.Chat, chat(`{"role":"user","content":"Hello\n\nHello"}`), 10},
		"no messages at all":     {openai.Chat, chat(`1,null,"x",[{"content":"Hello"}]`), 15},
		"content of other types": {openai.Chat, chat(`{"role":7,"content":{"text":"Hello"}}`), 6},
		"special tokens as text": {openai.Chat, chat(`{"role":"user","content":"<|endoftext|>"}`), 7 + 7},
		"deletes":                {openai.Chat, chat(`{"role":"user","content":"` + strings.Repeat("\x7f", 100) + `\u007f"}`), 7 + 101},
		"an input":               {openai.Embeddings, `{"model":"m","input":"Hello world"}`, 2},
		"inputs":                 {openai.Embeddings, `{"model":"m","input":["Hello"," world"]}`, 2},
		"tokens":                 {openai.Embeddings, `{"model":"m","input":[1, 22,333]}`, 3},
		"lists of tokens":        {openai.Embeddings, `{"model":"m","input":[[1,2],[3],[]]}`, 3},
		"no input":               {openai.Embeddings, `{"model":"m","prompt":"Hello"}`, 0},
		"a prompt":               {openai.Completions, `{"model":"m","prompt":"Hello","input":"x"}`, 1},
		"prompts":                {openai.Completions, `{"model":"m","prompt":["Hello",[1,2,3]]}`, 4},
		"a response":             {openai.Responses, `{"model":"m","instructions":"Hello","input":"Hello world"}`, 3},
		"items": {openai.Responses, `{"model":"m","input":[{"role":"user","content":"Hello"},{"role":"user","content":[{"type":"input_text","text":"Hello"},{"type":"input_image","image_url":"x"}]},` +
			`{"type":"function_call","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"Hello world"},{"type":"function_call_output","output":[{"type":"input_text","text":"Hello"}]}]}`, 5},
		"pictures to be drawn": {openai.Images, `{"model":"m","prompt":"Hello"}`, 0},
		"speech":               {openai.Speech, `{"model":"m","input":"Hello"}`, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := counted(t, tt.endpoint, tt.body, nil); got != tt.want {
				t.Errorf("%d tokens, want %d", got, tt.want)
			}
			m := cl100k.NewMemo()
			for range 2 {
				if got := counted(t, tt.endpoint, tt.body, m); got != tt.want {
					t.Errorf("%d tokens with a memo, want %d", got, tt.want)
				}
			}
		})
	}
}

func TestNamesThatParsersTakeForAnotherAreRefused(t *testing.T) {
	for _, name := range []string{"Input", "PROMPT", "Instructions", "in\u017ftructions"} {
		if _, err := openai.Look(openai.Embeddings, fmt.Appendf(nil, `{"model":"m","%s":"x"}`, name)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestTheBoundOfAnAnswerIsRead(t *testing.T) {
	for members, want := range map[string]int64{
		``: 0, `"max_tokens":100`: 100, `"max_completion_tokens":100`: 100, `"max_output_tokens":100`: 0,
		`"max_tokens":1,"max_completion_tokens":200`: 200, `"max_tokens":100,"n":3`: 300, `"n":3`: 0, `"max_tokens":100,"n":1`: 100,
		`"max_tokens":100,"n":0`: 100, `"max_tokens":100,"n":-3`: 100, `"max_tokens":100,"n":"3"`: 100, `"max_tokens":100,"n":null`: 100,
		`"max_tokens":-1`: 0, `"max_tokens":1.5`: 0, `"max_tokens":1e3`: 0, `"max_tokens":"100"`: 0, `"max_tokens":null`: 0, `"max_tokens":0`: 0,
		`"max_tokens":999999999999999`: 999999999999999, `"max_tokens":9999999999999999`: 0,
		`"max_tokens":999999999999999,"n":999999999999999`: math.MaxInt64, `"x":{"max_tokens":5}`: 0, `"max_\u0074okens":7`: 7,
	} {
		body := []byte(with(members))
		if members == "" {
			body = []byte(`{"model":"m","messages":[{}]}`)
		}
		v, err := openai.Look(openai.Chat, body)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.MaxOutput(body); got != want {
			t.Errorf("%s: %d, want %d", members, got, want)
		}
	}
}

func TestABoundThatTheEndpointDoesNotKnowBoundsNothing(t *testing.T) {
	tests := []struct {
		endpoint openai.Endpoint
		body     string
		want     int64
	}{
		{openai.Responses, `{"model":"m","max_output_tokens":7}`, 7},
		{openai.Responses, `{"model":"m","max_tokens":7}`, 0},
		{openai.Completions, `{"model":"m","prompt":"a","max_tokens":7}`, 7},
		{openai.Completions, `{"model":"m","prompt":"a","max_tokens":7,"best_of":3}`, 21},
		{openai.Completions, `{"model":"m","prompt":["a","b"],"max_tokens":7}`, 0},
		{openai.Completions, `{"model":"m","prompt":"a","max_completion_tokens":7}`, 0},
	}
	for _, tt := range tests {
		v, err := openai.Look(tt.endpoint, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.MaxOutput([]byte(tt.body)); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.body, got, tt.want)
		}
	}
}

// decoded counts the messages of a chat with a decoder and the library; ok is false where they cannot be decoded.
func decoded(t *testing.T, codec tokenizer.Codec, body []byte) (tokens int64, ok bool) {
	var whole struct {
		Messages []any `json:"messages"`
	}
	if err := json.Unmarshal(body, &whole, jsontext.AllowDuplicateNames(true)); err != nil {
		return 0, false
	}
	text := func(v any) {
		if s, ok := v.(string); ok {
			n, err := codec.Count(s)
			if err != nil {
				t.Fatal(err)
			}
			tokens += int64(n + strings.Count(s, "\x7f"))
		}
	}
	members := func(v any, visit func(name string, value any)) {
		object, _ := v.(map[string]any)
		for name, value := range object {
			visit(strings.ToLower(name), value)
		}
	}
	tokens = 3
	for _, message := range whole.Messages {
		tokens += 3
		members(message, func(name string, value any) {
			if name == "role" || name == "content" {
				text(value)
			}
			parts, _ := value.([]any)
			for _, part := range parts {
				if name != "content" {
					break
				}
				text(part)
				members(part, func(name string, value any) {
					if name == "text" {
						text(value)
					}
				})
			}
		})
	}
	return tokens, true
}

// FuzzInputTokens compares the count of a chat with the one that a decoder and the library make.
func FuzzInputTokens(f *testing.F) {
	for _, messages := range []string{
		`{"role":"user","content":"Hello"}`, `{"role":"a","content":[{"text":"b"},{"text":"\ud83d\ude00\n"}]},{"c\u006fntent":"x\u00e9"}`, `1,[],{}`,
		`{"role":null,"content":{}}`, `{"content":[["x"],{"text":{"text":"y"}},"z",1]}`, `{"x":[{"content":"y"}],"role":"\\\"\/"}`, `{"content":"\u0000中"}`,
	} {
		f.Add(messages)
	}
	codec, err := tokenizer.Get(tokenizer.Cl100kBase)
	if err != nil {
		f.Fatal(err)
	}
	m := cl100k.NewMemo()
	f.Fuzz(func(t *testing.T, messages string) {
		body := []byte(`{"model":"m","messages":[` + messages + `]}`)
		v, err := openai.Look(openai.Chat, body)
		if err != nil {
			return
		}
		want, ok := decoded(t, codec, body)
		if !ok {
			return
		}
		before := bytes.Clone(body)
		for range 2 {
			if got := v.InputTokens(body, m); got != want {
				t.Fatalf("%d tokens, want %d", got, want)
			}
		}
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
	})
}

// conversation is a chat of about size bytes with a turn for every 1,000, of which each differs with the round.
func conversation(size, round int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"gpt-4o-mini","messages":[{"role":"system","content":"Be brief."}`)
	for turn := 0; b.Len() < size; turn++ {
		fmt.Fprintf(&b, `,{"role":"user","content":"Round %d, turn %d.\n`, round, turn)
		for end := min(b.Len()+1000, size); b.Len() < end; {
			b.WriteString(`A question with some words, a \"quotation\" and getElementById(\"it\") at its end.\n`)
		}
		b.WriteString(`"}`)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func TestCountingAPromptCostsNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector throws pooled buffers away")
	}
	body := conversation(10_000, 0)
	v, err := openai.Look(openai.Chat, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*cl100k.Memo{"without a memo": nil, "with a memo": cl100k.NewMemo()} {
		if allocs := testing.AllocsPerRun(100, func() { v.InputTokens(body, m) }); allocs != 0 {
			t.Errorf("%s: %v allocations, want none", name, allocs)
		}
	}
}

func BenchmarkInputTokens(b *testing.B) {
	m := cl100k.NewMemo()
	for _, size := range []int{200, 10_000, 200_000} {
		for name, m := range map[string]*cl100k.Memo{"new": nil, "seen": m} {
			b.Run(fmt.Sprintf("%dB/%s", size, name), func(b *testing.B) {
				body := conversation(size, 0)
				v, err := openai.Look(openai.Chat, body)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					v.InputTokens(body, m)
				}
			})
		}
	}
}
