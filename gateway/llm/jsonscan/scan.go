// Package jsonscan looks at the JSON body of a request once, before anything else does: is it JSON that
// every parser reads the same way, and where are the few members that a gateway needs? And it walks over the
// answers of providers, which are handed on as they came and need be JSON alone.
//
// One pass by hand over the bytes checks the grammar of RFC 8259, that all text is UTF-8 (in escapes, too:
// half a surrogate pair is no text), that arrays and objects are nested at most [MaxDepth] deep, that no
// object has the same name twice however it is spelled, and that one value is all there is. On the way it
// notes the spans of a few members of the outermost object. Strings, of which a prompt is made, are passed
// eight bytes at a time. The time is linear in the body's length whatever it holds.
//
// The package decodes nothing, knows no field's meaning and keeps no reference to the body. Its errors
// name places and the names of members, never a value.
package jsonscan

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may be nested; the outermost object is the first level.
const MaxDepth = 100

// maxEcho bounds in bytes what an error repeats of a name.
const maxEcho = 64

// Kind is what sort of value a [Span] covers. The zero Kind is no value at all.
type Kind byte

// The kinds of JSON values.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Span is where in the body a value stands, from its first byte to the one after its last. The zero Span is
// a member that the body does not have.
type Span struct {
	Start, End int
	Kind       Kind
}

// Of gives the bytes of body that the span covers, none for the zero Span. They are body's own.
func (s Span) Of(body []byte) []byte { return body[s.Start:s.End] }

// Document is where the outermost object has the members that the gateway looks at.
type Document struct {
	Model, Messages, Input, Prompt Span
	Stream, StreamFormat           Span
	StreamOptions                  Span
	IncludeUsage                   Span // within StreamOptions

	PreviousResponseID, Conversation, Background Span

	// What the gateway counts and reserves by, besides Messages, Input and Prompt.
	Instructions, N, BestOf                         Span
	MaxTokens, MaxCompletionTokens, MaxOutputTokens Span

	// Alike is the first of these names from which a member differs in letter case alone: some parsers take one for the
	// other. Empty: none does.
	Alike string
}

// Error is a body that is refused. Its text may go to the caller.
type Error struct {
	// Offset is the byte of the body at which the mistake was noticed.
	Offset int
	// What is the mistake in words; of the body it repeats no more than the first 64 bytes of a name.
	What string

	plain string // What without a word of the body; empty: it has none
}

func (e *Error) Error() string { return fmt.Sprintf("%s (byte %d)", e.What, e.Offset) }

// Plain is Error without a word of the body, for whoever keeps it.
func (e *Error) Plain() string { return fmt.Sprintf("%s (byte %d)", cmp.Or(e.plain, e.What), e.Offset) }

// Scan checks the whole body, which must be one object, and finds its members. The error is an [*Error].
// A body without escaped names and without objects of more than 16 members costs no allocation.
func Scan(body []byte) (Document, error) {
	s := scanner{body: body}
	i := s.space(0)
	if i == len(body) {
		return Document{}, &Error{Offset: i, What: "the body is empty"}
	}
	if body[i] != '{' {
		return Document{}, &Error{Offset: i, What: "the body must be a JSON object"}
	}
	i, err := s.object(i, 1)
	if err != nil {
		return Document{}, err
	}
	if i = s.space(i); i != len(body) {
		return Document{}, &Error{Offset: i, What: "nothing may follow the JSON object"}
	}
	return s.doc, nil
}

// scanner is one pass over a body. Its methods take the offset at which something begins and give the offset
// after it.
type scanner struct {
	body    []byte
	doc     Document
	options bool // the members of stream_options are being passed
}

func (s *scanner) value(i, depth int) (int, Kind, *Error) {
	if i == len(s.body) {
		return i, Absent, endsEarly(i)
	}
	var err *Error
	switch c := s.body[i]; c {
	case '"':
		i, _, err = s.text(i + 1)
		return i + 1, String, err
	case '{':
		i, err = s.object(i, depth)
		return i, Object, err
	case '[':
		i, err = s.array(i, depth)
		return i, Array, err
	case 't':
		i, err = s.word(i, "true")
		return i, Bool, err
	case 'f':
		i, err = s.word(i, "false")
		return i, Bool, err
	case 'n':
		i, err = s.word(i, "null")
		return i, Null, err
	default:
		if c != '-' && !isDigit(c) {
			return i, Absent, &Error{Offset: i, What: "a value was expected"}
		}
		i, err = s.number(i)
		return i, Number, err
	}
}

func (s *scanner) object(i, depth int) (int, *Error) {
	if depth > MaxDepth {
		return i, tooDeep(i)
	}
	var seen names
	if i = s.space(i + 1); i < len(s.body) && s.body[i] == '}' {
		return i + 1, nil
	}
	for {
		next, err := s.member(i, depth, &seen)
		if err != nil {
			return next, err
		}
		next, last, err := s.comma(next, '}', "a comma or a closing brace was expected")
		if last || err != nil {
			return next, err
		}
		i = next
	}
}

