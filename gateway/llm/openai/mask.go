package openai

import (
	"bytes"

	"nexus/gateway/llm/jsonscan"
)

// masked appends an event that tells of an error. If our key is in it, the event is built anew without it, and without
// the lines that say nothing of the error.
func (t *Tap) masked(dst, event []byte, f *frame, c *chunk) []byte {
	began := len(dst)
	dst = t.renamed(dst, event, f, c)
	if t.Mask == nil {
		return dst
	}
	data := unframe(dst[began:]).data
	var clean []byte
	if jsonscan.Walk(data, func([]byte, jsonscan.Span) {}) == nil {
		clean = maskStrings(data, t.Mask)
	} else if text := t.Mask(string(data)); text != string(data) {
		clean = []byte(text)
	}
	if clean == nil {
		return dst
	}
	dst = dst[:began]
	if len(f.kind) > 0 {
		dst = append(append(append(dst, "event: "...), f.kind...), '\n')
	}
	dst = append(append(dst, "data: "...), bytes.ReplaceAll(clean, []byte("\n"), []byte("\ndata: "))...)
	return append(dst, "\n\n"...)
}

// maskStrings gives JSON with the strings in it as mask gives them; nil: it changes none. It goes by strings, for a key
// may be such that taking it out of the bytes would break the JSON.
func maskStrings(data []byte, mask func(string) string) []byte {
	clean, changed := make([]byte, 0, len(data)), false
	for i := 0; i < len(data); {
		if data[i] != '"' {
			clean = append(clean, data[i])
			i++
			continue
		}
		end, _ := jsonscan.TextEnd(data, i+1) // data is JSON: there is an end
		raw := data[i : end+1]
		i = end + 1
		text := jsonscan.Text(raw)
		if shown := mask(text); shown != text && !(isOurs(text) && names(data[i:])) {
			clean, changed = appendString(clean, shown), true
			continue
		}
		clean = append(clean, raw...)
	}
	if !changed {
		return nil
	}
	return clean
}

// names is whether a colon comes next: what stood before it was a name.
func names(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

// isOurs is whether a name is one that errors are understood by. No key is hidden in it, not even one that is a part of it.
func isOurs(name string) bool {
	switch name {
	case "error", "message", "type", "code", "param", "response", "status", "sequence_number":
		return true
	}
	return false
}
