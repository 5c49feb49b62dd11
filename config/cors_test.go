package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nexus/config"
)

// shared is a file whose table server.cors holds some lines.
func shared(lines string) string {
	return "[server.cors]\n" + lines + "\n[llm.providers.demo]\ntype = 'demo'\n"
}

// said are the problems of a file, and what came of it.
func said(text string) (*config.Config, string) {
	cfg, problems := config.Parse("nexus.toml", []byte(text), config.Overlay{}, func(name string) (string, bool) {
		value, ok := map[string]string{"APP": "https://hidden.example.com", "WRONG": "https://hidden.example.com/path"}[name]
		return value, ok
	})
	return cfg, problems.Error()
}

func TestAChoiceIsAListOrAll(t *testing.T) {
	for _, tt := range []struct {
		written, problem string
		all              bool
		want             config.Choice
		shown            string
	}{
		{`"*"`, "", true, config.Choice{"*"}, `["*"]`},
		{`["*"]`, "", true, config.Choice{"*"}, `["*"]`},
		{`["X-A", "*"]`, "", true, config.Choice{"X-A", "*"}, `["X-A","*"]`},
		{`[]`, "", false, config.Choice{}, `[]`},
		{`["X-A", "x-b"]`, "", false, config.Choice{"X-A", "x-b"}, `["X-A","x-b"]`},
		{`"X-A"`, `nexus.toml:3:1: server.cors.allow_headers: is a string, but must be a list, or "*" for all; write allow_headers = ["Authorization", "Content-Type"] in [server.cors]`, false, nil, ""},
		{`7`, `allow_headers: is a whole number, but must be a list, or "*" for all`, false, nil, ""},
		{`["X-A", 7]`, "nexus.toml:3:25: server.cors.allow_headers[1]: is a whole number, but must be a string", false, nil, ""},
		{`["X-A", "{{ env.NOBODY }}"]`, "server.cors.allow_headers[1]", false, nil, ""},
	} {
		cfg, problems := said(shared("allow_origins = []\nallow_headers = " + tt.written))
		if tt.problem != "" {
			if cfg != nil || !strings.Contains(problems, tt.problem) {
				t.Errorf("%s: %s", tt.written, problems)
			}
			continue
		}
		if cfg == nil || problems != "" {
			t.Errorf("%s: %s", tt.written, problems)
			continue
		}
		got := cfg.Server.CORS.AllowHeaders
		if diff := cmp.Diff(tt.want, got); diff != "" || got.All() != tt.all {
			t.Errorf("%s: all: %v, %s", tt.written, got.All(), diff)
		}
		effective, err := json.Marshal(cfg)
		if err != nil || !strings.Contains(string(effective), `"allow_headers":`+tt.shown) {
			t.Errorf("%s is shown as %s", tt.written, effective)
		}
	}
}

func TestAnOriginIsWhatBrowsersSend(t *testing.T) {
	for written, want := range map[string]string{
		"https://app.example.com":           "",
		"HTTPS://App.Example.Com:8443":      "",
		"http://localhost:3000":             "",
		"http://[::1]:3000":                 "",
		"http://127.0.0.1":                  "",
		"http://app.example.com:443":        "",
		"chrome-extension://abcdefghijkl":   "",
		"https://app.example.com/":          `write "https://app.example.com"`,
		"https://app.example.com/a":         `write "https://app.example.com"`,
		"https://app.example.com?a":         "is more than an origin",
		"https://app.example.com#a":         "is more than an origin",
		"https://app.example.com:443":       `write "https://app.example.com"`,
		"http://[::1]:80":                   `write "http://[::1]"`,
		"http://app.example.com:0080":       "begins with 0",
		"https://app.example.com:":          "is no origin",
		"https://app.example.com:0":         "is no origin",
		"http://[0:0:0:0:0:0:0:1]:3000":     `write its host as "::1"`,
		"http://127.1:3000":                 "is no origin",
		"https://münchen.example":           "is no origin",
		"https://*.example.com":             "origins are compared whole",
		"https://app.example.com, null":     "is no origin",
		"null":                              "any page can have",
		"":                                  "is no origin",
		"app.example.com":                   "is no origin",
		"//app.example.com":                 "is no origin",
		"htps://app.example.com":            "is no origin",
		"file://app.example.com":            "is no origin",
		"https:app.example.com":             "is no origin",
		"https://user@app.example.com":      "is more than an origin",
		"https://app.example.com\\r\\nX: 1": "is no origin",
	} {
		cfg, problems := said(shared(fmt.Sprintf("allow_origins = [\"%s\"]", written)))
		switch {
		case want == "" && (cfg == nil || problems != ""):
			t.Errorf("%q: %s", written, problems)
		case want == "" && cfg.Server.CORS.AllowOrigins[0] != strings.ToLower(written):
			t.Errorf("%q became %q", written, cfg.Server.CORS.AllowOrigins[0])
		case want != "" && (cfg != nil || !strings.Contains(problems, "nexus.toml:2:18: server.cors.allow_origins[0]: ") || !strings.Contains(problems, want)):
			t.Errorf("%q: %s", written, problems)
		}
	}
}

