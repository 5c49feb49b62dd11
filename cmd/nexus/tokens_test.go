package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// development is `nexus issuer`, running.
type development struct {
	*gatewaytest.Process
	url    string
	tokens []string
}

// startIssuer runs `nexus issuer` on a free port until it serves.
func startIssuer(t *testing.T, args ...string) *development {
	t.Helper()
	p := gatewaytest.Run(t, gatewaytest.Build(t, "nexus/cmd/nexus"), append([]string{"issuer", "--port", "0"}, args...)...)
	p.Await(t, "until it is interrupted")
	url := regexp.MustCompile(`expected_issuer = "(http://127\.0\.0\.1:\d+)"`).FindStringSubmatch(p.Output())
	if url == nil {
		t.Fatalf("no issuer in %s", p.Output())
	}
	return &development{Process: p, url: url[1], tokens: regexp.MustCompile(`(?m)^eyJ\S+$`).FindAllString(p.Output(), -1)}
}

// part decodes a part of a token.
func part(t *testing.T, token string, number int) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[number])
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// trusting is a nexus.toml that believes an issuer.
func trusting(url string) string {
	return fmt.Sprintf(`[server.oauth]
url = "%s/.well-known/jwks.json"
expected_issuer = "%s"
expected_audience = "nexus-api"

[server.client_identification]
client_id.jwt_claim = "sub"
group_id.jwt_claim = "plan"

[server.client_identification.validation]
group_values = ["free", "pro"]

[llm.providers.demo]
type = "demo"
`, url, url)
}

func TestTheIssuerPrintsATokenForEachGroup(t *testing.T) {
	p := startIssuer(t, "--group", "pro,free", "--group", "gold", "--ttl", "2h", "--subject", "bob")
	if len(p.tokens) != 3 {
		t.Fatalf("%d tokens:\n%s", len(p.tokens), p.Output())
	}
	if !strings.Contains(p.Output(), "FOR DEVELOPMENT ONLY") {
		t.Error("it does not say what it is")
	}
	_, set := fetch(t, p.url+"/.well-known/jwks.json")
	for i, group := range []string{"pro", "free", "gold"} {
		claims := part(t, p.tokens[i], 1)
		if claims["plan"] != group || claims["sub"] != "bob" || claims["iss"] != p.url || claims["aud"] != "nexus-api" ||
			claims["exp"].(float64)-claims["iat"].(float64) != 7200 {
			t.Errorf("token %d says %v", i, claims)
		}
		if id, ok := part(t, p.tokens[i], 0)["kid"].(string); !ok || !strings.Contains(set, `"`+id+`"`) {
			t.Errorf("token %d is by key %v, the set is %s", i, id, set)
		}
		if !strings.Contains(p.Output(), "# bob in group "+group+", until ") {
			t.Errorf("nobody is told for whom token %d is", i)
		}
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestTheIssuerEndsAtAnInterrupt(t *testing.T) {
	p := startIssuer(t, "--algorithm", "EdDSA")
	if err := p.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := p.Wait(t, 10*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestTheIssuersTokensAreShapedByItsFlags(t *testing.T) {
	p := startIssuer(t, "--algorithm", "ES256", "--claim", "user.plan", "--group", "pro", "--audience", "other", "--ttl", "-5m")
	claims := part(t, p.tokens[0], 1)
	if user, ok := claims["user"].(map[string]any); !ok || user["plan"] != "pro" || claims["aud"] != "other" ||
		claims["exp"].(float64) > float64(time.Now().Unix()) || claims["iat"].(float64) >= claims["exp"].(float64) {
		t.Errorf("the token says %v", claims)
	}
	if !strings.Contains(p.Output(), "alice in group pro, expired at ") {
		t.Errorf("it says %s", p.Output())
	}
	single := startIssuer(t, "--algorithm", "EdDSA")
	if claims := part(t, single.tokens[0], 1); len(single.tokens) != 1 || claims["plan"] != nil {
		t.Errorf("without a group: %d tokens, claims %v", len(single.tokens), claims)
	}
}

func TestTheIssuerAnswersToThisMachineAlone(t *testing.T) {
	p := startIssuer(t, "--algorithm", "EdDSA")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/.well-known/jwks.json", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "issuer.example.com"
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign Host is answered %d", answer.StatusCode)
	}
	if status, body := fetch(t, p.url+"/.well-known/openid-configuration"); status != 200 || !strings.Contains(body, p.url+"/.well-known/jwks.json") {
		t.Errorf("discovery: %d %s", status, body)
	}
	if status, body := fetch(t, p.url+"/keys"); status != 404 || !strings.Contains(body, "/.well-known/jwks.json") {
		t.Errorf("another path: %d %s", status, body)
	}
}

func TestTheIssuerRefusesWhatItCannotDo(t *testing.T) {
	p := startIssuer(t, "--algorithm", "EdDSA")
	_, port, _ := strings.Cut(strings.TrimPrefix(p.url, "http://"), ":")
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--port", port}, "address already in use"},
		{[]string{"--algorithm", "HS256"}, "HS256"},
		{[]string{"--ttl", "0"}, "--ttl"},
		{[]string{"--ttl", "100000h"}, "--ttl"},
		{[]string{"--claim", "sub", "--group", "pro"}, "sub"},
		{[]string{"--group", "pro,,free"}, "text"},
		{[]string{"--group", ""}, "--group is empty"},
		{[]string{"--subject", "a\nb"}, "text"},
		{[]string{"--port", "70000"}, "70000"},
		{[]string{"pro"}, "pro"},
	} {
		code, out, errs := nexus(t, append([]string{"issuer"}, tt.args...)...)
		if code != 1 || out != "" || !strings.Contains(errs, tt.says) || strings.Contains(errs, "DEVELOPMENT") {
			t.Errorf("%q: exit code %d: %s%s", tt.args, code, out, errs)
		}
	}
}

func TestATokenOfTheIssuerIsServedAndExplained(t *testing.T) {
	p := startIssuer(t, "--group", "pro,gold")
	n := gatewaytest.Start(t, trusting(p.url))
	for i, want := range []int{200, 400} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+chatPath, strings.NewReader(hello))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+p.tokens[i])
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		code, out, errs := nexus(t, "explain", "-c", n.ConfigPath, "--token", p.tokens[i], "--model", "demo-1")
		if answer.StatusCode != want || code != i || errs != "" {
			t.Errorf("token %d: answered %d, explained with exit code %d: %s%s", i, answer.StatusCode, code, out, errs)
		}
		if strings.Contains(out, p.tokens[i][:20]) || strings.Contains(out, p.tokens[i][len(p.tokens[i])-20:]) {
			t.Errorf("the explanation has the token in it:\n%s", out)
		}
	}
}

