package identity_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/trace"
)

func TestTheHeaderMustSayBearerAndAToken(t *testing.T) {
	token := good("ES256", nil)
	tests := []struct {
		name    string
		values  []string
		reason  trace.Reason
		fault   identity.Fault
		finding trace.Finding
	}{
		{"no header", nil, trace.TokenMissing, identity.NoToken, trace.NoToken},
		{"an empty one", []string{""}, trace.TokenMissing, identity.NoToken, trace.NoToken},
		{"a blank one", []string{" \t "}, trace.TokenMissing, identity.NoToken, trace.NoToken},
		{"Bearer alone", []string{"Bearer"}, trace.TokenMalformed, identity.NoScheme, trace.NoScheme},
		{"Bearer and spaces", []string{"Bearer   "}, trace.TokenMalformed, identity.NoScheme, trace.NoScheme},
		{"the token alone", []string{token}, trace.TokenMalformed, identity.NoScheme, trace.NoScheme},
		{"another scheme", []string{"Basic " + token}, trace.TokenMalformed, identity.NoScheme, trace.NoScheme},
		{"a scheme that begins like it", []string{"BearerToken " + token}, trace.TokenMalformed, identity.NoScheme, trace.NoScheme},
		{"a colon after the scheme", []string{"Bearer: " + token}, trace.TokenMalformed, identity.NoScheme, trace.NoScheme},
		{"a tab after the scheme", []string{"Bearer\t" + token}, trace.TokenMalformed, identity.NoScheme, trace.NoScheme},
		{"twice", []string{"Bearer " + token, "Bearer " + token}, trace.TokenMalformed, identity.NotAToken, trace.Repeated},
		{"twice, once empty", []string{"", "Bearer " + token}, trace.TokenMalformed, identity.NotAToken, trace.Repeated},
		{"over 16 KiB", []string{"Bearer " + strings.Repeat("a", 16<<10-6)}, trace.TokenMalformed, identity.NotAToken, trace.TooLong},
		{"over 16 KiB of spaces", []string{strings.Repeat(" ", 16<<10+1)}, trace.TokenMalformed, identity.NotAToken, trace.TooLong},
		{"over 16 KiB and twice", []string{"", strings.Repeat(" ", 16<<10+1)}, trace.TokenMalformed, identity.NotAToken, trace.TooLong},
		{"16 KiB", []string{"Bearer " + strings.Repeat("a", 16<<10-7)}, trace.TokenMalformed, identity.NotAToken, trace.BadToken},
		{"as it should", []string{"bearer  " + token}, "", 0, trace.Found},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"X-Other": {"x"}}
			if tt.values != nil {
				h["Authorization"] = tt.values
			}
			_, refusal, step := authenticate(t, newVerifier(t), h, noon)
			if refusal == nil {
				refusal = &identity.Refusal{}
			}
			if refusal.Reason != tt.reason || refusal.Fault != tt.fault || step.Finding != tt.finding {
				t.Errorf("%q, fault %d, finding %d; want %q, %d, %d", refusal.Reason, refusal.Fault, step.Finding, tt.reason, tt.fault, tt.finding)
			}
		})
	}
}

