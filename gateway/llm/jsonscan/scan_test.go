package jsonscan_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"nexus/gateway/llm/jsonscan"
)

func TestTheMembersAreFoundWhereverTheyStand(t *testing.T) {
	type found struct{ model, stream, options, messages string }
	tests := map[string]struct {
		body string
		want found
	}{
		"none of them": {`{}`, found{}},
		"all of them, without spaces": {
			`{"model":"m","stream":true,"stream_options":{"a":1},"messages":[{}]}`,
			found{`string "m"`, `bool true`, `object {"a":1}`, `array [{}]`},
		},
		"all of them, in another order and spread out": {
			" {\n\t\"messages\" : [ ] ,\r\n \"x\": 1, \"stream_options\" : null , \"stream\" : false, \"model\" : \"a\\\"b\" } \n",
			found{`string "a\"b"`, `bool false`, `null null`, `array [ ]`},
		},
		"a number at the end of the object": {`{"model":-0.5e+7}`, found{model: `number -0.5e+7`}},
		"names with escapes":                {`{"mod\u0065l":"m","stre\u0061m":1}`, found{model: `string "m"`, stream: `number 1`}},
		"names further in are other names":  {`{"x":{"model":"m","messages":[]},"y":[{"stream":true}]}`, found{}},
		"names in other case are others":    {`{"Model":"m","MESSAGES":[],"model ":1}`, found{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			doc, err := jsonscan.Scan([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			show := func(s jsonscan.Span) string {
				if s.Kind == jsonscan.Absent {
					return string(s.Of([]byte(tt.body)))
				}
				kinds := [...]string{"", "null", "bool", "number", "string", "array", "object"}
				return kinds[s.Kind] + " " + string(s.Of([]byte(tt.body)))
			}
			got := found{show(doc.Model), show(doc.Stream), show(doc.StreamOptions), show(doc.Messages)}
			if got != tt.want {
				t.Errorf("found %+v, want %+v", got, tt.want)
			}
		})
	}
}

// members is an object with n different names.
func members(n int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		fmt.Fprintf(&b, `"n%d":0,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

func TestWhatIsNotOneCleanObjectIsRefused(t *testing.T) {
	long := strings.Repeat("x", 100)
	tests := map[string]struct {
		body, what string
		offset     int
	}{
		"an empty body":                    {"", "the body is empty", 0},
		"white space alone":                {" \n", "the body is empty", 2},
		"a byte order mark":                {"\ufeff{}", "the body must be a JSON object", 0},
		"an array":                         {"[]", "the body must be a JSON object", 0},
		"a text":                           {`"x"`, "the body must be a JSON object", 0},
		"two values":                       {"{} {}", "nothing may follow the JSON object", 3},
		"an open object":                   {"{", "the body ends too early", 1},
		"an open name":                     {`{"a`, "the body ends too early", 3},
		"a name without value":             {`{"a"`, "the body ends too early", 4},
		"a name with a colon alone":        {`{"a":`, "the body ends too early", 5},
		"an open array":                    {`{"a":[1`, "the body ends too early", 7},
		"an open escape":                   {`{"a":"\`, "the body ends too early", 7},
		"a comma too many in an object":    {`{"a":1,}`, "a name in quotes was expected", 7},
		"a comma too many in an array":     {`{"a":[1,]}`, "a value was expected", 8},
		"a name without quotes":            {`{a:1}`, "a name in quotes was expected", 1},
		"no colon":                         {`{"a" 1}`, "a colon was expected after a name", 5},
		"no comma in an object":            {`{"a":1 "b":2}`, "a comma or a closing brace was expected", 7},
		"no comma in an array":             {`{"a":[1 2]}`, "a comma or a closing bracket was expected", 8},
		"a closer of the other kind":       {`{"a":[1}`, "a comma or a closing bracket was expected", 7},
		"a word that is none":              {`{"a":nul}`, "a value was expected", 5},
		"a word in capitals":               {`{"a":True}`, "a value was expected", 5},
		"a leading zero":                   {`{"a":01}`, "a comma or a closing brace was expected", 6},
		"a leading plus":                   {`{"a":+1}`, "a value was expected", 5},
		"a minus alone":                    {`{"a":-}`, "a digit was expected in a number", 6},
		"a point without digits":           {`{"a":1.}`, "a digit was expected in a number", 7},
		"a point without a digit before":   {`{"a":.1}`, "a value was expected", 5},
		"an exponent without digits":       {`{"a":1e+}`, "a digit was expected in a number", 8},
		"a raw line break in a string":     {"{\"a\":\"\n\"}", "a control character in a string must be escaped", 6},
		"a raw NUL late in a string":       {"{\"a\":\"0123456789\x00\"}", "a control character in a string must be escaped", 16},
		"an unknown escape":                {`{"a":"\x"}`, "no such escape in a string", 6},
		"an escape of three digits":        {`{"a":"\u12g4"}`, "four hexadecimal digits were expected after \\u", 6},
		"the first half of a pair":         {`{"a":"\ud800"}`, "half a surrogate pair is no character", 6},
		"the second half of a pair":        {`{"a":"\udc00"}`, "half a surrogate pair is no character", 6},
		"two first halves":                 {`{"a":"\ud800\ud800"}`, "half a surrogate pair is no character", 6},
		"half a pair before an escape":     {`{"a":"\ud800\n12345"}`, "half a surrogate pair is no character", 6},
		"bytes that are not UTF-8":         {"{\"a\":\"abc\xffdef\"}", "text must be valid UTF-8", 9},
		"a character cut off by a quote":   {"{\"a\":\"abc\xe4\xb8\"}", "text must be valid UTF-8", 9},
		"a character cut by an escape":     {"{\"a\":\"\xe4\\n\xb8\xad\"}", "text must be valid UTF-8", 6},
		"half a pair written in UTF-8":     {"{\"a\":\"\xed\xa0\x80\"}", "text must be valid UTF-8", 6},
		"a name that is not UTF-8":         {"{\"\xff\":1}", "text must be valid UTF-8", 2},
		"a name twice":                     {`{"model":"a","model":"b"}`, `the name "model" occurs twice`, 13},
		"a name twice, once with escapes":  {`{"model":"a","mo\u0064el":"b"}`, `the name "model" occurs twice`, 13},
		"a name twice, far in":             {`{"a":[{"b":{"c":1,"d":2,"c":3}}]}`, `the name "c" occurs twice`, 24},
		"the empty name twice":             {`{"":1,"":2}`, `the name "" occurs twice`, 6},
		"a long name twice":                {`{"` + long + `":1,"` + long + `":2}`, `the name "` + long[:64] + `"… occurs twice`, 106},
		"a name with a line break twice":   {`{"\n":1,"\u000a":2}`, `the name "\n" occurs twice`, 8},
		"the 1st of 16 names again":        {members(16) + `,"n0":1}`, `the name "n0" occurs twice`, len(members(16)) + 1},
		"the last of 17 names again":       {members(17) + `,"n16":1}`, `the name "n16" occurs twice`, len(members(17)) + 1},
		"a name of 1000 with escape again": {members(1000) + `,"\u006e500":1}`, `the name "n500" occurs twice`, len(members(1000)) + 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			doc, err := jsonscan.Scan([]byte(tt.body))
			var e *jsonscan.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %+v and error %v, want a *jsonscan.Error", doc, err)
			}
			if e.What != tt.what || e.Offset != tt.offset {
				t.Errorf("refused with %q at %d, want %q at %d", e.What, e.Offset, tt.what, tt.offset)
			}
			if want := fmt.Sprintf("%s (byte %d)", tt.what, tt.offset); err.Error() != want {
				t.Errorf("the error reads %q, want %q", err.Error(), want)
			}
		})
	}
}

func TestALongNameIsCutBetweenCharacters(t *testing.T) {
	for _, letter := range []string{"é", "中", "😀"} {
		name := "x" + strings.Repeat(letter, 50)
		_, err := jsonscan.Scan(fmt.Appendf(nil, `{"%s":1,"%s":2}`, name, name))
		var e *jsonscan.Error
		if !errors.As(err, &e) || !utf8.ValidString(e.What) || len(e.What) > 64+len(`the name ""… occurs twice`) {
			t.Errorf("the error is %q", err)
		}
	}
}

// nested is an object with arrays in it, depth levels in all.
func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
}

func TestNestingIsBounded(t *testing.T) {
	if _, err := jsonscan.Scan([]byte(nested(jsonscan.MaxDepth))); err != nil {
		t.Errorf("%d levels are refused: %v", jsonscan.MaxDepth, err)
	}
	for name, body := range map[string]string{
		"arrays":  nested(jsonscan.MaxDepth + 1),
		"objects": strings.Repeat(`{"a":`, jsonscan.MaxDepth) + `{}` + strings.Repeat(`}`, jsonscan.MaxDepth),
	} {
		if _, err := jsonscan.Scan([]byte(body)); err == nil || !strings.Contains(err.Error(), "nested more than 100 deep") {
			t.Errorf("%s nested %d deep: %v", name, jsonscan.MaxDepth+1, err)
		}
	}
}

func TestOrdinaryBodiesCostNoAllocation(t *testing.T) {
	for name, body := range map[string][]byte{
		"a short chat":                  chat(200),
		"a long chat":                   chat(200_000),
		"objects of 16 names, 100 deep": []byte(strings.Repeat(members(15)+`,"x":`, 99) + members(16) + strings.Repeat("}", 100)),
	} {
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := jsonscan.Scan(body); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations, want none", name, allocs)
		}
	}
}

// hostile are bodies of about size bytes that would make a careless scanner slow.
func hostile(size int) map[string][]byte {
	repeat := func(head, s, tail string) []byte { return []byte(head + strings.Repeat(s, size/len(s)) + tail) }
	return map[string][]byte{
		"brackets":                  repeat(`{"a":`, "[", ""),
		"flat arrays":               repeat(`{"a":[`, "[[]],", "[]]}"),
		"one object of many names":  []byte(members(size/10) + "}"),
		"many objects of 17 names":  repeat(`{"a":[`, members(17)+"},", "0]}"),
		"escapes":                   repeat(`{"a":"`, `\n`, `"}`),
		"escaped pairs":             repeat(`{"a":"`, `\ud83d\ude00`, `"}`),
		"a name of escapes":         repeat(`{"`, `\u0061`, `":1}`),
		"long names, almost alike":  almostAlike(size),
		"characters beyond ASCII":   repeat(`{"a":"`, "中", `"}`),
		"ASCII and others in turn":  repeat(`{"a":"`, "a中", `"}`),
		"an open string":            repeat(`{"a":"`, "x", ""),
		"spaces":                    repeat(`{"a":`, " ", "1}"),
		"a long number":             repeat(`{"a":`, "1", "}"),
		"a broken last character":   repeat(`{"a":"`, "中", "\xff\"}"),
		"short strings in an array": repeat(`{"a":[`, `"",`, `""]}`),
	}
}

// almostAlike is an object whose names differ in the last bytes alone.
func almostAlike(size int) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range size / 1000 {
		fmt.Fprintf(&b, `"%0990d":0,`, i)
	}
	b.WriteString(`"x":0}`)
	return b.Bytes()
}

func TestTimeIsLinearWhateverComes(t *testing.T) {
	const small, factor = 1 << 14, 64
	// A quadratic scanner takes 64 times as long for each byte of the larger body; 16 leaves room for a busy
	// machine with small caches, and the best of five runs for its hiccups.
	const tolerance = 16
	best := func(body []byte) time.Duration {
		least := time.Hour
		for range 5 {
			began := time.Now()
			jsonscan.Scan(body)
			least = min(least, time.Since(began))
		}
		return least
	}
	large := hostile(small * factor)
	for name, body := range hostile(small) {
		one, many := best(body), best(large[name])
		if many > factor*tolerance*max(one, 20*time.Microsecond) {
			t.Errorf("%s: %v for %d bytes, %v for %d times as many", name, one, small, many, factor)
		}
	}
}

// chat is a request for a chat completion of about size bytes, with a turn for every 2000.
func chat(size int) []byte {
	const line = `A question with some words, a \"quotation\" and a line break at its end.\n`
	var b bytes.Buffer
	b.WriteString(`{"model":"gpt-4o-mini","stream":true,"temperature":0.7,"messages":[{"role":"system","content":"Be brief."}`)
	for b.Len() < size-100 {
		b.WriteString(`,{"role":"user","content":"`)
		for end := min(b.Len()+2000, size-100); b.Len() < end; {
			b.WriteString(line)
		}
		b.WriteString(`"}`)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkScan(b *testing.B) {
	bodies := []struct {
		name string
		body []byte
	}{
		{"200B", chat(200)},
		{"10KB", chat(10_000)},
		{"200KB", chat(200_000)},
		{"200KB-one-string", fmt.Appendf(nil, `{"model":"m","messages":[{"role":"user","content":"%s"}]}`, strings.Repeat("word ", 40_000))},
		{"200KB-Chinese", hostile(200_000)["characters beyond ASCII"]},
		{"200KB-names", hostile(200_000)["one object of many names"]},
	}
	for _, bb := range bodies {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(bb.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jsonscan.Scan(bb.body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("200KB-jsontext", func(b *testing.B) {
		body := jsontext.Value(chat(200_000))
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if !body.IsValid() {
				b.Fatal("not valid")
			}
		}
	})
}
