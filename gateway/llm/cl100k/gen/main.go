//go:build ignore

// Command gen writes vocabulary.bin, which the package embeds: cl100k_base as three tables with open addressing that are read
// where they lie. How they are laid out is told in vocabulary.go, which must hash as this does.
package main

import (
	"encoding/binary"
	"log"
	"math/bits"
	"os"

	"github.com/tiktoken-go/tokenizer"
)

const (
	ranks      = 100256
	shortSlots = 160_000
	midSlots   = 34_000
	longSlots  = 2_048
	multiplier = 0x9E3779B97F4A7C15
	longest    = 128
)

func main() {
	log.SetFlags(0)
	codec, err := tokenizer.Get(tokenizer.Cl100kBase)
	if err != nil {
		log.Fatal(err)
	}
	short, mid, long := newTable(shortSlots, 12), newTable(midSlots, 20), newTable(longSlots, 12)
	var texts []byte
	for rank := range uint(ranks) {
		text, err := codec.Decode([]uint{rank})
		if err != nil {
			log.Fatal(err)
		}
		token := []byte(text)
		meta := uint32(rank+1) | uint32(len(token))<<24
		switch n := len(token); {
		case n <= 8:
			key := word(token)
			short.add(hash(key), pack64(key), meta)
		case n <= 16:
			first, last := word(token[:8]), word(token[n-8:])
			mid.add(hash(first^bits.RotateLeft64(last, 31)), append(pack64(first), pack64(last)...), meta)
		case n <= longest:
			h := uint64(0)
			for i := 0; i+8 < n; i += 8 {
				h = hash(h ^ word(token[i:i+8]))
			}
			h = hash(h ^ word(token[n-8:]))
			long.add(h, append(pack32(uint32(h)), pack32(uint32(len(texts)))...), meta)
			texts = append(texts, token...)
		default:
			log.Fatalf("token %d is longer than %d bytes", rank, longest)
		}
	}
	var out []byte
	for _, t := range []*table{short, mid, long} {
		out = append(out, t.bytes()...)
	}
	if err := os.WriteFile("vocabulary.bin", append(out, texts...), 0o644); err != nil {
		log.Fatal(err)
	}
	log.Printf("longest probes %d, %d, %d", short.worst, mid.worst, long.worst)
}

// spare is how many slots follow the last that a hash can point at. The very last is always empty.
const spare = 64

// table is slots of equal size: a key, and 4 bytes about the token, which are 0 where the slot is empty.
type table struct {
	slots, size, worst int
	data               []byte
}

func newTable(slots, size int) *table {
	return &table{slots: slots, size: size, data: make([]byte, (slots+spare)*size)}
}

func (t *table) add(h uint64, key []byte, meta uint32) {
	at := int(h >> 32 * uint64(t.slots) >> 32)
	for probes := 1; ; probes++ {
		if at == t.slots+spare-1 {
			log.Fatal("too few spare slots")
		}
		slot := t.data[at*t.size : (at+1)*t.size]
		if binary.LittleEndian.Uint32(slot[t.size-4:]) == 0 {
			copy(slot, key)
			binary.LittleEndian.PutUint32(slot[t.size-4:], meta)
			t.worst = max(t.worst, probes)
			return
		}
		at++
	}
}

func (t *table) bytes() []byte { return t.data }

func hash(x uint64) uint64 {
	high, low := bits.Mul64(x, multiplier)
	return high ^ low
}

func word(b []byte) uint64 {
	var x [8]byte
	copy(x[:], b)
	return binary.LittleEndian.Uint64(x[:])
}

func pack64(x uint64) []byte { return binary.LittleEndian.AppendUint64(nil, x) }
func pack32(x uint32) []byte { return binary.LittleEndian.AppendUint32(nil, x) }