func TestWhatTheEnvironmentSaysOfAnOriginIsNotRepeated(t *testing.T) {
	cfg, problems := said(shared("allow_origins = ['{{ env.APP }}']"))
	if cfg == nil || cfg.Server.CORS.AllowOrigins[0] != "https://hidden.example.com" {
		t.Fatal(problems)
	}
	effective, err := json.Marshal(cfg)
	if err != nil || strings.Contains(string(effective), "hidden") || !strings.Contains(string(effective), `"allow_origins":["***"]`) {
		t.Errorf("%v, %s", err, effective)
	}
	if cfg, problems := said(shared("allow_origins = ['{{ env.WRONG }}']")); cfg != nil || strings.Contains(problems, "hidden") || !strings.Contains(problems, "the value is more than an origin") {
		t.Error(problems)
	}
}

func TestEveryOriginAndCredentialsExcludeEachOther(t *testing.T) {
	for _, origins := range []string{`"*"`, `["*"]`, `["https://app.example.com", "*"]`} {
		if cfg, problems := said(shared("allow_credentials = true\nallow_origins = " + origins)); cfg != nil || !strings.Contains(problems, `server.cors.allow_origins: "*" with allow_credentials = true`) {
			t.Errorf("%s: %s", origins, problems)
		}
		if cfg, problems := said(shared("enabled = false\nallow_credentials = true\nallow_origins = " + origins)); cfg == nil || problems != "" {
			t.Errorf("%s where nothing of it holds: %s", origins, problems)
		}
	}
}

func TestWhatABrowserWouldNotDoIsSaid(t *testing.T) {
	const origin = "allow_origins = ['https://app.example.com']\n"
	for _, tt := range []struct {
		name, text, warning string
	}{
		{"all headers of an answer, with credentials", shared(origin + "allow_credentials = true\nexpose_headers = '*'"), "server.cors.expose_headers"},
		{"all headers of an answer, without", shared(origin + "expose_headers = '*'"), ""},
		{"no encryption, with credentials", shared("allow_origins = ['http://app.example.com']\nallow_credentials = true"), "server.cors.allow_origins[0]"},
		{"no encryption on this machine", shared("allow_origins = ['http://localhost:3000', 'http://a.localhost', 'http://127.0.0.2', 'http://[::1]']\nallow_credentials = true"), ""},
		{"a header that every page may set", shared("allow_origins = '*'\nallow_headers = '*'\n[server.csrf]"), "server.cors.allow_headers"},
		{"a header that the pages of the list may set", shared(origin + "allow_headers = ['x-nexus-csrf-protection']\n[server.csrf]"), ""},
		{"a header that no page may set", shared(origin + "[server.csrf]"), "server.cors.allow_headers"},
		{"the same, where no page may call at all", shared("allow_origins = []\n[server.csrf]"), ""},
		{"the same, where the header is not asked for", shared(origin + "[server.csrf]\nenabled = false"), ""},
	} {
		cfg, problems := said(tt.text)
		if cfg == nil || (problems == "") != (tt.warning == "") || !strings.Contains(problems, tt.warning) {
			t.Errorf("%s: %s", tt.name, problems)
		}
	}
}

func TestTheHeaderAgainstCrossSiteRequestsIsOneThatNothingElseSends(t *testing.T) {
	for _, name := range []string{
		"Accept", "accept-language", "Accept-Charset", "Content-Language", "Content-Type", "Range", "Origin", "Referer", "User-Agent", "Cookie",
		"Host", "Sec-Fetch-Site", "sec-anything", "Proxy-Own", "Connection", "Authorization", "Access-Control-Request-Method", "DNT", "Via",
		"Cache-Control", "pragma", "If-None-Match", "Ping-From", "Last-Event-ID", "Upgrade-Insecure-Requests", "Priority", "X-Forwarded-For",
		"X-Real-IP", "X-Request-ID", "Traceparent",
	} {
		if cfg, problems := said(shared("allow_origins = []\n[server.csrf]\nheader_name = '" + name + "'")); cfg != nil || !strings.Contains(problems, "protects from nothing") {
			t.Errorf("%s: %s", name, problems)
		}
	}
	for _, name := range []string{"X-Nexus-CSRF-Protection", "x-own", "X-Requested-With", "Second"} {
		if cfg, problems := said(shared("allow_origins = []\n[server.csrf]\nheader_name = '" + name + "'")); cfg == nil || problems != "" {
			t.Errorf("%s: %s", name, problems)
		}
	}
}
