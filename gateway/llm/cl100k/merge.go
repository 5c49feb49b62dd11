package cl100k

import (
	"encoding/binary"
	"sync"
	"unicode/utf8"
)

const (
	// small is how many bytes are merged by looking through all pairs again and again, which is the quickest way as long
	// as they are few.
	small = 128
	// remembered is how many pieces that are no tokens a scratch remembers; a power of two.
	remembered = 2048
	// maxKept is how many bytes a scratch may have been asked to merge at once and still be kept.
	maxKept = 1 << 14
	nothing = 1<<32 - 1 // no pair to merge
)

// scratch is what pieces that are no tokens are merged in.
type scratch struct {
	text       [small + 8]byte // the bytes that are merged, and some that may be read
	pairs      [small]uint32   // by the place of the first byte: rank plus 1 of the pair, and the place below
	next, prev [small + 1]uint8

	memory [remembered]memory
	large  large
	whole  []byte // a piece with U+FFFD for its broken bytes
}

// memory is the count of one piece of up to 16 bytes. The same bytes always have the same count, so it never gets old.
type memory struct {
	first, last uint64
	size, count uint8 // 0: nothing is remembered
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func borrow() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) giveBack() {
	if cap(s.whole) > maxKept || cap(s.large.next) > maxKept {
		return
	}
	scratches.Put(s)
}

// piece counts the tokens of the piece text[i:j], which is none itself, most at most, and tells where the last of them ends.
func (s *scratch) piece(text []byte, i, j, most int, broken bool) (tokens, end int) {
	if broken {
		return s.mended(text[i:j], i, most)
	}
	n := j - i
	if n > small {
		tokens, end = s.windows(text[i:j], most)
		return tokens, i + end
	}
	if n > 16 || most < n {
		tokens, end = s.merge(text[i:j], most)
		return tokens, i + end
	}
	first, last := wordAt(text, i, min(n, 8)), uint64(0)
	if n > 8 {
		last = binary.LittleEndian.Uint64(text[j-8:])
	}
	m := &s.memory[hash(first^last<<1)>>32&(remembered-1)]
	if m.first == first && m.last == last && int(m.size) == n {
		return int(m.count), j
	}
	tokens, _ = s.merge(text[i:j], most)
	*m = memory{first: first, last: last, size: uint8(n), count: uint8(tokens)}
	return tokens, j
}

// mended counts a piece that begins at i and has bytes that are part of no character: each stands for U+FFFD. Where it has
// more tokens than most, it counts none and marks them all as used.
func (s *scratch) mended(piece []byte, i, most int) (tokens, end int) {
	whole := s.whole[:0]
	for rest := piece; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		whole = utf8.AppendRune(whole, r)
		rest = rest[size:]
	}
	s.whole = whole
	if isToken(whole, 0, len(whole)) {
		return 1, i + len(piece)
	}
	if len(whole) > small {
		tokens, end = s.windows(whole, most)
	} else {
		tokens, end = s.merge(whole, most)
	}
	if end < len(whole) {
		return tokens, i
	}
	return tokens, i + len(piece)
}

// merge counts the tokens of a piece of up to small bytes, most at most, and tells where the last of them ends.
func (s *scratch) merge(piece []byte, most int) (tokens, end int) {
	n := len(piece)
	copy(s.text[:], piece)
	text := s.text[:n+8]
	pairs := s.pairs[:n]
	for i := range pairs {
		s.next[i], s.prev[i+1] = uint8(i+1), uint8(i)
		pairs[i] = nothing
		if i+1 < n {
			pairs[i] = pair(text, i, i+2)
		}
	}
	tokens = n
	for {
		least := least(pairs)
		if least == nothing {
			break
		}
		i := int(least & 0xFF)
		gone := s.next[i]
		pairs[gone] = nothing
		tokens--
		j := s.next[gone]
		s.next[i], s.prev[j] = j, uint8(i)
		pairs[i] = nothing
		if int(j) < n {
			pairs[i] = pair(text, i, int(s.next[j]))
		}
		if i > 0 {
			before := s.prev[i]
			pairs[before] = pair(text, int(before), int(j))
		}
	}
	if tokens <= most {
		return tokens, n
	}
	for range most {
		end = int(s.next[end])
	}
	return most, end
}

// pair is the pair text[i:j] of tokens as it stands among the others: of two, the one that is merged first is less. nothing
// where it is no token.
func pair(text []byte, i, j int) uint32 {
	r := rank(text, i, j)
	if r == 0 {
		return nothing
	}
	return r<<8 | uint32(i)
}

// least is the least of the pairs.
func least(pairs []uint32) uint32 {
	a, b := uint32(nothing), uint32(nothing)
	for len(pairs) >= 4 {
		a = min(a, pairs[0], pairs[2])
		b = min(b, pairs[1], pairs[3])
		pairs = pairs[4:]
	}
	for _, p := range pairs {
		a = min(a, p)
	}
	return min(a, b)
}
