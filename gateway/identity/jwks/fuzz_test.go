package jwks_test

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"nexus/gateway/identity/jwks"
)

// FuzzParse holds the parser to its law: it never panics; what it takes, it takes again and finds equal; and each key that it
// uses is one by another reckoning too. It also verifies something with each algorithm, which must not panic whatever keys
// the filter lets through.
func FuzzParse(f *testing.F) {
	for _, bad := range badElements(f) {
		f.Add([]byte(`{"keys":[` + bad.text + `]}`))
	}
	for _, algorithm := range allAlgorithms {
		f.Add(document(f, member(f, newKey(f, "a", algorithm), nil)))
	}
	f.Add(document(f, member(f, newKey(f, "a", "RS256"), nil), member(f, newKey(f, "b", "ES256"), nil), member(f, newKey(f, "a", "EdDSA"), nil)))
	for _, name := range []string{"json_web_signature_test.json", "json_web_key_test.json"} {
		text, err := os.ReadFile("testdata/wycheproof/" + name)
		if err != nil {
			f.Fatal(err)
		}
		var v vectors
		if err := json.Unmarshal(text, &v); err != nil {
			f.Fatal(err)
		}
		for _, group := range v.TestGroups {
			f.Add([]byte(`{"keys":[` + string(group.Private) + `]}`))
			f.Add([]byte(group.Private))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := jwks.Parse(text)
		if err != nil {
			if set != nil || len(err.Error()) > 1000 {
				t.Fatalf("a set and an error, or too long a one: %v", err)
			}
			return
		}
		again, err := jwks.Parse(text)
		if err != nil || !jwks.Equal(set, again) {
			t.Fatalf("taken once, and then: %v", err)
		}
		if n := len(set.IDs()); n == 0 || n > 64 || len(set.Dropped()) > 64 || len(set.Warnings()) > 64 {
			t.Fatalf("%d keys, %d dropped, %d warnings", n, len(set.Dropped()), len(set.Warnings()))
		}
		if n := soundKeys(text); len(set.IDs()) > n {
			t.Fatalf("%d keys are used, of which only %d are sound", len(set.IDs()), n)
		}
		for _, algorithm := range allAlgorithms {
			for _, id := range append(set.IDs(), "") {
				for _, size := range []int{0, 64, 96, 132, 256, 1024} {
					value := make([]byte, size)
					for i := range value {
						value[i] = byte(i)
					}
					_, err := set.Verify(jwks.Signature{Algorithm: algorithm, KeyID: id, Signed: signed, Value: value})
					if !errors.Is(err, jwks.ErrUnknownKey) && !errors.Is(err, jwks.ErrSignature) {
						t.Fatalf("%s, %d bytes of nothing: %v", algorithm, size, err)
					}
				}
			}
		}
	})
}

// soundKeys counts the elements that are keys of a right size by another reckoning than the filter's: Go's own JSON reader
// and another package for the curves.
func soundKeys(text []byte) (n int) {
	var document map[string]json.RawMessage // a struct would take its names in any case
	var elements []json.RawMessage
	if json.Unmarshal(text, &document) != nil || json.Unmarshal(document["keys"], &elements) != nil {
		return 0
	}
	curves := map[string]struct {
		curve ecdh.Curve
		size  int
	}{"P-256": {ecdh.P256(), 32}, "P-384": {ecdh.P384(), 48}, "P-521": {ecdh.P521(), 66}}
	for _, raw := range elements {
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			continue
		}
		text := func(name string) (text string) {
			_ = json.Unmarshal(members[name], &text) // "" is no part of any key
			return strings.TrimRight(text, "=")
		}
		number := func(name string) *big.Int {
			octets, _ := base64.RawURLEncoding.DecodeString(text(name)) // as much as can be read
			return new(big.Int).SetBytes(octets)
		}
		switch text("kty") {
		case "RSA":
			modulus, exponent := number("n"), number("e")
			if bits := modulus.BitLen(); bits >= 2048 && bits <= 8192 && modulus.Bit(0) == 1 &&
				exponent.BitLen() >= 2 && exponent.BitLen() <= 31 && exponent.Bit(0) == 1 {
				n++
			}
		case "EC":
			c, ok := curves[text("crv")]
			if x, y := number("x"), number("y"); ok && x.BitLen() <= 8*c.size && y.BitLen() <= 8*c.size {
				point := append([]byte{4}, x.FillBytes(make([]byte, c.size))...)
				if _, err := c.curve.NewPublicKey(append(point, y.FillBytes(make([]byte, c.size))...)); err == nil {
					n++
				}
			}
		case "OKP":
			if text("crv") == "Ed25519" && len(text("x")) == 43 {
				n++
			}
		}
	}
	return n
}
