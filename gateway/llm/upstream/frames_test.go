package upstream_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"nexus/gateway/llm"
	"nexus/gateway/llm/upstream"
)

// cutInto gives the events of a reader, what is left, and how it ended.
func cutInto(r io.Reader, limit int) (events []string, rest string, err error) {
	frames := upstream.NewFrames(r, limit)
	defer frames.Close()
	for {
		for event, ok := frames.Next(); ok; event, ok = frames.Next() {
			events = append(events, string(event))
		}
		if err := frames.Fill(); err != nil {
			return events, string(frames.Rest()), err
		}
	}
}

func TestAStreamIsCutAtItsEmptyLines(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                 {""},
		"data: 1":                          {"data: 1"},
		"data: 1\n":                        {"data: 1\n"},
		"data: 1\n\n":                      {"data: 1\n\n", ""},
		"data: 1\n\ndata: 2\n\n":           {"data: 1\n\n", "data: 2\n\n", ""},
		"data: 1\r\n\r\ndata: 2\r\n\r\n":   {"data: 1\r\n\r\n", "data: 2\r\n\r\n", ""},
		"data: 1\r\rdata: 2\r\r":           {"data: 1\r\r", "data: 2\r\r", ""},
		"data: 1\r\n\rdata: 2\n\r\nid\r":   {"data: 1\r\n\r", "data: 2\n\r\n", "id\r"},
		"data: 1\r\n\ndata: 2\r\r\nx":      {"data: 1\r\n\n", "data: 2\r\r\n", "x"},
		"event: a\ndata: 1\ndata: 2\n\n":   {"event: a\ndata: 1\ndata: 2\n\n", ""},
		": a comment\n\n: another\n\n":     {": a comment\n\n", ": another\n\n", ""},
		"\n\n\ndata: 1\n\n\n\ndata: 2\n\n": {"\n\n\ndata: 1\n\n", "\n\ndata: 2\n\n", ""},
		"\r\n\r\n":                         {"\r\n\r\n"},
		"\ufeffdata: 1\n\n":                {"\ufeffdata: 1\n\n", ""},
		"\ufeff\n\ndata: 1\n\n":            {"\ufeff\n\ndata: 1\n\n", ""},
		"\ufeff":                           {"\ufeff"},
		"\ufeff\ufeff\n\n":                 {"\ufeff\ufeff\n\n", ""},
		"data: 1\n \n\n":                   {"data: 1\n \n\n", ""},
		"\xef\n\n\xef\xbb\n\n":             {"\xef\n\n", "\xef\xbb\n\n", ""},
		"data: \xe2\x82\n\n\xac\n\n":       {"data: \xe2\x82\n\n", "\xac\n\n", ""},
		"\x00\n\n":                         {"\x00\n\n", ""},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"at once":              func(r io.Reader) io.Reader { return r },
			"with its end":         iotest.DataErrReader,
			"in halves":            iotest.HalfReader,
			"after empty readings": func(r io.Reader) io.Reader { return &idle{Reader: r} },
		} {
			events, rest, err := cutInto(wrap(strings.NewReader(text)), 1<<20)
			if got := append(events, rest); !slices.Equal(normal(got), normal(want)) || err != io.EOF {
				t.Errorf("%q %s: %q, %v", text, name, got, err)
			}
		}
	}
}

// idle reads nothing at every other call.
type idle struct {
	io.Reader
	turn bool
}

func (r *idle) Read(p []byte) (int, error) {
	if r.turn = !r.turn; r.turn {
		return 0, nil
	}
	return r.Reader.Read(p)
}

// normal moves an LF that came after its event to the CR before it: the one thing that depends on how bytes are cut.
func normal(events []string) []string {
	events = slices.Clone(events)
	for i := 1; i < len(events); i++ {
		if strings.HasSuffix(events[i-1], "\r") && strings.HasPrefix(events[i], "\n") {
			events[i-1], events[i] = events[i-1]+"\n", events[i][1:]
		}
	}
	return events
}

