// Package cl100k counts tokens of cl100k_base, the encoding by which limits and displays measure texts.
//
// A text is split into pieces (words, numbers, punctuation, space) by hand, as the encoding's regular expression would
// split it. Most pieces are tokens, and one look-up in the embedded vocabulary tells so. The rest is merged from its bytes,
// pair by pair. The time is linear in the length of the text but for a logarithm, whatever it holds, and in the steady state
// nothing is allocated. Text that reads like a special token ("<|endoftext|>") is text like any other, and a byte that is
// part of no character counts as U+FFFD does. All counts are those of github.com/tiktoken-go/tokenizer.
//
// The package must know nothing of JSON, of messages or of what a count is for.
package cl100k

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unsafe"
)

// Count is how many tokens text is.
func Count(text []byte) int {
	tokens, _ := measure(text, math.MaxInt)
	return tokens
}

// CountString is how many tokens text is.
func CountString(text string) int { return Count(unsafe.Slice(unsafe.StringData(text), len(text))) } // it is only read

// Cut is the beginning of text that its first tokens make, at most so many. It ends between two characters, and counts no
// more than most tokens by itself. A stretch with bytes that are part of no character is taken whole or not at all.
func Cut(text string, most int) string {
	for most > 0 {
		_, end := measure(unsafe.Slice(unsafe.StringData(text), len(text)), most)
		for end > 0 && end < len(text) && text[end]&0xC0 == 0x80 {
			end--
		}
		// What follows decides how text is split, so that its beginning alone may be split into more.
		if CountString(text[:end]) <= most {
			return text[:end]
		}
		text, most = text[:end], most-1
	}
	return ""
}

// measure counts the tokens of text, most at most, and tells where the last of them ends.
func measure(text []byte, most int) (tokens, end int) {
	s := splitter{text: text}
	var rare *scratch
	i := 0
	for i < len(text) && tokens < most {
		end, known := common(text, i)
		if end == 0 {
			if text[i] == 0x7F {
				i++
				continue
			}
			end = s.end(i)
			known = !s.broken && isToken(text, i, end)
		}
		if known {
			tokens++
			i = end
			continue
		}
		if rare == nil {
			rare = borrow()
		}
		n, last := rare.piece(text, i, end, most-tokens, s.broken)
		tokens += n
		s.broken = false
		if last < end { // most is reached
			i = last
			break
		}
		i = end
	}
	if rare != nil {
		rare.giveBack()
	}
	for i < len(text) && text[i] == 0x7F {
		i++
	}
	return tokens, i
}

// common finds the piece at i where it is an ASCII word of up to 15 letters, with or without a character before it, and
// looks it up on the way: of such most texts are made. end is 0 where it is anything else.
func common(text []byte, i int) (end int, known bool) {
	if len(text)-i < 17 {
		return 0, false
	}
	b := text[i : i+17 : i+17]
	first := binary.LittleEndian.Uint64(b)
	others := notLetters(first)
	if others&0x80 != 0 { // the first byte
		if others&0x8000 != 0 || !leads[byte(first)] {
			return 0, false
		}
		others &^= 0x80
	}
	if others != 0 {
		n := bits.TrailingZeros64(others) >> 3
		if b[n] >= 0x80 { // perhaps another letter
			return 0, false
		}
		return i + n, short(first&masks[n], n) != 0
	}
	if others = notLetters(binary.LittleEndian.Uint64(b[8:])); others == 0 {
		return 0, false
	}
	n := 8 + bits.TrailingZeros64(others)>>3
	switch {
	case b[n] >= 0x80:
		return 0, false
	case n == 8:
		return i + n, short(first, n) != 0
	}
	return i + n, mid(first, binary.LittleEndian.Uint64(b[n-8:]), n) != 0
}

// notLetters marks, by their high bits, the bytes of x that are no ASCII letters.
func notLetters(x uint64) uint64 {
	const each = 0x0101010101010101
	lower := (x | 0x20*each) & (0x7F * each)
	fromA, beyondZ := lower+(0x80-'a')*each, lower+(0x80-'z'-1)*each // no byte carries into the next
	return ^(fromA &^ beyondZ &^ x) & (0x80 * each)
}
