package openai

import (
	"bytes"

	"nexus/gateway/llm/jsonscan"
)

// chunk is what the data of an event holds, and where.
type chunk struct {
	model, usage, choices, kind, object, problem jsonscan.Span

	response struct{ is, model, usage jsonscan.Span } // of the events of a response

	some     bool    // a piece of the answer, not an empty one
	answers  indexes // those that it is about
	finished indexes // those that told why they ended

	pieces  [maxHoles]piece // values that differ from event to event
	npieces int
}

// piece is a value that may be another one in the next event.
type piece struct {
	jsonscan.Span
	said bool // it is text of the answer
}

// readChunk walks over the data of an event. The error is that it is no JSON object.
func readChunk(data []byte) (c chunk, err error) {
	err = walkObject(data, func(name []byte, v jsonscan.Span) {
		switch string(name) {
		case "model":
			c.model = v
		case "usage":
			c.usage = v
		case "error":
			c.problem = v
		case "type":
			c.kind = v
		case "object":
			c.object = v
		case "choices":
			c.choices = v
		case "response":
			c.response.is = v
		case "delta":
			c.piece(v, true)
		case "obfuscation", "sequence_number":
			c.piece(v, false)
		}
	})
	if err != nil {
		return chunk{}, err
	}
	if c.choices.Kind == jsonscan.Array {
		within(data, c.choices, func(_ []byte, v jsonscan.Span) { c.readChoice(data, v) })
	}
	if c.response.is.Kind == jsonscan.Object {
		within(data, c.response.is, func(name []byte, v jsonscan.Span) {
			switch string(name) {
			case "model":
				c.response.model = v
			case "usage":
				c.response.usage = v
			}
		})
	}
	return c, nil
}

// readChoice reads a piece of one of the answers.
func (c *chunk) readChoice(data []byte, choice jsonscan.Span) {
	index, finished := int64(0), false
	within(data, choice, func(name []byte, v jsonscan.Span) {
		switch string(name) {
		case "finish_reason":
			// Some say "" where they mean null.
			finished = v.Kind == jsonscan.String && holds(data, v)
		case "index":
			index = count(data, v)
		case "text":
			c.text(data, v)
		case "delta":
			within(data, v, func(name []byte, v jsonscan.Span) { c.readDelta(data, name, v) })
		}
	})
	c.answers.put(index)
	if finished {
		c.finished.put(index)
	}
}

// readDelta reads a member of what a piece adds to its answer.
func (c *chunk) readDelta(data, name []byte, v jsonscan.Span) {
	switch string(name) {
	case "content", "reasoning", "reasoning_content", "refusal":
		c.text(data, v)
	case "reasoning_details", "function_call", "audio":
		c.some = c.some || holds(data, v)
	case "tool_calls":
		c.some = c.some || holds(data, v)
		within(data, v, func(_ []byte, call jsonscan.Span) {
			within(data, call, func(name []byte, v jsonscan.Span) {
				if string(name) == "function" {
					c.readFunction(data, v)
				}
			})
		})
	}
}

// readFunction finds the piece of a call's arguments.
func (c *chunk) readFunction(data []byte, function jsonscan.Span) {
	within(data, function, func(name []byte, v jsonscan.Span) {
		if string(name) == "arguments" {
			c.piece(v, true)
		}
	})
}

// text takes in a piece of text, or what stands in its place.
func (c *chunk) text(data []byte, v jsonscan.Span) {
	c.some = c.some || holds(data, v)
	c.piece(v, true)
}

// piece notes a value that may be another one in the next event, and whether it is text of the answer.
func (c *chunk) piece(v jsonscan.Span, said bool) {
	if (v.Kind == jsonscan.String || v.Kind == jsonscan.Number) && c.npieces < maxHoles {
		c.pieces[c.npieces] = piece{v, said && v.Kind == jsonscan.String}
		c.npieces++
	}
}

// fails is whether the data tells of an error, in one of the forms that are about.
func (c *chunk) fails(data []byte) bool {
	return holds(data, c.problem) || c.is(data, "error") || string(c.object.Of(data)) == `"error"`
}

// is tells the type of an event.
func (c *chunk) is(data []byte, kind string) bool {
	return c.kind.Kind == jsonscan.String && string(data[c.kind.Start+1:c.kind.End-1]) == kind
}

// ends tells how the type of an event ends.
func (c *chunk) ends(data []byte, with string) bool {
	return c.kind.Kind == jsonscan.String && bytes.HasSuffix(data[c.kind.Start+1:c.kind.End-1], []byte(with))
}

// holds is whether a string, an array or an object is not empty.
func holds(data []byte, v jsonscan.Span) bool {
	switch v.Kind {
	case jsonscan.String:
		return v.End-v.Start > len(`""`)
	case jsonscan.Array, jsonscan.Object:
		return hasContent(v.Of(data))
	}
	return false
}

// within walks over what a value of data consists of, if it is an array or an object. The spans are of data.
func within(data []byte, value jsonscan.Span, visit func(name []byte, v jsonscan.Span)) {
	if value.Kind != jsonscan.Array && value.Kind != jsonscan.Object {
		return
	}
	// Data was walked over before: it cannot fail.
	_ = jsonscan.Walk(value.Of(data), func(name []byte, v jsonscan.Span) {
		visit(name, jsonscan.Span{Start: value.Start + v.Start, End: value.Start + v.End, Kind: v.Kind})
	})
}
