package config

import "strings"

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
	// whole is true where the scanner understood the text to its end.
	whole bool
}

// locate finds the keys of a TOML text. It knows just enough of the grammar to tell keys from values, and
// stops at the first thing it does not understand: what is wrong there, the parser says better.
func locate(text string) *located {
	s := newScanner(text)
	if strings.HasPrefix(text, "\ufeff") {
		s.off, s.seen = len("\ufeff"), len("\ufeff")
	}
	for s.statement() {
	}
	s.whole = s.end()
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

	begun   int  // where the last statement began, or the end of the text: there was none any more
	marking bool // gather spans, and stop at words that are no values
	spans   []span
}

func newScanner(text string) *scanner {
	return &scanner{
		text: text, at: Position{1, 1}, implied: map[string]bool{}, arrays: map[string]int{},
		located: located{keys: map[string]Position{}},
	}
}

// statement scans one header or one pair with the line end behind it.
func (s *scanner) statement() bool {
	s.skipBlank()
	s.begun = s.off
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
	start := s.off
	names, ok := s.key()
	end := s.off
	if !ok || !s.accept(']') || array && !s.accept(']') {
		// Names of a header without an end may be anything; only those that the configuration has are told.
		s.last, s.header, s.lastAt = names, 0, at
		return false
	}
	s.mark(spanKey, start, end, names, 0)
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
	at, start := s.position(), s.off
	names, ok := s.key()
	end := s.off
	if !ok || !s.accept('=') {
		if top {
			s.last, s.header, s.lastAt = within, len(within), at
		}
		return false
	}
	path := append(within[:len(within):len(within)], names...)
	s.mark(spanKey, start, end, path, len(within))
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
	start := s.off
	switch s.peek() {
	case '"', '\'':
		ok := s.skipString()
		if ok {
			s.mark(spanString, start, s.off, path, 0)
		}
		return ok
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
	if n == 0 || s.marking && !isPlausible(s.text[start:start+n]) {
		return false
	}
	s.off += n
	s.mark(spanWord, start, s.off, path, 0)
	return true
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
