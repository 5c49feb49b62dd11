package openai_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
)

// with is a request of one message and some more members.
func with(members string) string {
	return `{"model":"m","messages":[{"role":"user","content":"hi"}],` + members + `}`
}

// asks is what with's request is without more members, changed by f.
func asks(f func(*llm.Request)) *llm.Request {
	r := &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.RoleUser, Parts: text("hi")}}}
	f(r)
	return r
}

func text(s string) []llm.Part { return []llm.Part{{Kind: "text", Text: s}} }

// said is a request of these messages; heard is what it is decoded to.
func said(messages string) string { return `{"model":"m","messages":[` + messages + `]}` }

func heard(messages ...llm.Message) *llm.Request {
	return &llm.Request{Model: "m", Messages: messages}
}

const weather = `{"type":"function","function":{"name":"weather","description":"d","parameters":{"type":"object"},"strict":true}}`

func TestRequestsAreDecoded(t *testing.T) {
	half, on := 0.5, true
	tool := llm.Tool{Name: "weather", Description: "d", Parameters: []byte(`{"type":"object"}`)}
	tests := map[string]struct {
		body string
		want *llm.Request
	}{
		"the smallest request": {with(`"x":1`), asks(func(*llm.Request) {})},
		"unknown members, wherever they are": {
			`{"seed":1,"model":"m","messages":[{"role":"user","name":"n","content":"hi","x":{}}],"store":{"y":[]}}`,
			asks(func(*llm.Request) {}),
		},
		"null is as good as nothing": {
			with(`"stream":null,"stream_options":null,"tools":null,"tool_choice":null,"response_format":null,"stop":null,
				"temperature":null,"top_p":null,"n":null,"max_tokens":null,"max_completion_tokens":null,"logprobs":null,
				"top_logprobs":null,"frequency_penalty":null,"presence_penalty":null,"modalities":null,"audio":null,
				"functions":null,"function_call":null,"parallel_tool_calls":null`),
			asks(func(*llm.Request) {}),
		},
		"a stream with its usage": {
			with(`"stream":true,"stream_options":{"include_usage":true}`),
			asks(func(r *llm.Request) { r.Stream, r.StreamUsage = true, true }),
		},
		"sampling": {
			with(`"temperature":0.5,"top_p":0.5,"n":2,"logprobs":true,"top_logprobs":3,"frequency_penalty":-2,"presence_penalty":2,"max_tokens":9`),
			asks(func(r *llm.Request) {
				r.Temperature, r.TopP, r.N, r.LogProbs, r.TopLogProbs = &half, &half, 2, true, 3
				r.FrequencyPenalty, r.PresencePenalty, r.MaxTokens = -2, 2, 9
			}),
		},
		"the newer name of max_tokens":   {with(`"max_completion_tokens":7`), asks(func(r *llm.Request) { r.MaxTokens = 7 })},
		"both names with the same value": {with(`"max_tokens":7,"max_completion_tokens":7`), asks(func(r *llm.Request) { r.MaxTokens = 7 })},
		"one stop":                       {with(`"stop":"a"`), asks(func(r *llm.Request) { r.Stop = []string{"a"} })},
		"four stops":                     {with(`"stop":["a","b","c","d"]`), asks(func(r *llm.Request) { r.Stop = []string{"a", "b", "c", "d"} })},
		"empty stops are none":           {with(`"stop":["","b"]`), asks(func(r *llm.Request) { r.Stop = []string{"b"} })},
		"text alone":                     {with(`"modalities":["text"]`), asks(func(*llm.Request) {})},
		"speech by modality":             {with(`"modalities":["text","audio"]`), asks(func(r *llm.Request) { r.Audio = true })},
		"speech by voice":                {with(`"audio":{"voice":"v"}`), asks(func(r *llm.Request) { r.Audio = true })},
		"tools": {
			with(`"tools":[` + weather + `,{"type":"function","function":{"name":"now"}}],"tool_choice":"required","parallel_tool_calls":true`),
			asks(func(r *llm.Request) {
				r.Tools = []llm.Tool{tool, {Name: "now"}}
				r.ToolChoice.Mode, r.ParallelToolCalls = llm.ToolRequired, &on
			}),
		},
		"a tool that must be called": {
			with(`"tools":[` + weather + `],"tool_choice":{"type":"function","function":{"name":"weather"}}`),
			asks(func(r *llm.Request) {
				r.Tools, r.ToolChoice = []llm.Tool{tool}, llm.ToolChoice{Mode: llm.ToolNamed, Name: "weather"}
			}),
		},
		"no tool may be called": {
			with(`"tools":[` + weather + `],"tool_choice":"none"`),
			asks(func(r *llm.Request) { r.Tools, r.ToolChoice.Mode = []llm.Tool{tool}, llm.ToolNone }),
		},
		"any tool may be called": {
			with(`"tools":[` + weather + `],"tool_choice":"auto"`),
			asks(func(r *llm.Request) { r.Tools = []llm.Tool{tool} }),
		},
		"plain text as format": {with(`"response_format":{"type":"text"}`), asks(func(*llm.Request) {})},
		"JSON as format":       {with(`"response_format":{"type":"json_object"}`), asks(func(r *llm.Request) { r.Format.Kind = llm.FormatJSON })},
		"a schema as format": {
			with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"a":[1, 2]}}}`),
			asks(func(r *llm.Request) {
				r.Format = llm.Format{Kind: llm.FormatSchema, Name: "n", Schema: []byte(`{"a":[1, 2]}`)}
			}),
		},
		"every role": {
			said(`{"role":"system","content":"s"},{"role":"developer","content":"d"},{"role":"user","content":"u"},
				{"role":"assistant","content":"a"},{"role":"tool","tool_call_id":"1","content":"t"}`),
			heard(
				llm.Message{Role: llm.RoleSystem, Parts: text("s")}, llm.Message{Role: llm.RoleDeveloper, Parts: text("d")},
				llm.Message{Role: llm.RoleUser, Parts: text("u")}, llm.Message{Role: llm.RoleAssistant, Parts: text("a")},
				llm.Message{Role: llm.RoleTool, ToolCallID: "1", Parts: text("t")},
			),
		},
		"every part": {
			said(`{"role":"user","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"data:"}},
				{"type":"input_audio","input_audio":{"data":""}},{"type":"file","file":{}},{"type":"refusal","refusal":"r"}]}`),
			heard(llm.Message{Role: llm.RoleUser, Parts: []llm.Part{
				{Kind: "text", Text: "t"}, {Kind: "image_url"}, {Kind: "input_audio"}, {Kind: "file"}, {Kind: "refusal", Text: "r"},
			}}),
		},
		"tool calls without content": {
			said(`{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}`),
			heard(llm.Message{Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{{ID: "1", Name: "f", Arguments: "{}"}}}),
		},
		"an assistant that refused": {
			said(`{"role":"assistant","content":null,"refusal":"no"}`),
			heard(llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: "refusal", Text: "no"}}}),
		},
		"an assistant that spoke": {
			said(`{"role":"assistant","audio":{"id":"1"}}`),
			heard(llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: "audio"}}}),
		},
		"an empty text is a text": {said(`{"role":"user","content":""}`), heard(llm.Message{Role: llm.RoleUser, Parts: text("")})},
		"escapes": {
			said(`{"role":"\u0075ser","content":"\"\\\n\u00e9\ud83d\ude00"}`),
			heard(llm.Message{Role: llm.RoleUser, Parts: text("\"\\\né😀")}),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := openai.Dialect{}.Decode([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("decoded otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatTheEndpointDoesNotTakeIsRefused(t *testing.T) {
	long := strings.Repeat("x", 1000)
	const parts = "must be a string or a non-empty array of parts"
	tests := map[string]struct{ body, want string }{
		"no JSON":                  {`{"model":`, "the request body cannot be read as JSON: the body ends too early (byte 9)"},
		"a name twice":             {`{"model":"m","model":"n"}`, `the request body cannot be read as JSON: the name "model" occurs twice (byte 13)`},
		"no model":                 {`{"messages":[{"role":"user","content":"hi"}]}`, "model must be a non-empty string"},
		"an empty model":           {`{"model":"","messages":[{"role":"user","content":"hi"}]}`, "model must be a non-empty string"},
		"a model in capitals":      {`{"MODEL":"m","messages":[{"role":"user","content":"hi"}]}`, "model must be a non-empty string"},
		"a model that is a number": {`{"model":1}`, "model must be a string"},
		"a long model":             {`{"model":"` + long + `","messages":[{"role":"user","content":"hi"}]}`, "model must be at most 256 bytes long"},
		"no messages":              {`{"model":"m"}`, "messages must be a non-empty array"},
		"empty messages":           {said(``), "messages must be a non-empty array"},
		"messages of null":         {`{"model":"m","messages":null}`, "messages must be a non-empty array"},
		"messages in a text":       {`{"model":"m","messages":"hi"}`, "messages must be an array"},
		"a message that is a text": {said(`"hi"`), "messages[0] must be an object"},
		"a message that is null":   {said(`null`), "messages[0].role must be system, developer, user, assistant or tool"},
		"too many messages":        {said(strings.Repeat(`{"role":"user","content":"hi"},`, 10_000) + `0`), "messages must have at most 10000 entries"},
		"an unknown role":          {said(`{"role":"user","content":"hi"},{"role":"secret","content":"hi"}`), "messages[1].role must be system, developer, user, assistant or tool"},
		"a role that is a number":  {said(`{"role":5,"content":"hi"}`), "messages[0].role must be a string"},
		"the role of functions":    {said(`{"role":"function","name":"f","content":"hi"}`), "messages[0].role must not be function any more; use tool with a tool_call_id"},
		"no content":               {said(`{"role":"user"}`), "messages[0].content " + parts},
		"content that is null":     {said(`{"role":"user","content":null}`), "messages[0].content " + parts},
		"content without parts":    {said(`{"role":"user","content":[]}`), "messages[0].content " + parts},
		"content that is a number": {said(`{"role":"user","content":7}`), "messages[0].content " + parts},
		"a silent assistant":       {said(`{"role":"assistant","content":null}`), "messages[0].content " + parts},
		"an unknown part":          {said(`{"role":"user","content":[{"type":"text","text":"x"},{"type":"video"}]}`), "messages[0].content[1].type must be text, image_url, input_audio, file or refusal"},
		"a text without text":      {said(`{"role":"user","content":[{"type":"text"}]}`), "messages[0].content[0].text must be a string"},
		"a text that is a number":  {said(`{"role":"user","content":[{"type":"text","text":1}]}`), "messages[0].content[0].text must be a string"},
		"a refusal without words":  {said(`{"role":"assistant","content":[{"type":"refusal"}]}`), "messages[0].content[0].refusal must be a string"},
		"an image that is a text":  {said(`{"role":"user","content":[{"type":"image_url","image_url":"x"}]}`), "messages[0].content[0].image_url must be an object"},
		"an image without image":   {said(`{"role":"user","content":[{"type":"image_url"}]}`), "messages[0].content[0].image_url must be an object"},
		"a result of no call":      {said(`{"role":"tool","content":"x"}`), "messages[0].tool_call_id must be a non-empty string"},
		"calls by a user":          {said(`{"role":"user","content":"x","tool_calls":[{"id":"1","function":{"name":"f","arguments":""}}]}`), "messages[0].tool_calls must be in a message of the assistant"},
		"a call without id":        {said(`{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":""}}]}`), "messages[0].tool_calls[0].id must be a non-empty string"},
		"a call of nothing":        {said(`{"role":"assistant","tool_calls":[{"id":"1","type":"function"}]}`), "messages[0].tool_calls[0].function.name must be a non-empty string"},
		"a call with an object":    {said(`{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":{}}}]}`), "messages[0].tool_calls[0].function.arguments must be a string"},
		"a call without arguments": {said(`{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f"}}]}`), "messages[0].tool_calls[0].function.arguments must be a string"},
		"stream in a text":         {with(`"stream":"true"`), "stream must be true or false"},
		"options in a text":        {with(`"stream_options":"x"`), "stream_options must be an object"},
		"usage in a text":          {with(`"stream_options":{"include_usage":1}`), "stream_options.include_usage must be true or false"},
		"no tokens at all":         {with(`"max_tokens":0`), "max_tokens must be at least 1"},
		"fewer tokens than none":   {with(`"max_completion_tokens":-1`), "max_completion_tokens must be at least 1"},
		"half a token":             {with(`"max_tokens":1.5`), "max_tokens must be an integer"},
		"tokens beyond counting":   {with(`"max_tokens":99999999999999999999`), "max_tokens is out of range"},
		"two limits":               {with(`"max_tokens":1,"max_completion_tokens":2`), "max_tokens must not differ from max_completion_tokens; send only the latter"},
		"five stops":               {with(`"stop":["a","b","c","d","e"]`), "stop must have at most 4 entries"},
		"a stop that is a number":  {with(`"stop":1`), "stop must be a string or an array of strings"},
		"a number among stops":     {with(`"stop":["a",1]`), "stop[1] must be a string"},
		"too hot":                  {with(`"temperature":2.1`), "temperature must be between 0 and 2"},
		"hotter than any number":   {with(`"temperature":1e999`), "temperature is out of range"},
		"hot in words":             {with(`"temperature":"hot"`), "temperature must be a number"},
		"too much of top_p":        {with(`"top_p":1.1`), "top_p must be between 0 and 1"},
		"a small penalty":          {with(`"frequency_penalty":-2.1`), "frequency_penalty must be between -2 and 2"},
		"a large penalty":          {with(`"presence_penalty":2.1`), "presence_penalty must be between -2 and 2"},
		"no answer":                {with(`"n":0`), "n must be between 1 and 128"},
		"many answers":             {with(`"n":129`), "n must be between 1 and 128"},
		"many logprobs":            {with(`"top_logprobs":21`), "top_logprobs must be between 0 and 20"},
		"an unknown modality":      {with(`"modalities":["text","smell"]`), "modalities[1] must be text or audio"},
		"tools in an object":       {with(`"tools":{}`), "tools must be an array"},
		"a tool without type":      {with(`"tools":[{"function":{"name":"f"}}]`), "tools[0].type must be function"},
		"a tool without name":      {with(`"tools":[{"type":"function","function":{}}]`), "tools[0].function.name must be a string of 1 to 128 bytes"},
		"a tool with a long name":  {with(`"tools":[{"type":"function","function":{"name":"` + long + `"}}]`), "tools[0].function.name must be a string of 1 to 128 bytes"},
		"a tool with a list":       {with(`"tools":[` + weather + `,{"type":"function","function":{"name":"f","parameters":[]}}]`), "tools[1].function.parameters must be an object"},
		"an unknown choice":        {with(`"tool_choice":"maybe"`), "tool_choice must be none, auto, required or an object that names a function"},
		"an empty choice":          {with(`"tool_choice":""`), "tool_choice must be none, auto, required or an object with a type"},
		"a choice without type":    {with(`"tool_choice":{}`), "tool_choice must be none, auto, required or an object with a type"},
		"a choice of another tool": {with(`"tools":[` + weather + `],"tool_choice":{"type":"function","function":{"name":"now"}}`), "tool_choice.function.name must be the name of one of the tools"},
		"a choice without tools":   {with(`"tool_choice":"required"`), "tool_choice must not be required where there are no tools"},
		"an unknown format":        {with(`"response_format":{"type":"xml"}`), "response_format.type must be text, json_object or json_schema"},
		"a format in a text":       {with(`"response_format":"json"`), "response_format must be an object"},
		"a schema without name":    {with(`"response_format":{"type":"json_schema","json_schema":{"schema":{}}}`), "response_format.json_schema.name must be a string of 1 to 128 bytes"},
		"a schema in a text":       {with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":"x"}}`), "response_format.json_schema.schema must be an object"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := openai.Dialect{}.Decode([]byte(tt.body))
			var invalid *llm.InvalidError
			if !errors.As(err, &invalid) || r != nil {
				t.Fatalf("got %+v and error %v, want an *llm.InvalidError", r, err)
			}
			if invalid.What != tt.want {
				t.Errorf("refused with %q, want %q", invalid.What, tt.want)
			}
		})
	}
}

