package config

import "strings"

const (
	longestGuess = 64  // bytes of a word that is worth a guess; beyond it nobody mistyped a key
	mostGuesses  = 256 // candidates that are looked at, since a caller's word may ask for a guess
)

// Nearest is the candidate that a mistyped word most likely meant, or "" where none comes close. Case does not count,
// nor does writing - for _; of two that are equally near the first is taken.
func Nearest(got string, candidates []string) string {
	if got == "" || len(got) > longestGuess {
		return ""
	}
	best, least := "", 0
	got = plain(got)
	for _, c := range candidates[:min(len(candidates), mostGuesses)] {
		limit := max(1, min(len(c)/3, 3))
		if d := distance(got, plain(c), limit); d <= limit && d < len(c) && (best == "" || d < least) {
			best, least = c, d
		}
	}
	return best
}

func plain(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "_")) }

// distance is how many characters must be added, dropped, changed or swapped with their neighbour to
// make b of a (optimal string alignment); above limit any larger number.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
