package openai

import (
	"bytes"

	"nexus/gateway/llm"
	"nexus/gateway/llm/jsonscan"
)

// Tap hands the events of one stream on, and reads what passes. One that is no JSON passes as it is.
//
// Most events of a stream differ in a piece of text alone, and are recognized by the [stencil] of an earlier one; the
// others are walked over.
type Tap struct {
	Endpoint Endpoint
	Model    string              // the name that the caller is answered with
	Hide     bool                // the chunk that holds nothing but the usage
	Mask     func(string) string // takes our key out of a provider's words; nil: nothing to take out
	// Said is shown the answer's texts as they pass: of messages, reasoning and arguments, each as a JSON string with its
	// quotes. Nil: nobody wants them.
	Said func(value []byte)

	name     []byte // Model as JSON, once it was needed
	stencil  stencil
	started  bool
	began    bool
	done     bool
	answers  indexes // those that have begun
	finished indexes // those that told why they ended
	failed   *llm.Error
	ownWords bool // of the endpoint's own kind is the event that told so
	told     bool // the provider said something of usage
	usage    llm.Usage
}

// Event appends an event as the caller gets it to dst: nothing, if it is hidden, or if the stream is done. The event is as
// it came, with the empty line at its end.
func (t *Tap) Event(dst, event []byte) []byte {
	if t.done {
		return dst
	}
	if at, ok := t.stencil.fits(event); ok {
		if t.Said != nil {
			t.stencil.say(event, t.Said)
		}
		if at < 0 {
			return append(dst, event...)
		}
		dst = append(dst, event[:at]...)
		dst = append(dst, t.name...)
		return append(dst, event[at+t.stencil.model.length():]...)
	}
	return t.read(dst, event)
}

// Started is whether an event came that is more than a comment.
func (t *Tap) Started() bool { return t.started }

// Began is whether something of the answer itself came: a piece of text, of a tool call, of reasoning.
func (t *Tap) Began() bool { return t.began }

// Done is whether the mark that ends the stream came: nothing follows it.
func (t *Tap) Done() bool { return t.done }

// Whole is whether the answer is complete, with or without the mark: all answers that have begun told why they ended. Images
// and speech end with their stream, if that ends cleanly.
func (t *Tap) Whole() bool {
	switch t.Endpoint {
	case Chat, Completions:
		return t.done || t.finished.some() && t.finished == t.answers
	case Responses:
		return t.done
	}
	return true
}

// Failed is the provider's error that came as an event, the first of them; nil: none.
func (t *Tap) Failed() *llm.Error { return t.failed }

// Told is whether the event that told of the failure is one that the endpoint has for it, and ends its stream.
func (t *Tap) Told() bool { return t.ownWords }

// Usage is what the answer cost; both are -1 until the provider has said it.
func (t *Tap) Usage() llm.Usage {
	if !t.told {
		return unsaid
	}
	return t.usage
}

// End appends what a stream that is whole still lacks at its end.
func (t *Tap) End(dst []byte) []byte {
	if (t.Endpoint == Chat || t.Endpoint == Completions) && t.Whole() && !t.done {
		return append(dst, "data: [DONE]\n\n"...)
	}
	return dst
}

// read takes an event apart, notes what it brings, and appends it to dst as the caller gets it.
func (t *Tap) read(dst, event []byte) []byte {
	f := unframe(event)
	if f.lines == 0 {
		return append(dst, event...)
	}
	t.started = true
	if string(bytes.Trim(f.data, " \t\r\n")) == "[DONE]" {
		t.done = true
		return append(dst, event...)
	}
	c, err := readChunk(f.data)
	if string(f.kind) == "error" || err == nil && c.fails(f.data) {
		t.fail(f.data, &c)
		return t.masked(dst, event, &f, &c)
	}
	if err != nil {
		return append(dst, t.hidden(string(event))...) // no JSON: who knows what it is
	}
	plain := t.note(f.data, &c)
	if t.Said != nil {
		for _, v := range c.pieces[:c.npieces] {
			if v.said && v.Kind == jsonscan.String {
				t.Said(v.Of(f.data))
			}
		}
	}
	if t.Hide && c.usage.Kind == jsonscan.Object && !holds(f.data, c.choices) {
		return dst
	}
	if c.is(f.data, "response.failed") {
		t.fail(c.response.is.Of(f.data), &c)
		t.ownWords = true
		return t.masked(dst, event, &f, &c)
	}
	if plain && t.began && f.lines == 1 {
		t.stencil.learn(event, f.offset, &c, t.Model != "")
	}
	return t.renamed(dst, event, &f, &c)
}