func TestExplainTellsEachStepAndTheOutcome(t *testing.T) {
	p := startIssuer(t, "--algorithm", "ES256", "--group", "pro,gold", "--ttl", "10m")
	expired := startIssuer(t, "--algorithm", "ES256", "--group", "pro", "--ttl", "-10m")
	path := file(t, trusting(p.url))
	_, set := fetch(t, expired.url)
	foreign := filepath.Join(t.TempDir(), "set.json")
	if err := os.WriteFile(foreign, []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	headers := file(t, identified)
	for _, tt := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"a good token", []string{"-c", path, "--token", p.tokens[0]}, 0, []string{"authentication      passed", "with ES256", `claim "sub" says "alice"`, "allowed: alice in group pro"}},
		{"a good token and a model", []string{"-c", path, "--token", p.tokens[0], "--model", "demo-1"}, 0, []string{"route               passed", "by provider demo"}},
		{"a model that nobody has", []string{"-c", path, "--token", p.tokens[0], "--model", "demo-9"}, 1, []string{"rejected: model_unknown", "404 Model 'demo-9' not found", "(" + path + ":13)"}},
		{"a group that is not there", []string{"-c", path, "--token", p.tokens[1]}, 1, []string{"rejected: group_invalid", "400 The specified group is not valid", "validation.group_values (" + path + ":11)"}},
		{"no token", []string{"-c", path}, 1, []string{"rejected: token_missing", "401 missing token"}},
		{"no JWT", []string{"-c", path, "--token", "abc"}, 1, []string{"rejected: token_malformed", "401 invalid token"}},
		{"a token of another issuer", []string{"-c", path, "--token", expired.tokens[0]}, 1, []string{"rejected: token_key_unknown", "401 unauthorized"}},
		{"an expired token", []string{"-c", path, "--token", expired.tokens[0], "--jwks", foreign}, 1, []string{"rejected: token_expired", "401 the token has expired"}},
		{"headers", []string{"-c", headers, "--header", "X-Client-ID: bob", "--header", "x-user-tier:pro"}, 0, []string{"no token is asked for", "allowed: bob in group pro"}},
		{"no header", []string{"-c", headers, "--header", "X-Client-IDs: bob"}, 1, []string{"rejected: client_id_missing", `did you mean "X-Client-Ids"?`}},
		{"a header twice", []string{"-c", headers, "--header", "X-Client-ID: bob", "--header", "x-client-id: bob"}, 1, []string{"rejected: client_id_invalid", "more than once"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := nexus(t, append([]string{"explain"}, tt.args...)...)
			if code != tt.code || errs != "" {
				t.Errorf("exit code %d: %s%s", code, out, errs)
			}
			for _, want := range tt.says {
				if !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(want), " ")) {
					t.Errorf("nothing of %q:\n%s", want, out)
				}
			}
			for _, line := range strings.Split(out, "\n") {
				if len([]rune(line)) > 130 { // a path of a file is not broken
					t.Errorf("a line of %d characters: %s", len(line), line)
				}
			}
		})
	}
}

