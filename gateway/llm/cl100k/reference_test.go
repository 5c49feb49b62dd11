package cl100k_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer"

	"nexus/gateway/llm/cl100k"
)

// library is the published counter whose counts are ours.
func library(t testing.TB) tokenizer.Codec {
	t.Helper()
	codec, err := tokenizer.Get(tokenizer.Cl100kBase)
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

// libraryCount is how many tokens the library makes of text.
func libraryCount(t testing.TB, codec tokenizer.Codec, text string) int {
	n, err := codec.Count(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// scraps are what random texts are put together from: what ends pieces, what joins them, and what is broken.
var scraps = []string{
	" ", "  ", "    ", "\t", "\n", "\r\n", "\n\n", "\r", "\v", "\f", "\u00a0", "\u2003", "\u2028", "\u3000", "\u0085",
	"'s", "'S", "'ſ", "'t", "'re", "'VE", "'m", "'ll", "'lL", "'d", "'", "''", "'r", "'l", "’s", "K", "ſ",
	"a", "A", "the", " the", "Hello", " world", "internationalization", "getElementById", "fooBarBaz", "xyzzy", "ing", "QQQQ",
	"0", "1", "12", "123", "1234", "3.14159", "١٢٣", "Ⅷ", "½", "²",
	"!", "?!", "...", "://", "{", "}", "();", "==", "=>", "----------", "**", "#", "$", "_", "\\", "\"", "<", ">", "|", "\x00", "\x7f", "\x01", "\n \n", "\r\n  \r\n\t",
	"é", "É", "ß", "ö", "ñ", "Ä", "ж", "Привет", " мир", "α", "中", "文", "你好", "世界", "こんにちは", "カ", "한국어", "العربية", "שלום", "हिन्दी", "ไทย", "\u0301", "e\u0301",
	"😀", "👍🏽", "👨‍👩‍👧", "❤️", "🇩🇪", "\U0001F4A9", "𝒳", "\U0010FFFF", "\ufffd", "\ufeff", "\u200b", "\u00ad",
	"\xff", "\xc3", "\xe4\xb8", "\xed\xa0\x80", "\xf0\x9f\x98", "\x80", "\xc0\x80",
	"<|endoftext|>", "<|im_start|>", "<|fim_prefix|>", "<|endofprompt|>",
	"func main() {\n\treturn nil\n}\n", "https://example.com/a?b=c", "SELECT * FROM t;", "{\"a\":[1,2]}", "```go\n", "- [ ] ", "e.g. ", "U.S.A.", "don't", "WE'LL",
}

// randomText is a text of up to some scraps, runs and random characters.
func randomText(r *rand.Rand, b *strings.Builder) string {
	b.Reset()
	for range 1 + r.IntN(12) {
		switch r.IntN(16) {
		case 0: // a run
			s := scraps[r.IntN(len(scraps))]
			b.WriteString(strings.Repeat(s, r.IntN(1+300/len(s))))
		case 1: // any character
			b.WriteRune(rune(r.IntN(utf8.MaxRune + 1)))
		case 2: // any of the first plane's
			for range r.IntN(6) {
				b.WriteRune(rune(r.IntN(0x3000)))
			}
		case 3: // any bytes
			for range r.IntN(8) {
				b.WriteByte(byte(r.Uint32()))
			}
		case 4: // a word of random letters
			for range r.IntN(40) {
				b.WriteByte("etaoinshrdlucmfwypvbgkjqxzETAOIN"[r.IntN(32)])
			}
		case 5: // a word of few letters
			for range r.IntN(200) {
				b.WriteByte("aab"[r.IntN(3)])
			}
		case 6: // Chinese
			for range r.IntN(40) {
				b.WriteRune(rune(0x4E00 + r.IntN(0x5200)))
			}
		case 7: // ASCII
			for range r.IntN(20) {
				b.WriteByte(byte(r.IntN(128)))
			}
		default:
			b.WriteString(scraps[r.IntN(len(scraps))])
		}
	}
	return b.String()
}

func TestCountsAreThoseOfTheLibrary(t *testing.T) {
	total := 200_000
	if testing.Short() {
		total = 20_000
	}
	if os.Getenv("NEXUS_SOAK") != "" {
		total = 10_000_000
	}
	codec := library(t)
	seed := rand.Uint64()
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			var b strings.Builder
			for range total / workers {
				text := randomText(r, &b)
				if got, want := cl100k.CountString(text), libraryCount(t, codec, text); got != want {
					t.Errorf("%d tokens, the library has %d: %q", got, want, text)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d texts compared, seed %d", total/workers*workers, seed)
}
