package jwks

import (
	"context"
	"errors"
	"slices"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// Signature is what is to be checked.
type Signature struct {
	Algorithm string // the header's alg: the caller has held it against the accepted ones
	KeyID     string // the header's kid; empty: it has none
	Signed    string // header.payload, as it came
	Value     []byte // the third part, decoded
}

// ErrUnknownKey is a signature for which the set has no key; ErrSignature one that does not hold. A signature without a key
// id that does not hold may be that of a new key as well as a forged one.
var (
	ErrUnknownKey = errors.New("no key of the set fits")
	ErrSignature  = errors.New("the signature does not hold")
)

// Verify checks a signature, and gives the id of the key that it holds for, in the set's own memory; "" where that key has
// none. The error is ErrUnknownKey or ErrSignature. Nothing else in the gateway decides whether a signature holds.
//
// The algorithm chooses among the keys of its type and curve alone. With a key id there is one key at most, and it must not
// be meant for another algorithm; without, those that fit are tried in the set's order, eight at most.
func (s *Set) Verify(sig Signature) (keyID string, err error) {
	a, ok := algorithms[sig.Algorithm]
	if !ok || s == nil || s.families[a.family] == nil {
		return "", ErrUnknownKey
	}
	if sig.KeyID == "" {
		return verifyAny(a.method, s.anyID[sig.Algorithm], sig)
	}
	choose := s.families[a.family].KeyfuncCtx(context.Background()) // the keys are in memory: nothing to wait for
	key, err := choose(&jwt.Token{
		Header: map[string]any{jwkset.HeaderKID: sig.KeyID, "alg": sig.Algorithm},
		Method: a.method,
	})
	if err != nil {
		return "", ErrUnknownKey
	}
	if a.method.Verify(sig.Signed, sig.Value, key) != nil {
		return "", ErrSignature
	}
	return s.ids[slices.Index(s.ids, sig.KeyID)], nil
}

// verifyAny holds a signature without a key id against each key that may be meant.
func verifyAny(method jwt.SigningMethod, keys []candidate, sig Signature) (keyID string, err error) {
	if len(keys) == 0 {
		return "", ErrUnknownKey
	}
	for _, k := range keys {
		if method.Verify(sig.Signed, sig.Value, k.key) == nil {
			return k.id, nil
		}
	}
	return "", ErrSignature
}
