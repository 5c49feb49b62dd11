package config

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unique"
)

// Secret is a text that nobody sees: through fmt, slog, JSON and TOML it is ***. Only [Secret.Reveal] gives
// the text, so that a search for that word finds every use. Equal secrets are equal under ==; to compare
// with what a caller sent, compare in constant time. The zero Secret is not set.
type Secret struct {
	// A handle is a pointer, so that even printing by reflection through an unexported field, which
	// calls no method, shows an address and no text.
	text unique.Handle[string]
}

const masked = "***"

// NewSecret is the secret with the given text; of an empty text it is the zero Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{unique.Make(text)}
}

// IsSet reports whether there is a text.
func (s Secret) IsSet() bool { return s != Secret{} }

// Reveal is the text itself, for the one place that needs it. Empty when the secret is not set.
func (s Secret) Reveal() string {
	if !s.IsSet() {
		return ""
	}
	return s.text.Value()
}

// String is ***, whether or not the secret is set.
func (s Secret) String() string { return masked }

// Format writes *** for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, masked) }

// LogValue is ***.
func (s Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText is ***, for TOML and the keys of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// MarshalJSON is "***".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + masked + `"`), nil }

func (s *Secret) example() string { return `"{{ env.NAME }}"` }

func (s *Secret) parse(text string) *mistake {
	switch {
	case strings.ContainsFunc(text, isControl):
		// The end of line that came along when a file was read into a variable is the usual case.
		return &mistake{what: "has a line break or another control character, which no header can carry", fix: "leave it out"}
	case strings.TrimSpace(text) != text:
		return &mistake{what: "begins or ends with a space, which no header can carry", fix: "leave it out"}
	}
	*s = NewSecret(text)
	return nil
}

// isControl reports whether r is a control character that no header can carry; a tab is one that can be (RFC 9110,
// section 5.5).
func isControl(r rune) bool { return unicode.IsControl(r) && r != '\t' }
