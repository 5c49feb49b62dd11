package jsonscan

import "bytes"

// Cursor goes through a value once, as deep as is asked for, and checks nothing any more: [Scan] must have passed the body.
// In anything else it finds nonsense or an early end, but never leaves the body and always comes to its end.
//
//	for c.Enter(); c.More(); {
//		name := c.Name() // in an object
//		value := c.Skip() // or Enter again
//	}
type Cursor struct {
	body []byte
	i    int
}

// NewCursor stands before a value of the body.
func NewCursor(body []byte, value Span) Cursor { return Cursor{body: body[:value.End], i: value.Start} }

// Kind is what the value is that the cursor stands before; Absent where there is none.
func (c *Cursor) Kind() Kind {
	if c.i >= len(c.body) {
		return Absent
	}
	switch c.body[c.i] {
	case '"':
		return String
	case '{':
		return Object
	case '[':
		return Array
	case 'n':
		return Null
	case 't', 'f':
		return Bool
	}
	return Number
}

// Enter steps into an object or an array.
func (c *Cursor) Enter() { c.i = min(c.i+1, len(c.body)) }

// More steps before the next member or entry and is true; or out of the object or array, if there is none, and is false.
func (c *Cursor) More() bool {
	for ; c.i < len(c.body); c.i++ {
		switch c.body[c.i] {
		case ' ', '\n', '\t', '\r', ',':
		case '}', ']':
			c.i++
			return false
		default:
			return true
		}
	}
	return false
}

// Name passes the name of a member, and gives it as it is written between the quotes.
func (c *Cursor) Name() []byte {
	if c.Kind() != String {
		c.i = len(c.body)
		return nil
	}
	name := c.Skip()
	c.colon()
	if name.End-name.Start < 2 {
		return nil
	}
	return c.body[name.Start+1 : name.End-1]
}

// colon passes what stands between a name and its value.
func (c *Cursor) colon() {
	for ; c.i < len(c.body); c.i++ {
		switch c.body[c.i] {
		case ' ', '\n', '\t', '\r', ':':
		default:
			return
		}
	}
}

// Skip passes the value and tells where it stands.
func (c *Cursor) Skip() Span {
	s := Span{Start: c.i, Kind: c.Kind()}
	for depth := 0; c.i < len(c.body); {
		switch c.body[c.i] {
		case '"':
			if !c.quoted() {
				return Span{}
			}
		case '{', '[':
			depth++
			c.i++
		case '}', ']':
			depth--
			c.i++
		default:
			c.scalar()
		}
		if depth <= 0 {
			break
		}
	}
	s.End = c.i
	return s
}

// quoted passes a string, from one quote to the next that no backslash escapes. It is false where there is none.
func (c *Cursor) quoted() bool {
	for i := c.i + 1; ; i++ {
		n := bytes.IndexByte(c.body[i:], '"')
		if n < 0 {
			c.i = len(c.body)
			return false
		}
		i += n
		before := i
		for c.body[before-1] == '\\' { // ends at the opening quote at the latest
			before--
		}
		if (i-before)%2 == 0 {
			c.i = i + 1
			return true
		}
	}
}

// scalar passes a number or a word, or what stands between values.
func (c *Cursor) scalar() {
	for c.i++; c.i < len(c.body); c.i++ {
		switch c.body[c.i] {
		case ' ', '\n', '\t', '\r', ',', ':', '}', ']', '"', '{', '[':
			return
		}
	}
}

// NameIs is whether a name, as it is written between its quotes, is want, a name in lower case: spelled with escapes or
// without, in whatever letter case, for there are parsers that take one for the other.
func NameIs(name []byte, want string) bool {
	if len(name) < len(want) || len(name) > 6*len(want) {
		return false
	}
	var short [32]byte
	if len(name) != len(want) {
		if len(want) >= len(short)-4 {
			return false
		}
		// A character may have more bytes than the limit leaves.
		if name = appendText(short[:0], name, len(want)+1); len(name) != len(want) {
			return false
		}
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != want[i] {
			return false
		}
	}
	return true
}
