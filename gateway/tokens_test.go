package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"nexus/config"
	"nexus/gateway/gatewaytest"
	"nexus/gateway/issuer"
	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

// tokened is a configuration whose callers are known by the tokens of an issuer. More lines go into [server.oauth].
func tokened(i *gatewaytest.Issuer, oauth ...string) string {
	return `
[server]
listen_address = "127.0.0.1:0"
` + i.Config(oauth...) + `
[server.client_identification.validation]
group_values = ["free", "pro"]
[llm.providers.demo]
type = "demo"
`
}

// awaitReady waits until /ready says status.
func (r *running) awaitReady(t testing.TB, status int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(5 * time.Millisecond) {
		answer, err := client.Get(r.url + "/ready")
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode == status {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("/ready says %d, want %d", answer.StatusCode, status)
		}
	}
}

func bearer(token string, more ...string) call {
	return chat(hello, append([]string{"Authorization", "Bearer " + token}, more...)...)
}

func TestATokenSaysWhoCalls(t *testing.T) {
	for _, algorithm := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		key := gatewaytest.NewKey(t, "k1", algorithm)
		i := gatewaytest.StartIssuer(t, key)
		r := start(t, tokened(i))
		r.awaitReady(t, 200)
		for range 2 { // verified, and remembered
			a := r.do(t, bearer(i.Token(t, key, nil)))
			if a.status != 200 {
				t.Fatalf("%s: %d %s", algorithm, a.status, a.body)
			}
			tr := r.trace(t, a)
			if tr.ClientID != "alice" || tr.Group != "pro" {
				t.Errorf("%s: client %q in group %q", algorithm, tr.ClientID, tr.Group)
			}
			want := fmt.Sprintf(`the token's signature holds, by key "k1" with %s; it is valid until `, algorithm)
			if step := stepOf(tr, trace.Authentication); step.Verdict != trace.Passed || !strings.HasPrefix(step.Sentence(), want) {
				t.Errorf("step %s: %s", step.Verdict, step.Sentence())
			}
		}
	}
}

func stepOf(tr trace.Trace, name trace.Name) *trace.Step {
	for _, s := range tr.Steps() {
		if s.Name == name {
			return &s
		}
	}
	return &trace.Step{}
}

