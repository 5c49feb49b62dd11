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

func TestAWholeAnswerIsHandedOn(t *testing.T) {
	tests := map[string]struct {
		endpoint   openai.Endpoint
		body, want string
		usage      llm.Usage
	}{
		"a chat": {
			openai.Chat, ` {"model" : "real", "x":1.50e+1,"choices":[{"model":"in"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}` + "\n",
			` {"model" : "my/m", "x":1.50e+1,"choices":[{"model":"in"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}` + "\n", llm.Usage{Input: 1, Output: 2},
		},
		"a response":            {openai.Responses, `{"usage":{"input_tokens":4,"output_tokens":5},"model":"r"}`, `{"usage":{"input_tokens":4,"output_tokens":5},"model":"my/m"}`, llm.Usage{Input: 4, Output: 5}},
		"embeddings":            {openai.Embeddings, `{"usage":{"prompt_tokens":4,"total_tokens":4}}`, `{"usage":{"prompt_tokens":4,"total_tokens":4}}`, llm.Usage{Input: 4}},
		"a total alone":         {openai.Embeddings, `{"usage":{"total_tokens":4}}`, `{"usage":{"total_tokens":4}}`, llm.Usage{Input: 4}},
		"images without model":  {openai.Images, `{"data":[],"usage":{"input_tokens":4,"output_tokens":5}}`, `{"data":[],"usage":{"input_tokens":4,"output_tokens":5}}`, llm.Usage{Input: 4, Output: 5}},
		"a model that is null":  {openai.Moderations, `{"model":null}`, `{"model":null}`, llm.Usage{Input: -1, Output: -1}},
		"usage that is null":    {openai.Chat, `{"usage":null}`, `{"usage":null}`, llm.Usage{Input: -1, Output: -1}},
		"odd numbers":           {openai.Chat, `{"usage":{"prompt_tokens":1e2,"completion_tokens":-1}}`, `{"usage":{"prompt_tokens":1e2,"completion_tokens":-1}}`, llm.Usage{Input: -1, Output: -1}},
		"a number far too long": {openai.Chat, `{"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":1}}`, `{"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":1}}`, llm.Usage{Input: -1, Output: 1}},
		"an error elsewhere":    {openai.Responses, `{"error":{"message":"no"},"output":[]}`, `{"error":{"message":"no"},"output":[]}`, llm.Usage{Input: -1, Output: -1}},
		"text that is no text":  {openai.Chat, "{\"x\":\"\xff\\ud800\",\"model\":\"r\"}", "{\"x\":\"\xff\\ud800\",\"model\":\"my/m\"}", llm.Usage{Input: -1, Output: -1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pieces, usage, err := openai.Rewrite(tt.endpoint, []byte(tt.body), "my/m")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(bytes.Join(pieces, nil))); diff != "" || usage != tt.usage {
				t.Errorf("usage %+v, want %+v\n%s", usage, tt.usage, diff)
			}
		})
	}
}

func TestAnAnswerThatIsNoJSONIsBroken(t *testing.T) {
	for _, body := range []string{"", " ", "<html>secret</html>", `{"model":"secret"`, `["secret"]`, `"secret"`, `{"a":"b"}{"secret":1}`, "\x1f\x8b\x08secret"} {
		pieces, usage, err := openai.Rewrite(openai.Chat, []byte(body), "m")
		broken, ok := errors.AsType[*llm.BrokenError](err)
		if !ok || broken.Why != "the answer is not JSON" || pieces != nil || usage != (llm.Usage{Input: -1, Output: -1}) {
			t.Errorf("%q: %v, %v, %+v", body, err, pieces, usage)
		}
	}
}

func TestAListOfModelsIsRead(t *testing.T) {
	tests := map[string]struct {
		body string
		want []llm.Model
	}{
		"OpenAI's":           {`{"object":"list","data":[{"id":"a","created":7,"x":[1]},{"id":"b"}]}`, []llm.Model{{ID: "a", Created: 7}, {ID: "b"}}},
		"the list alone":     {` [{"id":"a"}]`, []llm.Model{{ID: "a"}}},
		"an empty list":      {`{"data":[]}`, []llm.Model{}},
		"one id twice":       {`[{"id":"a","created":1},{"id":"a","created":2}]`, []llm.Model{{ID: "a", Created: 1}}},
		"odd dates":          {`[{"id":"a","created":-1},{"id":"b","created":"x"},{"id":"c","created":1.5},{"id":"d","created":null}]`, []llm.Model{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}}},
		"unusable ids":       {"[{\"id\":\"\"},{\"id\":7},{},7,{\"id\":\"a\\nb\"},{\"id\":\"\xff\"},{\"id\":\"" + strings.Repeat("x", 257) + "\"},{\"id\":\"ok\"}]", []llm.Model{{ID: "ok"}}},
		"as long as ids are": {`[{"id":"` + strings.Repeat("x", 256) + `"}]`, []llm.Model{{ID: strings.Repeat("x", 256)}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := openai.Listing([]byte(tt.body))
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}

func TestWhatIsNoListOfModelsIsBroken(t *testing.T) {
	for _, body := range []string{"", "<html>", `{"data":{}}`, `{}`, `{"data":[`, `"x"`, `[{"id":"a"]`} {
		if models, err := openai.Listing([]byte(body)); !errors.As(err, new(*llm.BrokenError)) || models != nil {
			t.Errorf("%q: %v, %v", body, models, err)
		}
	}
}

func TestAListOfModelsIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 10_001 {
		fmt.Fprintf(&b, `,{"id":"model-%d"}`, i)
	}
	models, err := openai.Listing([]byte("[" + b.String()[1:] + "]"))
	if err != nil || len(models) != 10_000 {
		t.Errorf("%d models, %v", len(models), err)
	}
}
