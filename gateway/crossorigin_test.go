package gateway_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"nexus/gateway/trace"
)

// sharedWithPages is tiered for the pages of one origin, with a header against cross-site requests.
const sharedWithPages = "[server.cors]\nallow_origins = [\"https://app.example.com\"]\nallow_headers = [\"X-Client-ID\", \"X-Own\"]\n[server.csrf]\nheader_name = \"X-Own\"\n" + tiered

func TestTheTraceTellsWhatABrowserOnlyHints(t *testing.T) {
	g := start(t, sharedWithPages)
	const origin = "https://app.example.com"
	preflight := func(header ...string) call {
		return call{method: "OPTIONS", path: "/llm/v1/chat/completions", header: append([]string{"Origin", origin, "Access-Control-Request-Method", "POST"}, header...)}
	}
	for _, tt := range []struct {
		name    string
		call    call
		status  int
		verdict trace.Verdict
		says    string
	}{
		{"no page", alice(hello, "X-Own", "1"), 200, trace.Skipped, `no header "Origin"`},
		{"a page that may", alice(hello, "X-Own", "1", "Origin", origin), 200, trace.Passed, `a page of origin "https://app.example.com" may read the answer`},
		{"a page that may not", alice(hello, "X-Own", "1", "Origin", "https://evil.example.com"), 200, trace.Failed, `"https://evil.example.com" is not in server.cors.allow_origins`},
		{"two origins", alice(hello, "X-Own", "1", "Origin", origin, "Origin", origin), 200, trace.Failed, "allow_origins"},
		{"no origin that counts", alice(hello, "X-Own", "1", "Origin", "null"), 200, trace.Failed, `"null"`},
		{"a question", preflight("Access-Control-Request-Headers", "x-own, x-client-id"), 204, trace.Passed, "and it may; the request itself comes next"},
		{"a question for a header", preflight("Access-Control-Request-Headers", "x-own,x-secret"), 204, trace.Failed, `header "x-secret", and it may not; add the header to server.cors.allow_headers`},
		{"a question of another page", call{method: "OPTIONS", path: "/llm/v1/models", header: []string{"Origin", "https://evil.example.com", "Access-Control-Request-Method", "GET"}}, 204, trace.Failed, "allow_origins"},
		{"a question for a private network", preflight("Access-Control-Request-Private-Network", "true"), 204, trace.Failed, "set server.cors.allow_private_network"},
		{"OPTIONS that is no question", call{method: "OPTIONS", path: "/llm/v1/models", header: []string{"Origin", origin}}, 405, trace.Failed, "it is not asked for as browsers do"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := g.do(t, tt.call)
			step := stepOf(g.trace(t, a), trace.CORS)
			if a.status != tt.status || step.Verdict != tt.verdict || !strings.Contains(step.Sentence(), tt.says) {
				t.Errorf("%d, %s: %s", a.status, step.Verdict, step.Sentence())
			}
			if may := tt.verdict == trace.Passed; (a.header.Get("Access-Control-Allow-Origin") == origin) != may || strings.Contains(a.header.Get("Access-Control-Allow-Origin"), "evil") {
				t.Errorf("it is allowed for %q", a.header.Get("Access-Control-Allow-Origin"))
			}
		})
	}
	refused := g.do(t, chat(hello, "X-Own", "1", "Origin", origin))
	if refused.status != 400 || refused.header.Get("Access-Control-Allow-Origin") != origin || refused.header.Get("Vary") != "Origin" {
		t.Errorf("a page cannot read its refusal: %d %v", refused.status, refused.header)
	}
}

func TestCallsOfModelsNeedTheHeaderThatNoPageCanSetUnasked(t *testing.T) {
	g := start(t, sharedWithPages)
	for _, c := range []call{
		chat(hello), alice(hello), alice(hello, "X_Own", "1"), {method: "GET", path: "/llm/v1/models"}, {method: "HEAD", path: "/llm/v1/models"},
		{method: "GET", path: "/llm/v1/nothing"}, {method: "BREW", path: "/llm"},
	} {
		a := g.do(t, c)
		if a.status != 403 || c.method != "HEAD" && (a.err.Code != "csrf_header_missing" || a.err.Type != "invalid_request_error") {
			t.Errorf("%s %s: %d %+v", c.method, c.path, a.status, a.err)
		}
		tr := g.trace(t, a)
		if step := stepOf(tr, trace.CSRF); tr.Reason != trace.CSRFHeaderMissing || step.Verdict != trace.Failed || !strings.Contains(step.Sentence(), `looked for header "X-Own"`) || tr.DecidedBy.Key != "server.csrf.header_name" {
			t.Errorf("%s %s: %s, %s", c.method, c.path, tr.Reason, step.Sentence())
		}
		if len(tr.Steps()) != 2 {
			t.Errorf("%s %s: %d steps were taken", c.method, c.path, len(tr.Steps()))
		}
	}
	for _, value := range []string{"", "0", "anything"} {
		if a := g.do(t, alice(hello, "x-own", value)); a.status != 200 {
			t.Errorf("with %q: %d", value, a.status)
		}
	}
	for _, path := range []string{"/health", "/ready", "/admin", "/metrics"} {
		if a := g.do(t, call{method: "GET", path: path}); a.status != 200 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestAnswersShareNoHeaderThatSomebodyWrites lets many requests of all kinds meet: what they share is only read.
func TestAnswersShareNoHeaderThatSomebodyWrites(t *testing.T) {
	g := start(t, sharedWithPages)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 20 {
				for _, origin := range []string{"https://app.example.com", "https://evil.example.com"} {
					a := g.do(t, alice(hello, "X-Own", "1", "Origin", origin))
					may := origin == "https://app.example.com"
					if a.status != 200 || len(a.header["Vary"]) != 1 || a.header.Get("Vary") != "Origin" || (len(a.header["Access-Control-Allow-Origin"]) == 1) != may {
						t.Errorf("%s: %d %v", origin, a.status, a.header)
					}
					p := g.do(t, call{method: http.MethodOptions, path: "/health", header: []string{"Origin", origin, "Access-Control-Request-Method", "GET"}})
					if p.status != 204 || (p.header.Get("Access-Control-Allow-Methods") == "GET, POST") != may {
						t.Errorf("%s: %d %v", origin, p.status, p.header)
					}
				}
			}
		})
	}
	wait.Wait()
}

// TestNoOriginIsOfNobody: any page can have the origin null, so that not even a file that lets all pages in lets it in.
func TestNoOriginIsOfNobody(t *testing.T) {
	g := start(t, "[server.cors]\nallow_origins = \"*\"\n"+tiered)
	for origin, allowed := range map[string]string{"https://anywhere.example.com": "*", "null": "", "": ""} {
		if a := g.do(t, alice(hello, "Origin", origin)); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != allowed {
			t.Errorf("origin %q is allowed for %q", origin, a.header.Get("Access-Control-Allow-Origin"))
		}
	}
}
