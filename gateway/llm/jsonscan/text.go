package jsonscan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Words with the same byte eight times.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks, by their high bits, the bytes of x that end a run of plain text: quotes, backslashes and control
// characters. Above the first of them there may be marks too many, since a borrow runs upwards, but none is missing;
// bytes beyond ASCII are never marked.
func special(x uint64) uint64 {
	// With bit 1 flipped, the quote (0x22) stands right above the control characters, where the space was.
	quoteOrControl := (x ^ ones*0x02) - ones*0x21
	backslash := (x ^ ones*'\\') - ones
	return (quoteOrControl | backslash) &^ x & highs
}

// short is the escapes of two bytes, by their second.
var short = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

// run passes plain text and escapes of two bytes from i on, of which source code and prose are made. It ends at a quote,
// at a control character, at any other escape, or where b does. Seen are the bytes that were passed, or'ed together, and
// perhaps some behind them: where its high bits are clear, all were ASCII.
func run(b []byte, i int) (end int, escaped bool, seen uint64) {
	clean := 0 // words in a row without anything special
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		seen |= x
		next := i + 8
		if special(x) == 0 {
			if clean++; clean == 3 { // a long run, it seems
				var more uint64
				next, more = leap(b, next)
				seen, clean = seen|more, 0
			}
			i = next
			continue
		}
		clean = 0
		for m := special(x); m != 0; {
			bit := bits.TrailingZeros64(m) &^ 7
			at := i + bit/8
			switch c := byte(x >> bit); {
			case c == '\\':
				if at+1 == len(b) || !short[b[at+1]] {
					return at, escaped, seen
				}
				escaped = true
				m &^= 0xFFFF << bit
				if bit == 56 {
					next++
				}
			case c == '"' || c < ' ':
				return at, escaped, seen
			default: // a mark too many
				m &^= 0xFF << bit
			}
		}
		i = next
	}
	for i < len(b) && b[i] != '"' && b[i] >= ' ' {
		seen |= uint64(b[i])
		if b[i] == '\\' {
			if i+1 == len(b) || !short[b[i+1]] {
				break
			}
			escaped = true
			i++
		}
		i++
	}
	return i, escaped, seen
}

// leap passes plain text four words at a time.
func leap(b []byte, i int) (end int, seen uint64) {
	for i+32 <= len(b) {
		p := b[i : i+32 : i+32]
		w, x := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])
		y, z := binary.LittleEndian.Uint64(p[16:]), binary.LittleEndian.Uint64(p[24:])
		if special(w)|special(x)|special(y)|special(z) != 0 {
			break
		}
		seen |= w | x | y | z
		i += 32
	}
	return i, seen
}

// text passes the content of a string, from after its opening quote to its closing one, and tells whether it
// has escapes.
func (s *scanner) text(i int) (end int, escaped bool, err *Error) {
	b, start := s.body, i
	var seen uint64 // of all bytes: has any of them its high bit set?
	for {
		n, some, more := run(b, i)
		i = n
		escaped, seen = escaped || some, seen|more
		if i == len(b) {
			return i, escaped, endsEarly(i)
		}
		switch b[i] {
		case '"':
			if seen&highs != 0 && !utf8.Valid(b[start:i]) {
				return i, escaped, &Error{Offset: start + invalidAt(b[start:i]), What: "text must be valid UTF-8"}
			}
			return i, escaped, nil
		case '\\':
			escaped = true
			if i, err = s.escape(i); err != nil {
				return i, escaped, err
			}
		default:
			return i, escaped, &Error{Offset: i, What: "a control character in a string must be escaped"}
		}
	}
}

// escape passes one escape, or the two that make a surrogate pair.
func (s *scanner) escape(i int) (int, *Error) {
	b := s.body
	if i+1 == len(b) {
		return i, endsEarly(i + 1)
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, nil
	case 'u':
		r, ok := hex4(b[i+2:])
		if !ok {
			return i, &Error{Offset: i, What: "four hexadecimal digits were expected after \\u"}
		}
		if !utf16.IsSurrogate(r) {
			return i + 6, nil
		}
		if r < lowSurrogates && i+8 <= len(b) && b[i+6] == '\\' && b[i+7] == 'u' {
			if low, ok := hex4(b[i+8:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
				return i + 12, nil
			}
		}
		return i, &Error{Offset: i, What: "half a surrogate pair is no character"}
	}
	return i, &Error{Offset: i, What: "no such escape in a string"}
}

// lowSurrogates is where the second halves of surrogate pairs begin.
const lowSurrogates = 0xDC00

// hex4 reads the four hexadecimal digits of an escape.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape gives what the checked content of a string stands for, in new memory.
func unescape(b []byte) []byte { return appendText(make([]byte, 0, len(b)), b, len(b)) }

// appendText appends to dst what the content of a string stands for, up to the first character with which that is
// limit bytes or more. Half a surrogate pair, which a [Scan] does not let pass, becomes U+FFFD.
func appendText(dst, b []byte, limit int) []byte {
	began := len(dst)
	for i := 0; i < len(b) && len(dst)-began < limit; {
		if b[i] != '\\' {
			plain := b[i:min(len(b), i+limit-(len(dst)-began))]
			if n := bytes.IndexByte(plain, '\\'); n > 0 {
				plain = plain[:n]
			}
			dst = append(dst, plain...)
			i += len(plain)
			continue
		}
		c := b[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(b[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+2 <= len(b) && b[i] == '\\' && b[i+1] == 'u' {
					low, _ = hex4(b[i+2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// invalidAt is the offset of the first byte of b that is not part of a character.
func invalidAt(b []byte) int {
	i := 0
	for i < len(b) {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	return i
}
