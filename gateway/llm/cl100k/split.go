package cl100k

import "unicode/utf8"

// splitter finds the pieces into which the encoding splits a text, by this regular expression (those of Go cannot say it):
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// It is read as the tokenizer reads it whose counts are ours (see the tests). That differs from the letter in two things:
// space with several lines in it is split after each, and U+007F belongs to no piece and is passed over.
type splitter struct {
	text []byte
	// broken is set when a byte was passed that is part of no character.
	broken bool
}

// end is where the piece ends that begins at i, which must be within the text, and no U+007F.
func (s *splitter) end(i int) int {
	if s.text[i] == '\'' {
		if end := s.contraction(i + 1); end != 0 {
			return end
		}
	}
	first, size := s.at(i)
	next := i + size
	switch first {
	case letter:
		return s.run(next, letter)
	case number:
		return s.digits(next)
	}
	if first != newline {
		broken := s.broken
		if kind, size := s.at(next); kind == letter {
			return s.run(next+size, letter)
		} else if s.text[i] == ' ' && kind == other {
			return s.newlines(s.run(next+size, other))
		}
		s.broken = broken // by what belongs to another piece
	}
	if first == other {
		return s.newlines(s.run(next, other))
	}
	return s.space(i)
}

// contraction is where 's, 'll and their like end, of which the apostrophe stands before i; 0: it is none. Letter case is
// folded as Unicode does, so a long s is one, too.
func (s *splitter) contraction(i int) int {
	if i == len(s.text) {
		return 0
	}
	var second byte // for another to come
	switch s.text[i] {
	case 's', 'S', 't', 'T', 'm', 'M', 'd', 'D':
		return i + 1
	case 'r', 'R', 'v', 'V':
		second = 'e'
	case 'l', 'L':
		second = 'l'
	case 0xC5: // begins the long s
		if i+1 < len(s.text) && s.text[i+1] == 0xBF {
			return i + 2
		}
		return 0
	default:
		return 0
	}
	if i+1 < len(s.text) && s.text[i+1]|0x20 == second {
		return i + 2
	}
	return 0
}

// run is where the characters of a kind end that stand from i on.
func (s *splitter) run(i int, want kind) int {
	for {
		for i < len(s.text) && kinds[s.text[i]] == want {
			i++
		}
		if i == len(s.text) || s.text[i] < utf8.RuneSelf {
			return i
		}
		broken := s.broken
		got, size := s.at(i)
		if got != want {
			s.broken = broken
			return i
		}
		i += size
	}
}

// digits is where a number ends of which one digit stands before i.
func (s *splitter) digits(i int) int {
	for range 2 {
		broken := s.broken
		kind, size := s.at(i)
		if kind != number {
			s.broken = broken
			return i
		}
		i += size
	}
	return i
}

// newlines is where the line breaks end that stand from i on.
func (s *splitter) newlines(i int) int {
	for i < len(s.text) && kinds[s.text[i]] == newline {
		i++
	}
	return i
}

// space is where a piece of space ends that begins at i: after its first line breaks; where it has none, before its last
// character, which goes to what follows, if anything does and something is left.
func (s *splitter) space(i int) int {
	begin, last := i, i
	broken := s.broken
	for i < len(s.text) {
		kind, size := s.at(i)
		if kind == newline {
			return s.newlines(i)
		}
		if kind != space {
			s.broken = broken
			break
		}
		last = i
		i += size
	}
	if i == len(s.text) || last == begin {
		return i
	}
	return last
}

// at is what the character at i is, and how many bytes it has; none where the text ends.
func (s *splitter) at(i int) (kind, int) {
	if i >= len(s.text) {
		return none, 0
	}
	if c := s.text[i]; c < utf8.RuneSelf {
		return kinds[c], 1
	}
	r, size := utf8.DecodeRune(s.text[i:])
	if r == utf8.RuneError && size == 1 {
		s.broken = true
		return other, 1
	}
	return kindOf(r), size
}
