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
	"nexus/gateway/llm/cl100k"
)

const (
	maxQuote = 200 // runes of a message that an answer repeats
	perPiece = 16  // bytes of a tool's arguments in one event
)

// answer is the whole answer to a call.
func answer(call *llm.Call, s steer) *llm.Reply {
	r := call.Request
	mark := fingerprint(call)
	reply := &llm.Reply{ID: "chatcmpl-" + mark, Created: created, Finish: llm.FinishStop}
	var written string
	if s.tool != nil {
		arguments, whole := shorten(instance(s.tool.Parameters, true), r.MaxTokens)
		reply.ToolCalls = []llm.ToolCall{{ID: "call_" + mark, Name: s.tool.Name, Arguments: arguments}}
		if reply.Finish = llm.FinishToolCalls; !whole {
			reply.Finish = llm.FinishLength
		}
		written = arguments
	} else {
		text, whole := shorten(stop(form(r, words(call.Model, s)), r.Stop), r.MaxTokens)
		if reply.Text = text; !whole {
			reply.Finish = llm.FinishLength
		}
		written = text
	}
	reply.Usage = llm.Usage{Input: call.InputTokens, Output: int64(cl100k.CountString(written))}
	if reply.Usage.Input <= 0 {
		reply.Usage.Input = read(r)
	}
	return reply
}

// read is how many tokens the prompt of a request has, as callers are told that it is counted: role and texts of each
// message, 3 for each, and 3 for the reply.
func read(r *llm.Request) int64 {
	tokens := 3
	for i := range r.Messages {
		m := &r.Messages[i]
		tokens += 3 + cl100k.CountString(string(m.Role))
		for _, part := range m.Parts {
			if part.Kind == "text" {
				tokens += cl100k.CountString(part.Text)
			}
		}
	}
	return int64(tokens)
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
	if most == 0 {
		return text, true
	}
	cut = cl100k.Cut(text, most)
	return cut, len(cut) == len(text)
}

// piece is the beginning of a text that one event tells of a tool's arguments.
func piece(text string) string {
	if len(text) <= perPiece {
		return text
	}
	end := perPiece
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

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
				next := piece(rest)
				rest = rest[len(next):]
				if !yield(llm.Event{Kind: llm.EventToolArgs, Index: i, Text: next}) {
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
	asked := struct {
		Request *llm.Request
		Model   string
	}{&r, call.Model}
	_ = json.MarshalWrite(h, &asked, jsontext.AllowInvalidUTF8(true))
	return hex.EncodeToString(h.Sum(nil)[:12])
}
