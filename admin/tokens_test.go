package admin_test

import (
	"strings"
	"testing"
	"time"

	"nexus/gateway/identity/jwks"
)

// TestTokensAreShown has callers known by tokens, and an issuer that does not answer.
func TestTokensAreShown(t *testing.T) {
	i := start(t, `
[server.oauth]
url = "https://auth.example.com/keys"
expected_issuer = "https://auth.example.com"
expected_audience = "nexus-api"
[server.client_identification]
client_id.jwt_claim = "sub"
group_id.jwt_claim = "user.plan"
[server.client_identification.validation]
group_values = ["free"]
`)
	i.gateway.status.Keys = "no key set could be fetched yet: the connection was refused"
	i.gateway.status.Model = "demo-1"
	i.gateway.status.KeySet = &jwks.Status{}
	body := text(t, i.send("GET", "/admin/api/status"))
	for _, want := range []string{
		`"identification":{"client_id":{"source":"jwt_claim","name":"sub"},"group_id":{"source":"jwt_claim","name":"user.plan"}}`,
		`"warnings":[{"key":"server.oauth.url","line":3,"text":"no key set could be fetched yet: the connection was refused"}]`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	page := text(t, i.send("GET", "/admin"))
	for _, want := range []string{"the token&#39;s claim", "user.plan", "the connection was refused", "Authorization: Bearer $TOKEN", "needed in every call to a model", "none yet"} {
		if !strings.Contains(page, want) {
			t.Errorf("the overview says nothing of %q", want)
		}
	}
	i.gateway.status.KeySet = &jwks.Status{Count: 37, FetchedAt: time.Now().Add(-3 * time.Minute)}
	page = text(t, i.send("GET", "/admin"))
	for _, want := range []string{"<dd>37</dd>", "min ago"} {
		if !strings.Contains(page, want) {
			t.Errorf("the overview says nothing of %q", want)
		}
	}
}
