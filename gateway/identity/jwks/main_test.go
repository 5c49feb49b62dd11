package jwks_test

import (
	"encoding/json"
	"maps"
	"testing"

	"go.uber.org/goleak"

	"nexus/gateway/gatewaytest"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/issuer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// signed is the signing input of all tests: what a signature covers is not looked into.
const signed = "aGVhZGVy.cGF5bG9hZA"

// sign makes a signature as a token of that key has it.
func sign(t testing.TB, key *issuer.Key) jwks.Signature {
	t.Helper()
	value, err := key.SignBytes(signed)
	if err != nil {
		t.Fatal(err)
	}
	return jwks.Signature{Algorithm: key.Algorithm, KeyID: key.ID, Signed: signed, Value: value}
}

// member gives a key's JWK with some members changed; nil takes one out.
func member(t testing.TB, key *issuer.Key, more map[string]any) map[string]any {
	t.Helper()
	jwk, err := key.JWK()
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(jwk, more)
	maps.DeleteFunc(jwk, func(_ string, v any) bool { return v == nil })
	return jwk
}

// document is a JWK Set of these elements.
func document(t testing.TB, elements ...any) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": elements})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// parse parses a document that must be usable.
func parse(t testing.TB, text []byte) *jwks.Set {
	t.Helper()
	set, err := jwks.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// setOf is the set of these keys.
func setOf(t testing.TB, keys ...*issuer.Key) *jwks.Set {
	t.Helper()
	text, err := issuer.Set(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

// newKey makes a key pair.
func newKey(t testing.TB, id, algorithm string) *issuer.Key {
	return gatewaytest.NewKey(t, id, algorithm)
}
