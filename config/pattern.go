package config

import (
	"errors"
	"regexp"
	"regexp/syntax"
)

// Pattern is a regular expression in the syntax of RE2, at most 1000 bytes long, that matches a text anywhere, in any
// case. The zero Pattern is not set. Patterns of one text are equal by [Pattern.Equal] and reflect.DeepEqual, not by ==.
type Pattern struct {
	text string
	re   *regexp.Regexp
}

const (
	maxPattern = 1000
	// everything is the pattern that says in a file that nothing is left out.
	everything = ".*"
)

// IsSet reports whether there is a pattern.
func (p Pattern) IsSet() bool { return p.re != nil }

// Matches reports whether the pattern matches anywhere in text, in any case. A pattern that is not set matches nothing.
func (p Pattern) Matches(text string) bool { return p.re != nil && p.re.MatchString(text) }

// Regexp is the pattern for the standard library, case-insensitive. Nil: not set. Nobody may change it.
func (p Pattern) Regexp() *regexp.Regexp { return p.re }

// Equal reports whether two patterns have the same text, or are both not set.
func (p Pattern) Equal(other Pattern) bool { return p.text == other.text }

// String is the pattern as the file says it. Empty: not set.
func (p Pattern) String() string { return p.text }

// MarshalText is String, for JSON and TOML.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

func (p *Pattern) example() string { return `"^gpt-"` }

func (p *Pattern) parse(text string) *mistake {
	const form = `write one in the syntax of RE2, such as "^gpt-"`
	switch {
	case text == "":
		return &mistake{what: "is an empty pattern, which could mean everything or nothing", fix: `write a regular expression such as "^gpt-", or ".*" for everything`}
	case len(text) > maxPattern:
		return &mistake{what: "is a pattern of more than 1000 bytes", fix: "write a shorter one"}
	}
	re, err := regexp.Compile("(?i)" + text)
	var why *syntax.Error
	switch {
	case errors.As(err, &why):
		// The code is one of a few fixed texts; the error's other half repeats a piece of the pattern.
		return &mistake{what: "is not a regular expression: " + why.Code.String(), fix: form}
	case err != nil:
		return &mistake{what: "is not a regular expression", fix: form}
	}
	*p = Pattern{text: text, re: re}
	return nil
}

// leavesOut is the pattern, or "" where it leaves nothing out.
func (p Pattern) leavesOut() string {
	if p.text == everything {
		return ""
	}
	return p.text
}
