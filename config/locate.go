package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a file may be at most. Each bound is far above what anybody writes, and keeps a hostile file from
// taking time or memory that grows faster than its size.
const (
	maxFile  = 1 << 20
	maxDepth = 32
	maxKey   = 512
	maxKeys  = 50_000
)

// located is where the keys of a text stand.
type located struct {
	// keys has every key, table, list element and implied table by its path; the first place counts,
	// and for a table that is implied before it is written, the place where it is written.
	keys map[string]Position
	// last names the last key or table header that was begun, of which the first header names came
	// from a header.
	last   []string
	header int
	lastAt Position
	// excess is what is more than a file may have, or "", and excessAt the place of it.
	excess   string
	excessAt Position
}

// locate finds the keys of a TOML text. It knows just enough of the grammar to tell keys from values, and
// stops at the first thing it does not understand: what is wrong there, the parser says better.
func locate(text string) *located {
	s := &scanner{
		text: text, at: Position{1, 1}, implied: map[string]bool{}, arrays: map[string]int{},
		located: located{keys: map[string]Position{}},
	}
	if strings.HasPrefix(text, "\ufeff") {
		s.off, s.seen = len("\ufeff"), len("\ufeff")
	}
	for s.statement() {
	}
	return &s.located
}

type scanner struct {
	located
	text string
	off  int
	seen int      // how far at has come
	at   Position // of the byte at seen

	table   string   // the path of the current table
	names   []string // its names
	implied map[string]bool
	arrays  map[string]int // arrays of tables, and how many tables each has so far
}

// statement scans one header or one pair with the line end behind it.
func (s *scanner) statement() bool {
	s.skipBlank()
	switch {
	case s.end():
		return false
	case s.peek() == '[':
		if !s.tableHeader() {
			return false
		}
	case !s.pair(s.table, s.names, true):
		return false
	}
	s.skipSpace()
	return s.end() || strings.IndexByte("\r\n#", s.peek()) >= 0
}

func (s *scanner) tableHeader() bool {
	at := s.position()
	s.off++
	array := s.accept('[')
	names, ok := s.key()
	if !ok || !s.accept(']') || array && !s.accept(']') {
		return false
	}
	s.last, s.header, s.lastAt = names, len(names), at
	key := ""
	for i, name := range names {
		key = join(key, name)
		final := i == len(names)-1
		if !s.record(key, at, !final) {
			return false
		}
		if final && array {
			s.arrays[key]++
		}
		if n := s.arrays[key]; n > 0 {
			key = element(key, n-1)
			if !s.record(key, at, !final) {
				return false
			}
		}
	}
	s.table, s.names = key, names
	return true
}

// pair scans "key = value" in the table at the given path.
func (s *scanner) pair(table string, within []string, top bool) bool {
	at := s.position()
	names, ok := s.key()
	if !ok || !s.accept('=') {
		return false
	}
	path := append(within[:len(within):len(within)], names...)
	if len(path) > maxDepth {
		return s.exceed("nests deeper than 32 tables", at)
	}
	if top {
		s.last, s.header, s.lastAt = path, len(within), at
	}
	key := table
	for i, name := range names {
		key = join(key, name)
		if !s.record(key, at, i < len(names)-1) {
			return false
		}
		if n := s.arrays[key]; n > 0 {
			// TOML forbids it, but the parser lets a dotted key into the last table of an array.
			key = element(key, n-1)
		}
	}
	s.skipSpace()
	return s.value(key, path)
}

func (s *scanner) value(key string, path []string) bool {
	if s.end() {
		return false
	}
	switch s.peek() {
	case '"', '\'':
		return s.skipString()
	case '[':
		return s.list(key, path)
	case '{':
		return s.inlineTable(key, path)
	}
	// Numbers, dates (which may hold a space) and words end where something else begins.
	n := strings.IndexAny(s.text[s.off:], ",]}#\r\n")
	if n < 0 {
		n = len(s.text) - s.off
	}
	s.off += n
	return n > 0
}

func (s *scanner) list(key string, path []string) bool {
	s.off++
	path = append(path[:len(path):len(path)], "")
	if len(path) > maxDepth {
		return s.exceed("nests deeper than 32 tables", s.position())
	}
	for i := 0; ; i++ {
		s.skipBlank()
		if s.accept(']') {
			return true
		}
		item := element(key, i)
		if !s.record(item, s.position(), false) || !s.value(item, path) {
			return false
		}
		s.skipBlank()
		if !s.accept(',') {
			return s.accept(']')
		}
	}
}

func (s *scanner) inlineTable(key string, path []string) bool {
	s.off++
	for {
		s.skipBlank()
		if s.accept('}') {
			return true
		}
		if !s.pair(key, path, false) {
			return false
		}
		s.skipBlank()
		if !s.accept(',') {
			return s.accept('}')
		}
	}
}

// key scans a key with its dots and the space behind it.
func (s *scanner) key() ([]string, bool) {
	var names []string
	for {
		s.skipSpace()
		name, ok := s.name()
		if !ok {
			return nil, false
		}
		if names = append(names, name); len(names) > maxDepth {
			return nil, s.exceed("nests deeper than 32 tables", s.position())
		}
		s.skipSpace()
		if !s.accept('.') {
			return names, true
		}
	}
}

func (s *scanner) name() (string, bool) {
	start := s.off
	if s.end() {
		return "", false
	}
	switch s.peek() {
	case '\'':
		if !s.skipLine('\'') {
			return "", false
		}
		return s.text[start+1 : s.off-1], true
	case '"':
		if !s.skipLine('"') {
			return "", false
		}
		return unescape(s.text[start+1 : s.off-1])
	}
	for !s.end() && isBareByte(s.peek()) {
		s.off++
	}
	return s.text[start:s.off], s.off > start
}

// record notes where key stands. Only a table that so far was merely implied moves.
func (s *scanner) record(key string, at Position, implied bool) bool {
	if _, ok := s.keys[key]; ok {
		if s.implied[key] && !implied {
			s.keys[key] = at
			delete(s.implied, key)
		}
		return true
	}
	switch {
	case len(key) > maxKey:
		return s.exceed("has a key whose path is longer than 512 bytes", at)
	case len(s.keys) >= maxKeys:
		return s.exceed("has more than 50000 keys and list elements", at)
	}
	s.keys[key] = at
	if implied {
		s.implied[key] = true
	}
	return true
}

func (s *scanner) exceed(what string, at Position) bool {
	s.excess, s.excessAt = what, at
	return false
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
			if n := strings.IndexByte(s.text[s.off:], '\n'); n >= 0 {
				s.off += n
			} else {
				s.off = len(s.text)
			}
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
