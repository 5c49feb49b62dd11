package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"nexus/gateway/gatewaytest"
)

// pageAnswer is what a page learns of a call: the answer, or that its browser keeps it to itself.
type pageAnswer struct {
	Status    int
	Body      string
	ID, Allow *string // headers of the answer, as far as the page may read them
	Failed    string
}

// page is a page of some origin in a tab of its own.
type page struct {
	tab    *gatewaytest.Tab
	origin string
}

func openPage(t *testing.T, b *gatewaytest.Browser, origin string) *page {
	t.Helper()
	p := &page{tab: b.Tab(t, gatewaytest.View{Width: 800, Height: 600}), origin: origin}
	if status := p.tab.Open(t, origin); status != 200 {
		t.Fatalf("%s answers %d", origin, status)
	}
	return p
}

// fetch calls as a script of the page does; options are those of the function fetch.
func (p *page) fetch(t *testing.T, url, options string) (f pageAnswer) {
	t.Helper()
	text := gatewaytest.Resolve[string](t, p.tab, fmt.Sprintf(`fetch(%q, %s).then(
		async r => JSON.stringify({status: r.status, body: await r.text(), id: r.headers.get('X-Request-ID'), allow: r.headers.get('Allow')}),
		e => JSON.stringify({failed: String(e)}))`, url, options))
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestPagesOfOtherOriginsMayWhatTheFileSays asks a real browser, before and after live edits of the file.
func TestPagesOfOtherOriginsMayWhatTheFileSays(t *testing.T) {
	browser := gatewaytest.OpenBrowser(t)
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>an application</title>"))
	}))
	t.Cleanup(pages.Close)
	ours, theirs := openPage(t, browser, pages.URL), openPage(t, browser, strings.Replace(pages.URL, "127.0.0.1", "localhost", 1))
	n := gatewaytest.Start(t, identified)
	chat, models, stream := n.URL+chatPath, n.URL+modelsPath, strings.Replace(hello, "{", `{"stream":true,`, 1)
	post := func(body, more string) string {
		return fmt.Sprintf(`{method: 'POST', body: %q, headers: {'Content-Type': 'application/json', 'X-Client-ID': 'alice'%s}}`, body, more)
	}
	const simple, known = `{}`, `{headers: {'X-Client-ID': 'alice'}}`
	type call struct {
		name         string
		page         *page
		url, options string
		status       int // 0: the browser keeps the answer to itself
		body         string
		readsID      bool
	}
	check := func(when string, calls []call) {
		t.Helper()
		for _, c := range calls {
			got := c.page.fetch(t, c.url, c.options)
			switch {
			case got.Status != c.status || (got.Failed == "") != (c.status != 0) || !strings.Contains(got.Body, c.body):
				t.Errorf("%s: %s: %+v", when, c.name, got)
			case c.status != 0 && (got.ID != nil) != c.readsID:
				t.Errorf("%s: %s: the page reads the request's id: %v", when, c.name, got.ID != nil)
			}
		}
	}
	edit := func(what, table string) {
		t.Helper()
		if err := replace(n.ConfigPath, table+identified); err != nil {
			t.Fatal(err)
		}
		n.Await(t, fmt.Sprintf("generation=%s", what))
	}

	check("without the table", []call{
		{name: "a simple call", page: ours, url: models, options: simple},
		{name: "a call with a header", page: ours, url: models, options: known},
		{name: "health", page: ours, url: n.URL + "/health", options: simple},
	})

	edit("2", fmt.Sprintf("[server.cors]\nallow_origins = [%q]\nallow_headers = [\"content-type\", \"X-Client-ID\"]\n", ours.origin))
	check("one origin", []call{
		{name: "a simple call", page: ours, url: models, options: simple, status: 400, body: "missing_client_id", readsID: true},
		{name: "a call with a header", page: ours, url: models, options: known, status: 200, body: "demo", readsID: true},
		{name: "a chat", page: ours, url: chat, options: post(hello, ""), status: 200, body: `"finish_reason":"stop"`, readsID: true},
		{name: "a stream", page: ours, url: chat, options: post(stream, ""), status: 200, body: "data: [DONE]", readsID: true},
		{name: "a header that is not allowed", page: ours, url: chat, options: post(hello, `, 'X-Other': '1'`)},
		{name: "a method that is not allowed", page: ours, url: models, options: `{method: 'DELETE'}`},
		{name: "with credentials", page: ours, url: models, options: `{credentials: 'include'}`},
		{name: "an unknown path", page: ours, url: n.URL + "/llm/v1/nothing", options: known, status: 404, body: "endpoint_unknown", readsID: true},
		{name: "another origin", page: theirs, url: models, options: simple},
		{name: "another origin with a header", page: theirs, url: models, options: known},
		{name: "health", page: ours, url: n.URL + "/health", options: simple, status: 200, body: "healthy", readsID: true},
		{name: "health from another origin", page: theirs, url: n.URL + "/health", options: simple},
		{name: "the admin", page: ours, url: n.URL + "/admin/api/status", options: simple},
		{name: "the metrics", page: ours, url: n.URL + "/metrics", options: simple},
	})

	edit("3", fmt.Sprintf("[server.cors]\nallow_origins = [%q]\nallow_headers = \"*\"\nallow_methods = \"*\"\nexpose_headers = [\"Allow\"]\nallow_credentials = true\n[server.csrf]\nheader_name = \"X-Own\"\n", theirs.origin))
	check("the other origin, with all and a header of its own", []call{
		{name: "the first origin", page: ours, url: models, options: known},
		{name: "without the header", page: theirs, url: models, options: known, status: 403, body: "csrf_header_missing"},
		{name: "with the header", page: theirs, url: models, options: `{headers: {'X-Client-ID': 'alice', 'X-Own': ''}}`, status: 200, body: "demo"},
		{name: "a chat", page: theirs, url: chat, options: post(hello, `, 'X-Own': '1', 'X-Other': '1'`), status: 200, body: `"finish_reason":"stop"`},
		{name: "with credentials", page: theirs, url: models, options: `{credentials: 'include', headers: {'X-Client-ID': 'alice', 'X-Own': '1'}}`, status: 200, body: "demo"},
		{name: "another method", page: theirs, url: models, options: `{method: 'DELETE', headers: {'X-Client-ID': 'alice', 'X-Own': '1'}}`, status: 405, body: "method_not_allowed"},
		{name: "health asks for no header", page: theirs, url: n.URL + "/health", options: simple, status: 200, body: "healthy"},
	})
	if got := theirs.fetch(t, models, `{method: 'DELETE', headers: {'X-Client-ID': 'alice', 'X-Own': '1'}}`); got.Allow == nil {
		t.Errorf("an exposed header cannot be read: %+v", got)
	}

	edit("4", "[server.cors]\nallow_origins = \"*\"\nallow_headers = [\"X-Client-ID\"]\n[server.csrf]\nenabled = false\n")
	check("every origin", []call{
		{name: "the first", page: ours, url: models, options: known, status: 200, body: "demo", readsID: true},
		{name: "the other", page: theirs, url: models, options: known, status: 200, body: "demo", readsID: true},
		{name: "with credentials", page: theirs, url: models, options: `{credentials: 'include'}`},
	})
	if n.Stop(t) != 0 {
		t.Error("it does not stop in peace")
	}
}