func TestEach401SaysWhatItMay(t *testing.T) {
	key, stranger := gatewaytest.NewKey(t, "k1", "ES256"), gatewaytest.NewKey(t, "k2", "ES256")
	impostor := gatewaytest.NewKey(t, "k1", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	r := start(t, tokened(i)+"[server.oauth.protected_resource]\nresource = \"https://nexus.example.com/\"\nauthorization_servers = [\"https://auth.example.com\"]\n")
	r.awaitReady(t, 200)
	with := func(claim string, value any) string { return i.Token(t, key, map[string]any{claim: value}) }
	past, future := time.Now().Add(-2*time.Hour).Unix(), time.Now().Add(2*time.Hour).Unix()
	const plain, invalid = "", `error="invalid_token"`
	tests := []struct {
		name                  string
		header                []string
		code, message, reason string
		challenge, key, says  string
	}{
		{"no token", nil, "invalid_token", "missing token", "token_missing", plain, "server.oauth", "the request has none"},
		{"an empty header", []string{"Authorization", ""}, "invalid_token", "missing token", "token_missing", plain, "server.oauth", "an empty one"},
		{"a bare scheme", []string{"Authorization", "Bearer"}, "invalid_token", "token must be prefixed with Bearer", "token_malformed", plain, "server.oauth", `"Bearer"`},
		{"another scheme", []string{"Authorization", "Basic YTpi"}, "invalid_token", "token must be prefixed with Bearer", "token_malformed", plain, "server.oauth", `"Bearer"`},
		{"no scheme", []string{"Authorization", i.Token(t, key, nil)}, "invalid_token", "token must be prefixed with Bearer", "token_malformed", plain, "server.oauth", `"Bearer"`},
		{"two headers", []string{"Authorization", "Bearer " + i.Token(t, key, nil), "Authorization", "Bearer x"}, "invalid_token", "invalid token", "token_malformed", invalid, "server.oauth", "more than once"},
		{"two parts", []string{"Authorization", "Bearer a.b"}, "invalid_token", "invalid token", "token_malformed", invalid, "server.oauth", "2 parts"},
		{"17 KiB", []string{"Authorization", "Bearer " + strings.Repeat("a", 17<<10)}, "invalid_token", "invalid token", "token_malformed", invalid, "server.oauth", "16 KiB"},
		{"crit", []string{"Authorization", "Bearer " + signed(t, key, i.Claims(nil), map[string]any{"crit": []string{"exp"}})}, "unauthorized", "unauthorized", "token_malformed", invalid, "server.oauth", "crit"},
		{"an unsigned one", []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}, "unauthorized", "unauthorized", "token_algorithm_refused", invalid, "server.oauth.algorithms", `"none"`},
		{"a stranger's", []string{"Authorization", "Bearer " + i.Token(t, stranger, nil)}, "unauthorized", "unauthorized", "token_key_unknown", invalid, "server.oauth.url", `key "k2"`},
		{"an impostor's", []string{"Authorization", "Bearer " + i.Token(t, impostor, nil)}, "unauthorized", "unauthorized", "token_signature_invalid", invalid, "server.oauth", "does not hold"},
		{"an expired one", []string{"Authorization", "Bearer " + with("exp", past)}, "unauthorized", "the token has expired", "token_expired", invalid + `, error_description="the token has expired"`, "server.oauth", "expired at"},
		{"an early one", []string{"Authorization", "Bearer " + with("nbf", future)}, "unauthorized", "unauthorized", "token_not_yet_valid", invalid, "server.oauth", `"nbf"`},
		{"one of tomorrow", []string{"Authorization", "Bearer " + with("iat", future)}, "unauthorized", "unauthorized", "token_not_yet_valid", invalid, "server.oauth", `"iat"`},
		{"another issuer's", []string{"Authorization", "Bearer " + with("iss", i.URL+"/")}, "unauthorized", "unauthorized", "token_issuer_mismatch", invalid, "server.oauth.expected_issuer", "slash"},
		{"another audience's", []string{"Authorization", "Bearer " + with("aud", []string{"a", "b"})}, "unauthorized", "unauthorized", "token_audience_mismatch", invalid, "server.oauth.expected_audience", `"nexus-api"`},
		{"one without end", []string{"Authorization", "Bearer " + with("exp", nil)}, "unauthorized", "unauthorized", "token_claims_invalid", invalid, "server.oauth", `"exp"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := r.do(t, chat(hello, tt.header...))
			if a.status != 401 || a.err.Type != "authentication_error" || a.err.Code != tt.code || a.err.Message != tt.message {
				t.Errorf("%d %s", a.status, a.body)
			}
			challenge := "Bearer"
			if tt.challenge != "" {
				challenge += " " + tt.challenge + ","
			}
			challenge += ` resource_metadata="https://nexus.example.com/.well-known/oauth-protected-resource"`
			if got := a.header.Values("WWW-Authenticate"); len(got) != 1 || got[0] != challenge {
				t.Errorf("WWW-Authenticate %q, want %q", got, challenge)
			}
			if got := a.header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
			tr := r.trace(t, a)
			if string(tr.Reason) != tt.reason || !strings.HasPrefix(tr.DecidedBy.Key, tt.key) {
				t.Errorf("reason %s by %+v", tr.Reason, tr.DecidedBy)
			}
			if says := stepOf(tr, trace.Authentication).Sentence(); !strings.Contains(says, tt.says) {
				t.Errorf("step %q says nothing of %q", says, tt.says)
			}
			if tr.ClientID != "" || tr.Group != "" {
				t.Errorf("client %q in %q", tr.ClientID, tr.Group)
			}
		})
	}
}

func signed(t testing.TB, key *issuer.Key, claims, header map[string]any) string {
	t.Helper()
	token, err := key.Sign(claims, header)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestOnlyLLMPathsNeedAToken(t *testing.T) {
	key := gatewaytest.NewKey(t, "k1", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	r := start(t, tokened(i)+"[server.oauth.protected_resource]\nresource = \"https://nexus.example.com/llm\"\nauthorization_servers = [\"https://auth.example.com\"]\n")
	r.awaitReady(t, 200)
	for _, path := range []string{"/health", "/ready", "/metrics", "/admin"} {
		if a := r.do(t, call{method: http.MethodGet, path: path}); a.status != 200 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/llm/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/llm"} {
		a := r.do(t, call{method: http.MethodGet, path: path})
		if want := `{"resource":"https://nexus.example.com/llm","authorization_servers":["https://auth.example.com"]}`; a.status != 200 || a.body != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if a := r.do(t, call{method: http.MethodPost, path: path}); a.status != 405 {
			t.Errorf("POST %s: %d", path, a.status)
		}
	}
	for _, path := range []string{"/llm/v1/models", "/llm/v1/models/demo-1", "/llm/v1/nothing", "/llm"} {
		if a := r.do(t, call{method: http.MethodGet, path: path}); a.status != 401 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestNobodyIsServedBeforeTheFirstKeySet has an issuer that answers only later.
func TestNobodyIsServedBeforeTheFirstKeySet(t *testing.T) {
	key := gatewaytest.NewKey(t, "k1", "ES256")
	i := gatewaytest.StartIssuer(t)
	r := start(t, tokened(i))
	r.awaitReady(t, 503)
	const told = "no key set could be fetched yet: no usable key"
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(r.Status().Keys, told); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("status says %q", r.Status().Keys)
		}
	}
	a := r.do(t, bearer(i.Token(t, key, nil)))
	if a.status != 503 || a.err.Type != "api_error" || a.err.Code != "temporarily_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s, Retry-After %q", a.status, a.body, a.header.Get("Retry-After"))
	}
	tr := r.trace(t, a)
	if tr.Reason != trace.KeysUnavailable || tr.DecidedBy.Key != "server.oauth.url" {
		t.Errorf("reason %s by %s", tr.Reason, tr.DecidedBy.Key)
	}
	if says := stepOf(tr, trace.Authentication).Sentence(); !strings.Contains(says, "no usable key") {
		t.Errorf("step %q", says)
	}
	if a := r.do(t, chat(hello)); a.status != 401 || a.err.Message != "missing token" {
		t.Errorf("without a token: %d %s", a.status, a.body)
	}
	i.Publish(t, key)
	r.awaitReady(t, 200)
	if a := r.do(t, bearer(i.Token(t, key, nil))); a.status != 200 {
		t.Errorf("with keys: %d %s", a.status, a.body)
	}
	if status := r.Status(); status.Keys != "" {
		t.Errorf("status says %q", status.Keys)
	}
}

// TestReloadsKeepTheKeys edits the file around the key set: what does not concern it fetches nothing, and what does
// costs no call.
func TestReloadsKeepTheKeys(t *testing.T) {
	key := gatewaytest.NewKey(t, "k1", "ES256")
	i, other := gatewaytest.StartIssuer(t, key), gatewaytest.StartIssuer(t, key)
	r, desk := startAt(t, tokened(i))
	r.awaitReady(t, 200)
	token := i.Token(t, key, nil)
	edit := func(next string, status int) {
		t.Helper()
		desk.save(next)
		if done := r.Reload(journal.CauseAdmin); done.Result != journal.ResultSuccess {
			t.Fatal(done.Errors)
		}
		if a := r.do(t, bearer(token)); a.status != status {
			t.Errorf("%d %s, want %d", a.status, a.body, status)
		}
	}
	edit(strings.Replace(tokened(i), `"pro"`, `"pro", "gold"`, 1), 200)
	edit(tokened(i, `algorithms = ["RS256"]`), 401)
	edit(tokened(i, `algorithms = ["ES256"]`), 200)
	edit(tokened(i, `algorithms = []`), 200)
	edit(strings.Replace(tokened(i), gatewaytest.Audience, "another", 1), 401)
	edit(tokened(i), 200)
	if n := i.Fetches(); n != 1 {
		t.Errorf("the key set was fetched %d times", n)
	}
	edit(tokened(i, `poll_interval = "1m"`), 200)
	for deadline := time.Now().Add(5 * time.Second); i.Fetches() < 2 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	edit(strings.Replace(tokened(i), i.SetURL(), other.SetURL(), 1), 200)
	if first, second := i.Fetches(), other.Fetches(); first != 2 || second != 1 {
		t.Errorf("the key sets were fetched %d and %d times", first, second)
	}
	if n := r.Shared(); n != 2 {
		t.Errorf("%d shares are held, want one key set and one verifier", n)
	}
}

// TestAnEditDuringAnOutageKeepsTheKeys raises max_stale while the issuer is out, which is what anybody would do.
func TestAnEditDuringAnOutageKeepsTheKeys(t *testing.T) {
	key := gatewaytest.NewKey(t, "k1", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	r, desk := startAt(t, tokened(i))
	r.awaitReady(t, 200)
	i.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for _, edit := range []string{`max_stale = "72h"`, `poll_interval = "1m"`, ``} {
		desk.save(tokened(i, edit))
		if done := r.Reload(journal.CauseAdmin); done.Result != journal.ResultSuccess {
			t.Fatal(done.Errors)
		}
		if a := r.do(t, bearer(i.Token(t, key, nil))); a.status != 200 {
			t.Errorf("with %q: %d %s", edit, a.status, a.body)
		}
	}
}

// TestASetThatIsTooOldIsToldAndFetched has nobody call for longer than the set may serve: the operator is told, and the
// first caller has it fetched anew.
func TestASetThatIsTooOldIsToldAndFetched(t *testing.T) {
	key := gatewaytest.NewKey(t, "k1", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	r := start(t, tokened(i, `max_stale = "200ms"`))
	r.awaitReady(t, 200)
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(10 * time.Millisecond) {
		says := r.Status().Keys
		if strings.Contains(says, "older than max_stale; every token is answered 503") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("status says %q", says)
		}
	}
	if a := r.do(t, bearer(i.Token(t, key, nil))); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestALowerMaxStaleCostsNoCall makes the set that serves too old by an edit, while the issuer answers.
func TestALowerMaxStaleCostsNoCall(t *testing.T) {
	key := gatewaytest.NewKey(t, "k1", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	r, desk := startAt(t, tokened(i))
	r.awaitReady(t, 200)
	token := i.Token(t, key, nil)
	<-time.After(300 * time.Millisecond) // older than what comes
	desk.save(tokened(i, `poll_interval = "100ms"`, `max_stale = "200ms"`))
	if done := r.Reload(journal.CauseAdmin); done.Result != journal.ResultSuccess {
		t.Fatal(done.Errors)
	}
	if a := r.do(t, bearer(token)); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestWhatComesFromTheEnvironmentIsNotInATrace has an issuer and an audience that nobody may see.
func TestWhatComesFromTheEnvironmentIsNotInATrace(t *testing.T) {
	key := gatewaytest.NewKey(t, "k1", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	text := strings.Replace(tokened(i), gatewaytest.Audience, "{{ env.AUDIENCE }}", 1)
	text = strings.Replace(text, `expected_issuer = "`+i.URL, `expected_issuer = "{{ env.ISSUER }}`, 1)
	r := startWith(t, func() config.Draft {
		return config.ParseDraft("nexus.toml", []byte(text), config.Overlay{}, func(string) (string, bool) { return "c4nary", true })
	})
	r.awaitReady(t, 200)
	for _, claims := range []map[string]any{nil, {"iss": "c4nary"}} {
		tr := r.trace(t, r.do(t, bearer(i.Token(t, key, claims))))
		says := stepOf(tr, trace.Authentication).Sentence()
		if strings.Contains(says, "c4nary") || !strings.Contains(says, `server.oauth.expected_`) || !strings.Contains(says, `"***"`) {
			t.Errorf("step %q", says)
		}
	}
}

// TestAnIssuerThatFailsCostsNoReload switches to an issuer that never answers: the reload is done, its requests are
// told, and the first edit back is served again.
func TestAnIssuerThatFailsCostsNoReload(t *testing.T) {
	key := gatewaytest.NewKey(t, "k1", "ES256")
	i, dead := gatewaytest.StartIssuer(t, key), gatewaytest.StartIssuer(t)
	dead.Answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r, desk := startAt(t, tokened(i))
	r.awaitReady(t, 200)
	for _, step := range []struct {
		from   *gatewaytest.Issuer
		status int
	}{{dead, 503}, {i, 200}} {
		desk.save(strings.Replace(tokened(i), i.SetURL(), step.from.SetURL(), 1))
		begun := time.Now()
		if done := r.Reload(journal.CauseAdmin); done.Result != journal.ResultSuccess {
			t.Fatal(done.Errors)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("the reload waited %v", took)
		}
		if a := r.do(t, bearer(i.Token(t, key, nil))); a.status != step.status {
			t.Errorf("%d %s, want %d", a.status, a.body, step.status)
		}
		r.awaitReady(t, 200) // this is no start, and no reason to take all instances out
	}
}
