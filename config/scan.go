package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// span is a part of the text that the scanner understood.
type span struct {
	what       spanKind
	start, end int
	// path is the names to the end of a key, or to a value, "" for an element of a list; of those of a key
	// the first within are the names of the table around it.
	path   []string
	within int
}

type spanKind int

const (
	spanKey     spanKind = iota // the names and dots before an equals sign, or between the brackets of a header
	spanString                  // a string with its quotes
	spanWord                    // a value without quotes, with the space behind it
	spanComment                 // from the # to the end of the line
)

// mark gathers a span for whoever asked for them; finding keys alone needs none.
func (s *scanner) mark(what spanKind, start, end int, path []string, within int) {
	if s.marking {
		s.spans = append(s.spans, span{what, start, end, path, within})
	}
}

func (s *scanner) end() bool  { return s.off >= len(s.text) }
func (s *scanner) peek() byte { return s.text[s.off] }

func (s *scanner) accept(c byte) bool {
	if s.end() || s.peek() != c {
		return false
	}
	s.off++
	return true
}

// position is the place of the next byte. It counts on from where it was asked last, so that a file of
// one long line does not cost the square of its length.
func (s *scanner) position() Position {
	for ; s.seen < s.off; s.seen++ {
		switch c := s.text[s.seen]; {
		case c == '\n':
			s.at = Position{s.at.Line + 1, 1}
		case utf8.RuneStart(c):
			s.at.Column++
		}
	}
	return s.at
}

func (s *scanner) skipSpace() {
	for !s.end() && (s.peek() == ' ' || s.peek() == '\t') {
		s.off++
	}
}

// skipBlank skips space, line ends and comments.
func (s *scanner) skipBlank() {
	for !s.end() {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.off++
		case '#':
			start := s.off
			if n := strings.IndexByte(s.text[s.off:], '\n'); n >= 0 {
				s.off += n
			} else {
				s.off = len(s.text)
			}
			s.mark(spanComment, start, s.off, nil, 0)
		default:
			return
		}
	}
}

func (s *scanner) skipString() bool {
	quote := s.text[s.off : s.off+1]
	if strings.HasPrefix(s.text[s.off:], strings.Repeat(quote, 3)) {
		s.off += 3
		return s.skipLines(quote[0])
	}
	return s.skipLine(quote[0])
}

// skipLine skips a string of one line.
func (s *scanner) skipLine(quote byte) bool {
	for s.off++; !s.end() && s.peek() != '\n'; s.off++ {
		switch {
		case s.peek() == quote:
			s.off++
			return true
		case s.peek() == '\\' && quote == '"':
			s.off++
		}
	}
	return false
}

// skipLines skips the rest of a string of several lines. Up to two quotes may stand before the closing three.
func (s *scanner) skipLines(quote byte) bool {
	for !s.end() {
		run := 0
		for run < 5 && s.accept(quote) {
			run++
		}
		switch {
		case run >= 3:
			return true
		case run > 0:
		case s.peek() == '\\' && quote == '"':
			s.off += 2
		default:
			s.off++
		}
	}
	return false
}

// unescape resolves the escapes of a quoted key.
func unescape(text string) (string, bool) {
	if !strings.Contains(text, `\`) {
		return text, true
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b.WriteByte(text[i])
			continue
		}
		if i++; i >= len(text) {
			return "", false
		}
		if j := strings.IndexByte(`btnfre"\`, text[i]); j >= 0 {
			b.WriteByte("\b\t\n\f\r\x1b\"\\"[j])
			continue
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[text[i]]
		if digits == 0 || i+digits >= len(text) {
			return "", false
		}
		r, err := strconv.ParseUint(text[i+1:i+1+digits], 16, 32)
		if err != nil {
			return "", false
		}
		b.WriteRune(rune(r))
		i += digits
	}
	return b.String(), true
}
