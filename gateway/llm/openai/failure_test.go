package openai_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
)

func TestAProvidersErrorIsRead(t *testing.T) {
	tests := map[string]struct {
		body string
		want llm.Error
	}{
		"OpenAI's":                  {`{"error":{"message":"no such model","type":"t","param":"model","code":"model_not_found"}}`, llm.Error{Message: "no such model", Code: "model_not_found", Param: "model"}},
		"null for param and code":   {`{"error":{"message":"no","param":null,"code":null}}`, llm.Error{Message: "no"}},
		"a number for code":         {`{"error":{"message":"no","code":404}}`, llm.Error{Message: "no"}},
		"digits for code":           {`{"error":{"message":"no","code":"404"}}`, llm.Error{Message: "no"}},
		"a sentence for code":       {`{"error":{"message":"no","code":"not found"}}`, llm.Error{Message: "no"}},
		"a code far too long":       {`{"error":{"message":"no","code":"` + strings.Repeat("c", 65) + `","param":"` + strings.Repeat("p", 257) + `"}}`, llm.Error{Message: "no"}},
		"a text":                    {`{"error":"no"}`, llm.Error{Message: "no"}},
		"without the outer object":  {`{"object":"error","message":"no","param":"p","code":"c.d-e_1"}`, llm.Error{Message: "no", Param: "p", Code: "c.d-e_1"}},
		"FastAPI's":                 {`{"detail":"Not Found"}`, llm.Error{Message: "Not Found"}},
		"FastAPI's list":            {`{"detail":[{"loc":["body"],"msg":"field required"},{"msg":"other"}]}`, llm.Error{Message: "field required"}},
		"in a list":                 {`[{"error":{"message":"no"}},{"error":{"message":"other"}}]`, llm.Error{Message: "no"}},
		"a page":                    {`<html><body>sk-secret</body></html>`, llm.Error{Message: "Bad Gateway"}},
		"nothing":                   {``, llm.Error{Message: "Bad Gateway"}},
		"cut off":                   {`{"error":{"message":"no`, llm.Error{Message: "Bad Gateway"}},
		"an empty message":          {`{"error":{"message":"","code":"c"}}`, llm.Error{Message: "Bad Gateway", Code: "c"}},
		"a message of another type": {`{"error":{"message":{"a":1}}}`, llm.Error{Message: "Bad Gateway"}},
		"control characters":        {`{"error":{"message":"a\n\tb\u0000c\u0085d "}}`, llm.Error{Message: "a  b c d"}},
		"bytes that are no text":    {"{\"error\":{\"message\":\"a\xff\\ud800b\"}}", llm.Error{Message: "a\ufffd\ufffdb"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.want.Status = 502
			if diff := cmp.Diff(&tt.want, openai.Failure(502, nil, []byte(tt.body))); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := openai.Failure(599, nil, nil).Message; got != "status 599" {
		t.Errorf("a status without words is %q", got)
	}
}

func TestAProvidersWordsAreBounded(t *testing.T) {
	for _, text := range []string{strings.Repeat("中", 5000), strings.Repeat(`\u4e2d`, 5000), strings.Repeat("\xffab", 5000), "x" + strings.Repeat("é", 5000)} {
		got := openai.Failure(400, nil, []byte(`{"error":{"message":"`+text+`"}}`)).Message
		if len(got) > 4096 || len(got) < 4090 || !utf8.ValidString(got) {
			t.Errorf("%d bytes of %.10q remain", len(got), text)
		}
	}
}

func TestAProviderMaySayWhenToComeBack(t *testing.T) {
	const date = "Wed, 21 Oct 2015 07:28:00 GMT"
	for value, want := range map[string]string{
		"": "", "0": "0", "7": "7", " 7 ": "7", "999999999999": "999999999999", date: date,
		"-7": "", "7.5": "", "soon": "", "7, 8": "", "184467440737095516150": "",
	} {
		if got := openai.Failure(429, http.Header{"Retry-After": {value}}, nil).RetryAfter; got != want {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
}

func TestTheKindOfAFailureIsItsStatusWhereThereIsNoOther(t *testing.T) {
	for kind, want := range map[string]int{"rate_limit_error": 429, "invalid_request_error": 400, "authentication_error": 401, "not_found_error": 404, "server_error": 500, "x": 500} {
		_, _, err := openai.Rewrite(openai.Chat, []byte(`{"error":{"message":"m","type":"`+kind+`"}}`), "m")
		if told := (*llm.Error)(nil); !errors.As(err, &told) || told.Status != want {
			t.Errorf("%s: %v, want %d", kind, err, want)
		}
	}
}
