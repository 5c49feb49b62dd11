package jsonscan_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"nexus/gateway/llm/jsonscan"
)

// step is one visit of a walk.
type step struct {
	Name string
	V    jsonscan.Span
}

// walk collects the visits of a walk over value.
func walk(value []byte) (steps []step, err error) {
	err = jsonscan.Walk(value, func(name []byte, v jsonscan.Span) { steps = append(steps, step{string(name), v}) })
	return steps, err
}

func TestAWalkShowsWhatAnAnswerConsistsOf(t *testing.T) {
	tests := map[string]struct {
		value string
		want  []string
	}{
		"an empty object":              {" { } ", nil},
		"an empty array":               {"[]", nil},
		"an object":                    {`{"a" : 1 , "b":[{"c":2}],"d":{"e":"f"}}`, []string{"a=1", `b=[{"c":2}]`, `d={"e":"f"}`}},
		"an array":                     {"[null,\n true ,\"x\"]", []string{"=null", "=true", `="x"`}},
		"a name that occurs twice":     {`{"a":1,"a":2}`, []string{"a=1", "a=2"}},
		"a name with escapes":          {`{"\u0061":1}`, []string{`\u0061=1`}},
		"text that is not UTF-8":       {"{\"\xff\":\"\xfe\"}", []string{"\xff=\"\xfe\""}},
		"half a surrogate pair":        {`["\ud800","\udc00x"]`, []string{`="\ud800"`, `="\udc00x"`}},
		"a quote that is escaped":      {`{"a":"\"b\":1","c":2}`, []string{`a="\"b\":1"`, "c=2"}},
		"numbers of any form":          {`[-0.5e+7,0,12345678901234567890]`, []string{"=-0.5e+7", "=0", "=12345678901234567890"}},
		"as deep as answers may nest":  {strings.Repeat("[", 200) + strings.Repeat("]", 200), []string{"=" + strings.Repeat("[", 199) + strings.Repeat("]", 199)}},
		"a string of a few characters": {`["1234567\\","12345678"]`, []string{`="1234567\\"`, `="12345678"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			steps, err := walk([]byte(tt.value))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range steps {
				got = append(got, s.Name+"="+string(s.V.Of([]byte(tt.value))))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAWalkStopsAtWhatIsNoJSON(t *testing.T) {
	for name, value := range map[string]string{
		"nothing": "", "space": " ", "a word": "true", "a text": `"x"`, "a page": "<html>", "an open object": `{"a":1`,
		"an open name": `{"a`, "an open string": `["a`, "an open escape": `["\`, "no colon": `{"a"1}`, "no value": `{"a":}`,
		"no name": `{1:2}`, "a comma too many": `[1,]`, "no comma": `[1 2]`, "two values": `{}{}`, "the wrong closer": `[1}`,
		"a control character": "[\"\n\"]", "no such escape": `["\x"]`, "half an escape": `["\u12"]`, "NaN": `[NaN]`,
		"too deep": strings.Repeat("[", 201) + strings.Repeat("]", 201), "an inner comma": `[{"a":1,}]`, "an inner name": `[{a:1}]`,
		"an inner end": `[{"a":[`, "an inner colon": `[{"a" 1}]`, "an open inner name": `[{"a`, "a name and no more": `[{"a"`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := walk([]byte(value))
			if _, ok := errors.AsType[*jsonscan.Error](err); !ok {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestTextIsWhatAStringStandsFor(t *testing.T) {
	for value, want := range map[string]string{
		`""`: "", `"abc"`: "abc", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"\u00e9\ud83d\ude00"`: "é😀",
		`"\ud800"`: "\ufffd", `"\ud800\u0041"`: "\ufffdA", `"\udc00\ud83d\ude00"`: "\ufffd😀", "\"\xff\"": "\xff",
	} {
		if got := jsonscan.Text([]byte(value)); got != want {
			t.Errorf("%s stands for %q, want %q", value, got, want)
		}
	}
	long := []byte(`"` + strings.Repeat(`\u4e2d`, 100) + `"`)
	if got := jsonscan.AppendText([]byte("x"), long, 10); string(got) != "x"+strings.Repeat("中", 4) {
		t.Errorf("a text that is cut is %q", got)
	}
}

func TestAWalkCostsNoAllocation(t *testing.T) {
	answer := answerOf(10_000)
	n := 0
	if allocs := testing.AllocsPerRun(100, func() {
		if err := jsonscan.Walk(answer, func([]byte, jsonscan.Span) { n++ }); err != nil {
			t.Fatal(err)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

// FuzzWalk holds the law of walks: what jsontext takes with its leniencies, and the members that it finds.
func FuzzWalk(f *testing.F) {
	for _, body := range hostile(300) {
		f.Add(body)
	}
	for _, value := range []string{
		`{}`, `[]`, ` [ ] `, `{"a":1,"a":[2,{"b":"c"}]}`, `["\ud800","\u12","\x"]`, "{\"\xff\":\"\xed\xa0\x80\"}", `{"a":"\"b\""}`,
		`[1,]`, `[01]`, `[-]`, `{"a"}`, `{"a":1}x`, `[1.5e-3,null,true,false]`, nested(199), nested(201), `{"error":{"message":"x"}}`,
	} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		before := bytes.Clone(value)
		got, err := walk(value)
		if !bytes.Equal(before, value) {
			t.Fatal("the value was changed")
		}
		want, tooDeep, wantErr := walkReference(value)
		if tooDeep {
			if err == nil {
				t.Fatal("too deep a value was taken")
			}
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("the verdict is %v, jsontext's %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		for _, s := range got {
			if s.V.Kind == jsonscan.String {
				agree(t, s.V.Of(value))
			}
		}
	})
}

// agree compares what a string stands for with jsontext's opinion, where the string is one of characters.
func agree(t *testing.T, value []byte) {
	want, err := jsontext.AppendUnquote(nil, value)
	if err == nil && utf8.Valid(value) && jsonscan.Text(value) != string(want) {
		t.Fatalf("%q stands for %q, want %q", value, jsonscan.Text(value), want)
	}
}

// walkReference does with jsontext what Walk does.
func walkReference(value []byte) (steps []step, tooDeep bool, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if k := d.PeekKind(); k != '{' && k != '[' {
		return nil, false, errors.New("no object and no array")
	}
	token, err := d.ReadToken()
	if err != nil {
		return nil, false, err
	}
	named := token.Kind() == '{'
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		var name string
		if named {
			raw, err := d.ReadValue()
			if err != nil {
				return nil, tooDeep, err
			}
			name = string(raw[1 : len(raw)-1])
		}
		inner, err := d.ReadValue()
		if err != nil {
			return nil, tooDeep, err
		}
		end := int(d.InputOffset())
		steps = append(steps, step{name, spanOf(value, end-len(inner), end)})
		tooDeep = tooDeep || depthOf(inner) >= 200
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, tooDeep, err
	}
	if rest := bytes.Trim(value[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, tooDeep, errors.New("more than one value")
	}
	return steps, tooDeep, nil
}

// depthOf is how deep arrays and objects are nested in a value.
func depthOf(value jsontext.Value) int {
	d := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	deepest := 0
	for {
		if _, err := d.ReadToken(); err != nil {
			return deepest
		}
		deepest = max(deepest, d.StackDepth())
	}
}

// answerOf is an answer to a chat of about size bytes.
func answerOf(size int) []byte {
	const line = `An answer with some words, a \"quotation\" and a line break at its end.\n`
	return fmt.Appendf(nil, `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":`+
		`{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
		strings.Repeat(line, 1+size/len(line)))
}

func BenchmarkWalk(b *testing.B) {
	for _, size := range []int{200, 10_000, 200_000} {
		answer := answerOf(size - 200)
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			b.SetBytes(int64(len(answer)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := jsonscan.Walk(answer, func([]byte, jsonscan.Span) { n++ }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
