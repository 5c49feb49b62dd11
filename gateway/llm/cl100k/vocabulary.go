package cl100k

import (
	"bytes"
	_ "embed" // the vocabulary
	"encoding/binary"
	"math/bits"
)

//go:generate go run gen/main.go

// vocabulary is the 100,256 tokens of cl100k_base with their ranks, as gen/main.go lays them out: three tables with open
// addressing, which are read where they lie, and behind them the texts of the longest tokens. The vocabulary is OpenAI's,
// published under the license in vocabulary.license.
//
// A slot ends in 4 bytes: the rank plus 1, and in the highest byte the token's length; all 0 is an empty slot. Before them
// stands what the token is found by:
//
//	up to 8 bytes    the token itself, filled up with zeros
//	up to 16 bytes   its first 8 bytes and its last 8
//	more             32 bits of its hash, and where its text begins behind the tables
//
//go:embed vocabulary.bin
var vocabulary []byte

// Of the three tables: how many slots a hash can point at, and the bytes of one. A few more slots follow, of which the last
// is always empty, so that looking on for a free one ends.
const (
	shortSlots, shortSize = 160_000, 12
	midSlots, midSize     = 34_000, 20
	longSlots, longSize   = 2_048, 12
	spareSlots            = 64

	midAt   = (shortSlots + spareSlots) * shortSize
	longAt  = midAt + (midSlots+spareSlots)*midSize
	textsAt = longAt + (longSlots+spareSlots)*longSize

	longest = 128 // bytes of a token
)

// hash spreads x over 64 bits. gen/main.go must do the same.
func hash(x uint64) uint64 {
	high, low := bits.Mul64(x, 0x9E3779B97F4A7C15)
	return high ^ low
}

// short finds a token of n bytes, 8 at most, which are those of key, and zeros above them. It gives the rank plus 1; 0: it
// is no token.
func short(key uint64, n int) uint32 {
	at := int(hash(key)>>32*shortSlots>>32) * shortSize
	for {
		slot := vocabulary[at : at+shortSize : at+shortSize]
		meta := binary.LittleEndian.Uint32(slot[8:])
		if binary.LittleEndian.Uint64(slot) == key && int(meta>>24) == n {
			return meta & 0xFFFFFF
		}
		if meta == 0 {
			return 0
		}
		at += shortSize
	}
}

// mid finds a token of n bytes, 9 to 16, by its first and its last 8, like short.
func mid(first, last uint64, n int) uint32 {
	at := midAt + int(hash(first^bits.RotateLeft64(last, 31))>>32*midSlots>>32)*midSize
	for {
		slot := vocabulary[at : at+midSize : at+midSize]
		meta := binary.LittleEndian.Uint32(slot[16:])
		if binary.LittleEndian.Uint64(slot) == first && binary.LittleEndian.Uint64(slot[8:]) == last && int(meta>>24) == n {
			return meta & 0xFFFFFF
		}
		if meta == 0 {
			return 0
		}
		at += midSize
	}
}

// long finds a token of more than 16 bytes, like short.
func long(token []byte) uint32 {
	n := len(token)
	if n > longest {
		return 0
	}
	h := uint64(0)
	for i := 0; i+8 < n; i += 8 {
		h = hash(h ^ binary.LittleEndian.Uint64(token[i:]))
	}
	h = hash(h ^ binary.LittleEndian.Uint64(token[n-8:]))
	at := longAt + int(h>>32*longSlots>>32)*longSize
	for {
		slot := vocabulary[at : at+longSize : at+longSize]
		meta := binary.LittleEndian.Uint32(slot[8:])
		if meta == 0 {
			return 0
		}
		if binary.LittleEndian.Uint32(slot) == uint32(h) && int(meta>>24) == n {
			text := textsAt + int(binary.LittleEndian.Uint32(slot[4:]))
			if bytes.Equal(vocabulary[text:text+n], token) {
				return meta & 0xFFFFFF
			}
		}
		at += longSize
	}
}

// masks keep the first n bytes of a word.
var masks = [9]uint64{0, 1<<8 - 1, 1<<16 - 1, 1<<24 - 1, 1<<32 - 1, 1<<40 - 1, 1<<48 - 1, 1<<56 - 1, 1<<64 - 1}

// rank finds the token text[i:j], of 2 bytes or more, like short. Behind it there must be at least 6 bytes that may be read.
func rank(text []byte, i, j int) uint32 {
	switch n := j - i; {
	case n <= 8:
		return short(binary.LittleEndian.Uint64(text[i:])&masks[n], n)
	case n <= 16:
		return mid(binary.LittleEndian.Uint64(text[i:]), binary.LittleEndian.Uint64(text[j-8:]), n)
	}
	return long(text[i:j])
}

// wordAt is the n bytes at text[i], 8 at most, and zeros above them, wherever text ends.
func wordAt(text []byte, i, n int) uint64 {
	if i+8 <= len(text) {
		return binary.LittleEndian.Uint64(text[i:]) & masks[n]
	}
	var x uint64
	for k, c := range text[i : i+n] {
		x |= uint64(c) << (8 * k)
	}
	return x
}

// isToken is whether text[i:j] is a token.
func isToken(text []byte, i, j int) bool {
	switch n := j - i; {
	case n == 1:
		return true
	case n <= 8:
		return short(wordAt(text, i, n), n) != 0
	case n <= 16:
		return mid(binary.LittleEndian.Uint64(text[i:]), binary.LittleEndian.Uint64(text[j-8:]), n) != 0
	}
	return long(text[i:j]) != 0
}
