package cl100k

import "unicode"

// kind is what the splitting of texts takes a character for.
type kind uint8

const (
	none    kind = iota // no character, or not known by its first byte alone
	letter              // \p{L}
	number              // \p{N}
	space               // \s, but for line breaks
	newline             // \r and \n
	other
	skipped // U+007F
)

// kinds is what the ASCII characters are.
var kinds = [256]kind{
	0: other, 1: other, 2: other, 3: other, 4: other, 5: other, 6: other, 7: other, 8: other,
	'\t': space, '\n': newline, '\v': space, '\f': space, '\r': newline,
	14: other, 15: other, 16: other, 17: other, 18: other, 19: other, 20: other, 21: other, 22: other,
	23: other, 24: other, 25: other, 26: other, 27: other, 28: other, 29: other, 30: other, 31: other,
	' ': space, '!': other, '"': other, '#': other, '$': other, '%': other, '&': other, '\'': other,
	'(': other, ')': other, '*': other, '+': other, ',': other, '-': other, '.': other, '/': other,
	'0': number, '1': number, '2': number, '3': number, '4': number, '5': number, '6': number, '7': number, '8': number, '9': number,
	':': other, ';': other, '<': other, '=': other, '>': other, '?': other, '@': other,
	'A': letter, 'B': letter, 'C': letter, 'D': letter, 'E': letter, 'F': letter, 'G': letter, 'H': letter, 'I': letter,
	'J': letter, 'K': letter, 'L': letter, 'M': letter, 'N': letter, 'O': letter, 'P': letter, 'Q': letter, 'R': letter,
	'S': letter, 'T': letter, 'U': letter, 'V': letter, 'W': letter, 'X': letter, 'Y': letter, 'Z': letter,
	'[': other, '\\': other, ']': other, '^': other, '_': other, '`': other,
	'a': letter, 'b': letter, 'c': letter, 'd': letter, 'e': letter, 'f': letter, 'g': letter, 'h': letter, 'i': letter,
	'j': letter, 'k': letter, 'l': letter, 'm': letter, 'n': letter, 'o': letter, 'p': letter, 'q': letter, 'r': letter,
	's': letter, 't': letter, 'u': letter, 'v': letter, 'w': letter, 'x': letter, 'y': letter, 'z': letter,
	'{': other, '|': other, '}': other, '~': other, 127: skipped,
}

// leads is which ASCII characters go to the word behind them. The apostrophe does, but must be looked at first.
var leads = [256]bool{
	0: true, 1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, '\t': true, '\v': true, '\f': true,
	14: true, 15: true, 16: true, 17: true, 18: true, 19: true, 20: true, 21: true, 22: true,
	23: true, 24: true, 25: true, 26: true, 27: true, 28: true, 29: true, 30: true, 31: true,
	' ': true, '!': true, '"': true, '#': true, '$': true, '%': true, '&': true,
	'(': true, ')': true, '*': true, '+': true, ',': true, '-': true, '.': true, '/': true,
	':': true, ';': true, '<': true, '=': true, '>': true, '?': true, '@': true,
	'[': true, '\\': true, ']': true, '^': true, '_': true, '`': true, '{': true, '|': true, '}': true, '~': true,
}

// kindOf is what a character beyond ASCII is. The large alphabets are known without a search.
func kindOf(r rune) kind {
	switch {
	case 0x4E00 <= r && r <= 0x9FFC, // Chinese characters
		0xAC00 <= r && r <= 0xD7A3,                             // Hangul
		0x3041 <= r && r <= 0x3096, 0x30A1 <= r && r <= 0x30FA, // Japanese syllables
		0x0400 <= r && r <= 0x0481,                             // Cyrillic
		0x00D8 <= r && r <= 0x00F6, 0x00F8 <= r && r <= 0x02C1: // Latin
		return letter
	case 0x2010 <= r && r <= 0x2027, 0x3001 <= r && r <= 0x3003, 0xFF08 <= r && r <= 0xFF0F, 0x1F300 <= r && r <= 0x1F64F:
		return other // punctuation, pictures
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}
