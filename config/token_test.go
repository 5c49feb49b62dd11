package config_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"nexus/config"
)

// withOAuth parses a file whose server.oauth says a URL and more.
func withOAuth(more string) (*config.Config, config.Problems) {
	return parse("[server.oauth]\nurl = 'https://auth.example.com'\nexpected_issuer = 'a'\nexpected_audience = 'b'\n" + more + provider)
}

func TestURL(t *testing.T) {
	for text, bad := range map[string]string{
		"https://auth.example.com":                              "",
		"HTTPS://AUTH.example.com./.well-known/jwks.json?p=x&q": "",
		"https://me:pw@auth.example.com:8443/a%20b/é":           "",
		"https://10.0.0.7":                                      "",
		"https://[fd00::1]:65535/":                              "",
		"http://localhost:8010/jwks":                            "",
		"http://LocalHost":                                      "",
		"http://127.8.9.1":                                      "",
		"http://[::1]:1":                                        "",
		"http://[::ffff:127.0.0.1]":                             "",
		"https://a/" + strings.Repeat("a", 2038):                "",

		"https://a/" + strings.Repeat("a", 2039): "longer than 2048 bytes",
		"http://auth.example.com":                "is not https",
		"http://10.0.0.7":                        "is not https",
		"http://localhost.example.com":           "is not https",
		"http://127.0.0.1.example.com":           "is not https",
		"http://127.0.0.1@auth.example.com":      "is not https",
		"http://[::2]":                           "is not https",
		"http://0.0.0.0:8010":                    "is not https",
		"http://localhost.":                      "is not https",
		"ftp://auth.example.com":                 "begins with neither https:// nor http://",
		"file:///etc/passwd":                     "begins with neither https:// nor http://",
		"://auth.example.com":                    "is not a URL",
		"https://":                               "has no host",
		"https:///jwks":                          "has no host",
		"https://:8443/jwks":                     "has no host",
		"https://auth.example.com/#keys":         "has a fragment",
		"https://auth.example.com/#":             "has a fragment",
		"https://auth.example.com:/":             "no port between 1 and 65535",
		"https://auth.example.com:0/":            "no port between 1 and 65535",
		"https://auth.example.com:65536/":        "no port between 1 and 65535",
		"https://auth.example.com:https/":        "is not a URL",
		"https://10.0.0.256/":                    "neither an IP address nor a name",
		"https://127.1/":                         "neither an IP address nor a name",
		"https://*.example.com/":                 "neither an IP address nor a name",
		"https://müller.example/":                "neither an IP address nor a name",
		"https://a..b/":                          "neither an IP address nor a name",
		"https://[auth]/":                        "is not a URL",
		"https://auth.example.com/a b":           "white space",
		" https://auth.example.com":              "white space",
		"https://auth.example.com/a\u00a0b":      "white space",
		"https://auth.example.com/\u0085":        "white space",
		`https://auth.example.com\@other/`:       "is not a URL",
		"https://auth.example.com/%zz":           "is not a URL",
		"auth.example.com/jwks":                  `write "https://auth.example.com/jwks"`,
		"//auth.example.com/jwks":                `write "https://auth.example.com/jwks"`,
		"jwks.json:":                             "write a whole URL",
		"/etc/jwks.json":                         "write a whole URL",
	} {
		cfg, problems := parse(fmt.Sprintf("server.oauth = { url = %q, expected_issuer = 'a', expected_audience = 'b' }\n", text) + provider)
		switch {
		case bad == "" && (cfg == nil || cfg.Server.OAuth.URL != config.URL(text) || len(problems) > 0):
			t.Errorf("%s is refused: %v", text, problems)
		case bad != "" && (cfg != nil || len(problems) != 1 || !strings.Contains(problems.Error(), bad)):
			t.Errorf("%s gives %v, want %s", text, problems, bad)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	all := config.Algorithms()
	if got := strings.Join(all, " "); got != "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA" {
		t.Errorf("they are %s", got)
	}
	cfg, problems := withOAuth(fmt.Sprintf("algorithms = ['%s']\n", strings.Join(all, "', '")))
	if cfg == nil || fmt.Sprint(cfg.Server.OAuth.Algorithms) != fmt.Sprint(all) {
		t.Errorf("not all are accepted: %v", problems)
	}
	all[0] = "none"
	if slices.Contains(config.Algorithms(), "none") {
		t.Error("the list of one caller is that of the next")
	}
	for _, name := range []string{"HS256", "HS384", "HS512", "hs256", "none", "None", "NONE", "nOnE", "", " RS256", "rs256", "RSA-OAEP", "ES256K", "Ed25519", "dir", "RS256\x00"} {
		if cfg, _ := withOAuth(fmt.Sprintf("algorithms = [%q]\n", name)); cfg != nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestClaimPath(t *testing.T) {
	for text, bad := range map[string]string{
		"sub": "", "user.plan": "", "https://example.com/plan": "", "a.b.c.d.e.f.g.h.i": "", "a b": "", "größe": "", strings.Repeat("x", 256): "", "": "",
		" ": "is blank", "\u00a0": "is blank", " sub": "begins or ends with space", "sub\t": "begins or ends with space", "s\u0000b": "has a control character",
		"s\u0085b": "has a control character", strings.Repeat("x", 257): "longer than 256 bytes", "a.b.c.d.e.f.g.h.i.j": "more than 8 dots",
	} {
		cfg, problems := withOAuth(fmt.Sprintf("[server.client_identification]\nclient_id.jwt_claim = 'user'\nvalidation.group_values = ['a']\ngroup_id.jwt_claim = %q\n", text))
		switch {
		case bad == "" && (cfg == nil || cfg.Server.ClientIdentification.GroupID.JWTClaim != config.ClaimPath(text)):
			t.Errorf("%q is refused: %v", text, problems)
		case bad != "" && (cfg != nil || !strings.Contains(problems.Error(), bad)):
			t.Errorf("%q gives %v, want %s", text, problems, bad)
		}
	}
}

func TestValuesFromTheEnvironmentAreText(t *testing.T) {
	const half = "\xc3"
	env := func(string) (string, bool) { return half, true }
	for _, line := range []string{"server.oauth.url = 'https://a.example/{{ env.A }}'", "server.client_identification.group_id.jwt_claim = '{{ env.A }}'"} {
		if cfg, problems := config.Parse("nexus.toml", []byte(line+"\n"+provider), config.Overlay{}, env); cfg != nil || !strings.Contains(problems.Error(), "half a character") {
			t.Errorf("%s gives %v", line, problems)
		}
	}
}

func TestMetadataIsServedWhereCallersLook(t *testing.T) {
	const well = "/.well-known/oauth-protected-resource"
	for _, tt := range []struct{ name, resource, url, paths string }{
		{"no resource", "", "", ""},
		{"a host alone", "https://n.example", "https://n.example" + well, well},
		{"a slash at the end", "https://n.example:8443/", "https://n.example:8443" + well, well},
		{"a path", "https://n.example/ai", "https://n.example/ai" + well, well + " /ai" + well + " " + well + "/ai"},
		{"a path with a slash at its end", "https://n.example/a/b/", "https://n.example/a/b" + well, well + " /a/b" + well + " " + well + "/a/b"},
		{"the path of the metadata", "https://n.example" + well, "https://n.example" + well + well, well + " " + well + well},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := config.ProtectedResource{Resource: config.URL(tt.resource)}
			if got := p.MetadataURL(); got != tt.url {
				t.Errorf("callers look at %s", got)
			}
			if got := strings.Join(p.Paths(), " "); got != tt.paths || (p.Paths() == nil) != (tt.resource == "") {
				t.Errorf("it is served at %s", got)
			}
		})
	}
}

func TestResource(t *testing.T) {
	for text, bad := range map[string]string{
		"https://n.example": "", "https://n.example/": "", "https://n.example/a-b/c_d/e.f/~g": "", "http://127.0.0.1:8000": "",
		"https://n.example/?": "has a query", "https://n.example?a=b": "has a query", "https://n.example//": "its path has an empty segment",
		"https://n.example//a": "its path has an empty segment", "https://n.example/a//": "its path", "https://n.example/a/../b": "its path has a . or .. segment",
		"https://n.example/%61": "its path has a character", "https://n.example/é": "its path has a character", "https://n.example/a;b": "its path has a character",
		"https://n.example/" + strings.Repeat("a", 256): "its path is longer than 256 bytes", "https://me@n.example": "has user information", "": "is missing or empty",
	} {
		cfg, problems := withOAuth(fmt.Sprintf("protected_resource.resource = %q\n", text))
		if (cfg == nil) != (bad != "") || !strings.Contains(problems.Error(), bad) {
			t.Errorf("%s gives %v, want %s", text, problems, bad)
		}
	}
}

// FuzzOAuth states what holds for any three texts: what is accepted leads to one server, by https or on this machine; the
// metadata has paths that nobody can read in two ways; and no message or page repeats a password.
func FuzzOAuth(f *testing.F) {
	f.Add("https://auth.example.com/jwks", "https://nexus.example.com/ai/", "user.plan")
	f.Add("http://127.0.0.1@auth.example.com/jwks", "https://n.example/%2e%2e/", "https://example.com/plan")
	f.Add("https://[::1%25lo]:8010/?a#", "http://localhost:8000//", " a.b")
	f.Add("https://auth.example.com:99999/", "https://n.example?x", "a.b.c.d.e.f.g.h.i.j")
	f.Fuzz(func(t *testing.T, keys, resource, claim string) {
		env := func(name string) (string, bool) {
			return map[string]string{"K": keys, "R": resource, "C": claim}[name], true
		}
		const text = "[server.oauth]\nurl = '{{ env.K }}'\nprotected_resource.resource = '{{ env.R }}'\n[server.client_identification]\nclient_id.jwt_claim = '{{ env.C }}'\n"
		cfg, _ := config.Parse("nexus.toml", []byte(text+provider), config.Overlay{}, env)
		if cfg == nil {
			return
		}
		o := cfg.Server.OAuth
		for _, u := range []config.URL{o.URL, o.ProtectedResource.Resource} {
			parsed, err := url.Parse(string(u))
			if err != nil || parsed.Hostname() == "" || parsed.Fragment != "" {
				t.Fatalf("%q is accepted: %v", u, err)
			}
			ip, err := netip.ParseAddr(parsed.Hostname())
			if parsed.Scheme != "https" && !strings.EqualFold(parsed.Hostname(), "localhost") && (err != nil || !ip.IsLoopback()) {
				t.Fatalf("%q is accepted", u)
			}
		}
		for _, path := range o.ProtectedResource.Paths() {
			again, err := url.Parse("https://n.example" + path)
			if err != nil || again.Path != path || again.RawQuery != "" || strings.Contains(path, "//") || !strings.Contains(path, "/.well-known/") {
				t.Fatalf("the metadata of %q is served at %q", resource, path)
			}
		}
		if !strings.HasSuffix(o.ProtectedResource.MetadataURL(), "/.well-known/oauth-protected-resource") {
			t.Fatalf("callers look at %s", o.ProtectedResource.MetadataURL())
		}
		if claim := string(cfg.Server.ClientIdentification.ClientID.JWTClaim); claim == "" || len(claim) > 256 || strings.TrimSpace(claim) != claim || strings.Count(claim, ".") > 8 {
			t.Fatalf("the claim %q is accepted", claim)
		}
	})
}

// FuzzPassword puts a password into each place of a URL where a slip of the hand may bring it: no problem and no page
// repeats it.
func FuzzPassword(f *testing.F) {
	for _, before := range []string{"https://me:", "https:/me:", "//me:", "me:", "https://me:x@y:", "http://", "https:\\\\me:"} {
		f.Add(before, "@auth.example.com/jwks")
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		written := before + canary + after
		if !strings.HasPrefix(after, "@") || strings.ContainsAny(before, "/?#@ ") && !strings.HasPrefix(before, "https://") || strings.ContainsAny(strings.TrimPrefix(before, "https://"), "/?# ") ||
			!strings.Contains(before, ":") {
			t.Skip("not user information")
		}
		cfg, problems := parse(fmt.Sprintf("server.oauth.url = %q\n", written) + provider)
		if strings.Contains(problems.Error(), canary) {
			t.Fatalf("%q is repeated in\n%v", written, problems)
		}
		if cfg != nil && strings.Contains(fmt.Sprint(cfg.Settings(), cfg.Text().Masked()), canary) {
			t.Fatalf("%q is shown: %v", written, cfg.Settings())
		}
	})
}
