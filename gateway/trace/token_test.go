package trace_test

import (
	"strings"
	"testing"
	"time"

	"nexus/gateway/trace"
)

// TestTokenSentences holds the words about tokens and claims against what an operator needs: what was found, and who
// must change what.
func TestTokenSentences(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	tests := []struct {
		step trace.Step
		says []string
	}{
		{trace.Step{Finding: trace.NotConfigured, Verdict: trace.Skipped}, []string{"no token is asked for"}},
		{trace.Step{Finding: trace.Found, Verdict: trace.Passed, Key: "RS256", Detail: "k1", At: at}, []string{`key "k1" with RS256`, "valid until 2026-01-02 02:04:05 UTC"}},
		{trace.Step{Finding: trace.Found, Verdict: trace.Passed, Key: "ES256", At: at}, []string{"a key without an id with ES256"}},
		{trace.Step{Finding: trace.NoToken}, []string{`"Authorization"`, "the request has none", `must send "Bearer"`}},
		{trace.Step{Finding: trace.NoScheme}, []string{`"Bearer"`}},
		{trace.Step{Finding: trace.Repeated}, []string{"more than once", "exactly once"}},
		{trace.Step{Finding: trace.TooLong}, []string{"16 KiB", "smaller token"}},
		{trace.Step{Finding: trace.BadToken, Detail: "it has 2 parts, not 3"}, []string{"2 parts", "as the issuer gave it"}},
		{trace.Step{Finding: trace.BadHeader, Detail: `its header has "crit"`}, []string{`"crit"`, "access token"}},
		{trace.Step{Finding: trace.BadAlgorithm, Key: "HS256", Near: []string{"RS256", "ES256"}}, []string{`"HS256"`, "RS256, ES256", "server.oauth.algorithms", "which HS256 never can"}},
		{trace.Step{Finding: trace.BadAlgorithm, Key: "ES512", Near: []string{"RS256"}}, []string{`"ES512"`, "must list it"}},
		{trace.Step{Finding: trace.NoKeys, Detail: "the connection was refused"}, []string{"the connection was refused", "server.oauth.url"}},
		{trace.Step{Finding: trace.NoKeys, At: at, Detail: "the answer is 500"}, []string{"fetched at 2026-01-02 02:04:05 UTC", "server.oauth.max_stale allows: the answer is 500", "server.oauth.poll_interval"}},
		{trace.Step{Finding: trace.OtherIssuer}, []string{`"iss" is not server.oauth.expected_issuer; `}},
		{trace.Step{Finding: trace.UnknownKey, Key: "RS256", Detail: "k9", Near: []string{"k1", ""}}, []string{`key "k9"`, `key "k1", a key without an id`, "server.oauth.url"}},
		{trace.Step{Finding: trace.OtherKey, Key: "PS256", Detail: "k1"}, []string{`the issuer's key "k1" is not for PS256`}},
		{trace.Step{Finding: trace.BadSignature, Key: "RS256", Detail: "k1"}, []string{`key "k1"`, "does not hold", "as the issuer gave it", "server.oauth.url"}},
		{trace.Step{Finding: trace.Expired, At: at, Detail: "2h5m0s"}, []string{"expired at 2026-01-02 02:04:05 UTC, 2h5m0s ago", "new one"}},
		{trace.Step{Finding: trace.TooEarly, Key: "nbf", At: at, Detail: "5m0s"}, []string{`"nbf"`, "by 5m0s", "server.oauth.clock_skew"}},
		{trace.Step{Finding: trace.OtherIssuer, Key: "https://a.example", Detail: "it differs only in a slash at its end"}, []string{`expected_issuer "https://a.example": it differs only in a slash`, "letter by letter"}},
		{trace.Step{Finding: trace.OtherAudience, Key: "api"}, []string{`expected_audience "api"; `}},
		{trace.Step{Finding: trace.BadClaims, Detail: `claim "exp" is missing`}, []string{`claim "exp" is missing`, "issuer must mend"}},

		{trace.Step{Name: trace.ClientID, Source: trace.Claim, Finding: trace.Found, Verdict: trace.Passed, Key: "sub", Value: "alice"}, []string{`claim "sub" says "alice"`}},
		{trace.Step{Name: trace.ClientID, Source: trace.Claim, Finding: trace.Absent, Key: "plan", Near: []string{"aud", "exp", "iss", "sub", "subscription"}, Detail: "subscription"},
			[]string{`looked for claim "plan"; the token has no such claim; it has aud, exp, iss, sub, subscription; did you mean "subscription"?`, "server.client_identification.client_id.jwt_claim"}},
		{trace.Step{Name: trace.Group, Source: trace.Claim, Finding: trace.Absent, Verdict: trace.Passed, Key: "plan", Near: []string{"sub", "tier"}, Detail: "tier"}, []string{`did you mean "tier"?`, "which is fine"}},
		{trace.Step{Name: trace.ClientID, Source: trace.Claim, Finding: trace.Empty, Key: "sub", Near: []string{"sub"}}, []string{"the claim is empty"}},
		{trace.Step{Name: trace.ClientID, Source: trace.Claim, Finding: trace.WrongKind, Key: "user", Detail: "an object"}, []string{`claim "user" is an object`, "client_id.jwt_claim name another claim"}},
		{trace.Step{Name: trace.ClientID, Source: trace.Claim, Finding: trace.TooLong, Key: "sub"}, []string{"256 bytes"}},
		{trace.Step{Name: trace.Group, Source: trace.Claim, Finding: trace.Unprintable, Key: "plan"}, []string{"control characters", "group of plain text"}},
		{trace.Step{Name: trace.GroupValidation, Finding: trace.NoneAllowed, Value: "a, b", Near: []string{"free", "pro"}}, []string{"none of the groups [a, b] is in group_values [free, pro]"}},
	}
	for _, tt := range tests {
		if tt.step.Name == trace.CORS { // the zero Name
			tt.step.Name = trace.Authentication
		}
		if tt.step.Finding != trace.NotConfigured && tt.step.Verdict == trace.Skipped {
			tt.step.Verdict = trace.Failed
		}
		got := tt.step.Sentence()
		for _, want := range tt.says {
			if !strings.Contains(got, want) {
				t.Errorf("%s %d: %q says nothing of %q", tt.step.Name, tt.step.Finding, got, want)
			}
		}
	}
}
