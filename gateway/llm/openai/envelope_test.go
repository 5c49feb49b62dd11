package openai_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
)

// seen is what callers of Look see.
type seen struct {
	Model               string
	Stream, StreamUsage bool
}

func TestARequestIsLookedAt(t *testing.T) {
	tests := map[string]struct {
		endpoint openai.Endpoint
		body     string
		want     seen
	}{
		"a chat":                        {openai.Chat, with(`"temperature":3,"x":{"y":null}`), seen{Model: "m"}},
		"a stream":                      {openai.Chat, with(`"stream":true,"stream_options":{}`), seen{"m", true, false}},
		"a stream with usage":           {openai.Chat, with(`"stream":true,"stream_options":{"include_usage":true}`), seen{"m", true, true}},
		"null":                          {openai.Chat, with(`"stream":null,"stream_options":null`), seen{Model: "m"}},
		"null inside":                   {openai.Completions, `{"model":"m","stream":true,"stream_options":{"include_usage":null}}`, seen{"m", true, false}},
		"a name with escapes":           {openai.Embeddings, `{"mod\u0065l":"a\/\u00e9"}`, seen{Model: "a/é"}},
		"a response":                    {openai.Responses, `{"model":"m","stream":true,"previous_response_id":null,"conversation":null,"background":false,"stream_options":{"x":1}}`, seen{"m", true, false}},
		"images":                        {openai.Images, `{"model":"m","stream":true}`, seen{"m", true, false}},
		"speech as events":              {openai.Speech, `{"model":"m","stream_format":"sse"}`, seen{"m", true, false}},
		"speech as bytes":               {openai.Speech, `{"model":"m","stream_format":"audio","stream":"x"}`, seen{Model: "m"}},
		"what knows no stream":          {openai.Embeddings, `{"model":"m","stream":1,"previous_response_id":"r","messages":1}`, seen{Model: "m"}},
		"messages that are no messages": {openai.Chat, `{"model":"m","messages":[1]}`, seen{Model: "m"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := openai.Look(tt.endpoint, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, seen{v.Model, v.Stream, v.StreamUsage}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLookRefusesAsDecodeDoes(t *testing.T) {
	for _, body := range []string{
		``, `[]`, `{"model":"secret"`, `{"model":"m","model":"m"}`, `{"messages":[{"role":"user","content":"x"}]}`, "{\"model\":\"\xff\"}",
		`{"model":null}`, `{"model":""}`, `{"model":7}`, `{"model":{}}`, `{"model":"` + strings.Repeat("m", 257) + `"}`,
		`{"model":"m"}`, `{"model":"m","messages":null}`, `{"model":"m","messages":[ ]}`, `{"model":"m","messages":"x"}`, `{"model":"m","messages":{}}`,
		with(`"stream":"yes"`), with(`"stream":1`), with(`"stream_options":[]`), with(`"stream_options":true`),
		with(`"stream_options":{"include_usage":1}`), with(`"stream_options":{"include_usage":"true"}`),
	} {
		_, decoded := openai.Dialect{}.Decode([]byte(body))
		_, looked := openai.Look(openai.Chat, []byte(body))
		want, _ := errors.AsType[*llm.InvalidError](decoded)
		got, _ := errors.AsType[*llm.InvalidError](looked)
		if want == nil || got == nil || want.What != got.What || want.Kept != got.Kept {
			t.Errorf("%s: %v, want %v", body, looked, decoded)
		}
	}
}

func TestWhatRestsOnStoredAnswersIsRefused(t *testing.T) {
	for param, value := range map[string]string{"previous_response_id": `"resp_1"`, "conversation": `{"id":"conv_1"}`, "background": `true`} {
		body := fmt.Sprintf(`{"model":"m","%s":%s}`, param, value)
		_, err := openai.Look(openai.Responses, []byte(body))
		unsupported, ok := errors.AsType[*llm.UnsupportedError](err)
		if !ok || unsupported.Param != param || !strings.Contains(unsupported.Why, "not kept apart by caller") {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := openai.Look(openai.Responses, []byte(`{"model":"m","background":"true"}`)); err == nil || err.Error() != "background must be true or false" {
		t.Errorf("a background that is a text: %v", err)
	}
}

func TestAnEnvelopeDecodesWithoutAnotherScan(t *testing.T) {
	body := []byte(with(`"stream":true,"stop":"a"`))
	v, err := openai.Look(openai.Chat, body)
	if err != nil {
		t.Fatal(err)
	}
	got, gotErr := v.Decode(body)
	want, wantErr := openai.Dialect{}.Decode(body)
	if diff := cmp.Diff(want, got); diff != "" || gotErr != nil || wantErr != nil {
		t.Error(gotErr, wantErr, diff)
	}
}

func TestLookingCostsOneAllocation(t *testing.T) {
	body := []byte(with(`"stream":true`))
	if allocs := testing.AllocsPerRun(100, func() {
		if _, err := openai.Look(openai.Chat, body); err != nil {
			t.Fatal(err)
		}
	}); allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestARequestGoesOutAsItCame(t *testing.T) {
	const messages = `"messages":[{"role":"user","content":"\u00e9 \"model\":\"m\" 1.0"}]`
	tests := map[string]struct {
		endpoint   openai.Endpoint
		body, want string
		sent       string
		usage      bool
	}{
		"as it is":                 {openai.Chat, `{ "model" : "m", ` + messages + ` , "x":1.50e+1}`, `{ "model" : "m", ` + messages + ` , "x":1.50e+1}`, "m", true},
		"the model renamed":        {openai.Chat, `{"z":1,"model" : "m",` + messages + `}`, `{"z":1,"model" : "real\"é",` + messages + `}`, `real"é`, false},
		"the same name by escapes": {openai.Embeddings, `{"model":"\u006d"}`, `{"model":"\u006d"}`, "m", false},
		"usage asked for":          {openai.Chat, `{"model":"m","stream" : true ,` + messages + `}`, `{"model":"m","stream" : true,"stream_options":{"include_usage":true} ,` + messages + `}`, "m", true},
		"both, the model last":     {openai.Chat, `{"stream":true,` + messages + `,"model":"m"}`, `{"stream":true,"stream_options":{"include_usage":true},` + messages + `,"model":"r"}`, "r", true},
		"null for options":         {openai.Completions, `{"model":"m","stream_options":null,"stream":true}`, `{"model":"r","stream_options":{"include_usage":true},"stream":true}`, "r", true},
		"empty options":            {openai.Chat, `{"model":"m","stream":true,"stream_options":{ },` + messages + `}`, `{"model":"m","stream":true,"stream_options":{"include_usage":true },` + messages + `}`, "m", true},
		"other options":            {openai.Chat, `{"model":"m","stream":true,"stream_options":{ "x":1},` + messages + `}`, `{"model":"m","stream":true,"stream_options":{"include_usage":true, "x":1},` + messages + `}`, "m", true},
		"usage not wanted":         {openai.Chat, `{"model":"m","stream":true,"stream_options":{"include_usage": false},` + messages + `}`, `{"model":"m","stream":true,"stream_options":{"include_usage": true},` + messages + `}`, "m", true},
		"usage null":               {openai.Chat, `{"model":"m","stream":true,"stream_options":{"a":[],"include_usage":null},` + messages + `}`, `{"model":"m","stream":true,"stream_options":{"a":[],"include_usage":true},` + messages + `}`, "m", true},
		"usage wanted already":     {openai.Chat, `{"model":"m","stream":true,"stream_options":{"include_usage":true},` + messages + `}`, `{"model":"m","stream":true,"stream_options":{"include_usage":true},` + messages + `}`, "m", true},
		"no stream":                {openai.Chat, `{"model":"m","stream":false,` + messages + `}`, `{"model":"m","stream":false,` + messages + `}`, "m", true},
		"nobody asks":              {openai.Chat, `{"model":"m","stream":true,` + messages + `}`, `{"model":"m","stream":true,` + messages + `}`, "m", false},
		"a response":               {openai.Responses, `{"model":"m","stream":true}`, `{"model":"m","stream":true}`, "m", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			body := []byte(tt.body)
			v, err := openai.Look(tt.endpoint, body)
			if err != nil {
				t.Fatal(err)
			}
			out := bytes.Join(v.Outgoing(body, tt.sent, tt.usage), nil)
			if diff := cmp.Diff(tt.want, string(out)); diff != "" || string(body) != tt.body {
				t.Error(diff)
			}
			after, err := openai.Look(tt.endpoint, out)
			if err != nil || after.Model != tt.sent || after.Stream != v.Stream {
				t.Errorf("the provider sees %+v, %v", after, err)
			}
		})
	}
}

// FuzzOutgoing holds that whatever is looked at goes out as JSON that says the same, but for the model and the usage.
func FuzzOutgoing(f *testing.F) {
	f.Add([]byte(with(`"stream":true`)), "r", true)
	f.Add([]byte(with(`"stream":true,"stream_options":{"include_usage":false}`)), `"`, true)
	f.Add([]byte(with(`"stream_options":{},"stream":true`)), "é", true)
	f.Add([]byte(with(`"stream_options":null,"stream":true`)), "", false)
	f.Fuzz(func(t *testing.T, body []byte, sent string, usage bool) {
		v, err := openai.Look(openai.Chat, body)
		if err != nil || sent == "" || len(sent) > 256 {
			return
		}
		out := bytes.Join(v.Outgoing(body, sent, usage), nil)
		after, err := openai.Look(openai.Chat, out)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if after.Model != strings.ToValidUTF8(sent, "\ufffd") && strings.ToValidUTF8(sent, "") == sent {
			t.Fatalf("the model is %q, want %q", after.Model, sent)
		}
		if after.StreamUsage != (v.StreamUsage || usage && v.Stream) {
			t.Fatalf("usage is asked for: %v", after.StreamUsage)
		}
		before, errBefore := v.Decode(body)
		request, errAfter := after.Decode(out)
		if (errBefore == nil) != (errAfter == nil) {
			t.Fatalf("%v before, %v after", errBefore, errAfter)
		}
		if errBefore == nil {
			before.Model, before.StreamUsage = request.Model, request.StreamUsage
			if diff := cmp.Diff(before, request); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
