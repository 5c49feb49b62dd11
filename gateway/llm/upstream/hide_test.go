package upstream_test

import (
	"strings"
	"testing"
	"time"

	"nexus/gateway/llm/upstream"
)

func TestKeysAreHidden(t *testing.T) {
	const key = "sk-proj-AbCdEfGhIjKl0123456789wxyz"
	tests := map[string]struct{ text, key, want string }{
		"a text without it":            {"all is well", key, "all is well"},
		"no key":                       {"all is well", "", "all is well"},
		"a key that is none":           {"all is well", "is", "all is well"},
		"an empty text":                {"", key, ""},
		"the key":                      {"bad key " + key + ", really", key, "bad key ***, really"},
		"the key alone":                {key, key, "***"},
		"the key twice":                {key + " " + key, key, "*** ***"},
		"the key after itself":         {"x" + key + key + "y", key, "x***y"},
		"a short key":                  {"the abc is bad", "abc", "the *** is bad"},
		"a part of a short key":        {"the ab is bad", "abc", "the ab is bad"},
		"eight bytes of it":            {"ends in 456789wx.", key, "ends in ***."},
		"seven bytes of it":            {"ends in 789wxyz.", key, "ends in 789wxyz."},
		"two parts of it side by side": {"789wxyzAbCdEfGhsk-proj-A", key, "789wxyz***"},
		"parts that overlap":           {"abcdefgh1bcdefgh12", "abcdefgh2__bcdefgh12", "***"},
		"stars in the middle":          {"Incorrect key: sk-pro****wxyz. See", key, "Incorrect key: *** See"},
		"stars after a longer part":    {`"sk-proj-AbCd***wxyz"}`, key, `"***"}`},
		"dots in the middle":           {"key sk-pro...wxyz, sorry", key, "key ***, sorry"},
		"an ellipsis":                  {"key sk-pro…wxyz", key, "key ***"},
		"stars after five bytes":       {"key sk-pr**wxyz", key, "key sk-pr**wxyz"},
		"stars elsewhere":              {"5 ** 2 sk", key, "5 ** 2 sk"},
		"bytes that are no text":       {"\xff" + key + "\xfe", key, "\xff***\xfe"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := upstream.Hide(tt.text, tt.key); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestATextWithoutTheKeyCostsNothing(t *testing.T) {
	text, key := strings.Repeat("words and words ", 100), strings.Repeat("key-", 8)
	if allocs := testing.AllocsPerRun(10, func() { upstream.Hide(text, key) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestHidingTakesNoLongOnHostileTexts(t *testing.T) {
	key := strings.Repeat("ab", 250) + "cd"
	for name, text := range map[string]string{
		"parts of the key":  strings.Repeat("ab", 1<<17),
		"stars after parts": strings.Repeat("ababababab*", 1<<15),
		"almost the key":    strings.Repeat(key[:499]+"x", 500),
	} {
		began := time.Now()
		upstream.Hide(text, key)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: %v for %d bytes", name, took, len(text))
		}
	}
}

// FuzzHide holds that no eight bytes of a key in a row are left of a text, and that nothing else changes.
func FuzzHide(f *testing.F) {
	f.Add("bad key sk-1234567890, really", "sk-1234567890")
	f.Add("sk-123***890", "sk-1234567890")
	f.Add("aaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaa")
	f.Fuzz(func(t *testing.T, text, key string) {
		got := upstream.Hide(text, key)
		if len(key) < 3 || strings.Contains(key, "*") {
			return
		}
		window := min(8, len(key))
		for i := 0; i+window <= len(got); i++ {
			if run := got[i : i+window]; strings.Contains(key, run) {
				t.Fatalf("%q is left of %q in %q", run, key, got)
			}
		}
		if !strings.Contains(got, "***") && got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
