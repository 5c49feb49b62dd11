package cl100k_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"nexus/gateway/llm/cl100k"
)

func TestTextsAreCounted(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "Hello": 1, "Hello world": 2, " ": 1, "user": 1, "<|endoftext|>": 7, "don't": 2, "1234567": 3, "\n\n\n": 1, "a\n \n": 3, "中文": 2, "\xff": 1,
		"\x7f": 0, "internationalization": 2, "😀": 2,
	} {
		if got := cl100k.CountString(text); got != want {
			t.Errorf("%q: %d tokens, want %d", text, got, want)
		}
		if got := cl100k.Count([]byte(text)); got != want {
			t.Errorf("%q as bytes: %d tokens, want %d", text, got, want)
		}
	}
}

func TestEveryTokenIsOne(t *testing.T) {
	codec := library(t)
	for rank := range uint(100_256) {
		token, err := codec.Decode([]uint{rank})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := cl100k.CountString(token), libraryCount(t, codec, token); got != want {
			t.Fatalf("%q: %d tokens, the library has %d", token, got, want)
		}
	}
}

func TestEveryCharacterIsSplitAsInTheLibrary(t *testing.T) {
	codec := library(t)
	for first := rune(0); first < 0xF0000; first += 64 { // from there on there are private characters alone
		if first == 0x40000 {
			first = 0xE0000 // between them there is nothing yet
		}
		var b strings.Builder
		for r := first; r < first+64; r++ { // between letters, digits, space and punctuation
			fmt.Fprintf(&b, "a%c1%c !%c%c\n", r, r, r, r)
		}
		if got, want := cl100k.CountString(b.String()), libraryCount(t, codec, b.String()); got != want {
			t.Fatalf("from %U on: %d tokens, the library has %d", first, got, want)
		}
	}
}

func FuzzCount(f *testing.F) {
	for _, scrap := range scraps {
		f.Add(scrap, uint16(1))
		f.Add("a"+scrap+" ", uint16(100))
	}
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for range 300 {
		f.Add(randomText(r, &b), uint16(1))
	}
	codec := library(f)
	f.Fuzz(func(t *testing.T, text string, times uint16) {
		text = strings.Repeat(text, min(int(times), 1+20_000/(len(text)+1)))
		if got, want := cl100k.CountString(text), libraryCount(t, codec, text); got != want {
			t.Fatalf("%d tokens, the library has %d: %.200q", got, want, text)
		}
	})
}

func TestTextsAreCutToTheirFirstTokens(t *testing.T) {
	for _, tt := range []struct {
		text string
		most int
		want string
	}{
		{"Hello from the demo", 2, "Hello from"}, {"Hello", 1, "Hello"}, {"Hello", 1 << 62, "Hello"}, {"Hello", 0, ""}, {"Hello", -1, ""}, {"", 3, ""},
		{"internationalization", 1, "international"}, {"😀", 1, ""}, {"a😀", 2, "a"}, {"😀", 2, "😀"}, {"a  b", 2, "a "}, {"ab\xff\xffc", 1, "ab"},
	} {
		if got := cl100k.Cut(tt.text, tt.most); got != tt.want {
			t.Errorf("%q cut to %d is %q, want %q", tt.text, tt.most, got, tt.want)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	for range 20_000 {
		text := randomText(r, &b)
		n := cl100k.CountString(text)
		most := r.IntN(n + 2)
		cut := cl100k.Cut(text, most)
		count := cl100k.CountString(cut)
		if !strings.HasPrefix(text, cut) || count > most || most > 0 && most >= n && cut != text {
			t.Fatalf("cut to %d tokens, %d are left: %q of %q", most, count, cut, text)
		}
		if utf8.ValidString(text) && (!utf8.ValidString(cut) || count < min(most, n)-4) {
			t.Fatalf("cut to %d tokens, %d are left: %q of %q", most, count, cut, text)
		}
	}
}

func TestAMemoRemembersLongTexts(t *testing.T) {
	m := cl100k.NewMemo()
	text := bytes.Repeat([]byte("x"), cl100k.MinMemo)
	_, mark, ok := m.Recall(text)
	if ok {
		t.Fatal("an empty memo knows a text")
	}
	m.Keep(mark, 7)
	if n, _, ok := m.Recall(text); !ok || n != 7 {
		t.Errorf("recalled %d, %v", n, ok)
	}
	text[3] = 'y'
	if _, _, ok := m.Recall(text); ok {
		t.Error("another text is recalled")
	}
	if _, _, ok := cl100k.NewMemo().Recall(text); ok {
		t.Error("another memo knows it")
	}
	short := text[:cl100k.MinMemo-1]
	_, mark, _ = m.Recall(short)
	m.Keep(mark, 7)
	if _, _, ok := m.Recall(short); ok {
		t.Error("a short text is remembered")
	}
	var none *cl100k.Memo
	_, mark, ok = none.Recall(text)
	none.Keep(mark, 7)
	if ok {
		t.Error("no memo knows a text")
	}
	if _, mark, _ = m.Recall(text); testing.AllocsPerRun(100, func() { m.Keep(mark, 7); m.Recall(text) }) != 0 {
		t.Error("a memo allocates")
	}
}

func TestAMemoNeverGivesTheCountOfAnotherText(t *testing.T) {
	m := cl100k.NewMemo()
	var wg sync.WaitGroup
	known := make([]int, 4)
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			text := make([]byte, cl100k.MinMemo)
			for range 300_000 {
				which := r.IntN(100_000) // more than it holds, by many at once
				copy(text, fmt.Sprintf("%08d", which))
				n, mark, ok := m.Recall(text)
				if !ok {
					m.Keep(mark, which)
				} else if known[w]++; n != which {
					t.Errorf("text %d has the count of %d", which, n)
					return
				}
			}
		})
	}
	wg.Wait()
	for w, n := range known {
		if n < 100_000 {
			t.Errorf("goroutine %d recalled %d texts of 300,000", w, n)
		}
	}
}

func BenchmarkMemo(b *testing.B) {
	m := cl100k.NewMemo()
	for _, size := range []int{64, 1_000, 10_000, 200_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			text := bytes.Repeat([]byte("x"), size)
			_, mark, _ := m.Recall(text)
			m.Keep(mark, 7)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				m.Recall(text)
			}
		})
	}
}
