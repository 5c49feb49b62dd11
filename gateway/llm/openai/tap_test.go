package openai_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
)

// chatChunk is an event of a chat, with a model of the provider's.
func chatChunk(rest string) string {
	return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"real-1",` + rest + "}\n\n"
}

// delta is one with a piece of the answer.
func delta(members string) string {
	return chatChunk(`"choices":[{"index":0,"delta":{` + members + `},"finish_reason":null}]`)
}

const (
	finished   = `"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]`
	usageAlone = `"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}`
	doneMark   = "data: [DONE]\n\n"
)

// tapped sends events through a tap, and gives what the caller gets.
func tapped(t *openai.Tap, events ...string) string {
	var dst []byte
	for _, e := range events {
		dst = t.Event(dst, []byte(e))
	}
	return string(dst)
}

func TestOnlyTheModelOfAnEventChanges(t *testing.T) {
	tests := map[string]struct {
		endpoint  openai.Endpoint
		in, wants string
	}{
		"a chunk":                    {openai.Chat, delta(`"content":"a"`), strings.Replace(delta(`"content":"a"`), "real-1", "my/model", 1)},
		"a chunk without a model":    {openai.Chat, "data: {\"choices\":[]}\n\n", "data: {\"choices\":[]}\n\n"},
		"a model of another type":    {openai.Chat, "data: {\"model\":null}\n\n", "data: {\"model\":null}\n\n"},
		"a model further in":         {openai.Chat, "data: {\"x\":{\"model\":\"real-1\"}}\n\n", "data: {\"x\":{\"model\":\"real-1\"}}\n\n"},
		"a model inside a text":      {openai.Chat, `data: {"x":"\"model\":\"real-1\""}` + "\n\n", `data: {"x":"\"model\":\"real-1\""}` + "\n\n"},
		"a model with escapes":       {openai.Chat, `data: {"model":"real\"\u0041"}` + "\n\n", `data: {"model":"my/model"}` + "\n\n"},
		"line ends of both kinds":    {openai.Chat, "data: {\"model\":\"r\"}\r\n\r\n", "data: {\"model\":\"my/model\"}\r\n\r\n"},
		"carriage returns":           {openai.Chat, "data: {\"model\":\"r\"}\r\r", "data: {\"model\":\"my/model\"}\r\r"},
		"the rest of a line end":     {openai.Chat, "\ndata: {\"model\":\"r\"}\r\n\r", "\ndata: {\"model\":\"my/model\"}\r\n\r"},
		"a byte order mark":          {openai.Chat, "\ufeffdata:{\"model\":\"r\"}\n\n", "\ufeffdata:{\"model\":\"my/model\"}\n\n"},
		"other lines":                {openai.Chat, ": c\nevent: x\nid: 1\ndata: {\"model\":\"r\"}\nretry: 5\n\n", ": c\nevent: x\nid: 1\ndata: {\"model\":\"my/model\"}\nretry: 5\n\n"},
		"data of several lines":      {openai.Chat, "data: {\"x\":1,\ndata:  \"model\":\ndata: \"r\"\ndata: }\n\n", "data: {\"x\":1,\ndata:  \"model\":\ndata: \"my/model\"\ndata: }\n\n"},
		"the model of a response":    {openai.Responses, "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"r\"}}\n\n", "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"my/model\"}}\n\n"},
		"two models":                 {openai.Responses, "data: {\"model\":\"a\",\"response\":{\"model\":\"b\"}}\n\n", "data: {\"model\":\"my/model\",\"response\":{\"model\":\"my/model\"}}\n\n"},
		"a comment":                  {openai.Chat, ": ping\n\n", ": ping\n\n"},
		"what is no JSON":            {openai.Chat, "data: <html>\n\n", "data: <html>\n\n"},
		"a text that is not UTF-8":   {openai.Chat, "data: {\"model\":\"r\",\"x\":\"\xff\"}\n\n", "data: {\"model\":\"my/model\",\"x\":\"\xff\"}\n\n"},
		"numbers and order":          {openai.Chat, "data: {\"z\":1.50e+1,\"model\":\"r\",\"a\":01234567890123456789.0}\n\n", "data: {\"z\":1.50e+1,\"model\":\"r\",\"a\":01234567890123456789.0}\n\n"},
		"no data at all":             {openai.Chat, "data\n\n", "data\n\n"},
		"an array":                   {openai.Chat, "data: [{\"model\":\"r\"}]\n\n", "data: [{\"model\":\"r\"}]\n\n"},
		"the usage beside an answer": {openai.Chat, chatChunk(`"choices":[{}],"usage":{}`), strings.Replace(chatChunk(`"choices":[{}],"usage":{}`), "real-1", "my/model", 1)},
		"no choices and no usage":    {openai.Chat, chatChunk(`"choices":[],"usage":null`), strings.Replace(chatChunk(`"choices":[],"usage":null`), "real-1", "my/model", 1)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tap := &openai.Tap{Endpoint: tt.endpoint, Model: "my/model", Hide: true}
			if diff := cmp.Diff(tt.wants, tapped(tap, tt.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheUsageThatNobodyAskedForIsHidden(t *testing.T) {
	for _, hide := range []bool{false, true} {
		tap := &openai.Tap{Model: "m", Hide: hide}
		got := tapped(tap, delta(`"content":"a"`), chatChunk(finished), chatChunk(usageAlone), doneMark)
		if strings.Contains(got, "prompt_tokens") == hide {
			t.Errorf("hide %v: the caller gets %s", hide, got)
		}
		if !strings.HasSuffix(got, doneMark) || tap.Usage() != (llm.Usage{Input: 3, Output: 5}) {
			t.Errorf("hide %v: usage %+v, %s", hide, tap.Usage(), got)
		}
	}
}

// findings are what a tap tells after the events.
type findings struct {
	Started, Began, Done, Whole bool
	Failed                      *llm.Error
	Usage                       llm.Usage
}

func findingsOf(t *openai.Tap) findings {
	return findings{t.Started(), t.Began(), t.Done(), t.Whole(), t.Failed(), t.Usage()}
}

func TestATapTellsWhatPassed(t *testing.T) {
	unsaid := llm.Usage{Input: -1, Output: -1}
	typed := func(kind, rest string) string {
		return "event: " + kind + "\ndata: {\"type\":\"" + kind + "\"" + rest + "}\n\n"
	}
	tests := map[string]struct {
		endpoint openai.Endpoint
		events   []string
		want     findings
	}{
		"nothing yet":              {openai.Chat, nil, findings{Usage: unsaid}},
		"comments":                 {openai.Chat, []string{": a\n\n", "\n", "id: 1\n\n"}, findings{Usage: unsaid}},
		"a role and an empty text": {openai.Chat, []string{delta(`"role":"assistant","content":""`)}, findings{Started: true, Usage: unsaid}},
		"a text":                   {openai.Chat, []string{delta(`"content":" "`)}, findings{Started: true, Began: true, Usage: unsaid}},
		"a list of parts":          {openai.Chat, []string{delta(`"content":[{"type":"thinking"}]`)}, findings{Started: true, Began: true, Usage: unsaid}},
		"reasoning":                {openai.Chat, []string{delta(`"reasoning_content":"a"`)}, findings{Started: true, Began: true, Usage: unsaid}},
		"a refusal":                {openai.Chat, []string{delta(`"refusal":"a"`)}, findings{Started: true, Began: true, Usage: unsaid}},
		"a call":                   {openai.Chat, []string{delta(`"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]`)}, findings{Started: true, Began: true, Usage: unsaid}},
		"no call":                  {openai.Chat, []string{delta(`"content":null,"tool_calls":[]`)}, findings{Started: true, Usage: unsaid}},
		"a completion's text":      {openai.Completions, []string{chatChunk(`"choices":[{"text":"a","finish_reason":null}]`)}, findings{Started: true, Began: true, Usage: unsaid}},
		"an end without the mark":  {openai.Chat, []string{delta(`"content":"a"`), chatChunk(finished)}, findings{Started: true, Began: true, Whole: true, Usage: unsaid}},
		"an empty reason to end":   {openai.Chat, []string{chatChunk(`"choices":[{"delta":{},"finish_reason":""}]`)}, findings{Started: true, Usage: unsaid}},
		"the mark alone":           {openai.Chat, []string{doneMark}, findings{Started: true, Done: true, Whole: true, Usage: unsaid}},
		"the mark without a space": {openai.Chat, []string{"data:[DONE]\r\n\r\n"}, findings{Started: true, Done: true, Whole: true, Usage: unsaid}},
		"the mark inside a text":   {openai.Chat, []string{delta(`"content":"data: [DONE]"`)}, findings{Started: true, Began: true, Usage: unsaid}},
		"usage in every chunk": {
			openai.Chat,
			[]string{chatChunk(`"choices":[{}],"usage":{"prompt_tokens":3,"completion_tokens":1}`), chatChunk(`"choices":[{}],"usage":{"prompt_tokens":3,"completion_tokens":2}`), delta(`"content":""`)},
			findings{Started: true, Usage: llm.Usage{Input: 3, Output: 2}},
		},
		"usage that is no number": {openai.Chat, []string{chatChunk(`"choices":[],"usage":{"prompt_tokens":3.0,"completion_tokens":-2}`)}, findings{Started: true, Usage: unsaid}},
		"a usage inside a text":   {openai.Chat, []string{delta(`"content":"\"usage\":{\"prompt_tokens\":1}"`)}, findings{Started: true, Began: true, Usage: unsaid}},
		"an error as an object": {
			openai.Chat, []string{`data: {"error":{"message":"no","code":"slow_down","param":"p","type":"t"}}` + "\n\n"},
			findings{Started: true, Usage: unsaid, Failed: &llm.Error{Status: 500, Message: "no", Code: "slow_down", Param: "p"}},
		},
		"an error with a status": {
			openai.Chat, []string{`data: {"error":{"message":"no","code":429}}` + "\n\n", `data: {"error":"later"}` + "\n\n"},
			findings{Started: true, Usage: unsaid, Failed: &llm.Error{Status: 429, Message: "no"}},
		},
		"an error as a text": {openai.Chat, []string{`data: {"error":"no"}` + "\n\n"}, findings{Started: true, Usage: unsaid, Failed: &llm.Error{Status: 500, Message: "no"}}},
		"an error by its event line": {
			openai.Chat, []string{"event: error\ndata: oops\n\n"},
			findings{Started: true, Usage: unsaid, Failed: &llm.Error{Status: 500, Message: "Internal Server Error"}},
		},
		"an error by its object": {
			openai.Chat, []string{`data: {"object":"error","message":"no","code":400}` + "\n\n"},
			findings{Started: true, Usage: unsaid, Failed: &llm.Error{Status: 400, Message: "no"}},
		},
		"an error that is null": {openai.Chat, []string{chatChunk(`"error":null,"choices":[{}]`)}, findings{Started: true, Usage: unsaid}},
		"an error with a reason to end": {
			openai.Chat, []string{chatChunk(`"error":{"message":"no"},"choices":[{"finish_reason":"error"}]`)},
			findings{Started: true, Usage: unsaid, Failed: &llm.Error{Status: 500, Message: "no"}},
		},
		"a response that begins": {openai.Responses, []string{typed("response.created", `,"response":{"usage":null,"error":null}`)}, findings{Started: true, Usage: unsaid}},
		"a response's text":      {openai.Responses, []string{typed("response.output_text.delta", `,"delta":"a"`)}, findings{Started: true, Began: true, Usage: unsaid}},
		"a response that is complete": {
			openai.Responses, []string{typed("response.completed", `,"response":{"usage":{"input_tokens":7,"output_tokens":9}}`)},
			findings{Started: true, Done: true, Whole: true, Usage: llm.Usage{Input: 7, Output: 9}},
		},
		"a response that is incomplete": {openai.Responses, []string{typed("response.incomplete", `,"response":{}`)}, findings{Started: true, Done: true, Whole: true, Usage: unsaid}},
		"a response that failed":        {openai.Responses, []string{typed("response.failed", `,"response":{"error":{"message":"no"}}`)}, findings{Started: true, Done: true, Whole: true, Usage: unsaid, Failed: &llm.Error{Status: 500, Message: "no"}}},
		"a response with an error": {
			openai.Responses, []string{typed("error", `,"code":"c","message":"no","param":null`)},
			findings{Started: true, Done: true, Whole: true, Usage: unsaid, Failed: &llm.Error{Status: 500, Message: "no", Code: "c"}},
		},
		"a part of an image": {openai.Images, []string{typed("image_generation.partial_image", `,"b64_json":"a"`)}, findings{Started: true, Began: true, Whole: true, Usage: unsaid}},
		"an image": {
			openai.Images, []string{typed("image_generation.completed", `,"usage":{"input_tokens":1,"output_tokens":2}`)},
			findings{Started: true, Began: true, Whole: true, Usage: llm.Usage{Input: 1, Output: 2}},
		},
		"speech": {
			openai.Speech, []string{typed("speech.audio.delta", `,"audio":"a"`), typed("speech.audio.done", `,"usage":{"input_tokens":1,"output_tokens":2}`)},
			findings{Started: true, Began: true, Done: true, Whole: true, Usage: llm.Usage{Input: 1, Output: 2}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tap := &openai.Tap{Endpoint: tt.endpoint, Model: "m"}
			tapped(tap, tt.events...)
			if diff := cmp.Diff(tt.want, findingsOf(tap)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNothingFollowsTheMark(t *testing.T) {
	if got := tapped(&openai.Tap{}, doneMark, doneMark, delta(`"content":"a"`)); got != doneMark {
		t.Errorf("the caller gets %q", got)
	}
}

func TestAStreamGetsTheMarkThatItLacks(t *testing.T) {
	for name, tt := range map[string]struct {
		endpoint openai.Endpoint
		events   []string
		want     string
	}{
		"one that has ended":      {openai.Chat, []string{chatChunk(finished)}, doneMark},
		"one that has the mark":   {openai.Chat, []string{chatChunk(finished), doneMark}, ""},
		"one that was cut off":    {openai.Completions, []string{delta(`"content":"a"`)}, ""},
		"one that knows no mark":  {openai.Responses, []string{`data: {"type":"response.completed"}` + "\n\n"}, ""},
		"one of images, likewise": {openai.Images, nil, ""},
	} {
		tap := &openai.Tap{Endpoint: tt.endpoint}
		tapped(tap, tt.events...)
		if got := string(tap.End(nil)); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestOurKeyIsTakenOutOfErrors(t *testing.T) {
	const key = "sk-\"secret"
	mask := func(text string) string { return strings.ReplaceAll(text, key, "***") }
	for name, tt := range map[string]struct{ in, want string }{
		"in the message": {
			`data: {"error":{"message":"bad key sk-\"secret\n","code":401,"x":[1.0]}}` + "\n\n",
			`data: {"error":{"message":"bad key ***\n","code":401,"x":[1.0]}}` + "\n\n",
		},
		"spelled with escapes": {`data: {"error":"\u0073k-\"secret"}` + "\r\n\r\n", `data: {"error":"***"}` + "\n\n"},
		"in a name":            {`data: {"error":{"sk-\"secret":1}}` + "\n\n", `data: {"error":{"***":1}}` + "\n\n"},
		"over several lines":   {"event: error\ndata: {\"error\":\ndata: \"sk-\\\"secret\"}\n\n", "event: error\ndata: {\"error\":\ndata: \"***\"}\n\n"},
		"in what is no JSON":   {"event: error\ndata: sk-\"secret is bad\n\n", "event: error\ndata: *** is bad\n\n"},
		"nowhere":              {": c\ndata: {\"error\": \"no\" }\r\n\r\n", ": c\ndata: {\"error\": \"no\" }\r\n\r\n"},
	} {
		tap := &openai.Tap{Mask: mask}
		if diff := cmp.Diff(tt.want, tapped(tap, tt.in)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if strings.Contains(tap.Failed().Message, key) {
			t.Errorf("%s: the message is %q", name, tap.Failed().Message)
		}
	}
	tap := &openai.Tap{Endpoint: openai.Responses, Mask: mask}
	if got := tapped(tap, `data: {"type":"response.failed","response":{"error":{"message":"sk-\"secret"}}}`+"\n\n"); strings.Contains(got, "secret") {
		t.Errorf("a response that failed tells the key: %s", got)
	}
}

func TestAKeyThatIsAWordOfErrorsLeavesThemReadable(t *testing.T) {
	tap := &openai.Tap{Mask: func(s string) string { return strings.ReplaceAll(s, "error", "***") }}
	const want = `data: {"error":{"message":"an *** of null"}}` + "\n\n"
	if got := tapped(tap, `data: {"error":{"message":"an error of null"}}`+"\n\n"); got != want {
		t.Errorf("the caller gets %s", got)
	}
}

// likeFresh checks that a tap which has seen other events treats each as one that has seen none.
func likeFresh(t *testing.T, e openai.Endpoint, events []string) {
	t.Helper()
	settings := openai.Tap{Endpoint: e, Model: "my/model", Hide: true, Mask: func(s string) string { return strings.ReplaceAll(s, "key", "***") }}
	tap := settings
	var want findings
	want.Usage = llm.Usage{Input: -1, Output: -1}
	want.Whole = (&openai.Tap{Endpoint: e}).Whole()
	for i, event := range events {
		fresh := settings
		got, one := tapped(&tap, event), tapped(&fresh, event)
		if want.Done {
			one, fresh = "", settings
		}
		if got != one {
			t.Fatalf("event %d %q becomes %q, alone %q", i, event, got, one)
		}
		f := findingsOf(&fresh)
		want.Started, want.Began, want.Done, want.Whole = want.Started || f.Started, want.Began || f.Began, want.Done || f.Done, want.Whole || f.Whole
		if want.Failed == nil {
			want.Failed = f.Failed
		}
		if f.Usage.Input >= 0 {
			want.Usage.Input = f.Usage.Input
		}
		if f.Usage.Output >= 0 {
			want.Usage.Output = f.Usage.Output
		}
		if diff := cmp.Diff(want, findingsOf(&tap)); diff != "" {
			t.Fatalf("after event %d %q: %s", i, event, diff)
		}
	}
}

// FuzzTap holds the law of the quick way: with it, a tap does and tells the same as without.
func FuzzTap(f *testing.F) {
	f.Add(uint8(0), `a`, `b`, `"`, 3)
	f.Add(uint8(0), `a`, `","usage":{"prompt_tokens":1},"x":"`, `"finish_reason":"stop"`, 20)
	f.Add(uint8(0), `\"`, `\\`, `\u00e9`, 0)
	f.Add(uint8(2), `a`, "b\",\"sequence_number\":01,\"x\":\"", `,`, 40)
	f.Add(uint8(1), `a`, "\n\ndata: {\"error\":\"key\"}", `\`, 60)
	f.Fuzz(func(t *testing.T, e uint8, first, second, patch string, at int) {
		endpoint := openai.Endpoint(e % 7)
		patched := func(s string) string {
			if at < 0 || at > len(s) {
				return s
			}
			return s[:at] + patch + s[min(at+len(patch), len(s)):]
		}
		var events []string
		for _, text := range []string{"x", first, second, "y", second} {
			d := delta(`"content":"` + text + `"`)
			r := `data: {"type":"response.output_text.delta","sequence_number":7,"delta":"` + text + `","obfuscation":"` + first + "\"}\n\n"
			c := `data: {"obfuscation":"` + second + `","model":"real","choices":[{"text":"` + text + "\",\"finish_reason\":null}]}\n\n"
			call := delta(`"tool_calls":[{"index":0,"function":{"arguments":"` + text + `"}}]`)
			for _, event := range []string{d, r, c, call} {
				events = append(events, event, strings.Replace(event, "7", "8", 1), patched(event), event)
			}
		}
		likeFresh(t, endpoint, events)
	})
}

func TestManyChunksAreTreatedAlike(t *testing.T) {
	var events []string
	for i := range 50 {
		text := strings.Repeat(`a\"`, i%7)
		events = append(events,
			delta(`"role":"assistant","content":"`+text+`"`),
			chatChunk(`"choices":[{"index":0,"delta":{"content":"`+text+`"},"finish_reason":null}],"usage":null,"obfuscation":"`+strings.Repeat("x", i%5)+`"`),
			fmt.Sprintf(`data: {"type":"response.output_text.delta","sequence_number":%d,"delta":"%s"}`+"\n\n", i, text),
		)
	}
	events = append(events, delta(`"content":"a"`), delta(`"content":"b","usage":{"prompt_tokens":1}`), chatChunk(finished), chatChunk(usageAlone), doneMark, "x")
	for e := openai.Chat; e <= openai.Speech; e++ {
		likeFresh(t, e, events)
	}
}

func TestALargeEventPasses(t *testing.T) {
	large := strings.Repeat(`text \u4e2d `, 100_000)
	tap := &openai.Tap{Model: "m"}
	for range 2 {
		if got := tapped(tap, delta(`"content":"`+large+`"`)); got != strings.Replace(delta(`"content":"`+large+`"`), "real-1", "m", 1) {
			t.Error("a large event was changed")
		}
	}
}

func TestAnEventOfAStreamCostsNoAllocation(t *testing.T) {
	for name, events := range benchmarkEvents() {
		tap := &openai.Tap{Endpoint: events.endpoint, Model: "my/model"}
		dst := make([]byte, 0, 4096)
		next := 0
		if allocs := testing.AllocsPerRun(100, func() {
			dst = tap.Event(dst[:0], events.all[next%len(events.all)])
			next++
		}); allocs != 0 {
			t.Errorf("%s: %v allocations, want none", name, allocs)
		}
	}
}

type benchEvents struct {
	endpoint openai.Endpoint
	all      [][]byte
}

func benchmarkEvents() map[string]benchEvents {
	several := func(e openai.Endpoint, format string) (b benchEvents) {
		b.endpoint = e
		for i := range 16 {
			b.all = append(b.all, fmt.Appendf(nil, format, strings.Repeat("w", 1+i%9)))
		}
		return b
	}
	return map[string]benchEvents{
		"chat": several(openai.Chat, `data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-08-06",`+
			`"service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n"),
		"response": several(openai.Responses, "event: response.output_text.delta\n"+`data: {"type":"response.output_text.delta","sequence_number":12,"item_id":"msg_1","output_index":0,`+
			`"content_index":0,"delta":"%s","logprobs":[],"obfuscation":"abc"}`+"\n\n"),
		"chat, read each time": several(openai.Chat, `data: {"id":"%s","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-08-06",`+
			`"choices":[{"index":0,"delta":{"content":"hello"},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n"),
	}
}

func BenchmarkTap(b *testing.B) {
	for name, events := range benchmarkEvents() {
		b.Run(name, func(b *testing.B) {
			tap := &openai.Tap{Endpoint: events.endpoint, Model: "my/model"}
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			next := 0
			for b.Loop() {
				dst = tap.Event(dst[:0], events.all[next&15])
				next++
			}
			if !bytes.Contains(dst, []byte("data: ")) {
				b.Fatal("nothing passed")
			}
		})
	}
}
