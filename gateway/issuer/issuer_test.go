package issuer_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"nexus/gateway/issuer"
)

const url = "http://127.0.0.1:8010"

func TestATokenIsOfItsKey(t *testing.T) {
	for _, algorithm := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			key, err := issuer.NewKey("one", algorithm)
			if err != nil {
				t.Fatal(err)
			}
			text, err := key.Sign(map[string]any{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}, nil)
			if err != nil {
				t.Fatal(err)
			}
			token, err := jwt.Parse(text, func(*jwt.Token) (any, error) { return key.Public(), nil }, jwt.WithValidMethods([]string{algorithm}))
			if err != nil || token.Header["kid"] != "one" || token.Header["typ"] != "JWT" {
				t.Errorf("%v, header %v", err, token.Header)
			}
		})
	}
}

func TestThereAreNoSharedSecrets(t *testing.T) {
	for _, algorithm := range []string{"HS256", "none", "ES256K", ""} {
		if _, err := issuer.NewKey("one", algorithm); err == nil {
			t.Errorf("there is a key for %q", algorithm)
		}
	}
}

func TestTheSetHasNoPrivateHalf(t *testing.T) {
	public := map[string][]string{
		"RS256": {"alg", "e", "kid", "kty", "n", "use"},
		"ES256": {"alg", "crv", "kid", "kty", "use", "x", "y"},
		"EdDSA": {"alg", "crv", "kid", "kty", "use", "x"},
	}
	for algorithm, want := range public {
		key, err := issuer.NewKey("one", algorithm)
		if err != nil {
			t.Fatal(err)
		}
		text, err := issuer.Set(key)
		if err != nil {
			t.Fatal(err)
		}
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) != 1 {
			t.Fatalf("%s: %v: %s", algorithm, err, text)
		}
		members := map[string]bool{}
		for name := range set.Keys[0] {
			members[name] = true
		}
		wanted := map[string]bool{}
		for _, name := range want {
			wanted[name] = true
		}
		if diff := cmp.Diff(wanted, members); diff != "" {
			t.Errorf("%s: members of the key:\n%s", algorithm, diff)
		}
	}
}

func TestAGroupIsWhereItsClaimSays(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, tt := range []struct {
		claim string
		want  map[string]any
	}{
		{"plan", map[string]any{"plan": "pro"}},
		{"user.plan", map[string]any{"user": map[string]any{"plan": "pro"}}},
		{"a.b.c", map[string]any{"a": map[string]any{"b": map[string]any{"c": "pro"}}}},
		{"https://example.com/plan", map[string]any{"https://example.com/plan": "pro"}},
		{"", nil}, {".", nil}, {"user.", nil}, {"sub", nil}, {"exp", nil}, {"aud.plan", nil},
	} {
		grant := issuer.Grant{
			Issuer: url, Audience: "nexus-api", Subject: "alice", Group: "pro", GroupClaim: tt.claim,
			IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		}
		claims, err := grant.Claims()
		if tt.want == nil {
			if err == nil {
				t.Errorf("a group is in claim %q: %v", tt.claim, claims)
			}
			continue
		}
		if err != nil {
			t.Errorf("claim %q: %v", tt.claim, err)
			continue
		}
		if id, ok := claims["jti"].(string); !ok || len(id) < 16 {
			t.Errorf("jti is %v", claims["jti"])
		}
		delete(claims, "jti")
		for name, value := range map[string]any{"iss": url, "aud": "nexus-api", "sub": "alice", "iat": now.Unix(), "exp": now.Unix() + 3600} {
			tt.want[name] = value
		}
		if diff := cmp.Diff(tt.want, claims); diff != "" {
			t.Errorf("claim %q:\n%s", tt.claim, diff)
		}
	}
}

func TestNoTwoTokensAreTheSame(t *testing.T) {
	seen := map[any]bool{}
	for range 100 {
		claims, err := issuer.Grant{}.Claims()
		if err != nil || seen[claims["jti"]] {
			t.Fatalf("%v, jti %v", err, claims["jti"])
		}
		seen[claims["jti"]] = true
	}
}

func TestTheSetIsPublishedToThisMachineAlone(t *testing.T) {
	key, err := issuer.NewKey("one", "EdDSA")
	if err != nil {
		t.Fatal(err)
	}
	set, err := issuer.Set(key)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := issuer.Handler(url, key)
	if err != nil {
		t.Fatal(err)
	}
	discovery := fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, url, url+issuer.SetPath)
	for _, tt := range []struct {
		method, host, path string
		status             int
		body               string // "": whatever it says
	}{
		{"GET", "127.0.0.1:8010", "/.well-known/jwks.json", 200, string(set)},
		{"GET", "127.0.0.1", "/jwks.json", 200, string(set)},
		{"GET", "localhost:8010", "/", 200, string(set)},
		{"GET", "[::1]:8010", "/", 200, string(set)},
		{"GET", "[::1]", "/", 200, string(set)},
		{"HEAD", "127.0.0.1:8010", "/", 200, ""},
		{"GET", "127.0.0.1:8010", "/.well-known/openid-configuration", 200, discovery},
		{"POST", "127.0.0.1:8010", "/", 405, ""},
		{"GET", "127.0.0.1:8010", "/token", 404, "there is nothing here; the key set is at /.well-known/jwks.json\n"},
		{"GET", "example.com:8010", "/", 403, ""},
		{"GET", "127.0.0.1.example.com", "/", 403, ""},
		{"GET", "10.0.0.7:8010", "/", 403, ""},
		{"GET", "", "/", 403, ""},
		{"GET", "[", "/", 403, ""},
	} {
		request := httptest.NewRequest(tt.method, "http://127.0.0.1"+tt.path, http.NoBody)
		request.Host = tt.host
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		answer := recorder.Result()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != tt.status || tt.body != "" && string(body) != tt.body {
			t.Errorf("%s %s at %q: %v %d %s", tt.method, tt.path, tt.host, err, answer.StatusCode, body)
		}
	}
}
