package main_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

const (
	tokenCanary = "c4narybird"
	window      = 16 // of a token's or key's characters; fewer could be a coincidence
)

// told is everything that a process has told anybody.
type told struct{ strings.Builder }

// ask sends a call with a token and keeps all of the answer. It gives the request's id.
func (c *told) ask(t *testing.T, url, authorization string) (int, string) {
	t.Helper()
	call, err := http.NewRequest(http.MethodPost, url+chatPath, strings.NewReader(hello))
	if err != nil {
		t.Fatal(err)
	}
	call.Header.Set("Authorization", authorization)
	answer, err := http.DefaultClient.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "%v %s\n", answer.Header, body)
	return answer.StatusCode, answer.Header.Get("X-Request-ID")
}

// look keeps a page, which must be there.
func (c *told) look(t *testing.T, url string) {
	t.Helper()
	status, body := fetch(t, url)
	if status != http.StatusOK {
		t.Fatalf("%s: %d", url, status)
	}
	c.WriteString(body)
}

// secretive is a token with canaries everywhere but in the client id and the group.
func secretive(t *testing.T, i *gatewaytest.Issuer, key *gatewaytest.Key, claims, header map[string]any) string {
	t.Helper()
	all := i.Claims(map[string]any{
		"email": tokenCanary + "@example.com", "jti": tokenCanary + "jti", "nested": map[string]any{"value": tokenCanary + "nested"}, "roles": []string{tokenCanary + "role"},
	})
	for name, value := range claims {
		all[name] = value
	}
	more := map[string]any{"jku": "https://" + tokenCanary + ".example/keys", "x5c": []string{tokenCanary}, "cty": tokenCanary}
	for name, value := range header {
		more[name] = value
	}
	token, err := key.Sign(all, more)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestNoTokenIsToldAnywhere sends tokens of every fate to a process that logs everything, with an issuer that says things
// that it should not, and searches all that comes out for a piece of a token, a claim's value, or a key.
func TestNoTokenIsToldAnywhere(t *testing.T) {
	key, impostor, stranger := gatewaytest.NewKey(t, "k1", "RS256"), gatewaytest.NewKey(t, "k1", "RS256"), gatewaytest.NewKey(t, "k2", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	nexus := gatewaytest.Start(t, tokened(i, `poll_interval = "100ms"`), "--log", "debug", "--log-style", "json")
	long, soon := time.Now().Add(-9*time.Hour).Unix(), time.Now().Add(9*time.Hour).Unix()
	good := secretive(t, i, key, nil, nil)
	parts := strings.Split(good, ".")
	with := func(claim string, value any) string { return secretive(t, i, key, map[string]any{claim: value}, nil) }
	tokens := map[string]string{
		"200 good":              good,
		"401 stranger's":        secretive(t, i, stranger, nil, nil),
		"401 impostor's":        secretive(t, i, impostor, nil, nil),
		"401 expired":           with("exp", long),
		"401 early":             with("nbf", soon),
		"401 other issuer":      with("iss", "https://"+tokenCanary+".example"),
		"401 other audience":    with("aud", []string{tokenCanary + "aud"}),
		"401 odd exp":           with("exp", tokenCanary),
		"401 odd audience":      with("aud", map[string]any{"x": tokenCanary}),
		"401 odd typ":           secretive(t, i, key, nil, map[string]any{"typ": tokenCanary + "+jwt"}),
		"401 crit":              secretive(t, i, key, nil, map[string]any{"crit": []string{tokenCanary}}),
		"401 odd kid":           secretive(t, i, key, nil, map[string]any{"kid": []string{tokenCanary}}),
		"401 two parts":         parts[0] + "." + parts[1],
		"401 four parts":        good + "." + tokenCanary,
		"401 odd base64":        parts[0] + "." + parts[1] + "!." + parts[2],
		"401 odd header":        base64.RawURLEncoding.EncodeToString([]byte(tokenCanary)) + "." + parts[1] + "." + parts[2],
		"401 changed":           parts[0] + "." + parts[1] + "." + strings.Repeat("QUJD", len(parts[2])/4),
		"400 no client id":      with("sub", nil),
		"400 client id of kind": with("sub", map[string]any{"x": tokenCanary}),
		"400 group of a kind":   with("plan", map[string]any{"x": tokenCanary}),
		"400 long client id":    with("sub", strings.Repeat(tokenCanary, 30)),
	}
	var out told
	secrets, ids := []string{}, []string{}
	for name, token := range tokens {
		status, id := out.ask(t, nexus.URL, "Bearer "+token)
		if want := name[:3]; fmt.Sprint(status) != want {
			t.Errorf("%s: answered %d", name, status)
		}
		ids, secrets = append(ids, id), append(secrets, strings.Split(token, ".")...)
	}
	for _, authorization := range []string{good, "Basic " + good, "Bearer " + good + " " + good, "Bearer," + good} {
		if status, id := out.ask(t, nexus.URL, authorization); status != 401 {
			t.Errorf("answered %d", status)
		} else {
			ids = append(ids, id)
		}
	}
	for _, k := range []*gatewaytest.Key{key, impostor, stranger} {
		jwk, err := k.JWK()
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{"n", "x", "y"} {
			if text, ok := jwk[member].(string); ok {
				secrets = append(secrets, text)
			}
		}
	}
	i.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://"+tokenCanary+".example")
		w.WriteHeader(http.StatusFound)
		_, _ = io.WriteString(w, tokenCanary)
	})
	awaitFetches(t, i, 2)
	for _, id := range ids {
		out.look(t, nexus.URL+"/admin/traces/"+id)
		out.look(t, nexus.URL+"/admin/api/traces/"+id)
	}
	for _, path := range []string{"", "/rejections", "/traces", "/config", "/api/status", "/api/rejections", "/api/traces", "/api/config", "/api/reloads", "/api/groups"} {
		out.look(t, nexus.URL+"/admin"+path)
	}
	out.look(t, nexus.URL+"/metrics")
	if code := nexus.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	out.WriteString(nexus.Output())
	checkNothingTold(t, out.String(), secrets)
}

// checkNothingTold searches what was told for the tokenCanary and for pieces of the secrets.
func checkNothingTold(t *testing.T, all string, secrets []string) {
	t.Helper()
	if at := strings.Index(all, tokenCanary); at >= 0 {
		t.Errorf("the canary is told: …%q…", all[max(0, at-200):min(len(all), at+40)])
	}
	said := make(map[string]int)
	for at := range len(all) - window {
		said[all[at:at+window]] = at
	}
	for _, secret := range secrets {
		for at := 0; at+window <= len(secret); at++ {
			if where, ok := said[secret[at:at+window]]; ok {
				t.Errorf("%q is told: …%q…", secret[at:at+window], all[max(0, where-200):min(len(all), where+40)])
				break
			}
		}
	}
	if !strings.Contains(all, `"token_signature_invalid"`) {
		t.Error("what was told is not what this test is about")
	}
}