func TestWhatThisDialectCannotPassOnIsNamed(t *testing.T) {
	tests := map[string]struct{ body, param string }{
		"functions":              {with(`"functions":[]`), "functions"},
		"a choice of functions":  {with(`"function_call":"auto"`), "function_call"},
		"a call of a function":   {said(`{"role":"user","content":"x"},{"role":"assistant","function_call":{}}`), "messages[1].function_call"},
		"a tool of another type": {with(`"tools":[{"type":"custom","custom":{"name":"c"}}]`), "tools[0].type"},
		"a call of another type": {said(`{"role":"assistant","tool_calls":[{"id":"1","type":"custom"}]}`), "messages[0].tool_calls[0].type"},
		"a choice of some tools": {with(`"tools":[` + weather + `],"tool_choice":{"type":"allowed_tools","allowed_tools":{}}`), "tool_choice"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := openai.Dialect{}.Decode([]byte(tt.body))
			var unsupported *llm.UnsupportedError
			if !errors.As(err, &unsupported) || unsupported.Param != tt.param || unsupported.Why == "" {
				t.Fatalf("the error is %v, want an *llm.UnsupportedError of %s", err, tt.param)
			}
		})
	}
}

func TestErrorsHoldNothingOfWhatTheCallerSaid(t *testing.T) {
	const secret = "hunter2"
	for _, member := range []string{
		`"stream":"%s"`, `"temperature":"%s"`, `"stop":{"%s":1}`, `"tool_choice":"%s"`, `"response_format":{"type":"%s"}`,
		`"modalities":["%s"]`, `"tools":[{"type":"%s"}]`, `"tools":["%s"]`, `"max_tokens":{"%s":0}`, `"n":"%s"`, `"x":"%s`,
		`"messages":[{"role":"%s"}]`,
	} {
		body := `{"model":"m",` + fmt.Sprintf(member, secret) + `}`
		_, err := openai.Dialect{}.Decode([]byte(body))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error is %v", body, err)
		}
	}
}