// TestAPreflightIsAnsweredWholeOrNotAtAll, as browsers ask that this machine does not have.
func TestAPreflightIsAnsweredWholeOrNotAtAll(t *testing.T) {
	const origin = "https://app.example.com"
	file := func(more string) string {
		return fmt.Sprintf("[server.cors]\nallow_origins = [%q]\nallow_headers = [\"X-Client-ID\"]\nmax_age = \"90s\"\n%s\n", origin, more) + identified
	}
	open, shut := gatewaytest.Start(t, file("allow_private_network = true\nallow_credentials = true")), gatewaytest.Start(t, file(""))
	for _, tt := range []struct {
		name    string
		n       *gatewaytest.Nexus
		path    string
		header  map[string]string
		allowed map[string]string // nil: not a word of it
	}{
		{"the origin, the method, a header", shut, chatPath, map[string]string{"Access-Control-Request-Headers": "x-client-id"},
			map[string]string{"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "X-Client-ID", "Access-Control-Max-Age": "90", "Access-Control-Allow-Credentials": "", "Access-Control-Allow-Private-Network": ""}},
		{"credentials and a private network", open, chatPath, map[string]string{"Access-Control-Request-Private-Network": "true"},
			map[string]string{"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Private-Network": "true"}},
		{"a private network that is not allowed", shut, chatPath, map[string]string{"Access-Control-Request-Private-Network": "true"}, nil},
		{"another origin", shut, chatPath, map[string]string{"Origin": "https://evil.example.com"}, nil},
		{"no origin", shut, chatPath, map[string]string{"Origin": "null"}, nil},
		{"the origin in capitals", shut, chatPath, map[string]string{"Origin": "https://APP.example.com"}, nil},
		{"another port", shut, chatPath, map[string]string{"Origin": origin + ":8443"}, nil},
		{"a prefix of the origin", shut, chatPath, map[string]string{"Origin": origin + ".evil.com"}, nil},
		{"a method", shut, chatPath, map[string]string{"Access-Control-Request-Method": "PATCH"}, nil},
		{"one header of two", shut, chatPath, map[string]string{"Access-Control-Request-Headers": "x-client-id,x-other"}, nil},
		{"an unknown path", shut, "/llm/v1/nothing", nil, map[string]string{"Access-Control-Allow-Origin": origin}},
		{"health", shut, "/health", nil, map[string]string{"Access-Control-Allow-Origin": origin}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call, err := http.NewRequest(http.MethodOptions, tt.n.URL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			call.Header.Set("Origin", origin)
			call.Header.Set("Access-Control-Request-Method", "POST")
			for name, value := range tt.header {
				call.Header.Set(name, value)
			}
			answer, err := http.DefaultClient.Do(call)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != 204 || !strings.Contains(answer.Header.Get("Vary"), "Origin") || answer.Header.Get("X-Request-ID") == "" {
				t.Errorf("%s, %v", answer.Status, answer.Header)
			}
			for name, want := range tt.allowed {
				if got := answer.Header.Get(name); got != want {
					t.Errorf("%s is %q", name, got)
				}
			}
			for name := range answer.Header {
				if tt.allowed == nil && strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("it has %s", name)
				}
			}
		})
	}
	for _, path := range []string{"/admin", "/metrics"} {
		call, err := http.NewRequest(http.MethodOptions, shut.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		call.Header = http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"GET"}}
		answer, err := http.DefaultClient.Do(call)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode == 204 || answer.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %s, %v", path, answer.Status, answer.Header)
		}
	}
}
