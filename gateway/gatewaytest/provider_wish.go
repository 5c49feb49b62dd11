package gatewaytest

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wish is how a prompt asks to be answered. Its first words may be, one after the other:
//
//	error:429    that status, with OpenAI's own words; error:quota is the other 429
//	slow:50ms    that pause between two events
//	words:100    that many words, each an event
//	cut:3        the connection breaks after three events, or in the middle of a whole answer
//	stall:3      nothing more comes after three events, or instead of a whole answer
//	tool:        the first tool is called; tool:2 calls it twice
type wish struct {
	fail        *APIError
	pace        time.Duration
	words       int
	cut, stall  int // -1: never
	calls       int
	text        string // what is left of the prompt
	toolOfTurns bool   // the last turn is a tool's result
}

// maxWords bounds what words: asks for.
const maxWords = 1 << 20

func wishOf(text string) wish {
	w := wish{cut: -1, stall: -1}
	for {
		text = strings.TrimLeft(text, " ")
		word, rest, _ := strings.Cut(text, " ")
		name, value, found := strings.Cut(word, ":")
		n, err := strconv.Atoi(value)
		switch {
		case !found:
			w.text = text
			return w
		case name == "error" && value == "quota":
			w.fail = QuotaExceeded()
		case name == "error" && err == nil && n >= 400 && n < 600:
			w.fail = failureOf(n)
		case name == "words" && err == nil && n > 0 && n <= maxWords:
			w.words = n
		case name == "cut" && err == nil:
			w.cut = n
		case name == "stall" && err == nil:
			w.stall = n
		case name == "tool":
			w.calls = min(max(n, 1), 16)
		case name == "slow":
			d, err := time.ParseDuration(value)
			if err != nil {
				w.text = text
				return w
			}
			w.pace = d
		default:
			w.text = text
			return w
		}
		text = rest
	}
}

// said is what the provider answers.
type said struct {
	pieces []string // of the text
	calls  []calling
	input  int // tokens
	output int
}

func (s *said) text() string { return strings.Join(s.pieces, "") }

// calling is one call of a tool.
type calling struct{ id, name, arguments string }

// tool is what the model may call.
type tool struct {
	name       string
	parameters fields
}

// answerTo says what the model answers to a wish.
func answerTo(w wish, tools []tool, limit int) *said {
	s := &said{input: 7 + len(strings.Fields(w.text))}
	if w.calls > 0 && len(tools) > 0 && !w.toolOfTurns {
		for i := range w.calls {
			s.calls = append(s.calls, calling{
				id: "call_" + strconv.Itoa(i+1) + "abcdef", name: tools[0].name, arguments: example(tools[0].parameters),
			})
		}
		s.output = 9 * len(s.calls)
		return s
	}
	text := "You said: " + w.text
	if w.toolOfTurns {
		text = "The tool said: " + w.text
	}
	if w.words > 0 {
		text = strings.TrimSuffix(strings.Repeat("word ", w.words), " ")
	}
	s.pieces = strings.SplitAfter(text, " ")
	if len(s.pieces) > limit {
		s.pieces = s.pieces[:limit]
	}
	s.output = len(s.pieces)
	return s
}

// example are arguments that fit a schema.
func example(schema fields) string {
	properties := schema.object("properties")
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	arguments := make(map[string]any, len(names))
	for _, name := range names {
		switch properties.object(name).text("type") {
		case "integer", "number":
			arguments[name] = 17
		case "boolean":
			arguments[name] = true
		case "array":
			arguments[name] = []any{}
		case "object":
			arguments[name] = map[string]any{}
		default:
			arguments[name] = "Paris"
		}
	}
	text, err := json.Marshal(arguments)
	if err != nil {
		panic(err) // these values have a form in JSON
	}
	return string(text)
}
