package cl100k_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nexus/gateway/llm/cl100k"
)

// corpus is texts of 200 KB as people and programs write them: the source code of this repository, the prose of its
// comments, and both in turn with other scripts, JSON and logs.
func corpus(t testing.TB) map[string]string {
	t.Helper()
	const size = 200_000
	var source, prose strings.Builder
	err := filepath.WalkDir("../../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || source.Len() > size && prose.Len() > size {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		source.Write(text)
		for line := range strings.Lines(string(text)) {
			if comment, ok := strings.CutPrefix(strings.TrimSpace(line), "// "); ok {
				prose.WriteString(comment)
				prose.WriteByte(' ')
			}
		}
		return nil
	})
	if err != nil || source.Len() < size || prose.Len() < size {
		t.Fatalf("%d bytes of source, %d of prose: %v", source.Len(), prose.Len(), err)
	}
	others := []string{
		"Überraschung: naïve cafés, señor! Привет, как дела? ", "这是一个关于速率限制和令牌的简短句子。请在下一个窗口重试。", "限界は次の時間枠で解除されます。 ",
		"🚀 Ship it 👍🏽 ❤️ ", `{"id":"chatcmpl-8f3a","object":"chat.completion","usage":{"prompt_tokens":127,"completion_tokens":9}}` + "\n",
		"2026-03-01T12:00:00.123Z level=INFO msg=\"request done\" status=200 took=12.5ms\n", "\n\n    ## Heading\n\n* one\n* two (https://example.com/a?b=c#d)\n",
	}
	var mixed strings.Builder
	for i := 0; mixed.Len() < size; i++ {
		at := i * 600 % (size - 600)
		mixed.WriteString(prose.String()[at : at+400])
		mixed.WriteString(source.String()[at : at+200])
		mixed.WriteString(others[i%len(others)])
	}
	return map[string]string{"mixed": mixed.String()[:size], "source": source.String()[:size], "prose": prose.String()[:size]}
}

var sizes = []struct {
	name string
	size int
}{{"200B", 200}, {"10KB", 10_000}, {"200KB", 200_000}}

func BenchmarkCount(b *testing.B) {
	codec := library(b)
	for name, text := range corpus(b) {
		for _, s := range sizes {
			part := text[:s.size]
			b.Run(fmt.Sprintf("%s/%s/ours", name, s.name), func(b *testing.B) {
				b.SetBytes(int64(len(part)))
				b.ReportAllocs()
				for b.Loop() {
					cl100k.CountString(part)
				}
			})
			b.Run(fmt.Sprintf("%s/%s/library", name, s.name), func(b *testing.B) {
				b.SetBytes(int64(len(part)))
				b.ReportAllocs()
				for b.Loop() {
					libraryCount(b, codec, part)
				}
			})
		}
	}
}

// hard are texts of which pieces are long, or no tokens at all.
func hard(size int) map[string]string {
	var random strings.Builder
	for x := uint32(1); random.Len() < size; x = x*1664525 + 1013904223 {
		random.WriteByte("abcdefghijklmnopqrstuvwxyzABCDEF"[x>>27])
	}
	repeat := func(s string) string { return strings.Repeat(s, size/len(s)) }
	return map[string]string{
		"one letter": repeat("a"), "two letters": repeat("ab"), "a word again and again": repeat("internationalization"), "random letters": random.String(),
		"spaces": repeat(" "), "line breaks": repeat("\n"), "breaks and spaces": repeat("\n "), "tabs": repeat("\t"), "digits": repeat("7"),
		"apostrophes": repeat("'"), "contractions": repeat("'s"), "dashes": repeat("-"), "equals": repeat("="), "Chinese": repeat("中文字符串"), "one character": repeat("中"),
		"emoji": repeat("😀"), "broken bytes": repeat("\xff"), "zeros": repeat("\x00"), "special tokens": repeat("<|endoftext|>"), "accents": repeat("\u0301"),
	}
}

func BenchmarkHard(b *testing.B) {
	for name, text := range hard(200_000) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				cl100k.CountString(text)
			}
		})
	}
}

// median is how long f takes in the middle of some rounds.
func median(rounds int, f func()) time.Duration {
	times := make([]time.Duration, rounds)
	for i := range times {
		began := time.Now()
		f()
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times[rounds/2]
}

func TestCountingIsManyTimesAsFastAsTheLibrary(t *testing.T) {
	if raceEnabled {
		t.Skip("times mean nothing under the race detector")
	}
	codec := library(t)
	for name, text := range corpus(t) {
		text = text[:50_000]
		cl100k.CountString(text)
		ours := median(9, func() { cl100k.CountString(text) })
		theirs := median(5, func() { libraryCount(t, codec, text) })
		if ratio := float64(theirs) / float64(ours); ratio < 5 {
			t.Errorf("%s: %.1f times as fast, want 5", name, ratio)
		}
		if allocs := testing.AllocsPerRun(20, func() { cl100k.CountString(text) }); allocs != 0 {
			t.Errorf("%s: %v allocations, want none", name, allocs)
		}
	}
}

func TestLongPiecesTakeNoLonger(t *testing.T) {
	if raceEnabled {
		t.Skip("times mean nothing under the race detector")
	}
	codec := library(t)
	texts := hard(200_000)
	for name, text := range hard(20_000) {
		if got, want := cl100k.CountString(text), libraryCount(t, codec, text); got != want {
			t.Errorf("%s: %d tokens, the library has %d", name, got, want)
		}
		if took := median(3, func() { cl100k.CountString(texts[name]) }); took > 100*time.Millisecond {
			t.Errorf("%s: 200 KB take %v", name, took)
		}
	}
}
