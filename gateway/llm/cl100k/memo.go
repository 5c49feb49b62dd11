package cl100k

import (
	"hash/maphash"
	"sync/atomic"
)

const (
	// memoSets and memoWays are how many texts a memo remembers: 65,536, in 1 MiB.
	memoSets, memoWays = 1 << 14, 4
	// MinMemo is the length in bytes from which on a text is worth remembering: a shorter one is counted as fast.
	MinMemo = 64
)

// Memo remembers the counts of long texts, for a conversation is sent again with every turn. It knows a text by 64 bits of
// a hash with a seed of its own, so that nobody can prepare two texts that it takes for one: each question is answered
// wrongly with a chance below 2^-62. It is of fixed size, forgets the oldest of those that share a place, never allocates,
// and may be used by many goroutines. A nil Memo remembers nothing.
type Memo struct {
	seed maphash.Seed
	sets [memoSets][memoWays]remembrance
}

// remembrance is one text's mark and count. Two words cannot be written as one: mixed holds the mark with the bits of the
// count flipped in it, so that a pair of which another goroutine has written one half is no mark that anybody asks for.
type remembrance struct {
	mixed, count atomic.Uint64 // 0 and 0: empty
}

// Mark is what a [Memo] knows a text by. The zero Mark is no text.
type Mark struct {
	hash   uint64
	length int
}

// NewMemo makes an empty one.
func NewMemo() *Memo { return &Memo{seed: maphash.MakeSeed()} }

// Recall gives the count of a text, if it is remembered. If it is not, the mark is what [Memo.Keep] wants to hear with the
// count. Which bytes stand for the text is up to the caller: they may be its form in JSON.
func (m *Memo) Recall(text []byte) (count int, mark Mark, ok bool) {
	if m == nil || len(text) < MinMemo {
		return 0, Mark{}, false
	}
	mark = Mark{hash: maphash.Bytes(m.seed, text), length: len(text)}
	set := &m.sets[mark.hash%memoSets]
	for i := range set {
		packed := set[i].count.Load()
		if set[i].mixed.Load() == mark.hash^packed && packed != 0 && packed>>32 == mark.size() {
			return int(packed&(1<<32-1)) - 1, mark, true
		}
	}
	return 0, mark, false
}

// Keep remembers a count. Of a zero mark nothing is remembered.
func (m *Memo) Keep(mark Mark, count int) {
	if m == nil || mark.length == 0 || uint64(count) >= 1<<32-1 {
		return
	}
	set := &m.sets[mark.hash%memoSets]
	for i := memoWays - 1; i > 0; i-- { // the newest first; where two write at once, an entry may be lost
		packed, mixed := set[i-1].count.Load(), set[i-1].mixed.Load()
		set[i].count.Store(packed)
		set[i].mixed.Store(mixed)
	}
	packed := mark.size()<<32 | uint64(count+1)
	set[0].count.Store(packed)
	set[0].mixed.Store(mark.hash ^ packed)
}

// size is the length of the text, as far as it is kept with the count.
func (m Mark) size() uint64 { return uint64(m.length) & (1<<32 - 1) }
