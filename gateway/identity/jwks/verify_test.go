package jwks_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"nexus/gateway/identity/jwks"
	"nexus/gateway/issuer"
)

// allAlgorithms are those that are accepted.
var allAlgorithms = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

func TestEachAlgorithmVerifiesItsOwnSignatureAndNoOther(t *testing.T) {
	var keys []*issuer.Key
	for _, algorithm := range allAlgorithms {
		if !jwks.Supports(algorithm) {
			t.Errorf("%s is not supported", algorithm)
		}
		keys = append(keys, newKey(t, "key-"+algorithm, algorithm))
	}
	set := setOf(t, keys...)
	for _, key := range keys {
		sig := sign(t, key)
		if id, err := set.Verify(sig); err != nil || id != key.ID {
			t.Errorf("%s: verified by key %q, %v", key.Algorithm, id, err)
		}
		for _, other := range allAlgorithms {
			if wrong := sig; other != key.Algorithm {
				wrong.Algorithm = other
				if _, err := set.Verify(wrong); !errors.Is(err, jwks.ErrUnknownKey) {
					t.Errorf("a key for %s under %s: %v", key.Algorithm, other, err)
				}
			}
		}
		for name, broken := range brokenSignatures(sig) {
			if _, err := set.Verify(broken); !errors.Is(err, jwks.ErrSignature) {
				t.Errorf("%s with %s: %v", key.Algorithm, name, err)
			}
		}
	}
}

// brokenSignatures are signatures that must not hold.
func brokenSignatures(sig jwks.Signature) map[string]jwks.Signature {
	change := func(f func(*jwks.Signature)) jwks.Signature {
		broken := sig
		broken.Value = append([]byte(nil), sig.Value...)
		f(&broken)
		return broken
	}
	return map[string]jwks.Signature{
		"another text":     change(func(s *jwks.Signature) { s.Signed += "A" }),
		"no text":          change(func(s *jwks.Signature) { s.Signed = "" }),
		"another value":    change(func(s *jwks.Signature) { s.Value[len(s.Value)/2] ^= 1 }),
		"no value":         change(func(s *jwks.Signature) { s.Value = nil }),
		"a byte more":      change(func(s *jwks.Signature) { s.Value = append(s.Value, 0) }),
		"a byte before":    change(func(s *jwks.Signature) { s.Value = append([]byte{0}, s.Value...) }),
		"a byte less":      change(func(s *jwks.Signature) { s.Value = s.Value[1:] }),
		"zeros":            change(func(s *jwks.Signature) { clear(s.Value) }),
		"a mebibyte of it": change(func(s *jwks.Signature) { s.Value = make([]byte, 1<<20) }),
	}
}

func TestOtherAlgorithmsAreNeverVerified(t *testing.T) {
	key := newKey(t, "a", "ES256")
	set := setOf(t, key)
	for _, name := range []string{"", "none", "None", "HS256", "HS384", "HS512", "ES256K", "es256", "ES256 ", "Ed25519", "RSA1_5"} {
		sig := sign(t, key)
		sig.Algorithm = name
		if jwks.Supports(name) {
			t.Errorf("%q is supported", name)
		}
		for _, id := range []string{"a", ""} {
			sig.KeyID = id
			if _, err := set.Verify(sig); !errors.Is(err, jwks.ErrUnknownKey) {
				t.Errorf("%q, key id %q: %v", name, id, err)
			}
		}
	}
}

func TestAnUnknownKeyIDIsAnUnknownKey(t *testing.T) {
	key := newKey(t, "a", "ES256")
	for name, set := range map[string]*jwks.Set{
		"the key has another id":        parse(t, document(t, member(t, key, map[string]any{"kid": "b"}))),
		"the key has no id":             parse(t, document(t, member(t, key, map[string]any{"kid": nil}))),
		"the key has an empty id":       parse(t, document(t, member(t, key, map[string]any{"kid": ""}))),
		"the key's id has another case": parse(t, document(t, member(t, key, map[string]any{"kid": "A"}))),
		"no key is of that kind":        setOf(t, newKey(t, "a", "ES384")),
		"there is no set":               nil,
		"the set is empty":              {},
	} {
		if _, err := set.Verify(sign(t, key)); !errors.Is(err, jwks.ErrUnknownKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutAKeyIDEachKeyThatFitsIsTried(t *testing.T) {
	none := map[string]any{"alg": nil}
	key, other := newKey(t, "a", "RS256"), newKey(t, "b", "RS256")
	nameless := func(key *issuer.Key) jwks.Signature {
		sig := sign(t, key)
		sig.KeyID = ""
		return sig
	}
	for name, c := range map[string]struct {
		set  *jwks.Set
		want string
		err  error
	}{
		"the second of two":             {setOf(t, other, key), "a", nil},
		"one without alg":               {parse(t, document(t, member(t, key, none))), "a", nil},
		"one without alg and id":        {parse(t, document(t, member(t, key, map[string]any{"alg": nil, "kid": nil}))), "", nil},
		"one for another algorithm":     {parse(t, document(t, member(t, key, map[string]any{"alg": "PS256"}))), "", jwks.ErrUnknownKey},
		"one of another kind":           {setOf(t, newKey(t, "a", "EdDSA")), "", jwks.ErrUnknownKey},
		"one of another issuer":         {setOf(t, other), "", jwks.ErrSignature},
		"the nameless one, after named": {parse(t, document(t, member(t, other, nil), member(t, key, map[string]any{"kid": nil}))), "", nil},
	} {
		if id, err := c.set.Verify(nameless(key)); id != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: key %q, %v", name, id, err)
		}
	}
}

func TestWithoutAKeyIDEightKeysAreTriedAndNotMore(t *testing.T) {
	var keys []*issuer.Key
	var elements []any
	for i := range 9 {
		keys = append(keys, newKey(t, fmt.Sprint(i), "ES256"))
		elements = append(elements, member(t, newKey(t, fmt.Sprint("other", i), "ES384"), nil), member(t, keys[i], nil))
	}
	set := parse(t, document(t, elements...))
	for i, key := range keys {
		sig := sign(t, key)
		sig.KeyID = ""
		id, err := set.Verify(sig)
		if i < 8 && (err != nil || id != key.ID) || i == 8 && !errors.Is(err, jwks.ErrSignature) {
			t.Errorf("key %d: %q, %v", i, id, err)
		}
		if id, err := set.Verify(sign(t, key)); err != nil || id != key.ID {
			t.Errorf("key %d by its id: %q, %v", i, id, err)
		}
	}
}

func TestKeysOfTwoKindsMayHaveOneID(t *testing.T) {
	ec, ed := newKey(t, "same", "ES256"), newKey(t, "same", "EdDSA")
	set := setOf(t, ec, ed)
	for _, key := range []*issuer.Key{ec, ed} {
		if id, err := set.Verify(sign(t, key)); err != nil || id != "same" {
			t.Errorf("%s: %q, %v", key.Algorithm, id, err)
		}
	}
}

func TestASaltOfAnotherLengthIsRefused(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set := parse(t, document(t, rsaJWK(&private.PublicKey)))
	digest := sha256.Sum256([]byte(signed))
	for length, want := range map[int]error{32: nil, 0: jwks.ErrSignature, 20: jwks.ErrSignature, 64: jwks.ErrSignature} {
		value, err := rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: length})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := set.Verify(jwks.Signature{Algorithm: "PS256", Signed: signed, Value: value}); !errors.Is(err, want) {
			t.Errorf("a salt of %d bytes: %v", length, err)
		}
	}
}
