package jsonscan_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"nexus/gateway/llm/jsonscan"
)

// reference does with jsontext what Scan does. Its verdict on nesting is left to the caller: too deep is true
// where Scan must refuse what jsontext takes.
func reference(body []byte) (doc jsonscan.Document, tooDeep bool, err error) {
	outer := map[string]jsonscan.Span{}
	tooDeep, err = outermost(body, outer)
	if err != nil {
		return doc, tooDeep, err
	}
	doc = jsonscan.Document{
		Model: outer["model"], Messages: outer["messages"], Input: outer["input"], Prompt: outer["prompt"],
		Stream: outer["stream"], StreamFormat: outer["stream_format"], StreamOptions: outer["stream_options"],
		PreviousResponseID: outer["previous_response_id"], Conversation: outer["conversation"], Background: outer["background"],
		Instructions: outer["instructions"], N: outer["n"],
		BestOf: outer["best_of"], MaxTokens: outer["max_tokens"], MaxCompletionTokens: outer["max_completion_tokens"], MaxOutputTokens: outer["max_output_tokens"],
	}
	if options := doc.StreamOptions; options.Kind == jsonscan.Object {
		inner := map[string]jsonscan.Span{}
		if _, err := outermost(options.Of(body), inner); err != nil {
			return doc, tooDeep, err
		}
		if v, ok := inner["include_usage"]; ok {
			doc.IncludeUsage = jsonscan.Span{Start: options.Start + v.Start, End: options.Start + v.End, Kind: v.Kind}
		}
	}
	return doc, tooDeep, nil
}

// outermost finds with jsontext the members of an object.
func outermost(body []byte, members map[string]jsonscan.Span) (tooDeep bool, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(body),
		jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false))
	if d.PeekKind() != '{' {
		return false, errors.New("no object")
	}
	var name string
	start := 0
	for {
		token, err := d.ReadToken()
		if err != nil {
			if errors.Is(err, io.EOF) && d.StackDepth() == 0 {
				return tooDeep, nil
			}
			return tooDeep, err
		}
		if d.StackDepth() > jsonscan.MaxDepth {
			tooDeep = true
		}
		if d.StackDepth() == 0 && d.InputOffset() < int64(len(body)) {
			if rest := strings.Trim(string(body[d.InputOffset():]), " \t\r\n"); rest != "" {
				return tooDeep, errors.New("more than one value")
			}
		}
		kind := token.Kind()
		if kind == '{' && d.StackDepth() == 1 {
			continue
		}
		outer := d.StackDepth() == 1 || d.StackDepth() == 2 && (kind == '{' || kind == '[')
		if !outer {
			continue
		}
		_, n := d.StackIndex(1)
		end := int(d.InputOffset())
		switch closing := kind == '}' || kind == ']'; {
		case n%2 == 1 && !closing && d.StackDepth() == 1:
			name = token.String()
		case closing && d.StackDepth() == 1:
			members[name] = spanOf(body, start, end)
		case kind == '{' || kind == '[':
			start = end - 1
		default:
			// jsontext gives the end of a scalar; its beginning is after the colon and the space.
			start = end - scalarLength(body[:end], kind)
			members[name] = spanOf(body, start, end)
		}
	}
}

// scalarLength is how long the scalar at the end of b is.
func scalarLength(b []byte, kind jsontext.Kind) int {
	switch kind {
	case 'n', 't':
		return len("null")
	case 'f':
		return len("false")
	case '0':
		return len(b) - len(bytes.TrimRight(b, "0123456789+-.eE"))
	}
	i := len(b) - 1 // a string: back to a quote that is not escaped
	for {
		i = bytes.LastIndexByte(b[:i], '"')
		backslashes := i - len(bytes.TrimRight(b[:i], `\`))
		if backslashes%2 == 0 {
			return len(b) - i
		}
	}
}

// spanOf is the span of the value from start to end.
func spanOf(body []byte, start, end int) jsonscan.Span {
	kinds := map[byte]jsonscan.Kind{
		'n': jsonscan.Null, 't': jsonscan.Bool, 'f': jsonscan.Bool,
		'"': jsonscan.String, '[': jsonscan.Array, '{': jsonscan.Object,
	}
	kind, ok := kinds[body[start]]
	if !ok {
		kind = jsonscan.Number
	}
	return jsonscan.Span{Start: start, End: end, Kind: kind}
}

// FuzzScan holds the law of this package: it takes what jsontext takes, finds what jsontext finds, and
// leaves the body as it was.
func FuzzScan(f *testing.F) {
	for _, body := range hostile(300) {
		f.Add(body)
	}
	for _, body := range []string{
		``, `{}`, ` { } `, `{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}`,
		`{"stream_options":{"include_usage":null,"x":{"include_usage":1}},"input":[],"prompt":"","background":true,"conversation":{}}`,
		`{"stream_options":[{"include_usage":true}],"x":{"include_usage":true},"stream_format":"sse","previous_response_id":"r"}`,
		`{"stream_options":{"include_us\u0061ge" : false },"y":{"stream_options":{"include_usage":true}}}`,
		`{"max_tokens":1,"max_completion_tokens":2,"max_output_tokens":3,"n":4,"instructions":"i"}`, `{"model":1.5e-3,"messages":null,"stream":false}`, `{"mod\u0065l":"\ud83d\ude00\\\"","x":[1,[2,{"model":3}]]}`,
		`{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":"\ud800"}`, `{"a":"\ud800\u0041"}`,
		"{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\x1f\"}", "{\"\x7f\":\"\u2028\"}", `{"a":tru}`, `{"a":[}`, `{}{}`, `{} x`, `[]`,
		members(16) + "}", members(17) + "}", members(17) + `,"n3":1}`, nested(100), nested(101), "{\"12345\xc3\xa9\":0}",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		got, err := jsonscan.Scan(body)
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
		want, tooDeep, wantErr := reference(body)
		if tooDeep {
			if err == nil {
				t.Fatal("too deep a body was taken")
			}
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("the verdict is %v, jsontext's %v", err, wantErr)
		}
		if err == nil && got != want {
			t.Fatalf("found %+v, jsontext %+v", got, want)
		}
	})
}
