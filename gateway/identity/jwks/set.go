package jwks

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
)

const (
	maxKeys  = 64 // usable keys of a set
	maxNotes = 64 // reasons that a set remembers
	maxTries = 8  // keys that a signature without a key id is held against
	maxShown = 64 // bytes of a key id that are shown
	maxTold  = 3  // reasons that an error tells
)

// Set is the usable keys of one JWK Set (RFC 7517). It is only read, and may be used by many goroutines. The zero Set
// has no keys.
type Set struct {
	ids      []string
	families [families]keyfunc.Keyfunc // nil: the set has no key of the family
	anyID    map[string][]candidate    // by algorithm, for signatures without a key id
	digest   [sha256.Size]byte         // of all keys in their order
	dropped  []Dropped
	left     int // how many were left out
	warnings []string
}

// candidate is a key that a signature without a key id is held against.
type candidate struct {
	id  string
	key any
}

// Dropped is a key that was left out of its set.
type Dropped struct {
	ID  string // as much of its id as may be shown; empty: it has none, or none that could be read
	Why string // a sentence without a full stop
}

// Parse reads a JWK Set. Each key is read by itself: those that are not usable are left out, each for a reason, and cost
// no other. Bytes that are no UTF-8 within a key are a fault of that key; elsewhere in values they are overlooked. The error
// says that there is no set, or why it has no usable key. Whoever calls bounds the document.
func Parse(document []byte) (*Set, error) {
	elements, left, err := split(document)
	if err != nil {
		return nil, err
	}
	s := &Set{}
	var keys []*key
	for _, raw := range elements {
		e, err := readElement(raw)
		if e.private() {
			s.warn(e.Kid)
		}
		var k *key
		if err == nil {
			k, err = filter(e)
		}
		switch {
		case err != nil:
			s.drop(e.Kid, err.Error())
		case k.id != "" && slices.ContainsFunc(keys, func(o *key) bool { return o.id == k.id && o.family == k.family }):
			s.drop(k.id, "another key of its kind has the same kid")
		case len(keys) == maxKeys:
			s.drop(k.id, "64 keys are there already")
		default:
			keys = append(keys, k)
		}
	}
	if left > 0 {
		s.drop("", "it comes after the first 1024")
		s.left += left - 1
	}
	if len(keys) == 0 {
		return nil, s.useless()
	}
	return s, s.fill(keys)
}

// fill makes the parts of the set that verify.
func (s *Set) fill(keys []*key) error {
	digest := sha256.New()
	var byFamily [families][]jwkset.JWK
	for _, k := range keys {
		s.ids = append(s.ids, k.id)
		byFamily[k.family] = append(byFamily[k.family], k.jwk)
		digest.Write(k.thumbprint[:])
		for _, text := range []string{k.id, k.alg} {
			// The length stands before, so that no id can imitate another with an algorithm.
			digest.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
			digest.Write([]byte(text))
		}
	}
	digest.Sum(s.digest[:0])
	for family, jwks := range byFamily {
		if len(jwks) == 0 {
			continue
		}
		storage := jwkset.NewMemoryStorage()
		if err := storage.KeyReplaceAll(context.Background(), jwks); err != nil {
			return fmt.Errorf("store the keys: %w", err)
		}
		var err error
		s.families[family], err = keyfunc.New(keyfunc.Options{
			Storage: storage, UseWhitelist: []jwkset.USE{jwkset.UseSig, ""},
		})
		if err != nil {
			return fmt.Errorf("store the keys: %w", err)
		}
	}
	return s.fillAnyID()
}

// fillAnyID lists the keys that signatures without a key id are held against. The library would hand over all of a
// family, without a look at the algorithms that they are for.
func (s *Set) fillAnyID() error {
	s.anyID = make(map[string][]candidate)
	for name, a := range algorithms {
		if s.families[a.family] == nil {
			continue
		}
		keys, err := s.families[a.family].Storage().KeyReadAll(context.Background())
		if err != nil {
			return fmt.Errorf("read the keys: %w", err)
		}
		for _, k := range keys {
			public := k.Marshal()
			fits := public.ALG == "" || string(public.ALG) == name
			if fits && len(s.anyID[name]) < maxTries {
				s.anyID[name] = append(s.anyID[name], candidate{public.KID, k.Key()})
			}
		}
	}
	return nil
}

// IDs are the key ids of the set in its order, "" for a key without one.
func (s *Set) IDs() []string { return slices.Clone(s.ids) }

// Dropped are the keys that were left out, the first 64 of them, in the order of the document.
func (s *Set) Dropped() []Dropped { return slices.Clone(s.dropped) }

// Warnings are sentences about what the issuer should mend at once: it publishes private keys.
func (s *Set) Warnings() []string { return slices.Clone(s.warnings) }

// equal reports whether two sets have the same keys, with the same ids, for the same algorithms, in the same order.
func (s *Set) equal(o *Set) bool { return s != nil && o != nil && s.digest == o.digest }

// drop notes a key that is left out.
func (s *Set) drop(id, why string) {
	s.left++
	if len(s.dropped) < maxNotes {
		s.dropped = append(s.dropped, Dropped{ID: printable(id), Why: why})
	}
}

// warn notes that the private half of a key is published.
func (s *Set) warn(id string) {
	if len(s.warnings) < maxNotes {
		s.warnings = append(s.warnings, fmt.Sprintf("key %q is published with its private half: whoever has read it can sign with it", printable(id)))
	}
}

// useless is the error of a set without a usable key.
func (s *Set) useless() error {
	if s.left == 0 {
		return errors.New("no usable key: the list is empty")
	}
	return fmt.Errorf("no usable key: %d dropped: %s", s.left, tell(s.dropped, s.left, maxTold))
}

// tell puts the first reasons into one line, so many at most; all is how many there are.
func tell(dropped []Dropped, all, most int) string {
	told := dropped[:min(len(dropped), most)]
	var parts []string
	for _, d := range told {
		parts = append(parts, fmt.Sprintf("%q: %s", d.ID, d.Why))
	}
	if more := all - len(told); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// printable is what of a key id may be shown.
func printable(id string) string {
	var b strings.Builder
	for _, r := range id {
		if !unicode.IsPrint(r) {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > maxShown {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