func TestAnErrorTellsWhereItWasNoticed(t *testing.T) {
	for body, want := range map[string]int{
		`{"model":"m"`:               12,
		`{"model":"m","stream":"x"}`: 22,
		`{"model":"m"}`:              -1,
	} {
		_, err := openai.Dialect{}.Decode([]byte(body))
		var invalid *llm.InvalidError
		if !errors.As(err, &invalid) || invalid.Offset != want {
			t.Errorf("%s: the error is %#v, want offset %d", body, err, want)
		}
	}
}

// everything is a request with every text that a decoded request keeps.
const everything = `{"model":"gpt-4o","messages":[{"role":"system","content":"be brief"},
	{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:"}}]},
	{"role":"assistant","content":null,"refusal":"no","tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"a\":1}"}}]},
	{"role":"tool","tool_call_id":"call_1","content":"rain"}],
	"tools":[` + weather + `],"tool_choice":{"type":"function","function":{"name":"weather"}},
	"response_format":{"type":"json_schema","json_schema":{"name":"shape","schema":{"type":"object"}}},
	"stop":["one","two"],"stream":true}`

func TestTheRequestOwnsItsBytes(t *testing.T) {
	body := []byte(everything)
	got, err := openai.Dialect{}.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	want, err := openai.Dialect{}.Decode([]byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = '#'
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the request changed with the body (-want +got):\n%s", diff)
	}
}

