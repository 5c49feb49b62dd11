package limit

import (
	"encoding/binary"
	"hash/maphash"
)

// hash stands for a key: 128 bits under two secret seeds, so that no key needs to be kept, and nobody can choose two that
// meet.
type hash struct{ a, b uint64 }

// shard is the place of the shard; the index of a shard and its tags are made of other bits.
func (h hash) shard() uint64 { return h.a % shardCount }

// hasher makes hashes of keys.
type hasher struct{ a, b maphash.Seed }

func newHasher() hasher { return hasher{maphash.MakeSeed(), maphash.MakeSeed()} }

// keyBytes is how long a key is written as that needs no room on the heap.
const keyBytes = 512

func (s *hasher) hash(k *Key) hash {
	var room [keyBytes]byte
	return s.sum(k, room[:0])
}

func (s *hasher) sum(k *Key, room []byte) hash {
	written := appendKey(room, k)
	return hash{maphash.Bytes(s.a, written), maphash.Bytes(s.b, written)}
}

// places hashes the keys of all lines, and gives the set of their shards, a bit for each.
func (s *hasher) places(lines []Charge, to []place) (shards uint64) {
	var room [keyBytes]byte
	for i := range lines {
		to[i].hash = s.sum(&lines[i].Key, room[:0])
		shards |= 1 << to[i].hash.shard()
	}
	return shards
}

// settled hashes the keys of all corrections and then of all slots, and gives the set of their shards.
func (s *hasher) settled(of *Settlement, to []hash) (shards uint64) {
	var room [keyBytes]byte
	for i := range of.Corrections {
		to[i] = s.sum(&of.Corrections[i].Key, room[:0])
		shards |= 1 << to[i].shard()
	}
	for i := range of.Slots {
		h := s.sum(&of.Slots[i], room[:0])
		to[len(of.Corrections)+i] = h
		shards |= 1 << h.shard()
	}
	return shards
}

// appendKey writes a key so that no two keys are written alike: each part that somebody may choose stands behind its
// length.
func appendKey(to []byte, k *Key) []byte {
	to = append(to, byte(k.Kind))
	switch {
	case !k.Address.IsValid():
		to = append(to, 0)
	case k.Address.Is4():
		bytes := k.Address.As4()
		to = append(append(to, 4), bytes[:]...)
	default:
		bytes := k.Address.As16()
		to = append(append(to, 6), bytes[:]...)
		to = appendPart(to, k.Address.Zone())
	}
	to = appendPart(to, k.Client)
	to = appendPart(to, k.Provider)
	return appendPart(to, k.Model)
}

// appendPart writes a part behind its length: a byte, or where that is not enough the byte 255 and eight more.
func appendPart(to []byte, part string) []byte {
	const long = 255
	if len(part) < long {
		to = append(to, byte(len(part)))
	} else {
		to = binary.LittleEndian.AppendUint64(append(to, long), uint64(len(part)))
	}
	return append(to, part...)
}
