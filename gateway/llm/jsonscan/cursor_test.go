package jsonscan_test

import (
	"fmt"
	"strings"
	"testing"

	"nexus/gateway/llm/jsonscan"
)

// outline goes through a value with a cursor and writes down what is there; of objects in arrays it enters all.
func outline(c *jsonscan.Cursor, body []byte, b *strings.Builder, depth int) {
	kind := c.Kind()
	if depth == 0 || kind != jsonscan.Object && kind != jsonscan.Array {
		b.Write(c.Skip().Of(body))
		return
	}
	b.WriteString("<")
	for c.Enter(); c.More(); {
		if kind == jsonscan.Object {
			fmt.Fprintf(b, "%s=", c.Name())
		}
		outline(c, body, b, depth-1)
		b.WriteString(";")
	}
	b.WriteString(">")
}

func TestACursorGoesThroughAValue(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:      `<>`,
		`{"a":1}`: `<a=1;>`,
		` { "a" : [ 1 , -2.5e3,"x]\"}" ] , "b":{"c":null,"d":[{},[]]} ,"e":true } `: `<a=<1;-2.5e3;"x]\"}";>;b=<c=null;d=[{},[]];>;e=true;>`,
		`{"a":[[1,[2]],{"b":"{"}],"\u0062":""}`:                                     `<a=<[1,[2]];{"b":"{"};>;\u0062="";>`,
	} {
		start := strings.IndexByte(body, '{')
		c := jsonscan.NewCursor([]byte(body), jsonscan.Span{Start: start, End: len(body)})
		var b strings.Builder
		if outline(&c, []byte(body), &b, 2); b.String() != want {
			t.Errorf("%s is %s, want %s", body, b.String(), want)
		}
	}
}

func TestACursorComesToAnEndWhateverTheBody(t *testing.T) {
	for name, body := range hostile(300) {
		for cut := range body {
			c := jsonscan.NewCursor(body[:cut], jsonscan.Span{End: cut})
			var b strings.Builder
			outline(&c, body[:cut], &b, 3)
			if b.Len() > 10*len(body)+10 {
				t.Fatalf("%s, cut at %d: %d bytes", name, cut, b.Len())
			}
		}
	}
	for _, body := range []string{`{"a"`, `{"a":`, `{a:1}`, `{:}`, `{"a":}`, `[}]`, `]`, `:`, `{"`, `{"a":"\`, `[[[`, `{,}`, `[:::]`, `{"a":::1}`} {
		c := jsonscan.NewCursor([]byte(body), jsonscan.Span{End: len(body)})
		outline(&c, []byte(body), &strings.Builder{}, 3)
	}
}

func TestNamesAreKnownHoweverTheyAreSpelled(t *testing.T) {
	for name, want := range map[string]bool{
		"content": true, "Content": true, "CONTENT": true, `c\u006fntent`: true, `\u0063\u006f\u006e\u0074\u0065\u006e\u0074`: true, `\u0043ontent`: true,
		"": false, "conten": false, "contents": false, `content\u0000`: false, `conte\nt`: false, "kontent": false, "content ": false, `\ud83d\ude00`: false,
		`conten\u4e2d`: false, strings.Repeat("content", 7): false,
	} {
		if got := jsonscan.NameIs([]byte(name), "content"); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
