package jsonscan

import (
	"bytes"
	"fmt"
)

// maxWalkDepth is how deep the arrays and objects of an answer may be nested: some answers repeat what was asked,
// further in.
const maxWalkDepth = 2 * MaxDepth

// Walk passes over one object or array of an answer, and shows visit what it consists of: the members of the object by
// their names, as they are written between the quotes (one that is written with escapes is another name), or the entries
// of the array, without names. The spans are of value. The error is an [*Error], which may come after visits.
//
// A provider's text is not judged: it must be JSON by its grammar, nested at most 200 deep, and nothing but space may
// follow it, but names may occur twice, and bytes and escapes that are no characters pass. Walk allocates nothing.
func Walk(value []byte, visit func(name []byte, v Span)) error {
	w := walker{scanner{body: value}}
	i := w.space(0)
	if i == len(value) {
		return endsEarly(i)
	}
	if value[i] != '{' && value[i] != '[' {
		return &Error{Offset: i, What: "an object or an array was expected"}
	}
	i, err := w.visit(i, visit)
	if err != nil {
		return err
	}
	if i = w.space(i); i != len(value) {
		return &Error{Offset: i, What: "nothing may follow the value"}
	}
	return nil
}

// walker is a scanner that is lenient with text and names. It has its own ways through values, and shares the others.
type walker struct{ scanner }

// visit passes the outermost object or array.
func (w *walker) visit(i int, visit func(name []byte, v Span)) (int, *Error) {
	closer := w.body[i] + 2 // of '{' and '['
	named := closer == '}'
	if i = w.space(i + 1); i < len(w.body) && w.body[i] == closer {
		return i + 1, nil
	}
	for {
		var name []byte
		if named {
			end, err := w.name(i)
			if err != nil {
				return end, err
			}
			name = w.body[i+1 : end]
			if i, err = w.colon(end + 1); err != nil {
				return i, err
			}
		}
		end, kind, err := w.pass(i, 2)
		if err != nil {
			return end, err
		}
		visit(name, Span{Start: i, End: end, Kind: kind})
		next, last, err := w.comma(end, closer, "a comma or the end was expected")
		if last || err != nil {
			return next, err
		}
		i = next
	}
}

// pass passes any value.
func (w *walker) pass(i, depth int) (int, Kind, *Error) {
	if i == len(w.body) {
		return i, Absent, endsEarly(i)
	}
	var err *Error
	switch w.body[i] {
	case '"':
		i, err = w.text(i + 1)
		return i + 1, String, err
	case '{':
		i, err = w.nested(i, depth)
		return i, Object, err
	case '[':
		i, err = w.nested(i, depth)
		return i, Array, err
	default: // true, false, null and numbers are the same for both
		return w.value(i, depth)
	}
}

// nested passes an object or an array further in.
func (w *walker) nested(i, depth int) (int, *Error) {
	if depth > maxWalkDepth {
		return i, &Error{Offset: i, What: fmt.Sprintf("arrays and objects are nested more than %d deep", maxWalkDepth)}
	}
	closer := w.body[i] + 2
	named := closer == '}'
	if i = w.space(i + 1); i < len(w.body) && w.body[i] == closer {
		return i + 1, nil
	}
	for {
		if named {
			end, err := w.name(i)
			if err != nil {
				return end, err
			}
			if i, err = w.colon(end + 1); err != nil {
				return i, err
			}
		}
		end, _, err := w.pass(i, depth+1)
		if err != nil {
			return end, err
		}
		next, last, err := w.comma(end, closer, "a comma or the end was expected")
		if last || err != nil {
			return next, err
		}
		i = next
	}
}

// name passes a name, up to its closing quote.
func (w *walker) name(i int) (int, *Error) {
	if i == len(w.body) {
		return i, endsEarly(i)
	}
	if w.body[i] != '"' {
		return i, &Error{Offset: i, What: "a name in quotes was expected"}
	}
	return w.text(i + 1)
}

// colon passes what stands between a name and its value.
func (w *walker) colon(i int) (int, *Error) {
	if i = w.space(i); i == len(w.body) {
		return i, endsEarly(i)
	}
	if w.body[i] != ':' {
		return i, &Error{Offset: i, What: "a colon was expected after a name"}
	}
	return w.space(i + 1), nil
}

// text passes the content of a string, from after its opening quote to its closing one.
func (w *walker) text(i int) (int, *Error) {
	end, ok := TextEnd(w.body, i)
	switch {
	case ok:
		return end, nil
	case end == len(w.body):
		return end, endsEarly(end)
	case w.body[end] == '\\':
		return end, &Error{Offset: end, What: "no such escape in a string"}
	}
	return end, &Error{Offset: end, What: "a control character in a string must be escaped"}
}

// TextEnd is where the closing quote of the string stands whose content begins at b[i]; ok is false where there is none,
// or something before it that no string may hold. It is as lenient as [Walk].
func TextEnd(b []byte, i int) (end int, ok bool) {
	for {
		i, _, _ = run(b, i)
		if i == len(b) {
			return i, false
		}
		switch b[i] {
		case '"':
			return i, true
		case '\\':
			n := escapeLength(b[i:])
			if n == 0 {
				return i, false
			}
			i += n
		default:
			return i, false
		}
	}
}

// escapeLength is how long the escape is that b begins with; 0: it is none, or cut off.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b[2:]); ok {
			return 6
		}
	}
	return 0
}

// AppendText appends to dst what value, a string with its quotes that [Scan] or [Walk] has passed, stands for: about
// limit bytes of it at most. Bytes that are no characters stay as they are, halves of surrogate pairs become U+FFFD.
func AppendText(dst, value []byte, limit int) []byte {
	return appendText(dst, value[1:len(value)-1], limit)
}

// Text is what value, a string with its quotes that [Scan] or [Walk] has passed, stands for.
func Text(value []byte) string {
	content := value[1 : len(value)-1]
	if bytes.IndexByte(content, '\\') < 0 {
		return string(content)
	}
	return string(unescape(content))
}