func TestAnEventThatEndsByCRWaitsForNothing(t *testing.T) {
	in, out := io.Pipe()
	frames := upstream.NewFrames(in, 100)
	defer frames.Close()
	for _, step := range []struct{ write, event string }{
		{"data: 1\r\n\r", "data: 1\r\n\r"}, {"\ndata: 2\r\r", "\ndata: 2\r\r"}, {"\n\ndata: 3\n\n", "\n\ndata: 3\n\n"},
	} {
		go func() { _, _ = io.WriteString(out, step.write) }()
		if err := frames.Fill(); err != nil {
			t.Fatal(err)
		}
		if event, ok := frames.Next(); !ok || string(event) != step.event {
			t.Errorf("%q gives %q", step.write, event)
		}
	}
}

func TestEventsHaveALimit(t *testing.T) {
	for limit, fits := range map[int]bool{10: true, 9: false, 10000: true, 9999: false, 1 << 20: true, 1<<20 - 1: false} {
		size := limit
		if !fits {
			size++
		}
		long := "data: " + strings.Repeat("x", size-8) + "\n\n"
		events, rest, err := cutInto(strings.NewReader("data:1\n\n"+long+"data:2\n\n"), limit)
		if fits && (err != io.EOF || len(events) != 3 || events[1] != long || rest != "") {
			t.Errorf("limit %d: %d events, %v", limit, len(events), err)
		}
		if broken := new(llm.BrokenError); !fits && (!errors.As(err, &broken) || len(events) != 1) {
			t.Errorf("limit %d: %d events, %v", limit, len(events), err)
		}
	}
}

func TestAReadersErrorComesAfterItsBytes(t *testing.T) {
	own := errors.New("own")
	events, rest, err := cutInto(io.MultiReader(strings.NewReader("data: 1\n\ndat"), iotest.ErrReader(own)), 100)
	if len(events) != 1 || rest != "dat" || err != own {
		t.Errorf("%q, %q, %v", events, rest, err)
	}
	events, rest, err = cutInto(iotest.DataErrReader(strings.NewReader("data: 1\n\ndat")), 100)
	if len(events) != 1 || rest != "dat" || err != io.EOF {
		t.Errorf("%q, %q, %v", events, rest, err)
	}
	if _, _, err := cutInto(nothing{}, 100); err != io.ErrNoProgress {
		t.Error(err)
	}
}

// nothing reads nothing, for ever.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

func TestALongEventIsNotPaidForAgain(t *testing.T) {
	long := "data: " + strings.Repeat("x", 1<<20) + "\n\n"
	r := &sized{text: long + strings.Repeat("data: short\n\n", 1000)}
	if events, _, err := cutInto(r, 2<<20); len(events) != 1001 || err != io.EOF {
		t.Errorf("%d events, %v", len(events), err)
	}
	if r.last > 64<<10 {
		t.Errorf("the buffer still has %d bytes", r.last)
	}
}

// sized gives little at a time and notes how much there was room for.
type sized struct {
	text string
	last int
}

func (s *sized) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	s.last = len(p)
	n := copy(p, s.text[:min(len(s.text), 1000)])
	s.text = s.text[n:]
	return n, nil
}

func TestCuttingCostsNoMemoryForEachEvent(t *testing.T) {
	text := bytes.Repeat([]byte("data: "+strings.Repeat("x", 240)+"\n\n"), 1000)
	r := bytes.NewReader(text)
	frames := upstream.NewFrames(r, 1<<20)
	defer frames.Close()
	if err := frames.Fill(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, ok := frames.Next(); ok; _, ok = frames.Next() {
		}
		if r.Len() < 10<<10 {
			r.Reset(text)
		}
		if err := frames.Fill(); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a buffer of events", n)
	}
}

func TestNothingIsSearchedTwice(t *testing.T) {
	begun := time.Now()
	for _, text := range []string{
		"data: " + strings.Repeat("x", 1<<20) + "\n\n", // a byte at a time
		strings.Repeat("x\r", 1<<19) + "\r\r",
		strings.Repeat("x\n", 1<<19) + "\n",
		strings.Repeat("\r", 1<<20) + "x\n\n",
	} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			if events, _, err := cutInto(r, 2<<20); len(events) != 1 || err != io.EOF {
				t.Errorf("%d events, %v", len(events), err)
			}
		}
	}
	if took := time.Since(begun); took > 20*time.Second { // searched from the beginning each time it would be minutes
		t.Errorf("it took %v", took)
	}
}
