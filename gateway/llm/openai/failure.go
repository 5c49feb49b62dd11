package openai

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"nexus/gateway/llm"
	"nexus/gateway/llm/jsonscan"
)

// What of a provider's error is kept at most.
const (
	maxMessage = 4 << 10 // bytes
	maxCode    = 64      // bytes
	maxParam   = 256     // bytes
)

// Failure reads a provider's error. Of a body that tells nothing, such as a page, there remains the status in words.
// Nothing is hidden in it: whoever shows it to somebody takes out our key first.
func Failure(status int, h http.Header, body []byte) *llm.Error {
	told := readComplaint(body)
	return &llm.Error{
		Status: status, Message: told.message(status), Code: told.code, Param: told.param, RetryAfter: retryAfter(h),
	}
}

// retryAfter is how long to wait as the provider says it: seconds, or a date (RFC 9110, section 10.2.3). Anything else is
// nothing.
func retryAfter(h http.Header) string {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if _, err := strconv.ParseUint(value, 10, 64); err == nil {
		return value
	}
	if _, err := http.ParseTime(value); err == nil {
		return value
	}
	return ""
}

// complaint is what a provider's error says, in any of the forms that are about.
type complaint struct {
	text   string
	code   string
	param  string
	status int // 400 to 599; 0: it gives none
	kind   string
}

// statusOr is the status that the error tells of, by itself or by its type; otherwise, where it does neither.
func (c *complaint) statusOr(otherwise int) int {
	if c.status != 0 {
		return c.status
	}
	switch c.kind {
	case "invalid_request_error":
		return 400
	case "authentication_error":
		return 401
	case "permission_error":
		return 403
	case "not_found_error":
		return 404
	case "rate_limit_error", "rate_limit_exceeded", "insufficient_quota":
		return 429
	}
	return otherwise
}

// message is what went wrong in the provider's words, or else in those of the status.
func (c *complaint) message(status int) string {
	if c.text != "" {
		return c.text
	}
	if words := http.StatusText(status); words != "" {
		return words
	}
	return fmt.Sprintf("status %d", status)
}

// readComplaint reads an error: {"error":{"message":…}} as OpenAI tells it, or with a text in the place of the object,
// or without the outer object; {"detail":…} as FastAPI does; and any of them as the first of a list.
func readComplaint(body []byte) complaint {
	var first, problem, detail jsonscan.Span
	if err := jsonscan.Walk(body, func(name []byte, v jsonscan.Span) {
		switch {
		case name == nil && first.Kind == jsonscan.Absent:
			first = v
		case string(name) == "error":
			problem = v
		case string(name) == "detail":
			detail = v
		}
	}); err != nil {
		return complaint{}
	}
	if first.Kind == jsonscan.Object { // an object is no list, so that this goes one step deep
		return readComplaint(first.Of(body))
	}
	var c complaint
	if problem.Kind == jsonscan.Object {
		c = readFields(problem.Of(body))
	} else {
		c = readFields(body)
	}
	if problem.Kind == jsonscan.String {
		c.text = words(problem.Of(body))
	}
	if c.text == "" {
		c.text = readDetail(body, detail)
	}
	return c
}

// readFields reads the members of the object that describes an error.
func readFields(object []byte) (c complaint) {
	_ = walkObject(object, func(name []byte, v jsonscan.Span) {
		value := v.Of(object)
		switch string(name) {
		case "message":
			if v.Kind == jsonscan.String {
				c.text = words(value)
			}
		case "code":
			c.readStatus(value, v.Kind)
			if v.Kind == jsonscan.String {
				c.code = word(value)
			}
		case "type":
			if v.Kind == jsonscan.String {
				c.kind = word(value)
			}
		case "status", "status_code":
			c.readStatus(value, v.Kind)
		case "param":
			if v.Kind == jsonscan.String && len(value) <= maxParam+2 {
				c.param = words(value)
			}
		}
	})
	return c
}

// readStatus takes a code that is an HTTP status of an error, as a number or as a text.
func (c *complaint) readStatus(value []byte, kind jsonscan.Kind) {
	if kind == jsonscan.String {
		value = value[1 : len(value)-1]
	}
	if n, err := strconv.Atoi(string(value[:min(len(value), 4)])); err == nil && n >= 400 && n <= 599 && len(value) == 3 {
		c.status = n
	}
}

// readDetail reads what FastAPI says: a text, or a list of objects with a msg.
func readDetail(body []byte, detail jsonscan.Span) (text string) {
	value := detail.Of(body)
	switch detail.Kind {
	case jsonscan.String:
		return words(value)
	case jsonscan.Array:
		_ = jsonscan.Walk(value, func(_ []byte, v jsonscan.Span) {
			if entry := v.Of(value); text == "" && v.Kind == jsonscan.Object {
				_ = jsonscan.Walk(entry, func(name []byte, v jsonscan.Span) {
					if string(name) == "msg" && v.Kind == jsonscan.String {
						text = words(v.Of(entry))
					}
				})
			}
		})
	}
	return text
}

// word gives a text that is one word, and not a mere number; else nothing.
func word(value []byte) string {
	if len(value) > maxCode+2 {
		return ""
	}
	text := jsonscan.Text(value)
	number := true
	for _, c := range []byte(text) {
		switch {
		case '0' <= c && c <= '9':
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == '-', c == '.':
			number = false
		default:
			return ""
		}
	}
	if number {
		return ""
	}
	return text
}

// words gives a text for people: whole characters, none of them a control character, 4 KiB at most.
func words(value []byte) string {
	// A byte that is no character becomes three, so that cutting comes last.
	text := strings.ToValidUTF8(string(jsonscan.AppendText(nil, value, maxMessage+utf8.UTFMax)), "\ufffd")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) <= maxMessage {
		return strings.TrimSpace(text)
	}
	end := maxMessage
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.TrimSpace(text[:end])
}
