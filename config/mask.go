package config

import (
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// mask is a text whose lines show what was written and no secret. It shows only what it knows to be
// harmless: the keys that the configuration has and their values, if those are of the right form and no
// secrets; names that the user chose; brackets and commas. All else is ***, and so is every line from
// where the scanner stops understanding. Each line of the text has its line in the outcome.
func mask(text string) string {
	m := &masker{text: text}
	s := newScanner(text)
	s.marking = true
	for more, understood := true, true; more; {
		more = s.statement()
		understood = more || s.begun == len(text)
		for _, sp := range s.spans {
			m.span(sp, understood)
		}
		s.spans = s.spans[:0]
		if !understood {
			m.rest()
		}
	}
	m.gap(len(text))
	return m.out.String()
}

// maskedString stands for a string that is not shown, and for whatever was written for a secret.
const maskedString = `"` + masked + `"`

type masker struct {
	text string
	done int // how much of text is in out
	out  strings.Builder
}

// punctuation is what the text has between spans.
const punctuation = " =.,[]{}\n"

// gap writes what stands before the next span. What cannot stand there does not get out.
func (m *masker) gap(end int) {
	for ; m.done < end; m.done++ {
		switch c := m.text[m.done]; {
		case c == '\t':
			m.out.WriteString("    ")
		case strings.IndexByte(punctuation, c) >= 0:
			m.out.WriteByte(c)
		}
	}
}

// span writes a span of a statement, which was understood to its end or was not.
func (m *masker) span(sp span, understood bool) {
	m.gap(sp.start)
	written := m.text[sp.start:sp.end]
	switch sp.what {
	case spanKey:
		// What is no whole statement may be no key either: "c2VjcmV0==" is the end of a secret in Base64.
		m.key(sp, understood)
	case spanString:
		m.replace(sp.end, maskString(typeAt(sp.path), written))
	case spanWord:
		word := strings.TrimRight(written, " \t")
		m.replace(sp.start+len(word), maskWord(typeAt(sp.path), word))
	case spanComment:
		shown := "#"
		if strings.TrimSpace(written[1:]) != "" {
			shown = "# " + masked
		}
		m.replace(sp.end, shown)
	}
}

// replace writes shown for the text up to end, and *** for each further line of it.
func (m *masker) replace(end int, shown string) {
	m.out.WriteString(shown)
	for range strings.Count(m.text[m.done:end], "\n") {
		m.out.WriteString("\n" + masked)
	}
	m.done = end
}

// key writes the names of a key, those that the user chose or mistyped only if they are trusted to be names.
func (m *masker) key(sp span, trusted bool) {
	s := scanner{text: m.text, off: sp.start}
	t := typeAt(sp.path[:sp.within])
	for _, name := range sp.path[sp.within:] {
		s.skipSpace()
		m.gap(s.off)
		start := s.off
		s.name()
		m.replace(s.off, maskName(t, name, s.text[start:s.off], trusted))
		t = inside(t, name)
		s.skipSpace()
		s.accept('.')
	}
}

// rest masks what was not understood: the end of the line, and all lines below it that are not blank.
func (m *masker) rest() {
	for m.done < len(m.text) && strings.IndexByte("\t"+punctuation, m.text[m.done]) >= 0 && m.text[m.done] != '\n' {
		m.gap(m.done + 1)
	}
	for line := range strings.Lines(m.text[m.done:]) {
		if strings.TrimSpace(line) != "" {
			m.out.WriteString(masked)
		}
		if strings.HasSuffix(line, "\n") {
			m.out.WriteByte('\n')
		}
	}
	m.done = len(m.text)
}

// maxWord is the length up to which a name that the configuration does not have is taken for a mistyped one,
// and a value without quotes for one that forgot them.
const maxWord = 64

// maskName shows a name in a table of type t, as it was written.
func maskName(t reflect.Type, name, written string, trusted bool) string {
	if t != nil && isArray(t) {
		t = t.Elem() // a header names the array, and means its last entry
	}
	switch {
	case t != nil && isTable(t) && fieldNamed(t, name) != nil:
		return written
	case !trusted:
		return maskedString
	case t != nil && isNamed(t) && !isBare(written):
		return showString(written)
	case t != nil && isNamed(t) || isBare(written) && len(written) <= maxWord:
		return written
	}
	return maskedString
}

// maskString shows the string of a key of type t.
func maskString(t reflect.Type, written string) string {
	switch {
	case t == nil:
		return masked
	case t != secretType && (isScalar(t) || t.Kind() == reflect.String):
		return showString(written)
	}
	return maskedString
}

// maskWord shows the value of a key of type t that was written without quotes: true, false or a number.
func maskWord(t reflect.Type, word string) string {
	switch {
	case t == secretType:
		return maskedString
	case t == nil || isTable(t) || isNamed(t) || t.Kind() == reflect.Slice || !isLiteral(word):
		return masked
	}
	return word
}

var secretType = reflect.TypeFor[Secret]()

// typeAt is the type of what stands at path in a configuration, or nil where it has nothing.
func typeAt(path []string) reflect.Type {
	t := reflect.TypeFor[Config]()
	for _, name := range path {
		t = inside(t, name)
	}
	return t
}

// inside is the type of what is called name in a t, or nil; "" is an element of a list.
func inside(t reflect.Type, name string) reflect.Type {
	switch {
	case t == nil:
		return nil
	case t.Kind() == reflect.Slice && name == "":
		t = t.Elem()
	case t.Kind() == reflect.Slice:
		// A header names the array, and means its last element.
		return inside(t.Elem(), name)
	case isNamed(t):
		t = entryType(t)
	case isTable(t):
		t = fieldNamed(t, name)
	default:
		return nil
	}
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// isLiteral reports whether word is true, false, or a number or date that is too short for a secret.
func isLiteral(word string) bool {
	return word == "true" || word == "false" || len(word) <= 20 && strings.Trim(word, "0123456789+-_.") == ""
}

// isPlausible reports whether word can be a value, one without its quotes maybe. What else runs to the next
// comma has more than one value in it, of a list that was never closed for instance.
func isPlausible(word string) bool {
	word = strings.TrimRight(word, " \t")
	for i := range len(word) {
		if c := word[i]; !isBareByte(c) && c != '+' && c != '.' && c != ':' && (c != ' ' || i != len(time.DateOnly) || !isLiteral(word[:i])) {
			return false
		}
	}
	return len(word) <= maxWord
}

// showString is a string of one line as it was written, its quotes included, without user information; or
// a masked one, where anything about it is odd.
func showString(written string) string {
	text := written[1 : len(written)-1]
	if strings.HasPrefix(written, `"""`) || strings.HasPrefix(written, "'''") {
		return maskedString
	}
	if written[0] == '"' {
		var ok bool
		if text, ok = unescape(text); !ok {
			return maskedString
		}
	}
	shown := maskUserinfo(text)
	switch {
	case !isPrintable(text) || !hasOnlyPlaceholders(text) || mayHoldPassword(shown):
		return maskedString
	case shown != text:
		return quoteName(shown)
	}
	return written
}

func isPrintable(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// hasOnlyPlaceholders reports whether all braces in text hold the name of a variable, and no secret that
// was pasted between them.
func hasOnlyPlaceholders(text string) bool {
	for {
		before, after, found := strings.Cut(text, "{{")
		if strings.ContainsAny(before, "{}") {
			return false
		}
		if !found {
			return true
		}
		inner, rest, closed := strings.Cut(after, "}}")
		name, ok := strings.CutPrefix(strings.TrimSpace(inner), "env.")
		if !closed || !ok || !isVariable(name) {
			return false
		}
		text = rest
	}
}

// mayHoldPassword reports whether shown, which has no user information any more, is what a slip of
// the hand makes of a URL that had some: with a lost slash, or @, or a colon too many.
func mayHoldPassword(shown string) bool {
	left := strings.ReplaceAll(shown, "//"+masked+"@", "//")
	if strings.Contains(left, "@") && strings.ContainsAny(left, ":/") {
		return true
	}
	for found := true; found; {
		if _, left, found = strings.Cut(left, "://"); !found {
			break
		}
		host := left
		if i := strings.IndexAny(host, "/?#"); i >= 0 {
			host = host[:i]
		}
		if address, port, ok := strings.Cut(host, "]"); ok && strings.HasPrefix(address, "[") {
			host = port
		}
		if _, port, ok := strings.Cut(host, ":"); ok && !isDigits(port) && !strings.HasPrefix(port, "{{") {
			return true
		}
	}
	return false
}