// note takes in what a chunk brings. It is plain if all that it brings is a piece of the answer: one more like it, with
// another piece, would change nothing that Tap tells.
func (t *Tap) note(data []byte, c *chunk) (plain bool) {
	plain = c.response.is.Kind == jsonscan.Absent
	for _, usage := range [...]jsonscan.Span{c.usage, c.response.usage} {
		if usage.Kind == jsonscan.Object {
			t.charge(readUsage(t.Endpoint, usage.Of(data)))
			plain = false
		}
	}
	switch t.Endpoint {
	case Chat, Completions:
		t.began = t.began || c.some
		t.answers.add(c.answers)
		t.finished.add(c.finished)
		return plain && !c.finished.some() && c.choices.Kind == jsonscan.Array && hasContent(c.choices.Of(data))
	case Responses:
		t.done = c.is(data, "response.completed") || c.is(data, "response.failed") || c.is(data, "response.incomplete")
	case Speech:
		t.done = c.is(data, "speech.audio.done")
	}
	delta := c.ends(data, ".delta")
	t.began = t.began || delta || c.ends(data, ".partial_image") || t.Endpoint == Images && c.ends(data, ".completed")
	return plain && delta
}

// charge takes in a usage; where a provider reports it more than once, the last word counts.
func (t *Tap) charge(u llm.Usage) {
	if u.Input < 0 && u.Output < 0 {
		return
	}
	if !t.told {
		t.told, t.usage = true, unsaid
	}
	if u.Input >= 0 {
		t.usage.Input = u.Input
	}
	if u.Output >= 0 {
		t.usage.Output = u.Output
	}
}

// fail notes the provider's error.
func (t *Tap) fail(data []byte, c *chunk) {
	if c.usage.Kind == jsonscan.Object {
		t.charge(readUsage(t.Endpoint, c.usage.Of(data)))
	}
	t.done = t.Endpoint == Responses
	if t.failed != nil {
		return
	}
	told := readComplaint(data)
	status := told.statusOr(500)
	t.failed = &llm.Error{
		Status: status, Message: t.hidden(told.message(status)), Code: t.hidden(told.code), Param: t.hidden(told.param),
	}
}

func (t *Tap) hidden(text string) string {
	if t.Mask == nil {
		return text
	}
	return t.Mask(text)
}

// renamed appends an event with the caller's name of the model.
func (t *Tap) renamed(dst, event []byte, f *frame, c *chunk) []byte {
	if t.Model == "" {
		return append(dst, event...)
	}
	if t.name == nil {
		t.name = appendString(nil, t.Model)
	}
	first, second := c.model, c.response.model
	if first.Start > second.Start {
		first, second = second, first
	}
	done := 0
	for _, model := range [...]jsonscan.Span{first, second} {
		if model.Kind == jsonscan.String {
			at := f.at(event, model.Start)
			dst = append(append(dst, event[done:at]...), t.name...)
			done = at + model.End - model.Start // a string is never broken over lines
		}
	}
	return append(dst, event[done:]...)
}

// indexes are a set of the numbers that answers to one request have: there are at most 128 of them.
type indexes [2]uint64

// put adds a number; what is out of range is taken for the last.
func (s *indexes) put(n int64) {
	if n < 0 || n >= maxAnswer {
		n = maxAnswer - 1
	}
	s[n/64] |= 1 << (n % 64)
}

func (s *indexes) add(more indexes) { s[0], s[1] = s[0]|more[0], s[1]|more[1] }

func (s *indexes) some() bool { return s[0]|s[1] != 0 }
