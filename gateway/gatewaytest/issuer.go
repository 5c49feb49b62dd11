package gatewaytest

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/issuer"
)

// Key is a key pair of an issuer.
type Key = issuer.Key

// Issuer is a token issuer on loopback whose key set a test exchanges at any moment, and which misbehaves on demand.
type Issuer struct {
	// URL is what the claim iss of its tokens says, without a slash at the end.
	URL string

	answer  atomic.Pointer[http.HandlerFunc]
	fetches atomic.Int64
}

// Audience is what the claim aud of an [Issuer]'s tokens says.
const Audience = "nexus-api"

// StartIssuer starts an issuer that publishes keys. It ends with the test.
func StartIssuer(t testing.TB, keys ...*Key) *Issuer {
	t.Helper()
	i := &Issuer{}
	i.Publish(t, keys...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		(*i.answer.Load())(w, r)
	}))
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// SetURL is where the key set is found.
func (i *Issuer) SetURL() string { return i.URL + "/.well-known/jwks.json" }

// Config is what a nexus.toml says to know callers by this issuer's tokens: the claim sub for who they are, plan for their
// group. More lines go into [server.oauth].
func (i *Issuer) Config(oauth ...string) string {
	return fmt.Sprintf(`
[server.oauth]
url = %q
expected_issuer = %q
expected_audience = %q
%s
[server.client_identification]
client_id.jwt_claim = "sub"
group_id.jwt_claim = "plan"
`, i.SetURL(), i.URL, Audience, strings.Join(oauth, "\n"))
}

// Publish has the issuer answer with the set of these keys from now on.
func (i *Issuer) Publish(t testing.TB, keys ...*Key) {
	t.Helper()
	set := KeySet(t, keys...)
	i.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set) // a gateway that hangs up is none of the issuer's business
	})
}

// Answer has the issuer answer in this way from now on. What must not end before the test does may wait for the
// request's context.
func (i *Issuer) Answer(h http.HandlerFunc) { i.answer.Store(&h) }

// Fetches is how often the key set was asked for.
func (i *Issuer) Fetches() int { return int(i.fetches.Load()) }

// Claims are those of a good token for an hour: sub is "alice", plan is "pro". More take their place; nil takes one out.
func (i *Issuer) Claims(more map[string]any) map[string]any {
	now := time.Now()
	claims := map[string]any{
		"iss": i.URL, "aud": Audience, "sub": "alice", "plan": "pro", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, more)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// Token is a token of this issuer with those claims, signed by key.
func (i *Issuer) Token(t testing.TB, key *Key, more map[string]any) string {
	t.Helper()
	token, err := key.Sign(i.Claims(more), nil)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// NewKey makes a key pair for an algorithm such as "ES256".
func NewKey(t testing.TB, id, algorithm string) *Key {
	t.Helper()
	key, err := issuer.NewKey(id, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// KeySet is the JWK Set of these keys.
func KeySet(t testing.TB, keys ...*Key) []byte {
	t.Helper()
	set, err := issuer.Set(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
