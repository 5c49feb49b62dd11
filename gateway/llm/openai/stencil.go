package openai

import "nexus/gateway/llm/jsonscan"

const (
	maxHoles   = 4
	maxStencil = 4 << 10 // bytes of an event that is remembered
)

// stencil is an event that was read, with holes where the next ones may differ: pieces of text, and counters.
//
// What fits is the same sequence of JSON tokens, byte for byte, but for the values in the holes; and in a hole stands a
// whole string or a whole number again, because each is read by JSON's own rules and what follows it must be what followed
// it before. So nothing that is written inside a text can be taken for a member, and whatever was true of the event that
// was read is true of the one that fits, as long as it did not rest on the values in the holes.
type stencil struct {
	event  []byte
	holes  [maxHoles]hole
	nholes int
	model  hole                               // where the model's name stands; length 0: nothing is renamed
	before int                                // how many holes are before the model
	found  [maxHoles]struct{ start, end int } // where the holes are in the event that fitted last
}

// hole is a part of an event.
type hole struct {
	start, end int
	number     bool // digits; else the content of a string, without its quotes
	said       bool // it is text of the answer
}

func (h *hole) length() int { return h.end - h.start }

// learn remembers an event whose data stands at offset. Its chunk must be plain.
func (s *stencil) learn(event []byte, offset int, c *chunk, rename bool) {
	if s.nholes = 0; len(event) > maxStencil {
		s.event = s.event[:0]
		return
	}
	s.event = append(s.event[:0], event...)
	for _, v := range c.pieces[:c.npieces] {
		h := hole{start: offset + v.Start, end: offset + v.End, number: v.Kind == jsonscan.Number, said: v.said}
		if !h.number {
			h.start, h.end = h.start+1, h.end-1
		}
		i := s.nholes
		for ; i > 0 && s.holes[i-1].start > h.start; i-- {
			s.holes[i] = s.holes[i-1]
		}
		s.holes[i] = h
		s.nholes++
	}
	s.model, s.before = hole{}, 0
	if !rename || c.model.Kind != jsonscan.String {
		return
	}
	s.model = hole{start: offset + c.model.Start, end: offset + c.model.End}
	for s.before < s.nholes && s.holes[s.before].start < s.model.start {
		s.before++
	}
}

// fits tells whether an event is the one that was learned, with other values in the holes. Its model's name begins at
// model; -1: nothing is to be renamed.
func (s *stencil) fits(event []byte) (model int, ok bool) {
	if len(s.event) == 0 {
		return 0, false
	}
	from, at, moved := 0, 0, 0 // in the learned event, in this one, and how far the model is from its place
	for i := range s.holes[:s.nholes] {
		h := &s.holes[i]
		n := h.start - from
		if len(event)-at < n || string(event[at:at+n]) != string(s.event[from:h.start]) {
			return 0, false
		}
		at += n
		s.found[i].start = at
		if h.number {
			n = digits(event[at:])
			if at += n; n == 0 {
				return 0, false
			}
		} else if at, ok = jsonscan.TextEnd(event, at); !ok {
			return 0, false
		}
		s.found[i].end = at
		if from = h.end; i < s.before {
			moved = at - from
		}
	}
	if string(event[at:]) != string(s.event[from:]) {
		return 0, false
	}
	if s.model.length() == 0 {
		return -1, true
	}
	return s.model.start + moved, true
}

// say shows the texts of the answer in the event that fitted last.
func (s *stencil) say(event []byte, said func(value []byte)) {
	for i := range s.holes[:s.nholes] {
		if s.holes[i].said {
			said(event[s.found[i].start-1 : s.found[i].end+1])
		}
	}
}

// digits is how long the whole number is that b begins with; 0: it begins with none.
func digits(b []byte) int {
	n := 0
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	if n > 1 && b[0] == '0' {
		return 0
	}
	return n
}