func TestExplainSaysWhyThereAreNoKeys(t *testing.T) {
	path := file(t, trusting("http://"+gatewaytest.FreeAddress(t)))
	code, out, _ := nexus(t, "explain", "-c", path, "--token", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
	if code != 1 || !strings.Contains(out, "rejected: keys_unavailable") || !strings.Contains(out, "connection was refused") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestExplainRefusesABadQuestion(t *testing.T) {
	path := file(t, identified)
	const secret = "s3cret"
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"an unknown flag", []string{"-c", path, "--headers", "a: b"}, "--headers"},
		{"an argument", []string{"-c", path, "token"}, "token"},
		{"a header without a colon", []string{"-c", path, "--header", secret}, "no colon"},
		{"a header without a name", []string{"-c", path, "--header", ": " + secret}, "no header name"},
		{"a header with a name that is none", []string{"-c", path, "--header", "x client: " + secret}, "no header name"},
		{"a header with a line end", []string{"-c", path, "--header", "x: a\r\n" + secret}, "control characters"},
		{"a token twice", []string{"-c", path, "--token", secret, "--header", "authorization: Bearer " + secret}, "leave one of them out"},
		{"a token with its scheme", []string{"-c", path, "--token", "Bearer " + secret}, "without"},
		{"a token with a line end", []string{"-c", path, "--token", secret + "\n" + secret}, "--token"},
		{"an address that is none", []string{"-c", path, "--from", "localhost"}, "localhost"},
		{"a key set that is not there", []string{"-c", path, "--jwks", path + ".missing"}, "missing"},
		{"a key set that is none", []string{"-c", file(t, trusting("http://127.0.0.1:1")), "--jwks", path}, "key set"},
		{"a file that is not there", []string{"-c", path + ".missing"}, "missing"},
		{"a file with mistakes", []string{"-c", file(t, tenMistakes)}, "10 errors"},
		{"a file that serves no model", []string{"-c", file(t, identified+"[llm.protocols.openai]\nenabled = false\n")}, "llm.protocols.openai"},
		{"an unknown log level", []string{"-c", path, "--log", "loud"}, "loud"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := nexus(t, append([]string{"explain"}, tt.args...)...)
			if code != 2 || out != "" || !strings.Contains(errs, tt.says) || strings.Contains(errs, secret) {
				t.Errorf("exit code %d: %s%s", code, out, errs)
			}
		})
	}
}

// TestAnExplanationEndsThoughTheIssuerHangs asks an issuer that never answers.
func TestAnExplanationEndsThoughTheIssuerHangs(t *testing.T) {
	key := gatewaytest.NewKey(t, "k", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	i.Answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	began := time.Now()
	code, out, _ := nexus(t, "explain", "-c", file(t, tokened(i)), "--token", i.Token(t, key, nil))
	if code != 1 || !strings.Contains(out, "keys_unavailable") || !strings.Contains(out, "no answer within") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if took := time.Since(began); took > 5*time.Second+50*stall {
		t.Errorf("it took %v", took)
	}
}

// TestEveryExampleOfIdentificationIsAFile checks each file that the page on identification shows.
func TestEveryExampleOfIdentificationIsAFile(t *testing.T) {
	page := readFile(t, filepath.Join(root, "docs", "identification.md"))
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) < 9 {
		t.Fatalf("the page has only %d files", len(blocks))
	}
	for i, block := range blocks {
		path := file(t, block[1]+"\n[llm.providers.demo]\ntype = \"demo\"\n")
		if code, out, _ := nexus(t, "check", "-c", path); code != 0 || !strings.HasSuffix(out, ": ok\n") {
			t.Errorf("file %d: exit code %d:\n%s\n%s", i+1, code, out, block[1])
		}
	}
}

// TestIdentificationKnowsEveryReason holds the page's table against what a caller can be refused for by who they are.
func TestIdentificationKnowsEveryReason(t *testing.T) {
	page := readFile(t, filepath.Join(root, "docs", "identification.md"))
	source := readFile(t, filepath.Join(root, "gateway", "trace", "reason.go"))
	reasons := regexp.MustCompile(`= "((?:token|keys|client_id|group)_[a-z_]+)"`).FindAllStringSubmatch(source, -1)
	if len(reasons) < 15 {
		t.Fatalf("only %d reasons are known", len(reasons))
	}
	for _, reason := range reasons {
		if strings.HasPrefix(reason[1], "token_limit_") {
			continue // of budgets, which are another page's
		}
		if !strings.Contains(page, "| `"+reason[1]+"` | ") {
			t.Errorf("%s is missing", reason[1])
		}
	}
}
