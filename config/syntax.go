package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// parse reads TOML into a tree. It never panics, whatever the text.
func parse(text string) (tree map[string]any, keys []toml.Key, err error) {
	defer func() {
		if r := recover(); r != nil {
			// The parser has assertions of its own, which odd texts can reach.
			tree, keys, err = nil, nil, fmt.Errorf("parse TOML: assertion failed")
		}
	}()
	meta, err := toml.Decode(text, &tree)
	if err != nil {
		return nil, nil, err
	}
	return tree, meta.Keys(), nil
}

// unchecked ends the remedy of each syntax error.
const unchecked = "; the rest of the file could not be checked"

// syntaxMistakes says in our words what the parser says in its own, which repeat pieces of the line: of
// an unquoted key or token, for instance. The first entry with a sign that the message has counts.
var syntaxMistakes = []struct {
	signs     string // separated by |
	what, fix string
}{
	{"has already been defined|was already created|is not a table", "is said twice", "keep one of the two"},
	{"strings cannot contain newlines", "a string is not closed on its line", "close it with the quote that opened it"},
	{`expected '"|expected "'`, "a string is never closed", "close it with the quotes that opened it"},
	{"end of file|unexpected EOF", "the file ends too early", "complete its last value"},
	{"expected value but", "the value is missing or has no quotes", "write text in double quotes, and true, false and numbers without"},
	{"expected '.' or '='", "a key without a value", `write key = value`},
	{"key name appears blank|keys cannot start|unexpected '='|unexpected '.'", "a value without a key", `write key = value`},
	{"top-level item to end", "something follows that does not belong here", "write one key on a line, text in double quotes, and # before a comment"},
	{"table name|table array name|table separator|end table name", "a table name is not complete", "write it like [server.health]; names with other characters than letters, digits, - and _ in quotes"},
	{"expected a comma|unexpected comma", "a comma or a closing bracket is missing, or one too many is there", "separate values by one comma and close the bracket"},
	{"escape|Escape|hexadecimal digits", `a backslash in a string begins an escape, and this is none`, `write \\ for a backslash, or the string in single quotes`},
	{"UTF-8 byte", "the file is not UTF-8", "save it as UTF-8"},
	{"control characters|NULL bytes", "the file has a control character", "take it out; save the file as UTF-8 text"},
	{"nteger|loat|digit|datetime|range|number", "a number or date is not written as TOML wants it", "mend it, or write text in double quotes"},
}

// syntaxProblem is the problem of a text that is no TOML. Neither a piece of the text nor a name that
// stands in no table of ours gets into it.
func syntaxProblem(file, text string, err error) Problem {
	p := Problem{File: file, What: "the file is not TOML", Fix: "look for a missing quote or bracket"}
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		p.Fix += unchecked
		return p
	}
	for _, m := range syntaxMistakes {
		if containsAny(parse.Message, strings.Split(m.signs, "|")) {
			p.What, p.Fix = m.what, m.fix
			break
		}
	}
	p.Fix += unchecked
	p.Line, p.Column = syntaxPosition(text, parse)
	found := locate(upToLine(text, p.Line))
	p.Key = knownPrefix(found.last, found.header)
	if strings.Contains(parse.Message, "EOF") || strings.Contains(parse.Message, "end of file") {
		// What was never closed began at the last key, and there the mistake is.
		p.Line, p.Column = found.lastAt.Line, found.lastAt.Column
	}
	return p
}

func containsAny(s string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// syntaxPosition is the parser's position with a column in characters, or column 0 where the parser's
// line and its offset do not agree.
func syntaxPosition(text string, err toml.ParseError) (line, column int) {
	text = strings.TrimPrefix(text, "\ufeff")
	line = max(err.Position.Line, 1)
	if err.Position.Start < 0 || err.Position.Start > len(text) {
		return line, 0
	}
	before := text[:err.Position.Start]
	of := strings.Count(before, "\n") + 1
	// Where the parser stumbles over the end of a line, it counts that line end already.
	if of != line && !strings.Contains(err.Message, `'\n'`) {
		return line, 0
	}
	return of, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// upToLine is the text to the end of the given line.
func upToLine(text string, line int) string {
	end := 0
	for range line {
		n := strings.IndexByte(text[end:], '\n')
		if n < 0 {
			return text
		}
		end += n + 1
	}
	return text[:end]
}