// member passes a name, its colon and its value.
func (s *scanner) member(i, depth int, seen *names) (int, *Error) {
	if i == len(s.body) {
		return i, endsEarly(i)
	}
	if s.body[i] != '"' {
		return i, &Error{Offset: i, What: "a name in quotes was expected"}
	}
	end, escaped, err := s.text(i + 1)
	if err != nil {
		return end, err
	}
	name := s.body[i+1 : end]
	if escaped {
		name = unescape(name)
	}
	if !seen.add(name) {
		return i, &Error{Offset: i, What: "the name " + quote(name) + " occurs twice", plain: "a name occurs twice"}
	}
	if i = s.space(end + 1); i == len(s.body) {
		return i, endsEarly(i)
	}
	if s.body[i] != ':' {
		return i, &Error{Offset: i, What: "a colon was expected after a name"}
	}
	if depth == 1 {
		s.options = string(name) == "stream_options"
	}
	start := s.space(i + 1)
	end, kind, err := s.value(start, depth+1)
	switch {
	case err != nil || depth > 2:
	case depth == 1:
		s.note(name, Span{Start: start, End: end, Kind: kind})
	case s.options && string(name) == "include_usage":
		s.doc.IncludeUsage = Span{Start: start, End: end, Kind: kind}
	}
	return end, err
}

func (s *scanner) array(i, depth int) (int, *Error) {
	if depth > MaxDepth {
		return i, tooDeep(i)
	}
	if i = s.space(i + 1); i < len(s.body) && s.body[i] == ']' {
		return i + 1, nil
	}
	for {
		next, _, err := s.value(i, depth+1)
		if err != nil {
			return next, err
		}
		next, last, err := s.comma(next, ']', "a comma or a closing bracket was expected")
		if last || err != nil {
			return next, err
		}
		i = next
	}
}

// comma passes what stands between two elements and the space around it; last tells that it was the closer.
func (s *scanner) comma(i int, closer byte, otherwise string) (next int, last bool, err *Error) {
	if i = s.space(i); i == len(s.body) {
		return i, false, endsEarly(i)
	}
	switch s.body[i] {
	case ',':
		return s.space(i + 1), false, nil
	case closer:
		return i + 1, true, nil
	}
	return i, false, &Error{Offset: i, What: otherwise}
}

// note keeps the span of a member of the outermost object, if it is one of those looked for.
func (s *scanner) note(name []byte, span Span) {
	switch string(name) {
	case "model":
		s.doc.Model = span
	case "stream":
		s.doc.Stream = span
	case "stream_options":
		s.doc.StreamOptions = span
	case "stream_format":
		s.doc.StreamFormat = span
	case "messages":
		s.doc.Messages = span
	case "input":
		s.doc.Input = span
	case "prompt":
		s.doc.Prompt = span
	case "previous_response_id":
		s.doc.PreviousResponseID = span
	case "conversation":
		s.doc.Conversation = span
	case "background":
		s.doc.Background = span
	case "instructions":
		s.doc.Instructions = span
	case "best_of":
		s.doc.BestOf = span
	case "n":
		s.doc.N = span
	case "max_tokens":
		s.doc.MaxTokens = span
	case "max_completion_tokens":
		s.doc.MaxCompletionTokens = span
	case "max_output_tokens":
		s.doc.MaxOutputTokens = span
	default:
		s.doc.Alike = cmp.Or(s.doc.Alike, alike(name))
	}
}

// alike is the name among those that decide something that this one is, but for letter case; empty: none.
func alike(name []byte) string {
	for _, c := range name {
		if c != '_' && (c < 'a' || c > 'z') && !isDigit(c) {
			return folded(name)
		}
	}
	return "" // in lower case it would have been found
}

func folded(name []byte) string {
	for _, one := range [...]string{
		"model", "messages", "stream", "stream_options", "previous_response_id", "conversation", "background", "input", "prompt",
		"instructions", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of",
	} {
		if strings.EqualFold(one, string(name)) {
			return one
		}
	}
	return ""
}

func (s *scanner) space(i int) int {
	for i < len(s.body) {
		switch s.body[i] {
		case ' ', '\n', '\t', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

func (s *scanner) word(i int, word string) (int, *Error) {
	if len(s.body)-i < len(word) || string(s.body[i:i+len(word)]) != word {
		return i, &Error{Offset: i, What: "a value was expected"}
	}
	return i + len(word), nil
}

// number passes a number. What may follow it is the caller's concern, so that "01" and "1x" fail there.
func (s *scanner) number(i int) (int, *Error) {
	if s.body[i] == '-' {
		i++
	}
	var err *Error
	if i < len(s.body) && s.body[i] == '0' {
		i++
	} else if i, err = s.digits(i); err != nil {
		return i, err
	}
	if i < len(s.body) && s.body[i] == '.' {
		if i, err = s.digits(i + 1); err != nil {
			return i, err
		}
	}
	if i < len(s.body) && (s.body[i] == 'e' || s.body[i] == 'E') {
		i++
		if i < len(s.body) && (s.body[i] == '+' || s.body[i] == '-') {
			i++
		}
		return s.digits(i)
	}
	return i, nil
}

// digits passes one digit or more.
func (s *scanner) digits(i int) (int, *Error) {
	if i == len(s.body) {
		return i, endsEarly(i)
	}
	if !isDigit(s.body[i]) {
		return i, &Error{Offset: i, What: "a digit was expected in a number"}
	}
	for i < len(s.body) && isDigit(s.body[i]) {
		i++
	}
	return i, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func endsEarly(i int) *Error { return &Error{Offset: i, What: "the body ends too early"} }

func tooDeep(i int) *Error {
	return &Error{Offset: i, What: fmt.Sprintf("arrays and objects are nested more than %d deep", MaxDepth)}
}

// quote gives a name for an error's text, cut between two characters where it is long.
func quote(name []byte) string {
	if len(name) <= maxEcho {
		return strconv.Quote(string(name))
	}
	cut := maxEcho
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return strconv.Quote(string(name[:cut])) + "…"
}