func TestManyEmptyEntriesCostNoMoreMemoryThanTheBody(t *testing.T) {
	const size = 3 << 20
	for name, body := range map[string]string{
		"messages": `{"model":"m","messages":[` + strings.Repeat(`{},`, size/3) + `{}]}`,
		"parts":    said(`{"role":"user","content":[` + strings.Repeat(`{},`, size/3) + `{}]}`),
		"tools":    with(`"tools":[` + strings.Repeat(`{},`, size/3) + `{}]`),
		"stops":    with(`"stop":[` + strings.Repeat(`"",`, size/3) + `""]`),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := openai.Dialect{}.Decode([]byte(body))
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: taken", name)
		}
		// The copy of the body counts, too.
		if got := after.TotalAlloc - before.TotalAlloc; got > 2*size {
			t.Errorf("%s: %d bytes allocated for a body of %d", name, got, len(body))
		}
	}
}

// FuzzDecode holds that no body makes Decode panic, that its errors are of the promised types, and that the
// same body always means the same.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		everything, with(`"x":1`), with(`"temperature":1,"n":2,"max_tokens":3`), said(`{"role":"user","content":[{"type":"text","text":"x"}]}`),
		with(`"tool_choice":"none"`), with(`"functions":[]`), with(`"stop":"x"`), with(`"modalities":["audio"],"audio":{}`),
		said(`{"role":"assistant","content":null,"audio":{"id":"x"}}`), `{"model":1}`, `{`, `[]`, with(`"messages":1`),
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := openai.Dialect{}.Decode(body)
		var invalid *llm.InvalidError
		var unsupported *llm.UnsupportedError
		if err != nil && !errors.As(err, &invalid) && !errors.As(err, &unsupported) {
			t.Fatalf("an error of another type: %T", err)
		}
		if err == nil && (first.Model == "" || len(first.Messages) == 0) {
			t.Fatalf("taken without a model or messages: %+v", first)
		}
		second, again := openai.Dialect{}.Decode(body)
		if fmt.Sprint(err) != fmt.Sprint(again) {
			t.Fatalf("first %v, then %v", err, again)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("decoded otherwise the second time:\n%s", diff)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{200, 10_000, 200_000} {
		var body strings.Builder
		body.WriteString(`{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"system","content":"Be brief."}`)
		for body.Len() < size-100 {
			fmt.Fprintf(&body, `,{"role":"user","content":"%s"}`, strings.Repeat("some words, ", min(2000, size-body.Len())/12))
		}
		body.WriteString(`]}`)
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (openai.Dialect{}).Decode([]byte(body.String())); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
