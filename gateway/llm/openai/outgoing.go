package openai

import "nexus/gateway/llm/jsonscan"

// edit puts with in the place of body[start:end].
type edit struct {
	start, end int
	with       []byte
}

// Outgoing gives the body as the provider gets it, in pieces, most of them of the body itself. The model's name is sent; with
// usage, a stream is asked to report what it cost. Body must be the one that v was found in.
func (v *Envelope) Outgoing(body []byte, sent string, usage bool) [][]byte {
	var edits [2]edit
	n := 0
	if sent != v.Model {
		edits[n] = edit{v.model.Start, v.model.End, appendString(nil, sent)}
		n++
	}
	if usage && v.Stream && !v.StreamUsage && (v.endpoint == Chat || v.endpoint == Completions) {
		edits[n] = v.askUsage(body)
		n++
	}
	return cut(body, edits[:n])
}

// askUsage is what makes a provider report the usage of a stream.
func (v *Envelope) askUsage(body []byte) edit {
	ask := func(start, end int, with string) edit { return edit{start, end, []byte(with)} }
	switch {
	case v.options.Kind == jsonscan.Absent:
		return ask(v.stream.End, v.stream.End, `,"stream_options":{"include_usage":true}`)
	case v.options.Kind == jsonscan.Null:
		return ask(v.options.Start, v.options.End, `{"include_usage":true}`)
	case v.include.Kind != jsonscan.Absent:
		return ask(v.include.Start, v.include.End, `true`)
	}
	first := v.options.Start + 1
	if hasContent(v.options.Of(body)) {
		return ask(first, first, `"include_usage":true,`)
	}
	return ask(first, first, `"include_usage":true`)
}

// cut gives body with at most two edits, which do not overlap, in pieces.
func cut(body []byte, edits []edit) [][]byte {
	if len(edits) == 0 {
		return [][]byte{body}
	}
	if len(edits) == 2 && edits[0].start > edits[1].start {
		edits[0], edits[1] = edits[1], edits[0]
	}
	pieces := make([][]byte, 0, 5)
	done := 0
	for _, e := range edits {
		pieces = append(pieces, body[done:e.start], e.with)
		done = e.end
	}
	return append(pieces, body[done:])
}
