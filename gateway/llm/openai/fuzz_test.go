package openai_test

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
)

// FuzzEvent gives a tap events of any bytes at all, after some that it knows.
func FuzzEvent(f *testing.F) {
	for _, event := range []string{
		delta(`"content":"b"`), chatChunk(usageAlone), doneMark, ": c\r\n\r\n", "event: error\rdata: {\"error\":\rdata: \"key\"}\r\r",
		"\ufeffdata: {\"model\":\ndata:\"a\"}\n\n", "data\ndata:\ndata: {}\n\n", "data: {\"response\":{\"model\":\"a\",\"usage\":{}},\"model\":\"b\"}\n\n",
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"a\"}}]}}]}\n\n", "data: {\"error\":{\"key\":\"key\\u006b\"}}\n\n",
	} {
		f.Add(uint8(0), []byte(event))
		f.Add(uint8(2), []byte(event))
	}
	f.Fuzz(func(t *testing.T, e uint8, event []byte) {
		before := bytes.Clone(event)
		known := delta(`"content":"a"`)
		likeFresh(t, openai.Endpoint(e%7), []string{known, known, string(event), string(event), known, string(event)})
		(&openai.Tap{Model: "m"}).Event(nil, event)
		if !bytes.Equal(before, event) {
			t.Fatal("the event was changed")
		}
	})
}

// FuzzAnswers holds what is promised of all that a provider may answer with.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		`{"error":{"message":"m","code":"c","param":"p"}}`, `{"detail":[{"msg":"m"}]}`, `[{"error":"m"}]`, `{"data":[{"id":"a","created":1}]}`,
		`{"model":"m","usage":{"prompt_tokens":1,"completion_tokens":2}}`, "<html>", "{\"error\":\"\xff\\ud800\"}", `[[[{"error":"m"}]]]`, `[null]`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e := openai.Failure(500, nil, body)
		if e.Message == "" || len(e.Message) > 4096 || len(e.Code) > 64 || len(e.Param) > 256 || !utf8.ValidString(e.Message+e.Code+e.Param) {
			t.Fatalf("the error is %+v", e)
		}
		models, err := openai.Listing(body)
		if err != nil && !errors.As(err, new(*llm.BrokenError)) {
			t.Fatal(err)
		}
		for _, m := range models {
			if m.ID == "" || len(m.ID) > 256 || m.Created < 0 {
				t.Fatalf("a model is %+v", m)
			}
		}
		pieces, _, err := openai.Rewrite(openai.Chat, body, "my/model")
		if err != nil {
			return
		}
		out := bytes.Join(pieces, nil)
		again, _, err := openai.Rewrite(openai.Chat, out, "my/model")
		if err != nil || !bytes.Equal(out, bytes.Join(again, nil)) {
			t.Fatalf("%q became %q, %v", body, out, err)
		}
	})
}
