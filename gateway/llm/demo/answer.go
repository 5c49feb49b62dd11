package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"nexus/gateway/llm"
)

const (
	maxQuote = 200 // runes of a message that an answer repeats
	perToken = 4   // bytes
	perPiece = 16  // bytes of a tool's arguments in one event
)

// answer is the whole answer to a call.
func answer(call *llm.Call, s steer) *llm.Reply {
	r := call.Request
	mark := fingerprint(call)
	reply := &llm.Reply{ID: "chatcmpl-" + mark, Created: created, Finish: llm.FinishStop}
	var written int
	if s.tool != nil {
		arguments, whole := shorten(instance(s.tool.Parameters, true), r.MaxTokens)
		reply.ToolCalls = []llm.ToolCall{{ID: "call_" + mark, Name: s.tool.Name, Arguments: arguments}}
		if reply.Finish = llm.FinishToolCalls; !whole {
			reply.Finish = llm.FinishLength
		}
		written = len(arguments)
	} else {
		text, whole := shorten(stop(form(r, words(call.Model, s)), r.Stop), r.MaxTokens)
		if reply.Text = text; !whole {
			reply.Finish = llm.FinishLength
		}
		written = len(text)
	}
	read := 0
	for i := range r.Messages {
		for j := range r.Messages[i].Parts {
			read += len(r.Messages[i].Parts[j].Text)
		}
	}
	reply.Usage = llm.Usage{Input: tokens(read), Output: tokens(written)}
	return reply
}

// words is the answer in plain text.
func words(model string, s steer) string {
	const end = " No model has read this: to talk to a real one, put a provider into nexus.toml."
	start := "Hello from the demo of Nexus, which you called " + model + "."
	switch {
	case s.result != nil:
		return start + " The tool answered: “" + quote(*s.result) + "”." + end
	case strings.TrimSpace(s.said) != "":
		return start + " You said: “" + quote(s.said) + "”." + end
	}
	return start + " You said nothing in words." + end
}

// form puts a text into the form that the caller wants.
func form(r *llm.Request, text string) string {
	switch r.Format.Kind {
	case llm.FormatJSON:
		quoted, _ := jsontext.AppendQuote(nil, text) // the error is of bytes that were replaced
		return `{"answer": ` + string(quoted) + `}`
	case llm.FormatSchema:
		return instance(r.Format.Schema, false)
	}
	return text
}

// stop cuts a text before the first of the sequences that shall end it.
func stop(text string, sequences []string) string {
	for _, sequence := range sequences {
		if sequence != "" {
			text, _, _ = strings.Cut(text, sequence)
		}
	}
	return text
}

// shorten cuts a text to a number of tokens, between two characters; 0 is any number. whole tells that
// nothing was cut off.
func shorten(text string, most int) (cut string, whole bool) {
	if most == 0 || tokens(len(text)) <= int64(most) {
		return text, true
	}
	end := most * perToken
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end], false
}

// tokens is how many tokens n bytes are taken for.
func tokens(n int) int64 { return int64((n + perToken - 1) / perToken) }

// quote is the beginning of a text.
func quote(text string) string {
	text = strings.TrimSpace(text)
	n := 0
	for i := range text {
		if n == maxQuote {
			return text[:i] + "…"
		}
		n++
	}
	return text
}

// events tells a reply piece by piece: a text word by word, each with the space after it.
func events(r *llm.Reply) iter.Seq[llm.Event] {
	return func(yield func(llm.Event) bool) {
		if !yield(llm.Event{Kind: llm.EventStart, ID: r.ID, Created: r.Created}) {
			return
		}
		for word := range strings.SplitAfterSeq(r.Text, " ") {
			if word != "" && !yield(llm.Event{Kind: llm.EventText, Text: word}) {
				return
			}
		}
		for i, call := range r.ToolCalls {
			begun := llm.ToolCall{ID: call.ID, Name: call.Name}
			if !yield(llm.Event{Kind: llm.EventToolCall, Index: i, Call: begun}) {
				return
			}
			for rest := call.Arguments; rest != ""; {
				piece := rest
				if len(rest) > perPiece {
					piece, _ = shorten(rest, perPiece/perToken)
				}
				rest = rest[len(piece):]
				if !yield(llm.Event{Kind: llm.EventToolArgs, Index: i, Text: piece}) {
					return
				}
			}
		}
		if yield(llm.Event{Kind: llm.EventFinish, Finish: r.Finish}) {
			yield(llm.Event{Kind: llm.EventUsage, Usage: r.Usage})
		}
	}
}

// fingerprint tells calls apart; whether the answer is streamed makes no difference.
func fingerprint(call *llm.Call) string {
	r := *call.Request
	r.Stream, r.StreamUsage = false, false
	h := sha256.New()
	// A hash takes everything, and a request has nothing that JSON cannot say but numbers that are none:
	// what follows those is left out, and the same request still has the same mark.
	_ = json.MarshalWrite(h, &llm.Call{Request: &r, Model: call.Model}, jsontext.AllowInvalidUTF8(true))
	return hex.EncodeToString(h.Sum(nil)[:12])
}