// TestRefusalsTellTheOperatorWhy: what a trace says of a refused token, and what it keeps to itself.
func TestRefusalsTellTheOperatorWhy(t *testing.T) {
	tests := []struct {
		name  string
		token string
		key   string // that decided
		says  []string
	}{
		{"parts", "a.b", "server.oauth", []string{"it has 2 parts, not 3"}},
		{"one part", "ab", "server.oauth", []string{"it has 1 part, not 3"}},
		{"crit", sign("ES256", header("ES256", `,"crit":["x"]`), payload(nil)), "server.oauth", []string{`its header has "crit", which asks for an extension that nobody here knows`}},
		{"typ", sign("ES256", header("ES256", `,"typ":"logout+jwt"`), payload(nil)), "server.oauth", []string{"a logout token", "only JWT and at+jwt"}},
		{"algorithm", sign("ES256", `{"alg":"HS256"}`, payload(nil)), "server.oauth.algorithms", []string{`"HS256"`, "RS256, RS384", "EdDSA"}},
		{"an algorithm with control characters", sign("ES256", `{"alg":"\u001b[2J`+strings.Repeat("x", 100)+`"}`, payload(nil)), "server.oauth.algorithms", []string{"[2Jxxx"}},
		{"unknown key", sign("ES256", `{"alg":"ES256","kid":"old-key"}`, payload(nil)), "server.oauth.url", []string{`"old-key"`, "ES256", "key-RS256", "key-EdDSA"}},
		{"signature", signWith(stranger(), header("ES256", ""), payload(nil)), "server.oauth.url", []string{`"key-ES256"`, "ES256"}},
		{"expired", good("ES256", map[string]any{"exp": noon.Unix() - 7500}), "server.oauth", []string{"2026-11-23 09:55:00 UTC", "2h5m0s ago"}},
		{"too early", good("ES256", map[string]any{"nbf": noon.Unix() + 300}), "server.oauth.clock_skew", []string{`"nbf"`, "2026-11-23 12:05:00 UTC", "5m0s"}},
		{"issued later", good("ES256", map[string]any{"iat": noon.Unix() + 300}), "server.oauth.clock_skew", []string{`"iat"`, "2026-11-23 12:05:00 UTC"}},
		{"a slash", good("ES256", map[string]any{"iss": issuerURL + "/"}), "server.oauth.expected_issuer", []string{issuerURL, "it differs only in a slash at its end"}},
		{"case", good("ES256", map[string]any{"iss": "https://AUTH.example.com"}), "server.oauth.expected_issuer", []string{"only in upper and lower case"}},
		{"scheme", good("ES256", map[string]any{"iss": "http://auth.example.com"}), "server.oauth.expected_issuer", []string{"only in http and https"}},
		{"space", good("ES256", map[string]any{"iss": issuerURL + " "}), "server.oauth.expected_issuer", []string{"only in white space"}},
		{"several little ways", good("ES256", map[string]any{"iss": "http://auth.EXAMPLE.com/"}), "server.oauth.expected_issuer", []string{"differs only a little"}},
		{"no issuer", good("ES256", map[string]any{"iss": nil}), "server.oauth.expected_issuer", []string{"the token has no iss"}},
		{"no issuer and no audience", good("ES256", map[string]any{"iss": nil, "aud": nil}), "server.oauth.expected_issuer", []string{"the token has no iss"}},
		{"audience", good("ES256", map[string]any{"aud": []string{"secret-api", "NEXUS-API"}}), "server.oauth.expected_audience", []string{audience, "only in upper and lower case"}},
		{"no audience", good("ES256", map[string]any{"aud": nil}), "server.oauth.expected_audience", []string{"the token has no aud"}},
		{"claims", good("ES256", map[string]any{"exp": "secret"}), "server.oauth", []string{`the claim "exp" is a text, not a number`}},
		{"no exp", good("ES256", map[string]any{"exp": nil}), "server.oauth", []string{`the token has no claim "exp"`}},
		{"payload", sign("ES256", header("ES256", ""), `{"secret":1,"secret":2}`), "server.oauth", []string{"its payload has a name twice"}},
		{"nested too deep", sign("ES256", header("ES256", ""), strings.Repeat(`{"a":`, 70)+"1"+strings.Repeat("}", 70)), "server.oauth", []string{"its payload is nested more than 64 deep"}},
		{"expired and of another issuer", good("ES256", map[string]any{"exp": 1, "iss": "x"}), "server.oauth", []string{"1970-01-01"}},
		{"nobody's yet", good("ES256", map[string]any{"nbf": noon.Unix() + 300, "iat": noon.Unix() + 900, "aud": "x"}), "server.oauth.clock_skew", []string{`"nbf"`}},
	}
	v := newVerifier(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, refusal, step := authenticate(t, v, bearing(tt.token), noon)
			if refusal == nil {
				t.Fatal("accepted")
			}
			if refusal.Key != tt.key {
				t.Errorf("decided by %s, want %s", refusal.Key, tt.key)
			}
			said := step.Sentence()
			for _, want := range tt.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q says nothing of %q", said, want)
				}
			}
			if strings.Contains(said, "secret") || strings.ContainsRune(said, '\x1b') {
				t.Errorf("%q says too much", said)
			}
			took := step.Took
			if _, _, again := authenticate(t, v, bearing(tt.token), noon); again.Sentence() != said {
				t.Errorf("the second time it says %q, not %q (took %v)", again.Sentence(), said, took)
			}
		})
	}
}

// TestExpiryIsToldToTheSecond: skew counts, and the boundary is the library's: expired at exp and skew, not after.
func TestExpiryIsToldToTheSecond(t *testing.T) {
	v := newVerifier(t)
	token := good("EdDSA", map[string]any{"exp": noon.Unix()})
	end := noon.Add(time.Minute)
	for _, tt := range []struct {
		at time.Time
		ok bool
	}{{end.Add(-2 * time.Minute), true}, {end.Add(-time.Nanosecond), true}, {end, false}, {end.Add(time.Hour), false}} {
		_, refusal, step := authenticate(t, v, bearing(token), tt.at)
		if (refusal == nil) != tt.ok {
			t.Errorf("at %v: %s", tt.at, step.Sentence())
		}
		if refusal == nil && !step.At.Equal(noon) {
			t.Errorf("valid until %v", step.At)
		}
	}
}

