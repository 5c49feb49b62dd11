package identity_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/issuer"
	"nexus/gateway/trace"
)

const (
	issuerURL = "https://auth.example.com"
	audience  = "nexus-api"
)

// noon is when these tests take place.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// keyring is a key for each algorithm, with the id "key-" and its name.
var keyring = sync.OnceValue(func() map[string]*issuer.Key {
	keys := make(map[string]*issuer.Key)
	for _, algorithm := range config.Algorithms() {
		key, err := issuer.NewKey("key-"+algorithm, algorithm)
		if err != nil {
			panic(err)
		}
		keys[algorithm] = key
	}
	return keys
})

// stranger is a key that no set has, under the id of one that a set has.
var stranger = sync.OnceValue(func() *issuer.Key {
	key, err := issuer.NewKey("key-ES256", "ES256")
	if err != nil {
		panic(err)
	}
	return key
})

// setOf is the key set of an issuer with these keys.
func setOf(t testing.TB, keys ...*issuer.Key) *jwks.Set {
	t.Helper()
	document, err := issuer.Set(keys...)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwks.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// wholeSet has the keys of all algorithms.
func wholeSet(t testing.TB) *jwks.Set {
	t.Helper()
	var keys []*issuer.Key
	for _, algorithm := range config.Algorithms() {
		keys = append(keys, keyring()[algorithm])
	}
	return setOf(t, keys...)
}

// edSet has the key for EdDSA alone.
func edSet(t testing.TB) *jwks.Set { return setOf(t, keyring()["EdDSA"]) }

// rules are those of the tests: this issuer, this audience, a minute of skew.
var rules = identity.Rules{Issuer: issuerURL, Audience: audience, Skew: time.Minute, ShownIssuer: issuerURL, ShownAudience: audience}

// newVerifierOf holds tokens against a set that stays as it is.
func newVerifierOf(r identity.Rules, set *jwks.Set) *identity.Verifier {
	return identity.NewVerifier(r, jwks.Fixed(set))
}

func newVerifier(t testing.TB) *identity.Verifier {
	t.Helper()
	return identity.NewVerifier(rules, jwks.Fixed(wholeSet(t)))
}

// claims are those of a good token; more take their place, and nil takes one out.
func claims(more map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuerURL, "aud": audience, "sub": "alice", "plan": "pro",
		"iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
	}
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// payload is those claims as JSON.
func payload(more map[string]any) string {
	text, err := json.Marshal(claims(more))
	if err != nil {
		panic(err)
	}
	return string(text)
}

// encode is base64url without padding.
func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// sign makes a token of any two texts, signed with the key of an algorithm, whatever the header says.
func sign(algorithm, header, payload string) string {
	return signWith(keyring()[algorithm], header, payload)
}

func signWith(key *issuer.Key, header, payload string) string {
	signed := encode(header) + "." + encode(payload)
	signature, err := key.SignBytes(signed)
	if err != nil {
		panic(err)
	}
	return signed + "." + encode(string(signature))
}

// header is a token's header for an algorithm and its key, with more members behind: `,"typ":"JWT"`.
func header(algorithm, more string) string {
	return `{"alg":"` + algorithm + `","kid":"key-` + algorithm + `"` + more + `}`
}

// good is a token that is accepted.
func good(algorithm string, more map[string]any) string {
	return sign(algorithm, header(algorithm, `,"typ":"JWT"`), payload(more))
}

func bearing(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// authenticate gives the claims, the refusal and the step that a request's header leads to.
func authenticate(t testing.TB, v *identity.Verifier, h http.Header, now time.Time) (*identity.Claims, *identity.Refusal, trace.Step) {
	t.Helper()
	var tr trace.Trace
	got, err := v.Authenticate(h, now, &tr)
	var refusal *identity.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatalf("error %v, want a refusal", err)
	}
	if (got == nil) == (refusal == nil) {
		t.Fatalf("claims %v and refusal %v", got, refusal)
	}
	steps := tr.Steps()
	if len(steps) != 1 || steps[0].Name != trace.Authentication || (steps[0].Verdict == trace.Passed) != (refusal == nil) {
		t.Fatalf("steps %+v for refusal %v", steps, refusal)
	}
	return got, refusal, steps[0]
}
