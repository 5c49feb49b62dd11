package upstream

import "strings"

const (
	leastKey    = 3 // bytes; what is shorter is no key, and stands in every text
	leastRun    = 8 // bytes of a key in a row that tell something
	leastPrefix = 6 // bytes at its beginning that tell something together with what stars leave of it
)

// Hide replaces in text what repeats a key, whole or in part, by ***: the key itself, each run of at least 8 bytes of it,
// and the beginning of at least 6 bytes that stars or dots follow, with the rest of that word ("sk-abcd****wxyz"). Keys
// below 3 bytes change nothing.
func Hide(text, key string) string {
	if len(key) < leastKey {
		return text
	}
	window := min(leastRun, len(key))
	var hidden strings.Builder
	shown := 0          // what of text is in hidden
	until, word := 0, 0 // the end of what is being taken out, and of the word with stars in it
	for i := 0; i < len(text); i++ {
		end := 0
		if i+window <= len(text) && strings.Contains(key, text[i:i+window]) {
			end = i + window
		}
		if i >= word {
			if word = starred(text, key, i); word > end {
				end = word
			}
		}
		if end == 0 {
			continue
		}
		if i >= until && (i > until || until == 0) {
			hidden.WriteString(text[shown:i])
			hidden.WriteString("***")
		}
		until = max(until, end)
		shown = until
	}
	if shown == 0 {
		return text
	}
	hidden.WriteString(text[shown:])
	return hidden.String()
}

// starred is where the word ends that at i begins as the key does and goes on with stars or dots; 0: there is none.
func starred(text, key string, i int) int {
	n := 0
	for n < len(key) && i+n < len(text) && text[i+n] == key[n] {
		n++
	}
	rest := text[i+n:]
	if n < leastPrefix || !hasAnyPrefix(rest, "*", ".", "…", "•") {
		return 0
	}
	if end := strings.IndexAny(rest, " \t\r\n\"'`,;()[]{}<>"); end >= 0 {
		return i + n + end
	}
	return len(text)
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
