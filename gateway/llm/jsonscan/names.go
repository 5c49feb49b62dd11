package jsonscan

import "bytes"

// few is how many names are looked through one by one; from there on a map is quicker, and bounds the time.
const few = 16

// names are those that one object had so far. The zero value is an object's beginning. It lives on the stack
// for as long as there are few names.
type names struct {
	n     int
	first [few][]byte
	all   map[string]struct{} // nil while n <= few
}

// add takes in a name and tells whether it is new. The name's bytes must not change.
func (s *names) add(name []byte) bool {
	if s.n < few {
		for _, other := range s.first[:s.n] {
			if bytes.Equal(name, other) {
				return false
			}
		}
		s.first[s.n] = name
		s.n++
		return true
	}
	if s.all == nil {
		s.all = make(map[string]struct{}, 4*few)
		for _, other := range s.first {
			s.all[string(other)] = struct{}{}
		}
	}
	// The map's hash is seeded at random, so nobody can prepare names that collide.
	if _, ok := s.all[string(name)]; ok {
		return false
	}
	s.all[string(name)] = struct{}{}
	return true
}
