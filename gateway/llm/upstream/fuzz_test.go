package upstream_test

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// FuzzFrames holds that the same events come out however the bytes are cut, that nothing is lost, and that they hold the
// data which the standard's own way of reading finds.
func FuzzFrames(f *testing.F) {
	for _, text := range []string{
		"data: 1\n\ndata: 2\n\n", "data: 1\r\n\r\ndata: 2\r\n\r\n", "data: 1\r\rdata: 2\r\r\n", "\ufeffdata\n\n: c\n\n",
		"\n\n\r\r\n\ndata: 1\n\r\n\rdata:2", "event: a\rdata: x\ndata\r\n\r\nid: 1\n\n", "\xef\xbbdata: 1\n\n", "\ufeff\r\n\r\ndata:x\r\n\r\n",
	} {
		f.Add(text, []byte{1})
		f.Add(text, []byte{3, 1, 2})
	}
	f.Fuzz(func(t *testing.T, text string, cuts []byte) {
		whole, rest, err := cutInto(strings.NewReader(text), len(text)+1)
		if err != io.EOF {
			t.Fatal(err)
		}
		if got := strings.Join(whole, "") + rest; got != text {
			t.Fatalf("%q becomes %q", text, got)
		}
		parts, partRest, err := cutInto(&cutting{text: text, cuts: cuts}, len(text)+1)
		if err != io.EOF {
			t.Fatal(err)
		}
		if got := strings.Join(parts, "") + partRest; got != text {
			t.Fatalf("%q in parts becomes %q", text, got)
		}
		if a, b := normal(append(whole, rest)), normal(append(parts, partRest)); !slices.Equal(a, b) {
			t.Fatalf("%q is %q at once and %q in parts", text, a, b)
		}
		var found []string
		for i, event := range whole {
			if i > 0 {
				event = strings.TrimPrefix(event, "\n") // of a CR that ended the event before
			}
			found = append(found, reference(event, i == 0)...)
		}
		if want := reference(text, true); !slices.Equal(found, want) {
			t.Fatalf("%q has the data %q, found was %q", text, want, found)
		}
	})
}

// cutting gives text in pieces of the sizes in cuts, again and again.
type cutting struct {
	text string
	cuts []byte
	turn int
}

func (c *cutting) Read(p []byte) (int, error) {
	if c.text == "" {
		return 0, io.EOF
	}
	n := 1
	if len(c.cuts) > 0 {
		n = int(c.cuts[c.turn%len(c.cuts)]) + 1
		c.turn++
	}
	n = copy(p, c.text[:min(n, len(c.text))])
	c.text = c.text[n:]
	return n, nil
}

// reference reads the data of the events of a stream as WHATWG HTML, section 9.2.6 has it: a line at a time.
func reference(text string, first bool) (all []string) {
	if first {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	data, lines := "", strings.Split(text, "\n")
	for _, line := range lines[:len(lines)-1] { // what no line end follows is no line
		name, value, _ := strings.Cut(line, ":")
		switch {
		case line == "" && data != "":
			all = append(all, strings.TrimSuffix(data, "\n"))
			data = ""
		case name == "data":
			data += strings.TrimPrefix(value, " ") + "\n"
		}
	}
	return all
}