func TestWithoutKeysNobodyCanTell(t *testing.T) {
	v := identity.NewVerifier(rules, jwks.Failed(errors.New("connection refused")))
	_, refusal, step := authenticate(t, v, bearing(good("ES256", nil)), noon)
	if refusal == nil || refusal.Reason != trace.KeysUnavailable || refusal.Fault != identity.NoKeys || refusal.RetryAfter != time.Second {
		t.Errorf("refusal %+v", refusal)
	}
	if step.Finding != trace.NoKeys || step.Detail != "connection refused" {
		t.Errorf("step %+v", step)
	}
	// What is no token, or never an accepted one, is told so also without keys.
	for token, want := range map[string]trace.Reason{"a.b": trace.TokenMalformed, sign("ES256", `{"alg":"none"}`, "{}"): trace.TokenAlgorithmRefused} {
		if _, refusal, _ := authenticate(t, v, bearing(token), noon); refusal.Reason != want {
			t.Errorf("refused for %s, want %s", refusal.Reason, want)
		}
	}
}

func TestRulesOfTheConfiguration(t *testing.T) {
	got := identity.RulesOf(&config.OAuth{
		ExpectedIssuer: "i", ExpectedAudience: "a", ClockSkew: config.Duration(time.Second), Algorithms: []config.Algorithm{"ES256", "EdDSA"},
	})
	if want := (identity.Rules{Issuer: "i", Audience: "a", Skew: time.Second, Algorithms: "ES256 EdDSA"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := identity.RulesOf(&config.OAuth{}).Algorithms, strings.Join(config.Algorithms(), " "); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestWithoutExpectationsAnyIssuerAndAudienceWillDo, also none.
func TestWithoutExpectationsAnyIssuerAndAudienceWillDo(t *testing.T) {
	v := newVerifierOf(identity.Rules{}, wholeSet(t))
	for _, more := range []map[string]any{nil, {"iss": nil, "aud": nil}, {"iss": "", "aud": []string{}}} {
		if _, refusal, step := authenticate(t, v, bearing(good("EdDSA", more)), noon); refusal != nil {
			t.Error(step.Sentence())
		}
	}
	if _, refusal, _ := authenticate(t, v, bearing(good("EdDSA", map[string]any{"iss": 1})), noon); refusal == nil {
		t.Error("an issuer that is a number is accepted where none is expected")
	}
}

func TestVerdictsAreKeptNoLongerThanTheyHold(t *testing.T) {
	tests := []struct {
		name  string
		token string
		kept  time.Duration // the last second at which it comes from memory
	}{
		{"a good one for five minutes", good("EdDSA", nil), 5*time.Minute - time.Second},
		{"a good one until it expires", good("EdDSA", map[string]any{"exp": noon.Unix() + 30}), 89 * time.Second},
		{"a forged one for ten seconds", signWith(stranger(), header("ES256", ""), payload(nil)), 9 * time.Second},
		{"an expired one for ten seconds", good("EdDSA", map[string]any{"exp": 1}), 9 * time.Second},
		{"one of another issuer for ten seconds", good("EdDSA", map[string]any{"iss": "x"}), 9 * time.Second},
		{"one of another audience for ten seconds", good("EdDSA", map[string]any{"aud": "x"}), 9 * time.Second},
		{"one with unusable claims for ten seconds", good("EdDSA", map[string]any{"exp": "x"}), 9 * time.Second},
		{"one that is valid in a while for ten seconds", good("EdDSA", map[string]any{"nbf": noon.Unix() + 100}), 9 * time.Second},
		{"one that is valid soon until then", good("EdDSA", map[string]any{"nbf": noon.Unix() + 65}), 4 * time.Second},
		{"a malformed one not at all", "a.b.c", -1},
		{"one with a refused algorithm not at all", sign("ES256", `{"alg":"none"}`, "{}"), -1},
		{"one of an unknown key not at all", sign("ES256", `{"alg":"ES256","kid":"x"}`, "{}"), -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVerifier(t)
			authenticate(t, v, bearing(tt.token), noon)
			if tt.kept < 0 {
				if _, _, tokens := v.Cached(); tokens != 0 {
					t.Error("it is kept")
				}
				return
			}
			if _, _, step := authenticate(t, v, bearing(tt.token), noon.Add(tt.kept)); step.Took != 0 {
				t.Errorf("after %v it is verified anew", tt.kept)
			}
			if _, _, step := authenticate(t, v, bearing(tt.token), noon.Add(tt.kept+time.Second)); step.Took == 0 {
				t.Errorf("after %v it comes from memory", tt.kept+time.Second)
			}
		})
	}
}

// TestATokenBecomesValidOnTime: a refusal from memory must not outlive its reason.
func TestATokenBecomesValidOnTime(t *testing.T) {
	v := newVerifier(t)
	token := good("EdDSA", map[string]any{"nbf": noon.Unix() + 65})
	for second := range 10 {
		_, refusal, _ := authenticate(t, v, bearing(token), noon.Add(time.Duration(second)*time.Second))
		if (refusal == nil) != (second >= 5) {
			t.Errorf("second %d: refusal %v", second, refusal)
		}
	}
}
