package openai_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
	synctest.Test(t, func(t *testing.T) {
		for value, want := range map[string]time.Duration{
			"": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-7": 0, "7.5": 0, "soon": 0, "99999999": 24 * time.Hour,
			"18446744073709551615": 24 * time.Hour, "184467440737095516150": 0,
			time.Now().UTC().Add(time.Minute).Format(http.TimeFormat):    time.Minute,
			time.Now().UTC().Add(-time.Minute).Format(http.TimeFormat):   0,
			time.Now().UTC().Add(48 * time.Hour).Format(http.TimeFormat): 24 * time.Hour,
		} {
			if got := openai.Failure(429, http.Header{"Retry-After": {value}}, nil).RetryAfter; got != want {
				t.Errorf("%q is %v, want %v", value, got, want)
			}
		}
	})
}
