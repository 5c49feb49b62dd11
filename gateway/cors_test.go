package gateway_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nexus/gateway"
	"nexus/gateway/trace"
)

// preflight is what a browser asks before a page calls.
func preflight(origin, method string, header ...string) call {
	return call{method: http.MethodOptions, path: "/llm/v1/chat/completions",
		header: append([]string{"Origin", origin, "Access-Control-Request-Method", method}, header...)}
}

// granted are the names of the headers that let a page do something.
func granted(h http.Header) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(h)), func(name string) bool { return !strings.HasPrefix(name, "Access-Control-") })
}

func TestAllOfSomethingIsAnsweredWithWhatWasAskedFor(t *testing.T) {
	const origin = "https://anybody.example.com"
	g := start(t, "[server.cors]\nallow_origins = '*'\nallow_methods = '*'\nallow_headers = '*'\nmax_age = '0s'\n"+tiered)
	for _, tt := range []struct {
		name    string
		call    call
		methods string // "": nothing is allowed
		headers []string
		says    string // of the trace, where nothing is allowed
	}{
		{"a method", preflight(origin, "PROPFIND"), "PROPFIND", nil, ""},
		{"headers", preflight(origin, "POST", "Access-Control-Request-Headers", "authorization,x-any"), "POST", []string{"authorization,x-any"}, ""},
		{"headers on two lines", preflight(origin, "POST", "Access-Control-Request-Headers", "x-a", "Access-Control-Request-Headers", "x-b"), "POST", []string{"x-a", "x-b"}, ""},
		{"no headers", preflight(origin, "POST", "Access-Control-Request-Headers", ""), "POST", []string{""}, ""},
		{"as many as may be", preflight(origin, "POST", "Access-Control-Request-Headers", strings.Repeat("a", 4096)), "POST", []string{strings.Repeat("a", 4096)}, ""},
		{"too many", preflight(origin, "POST", "Access-Control-Request-Headers", strings.Repeat("a,", 2049)), "", nil, "longer than 4 KiB"},
		{"too many on many lines", preflight(origin, "POST", slices.Concat(slices.Repeat([]string{"Access-Control-Request-Headers", strings.Repeat("a", 100)}, 41))...), "", nil, "longer than 4 KiB"},
		{"what is no header", preflight(origin, "POST", "Access-Control-Request-Headers", "x-a, <b>"), "", nil, `header "<b>"`},
		{"spaces that are none", preflight(origin, "POST", "Access-Control-Request-Headers", "x-a,\u00a0x-b"), "", nil, "it may not"},
		{"what is no method", preflight(origin, "GET POST"), "", nil, `method "GET POST"`},
		{"two methods", preflight(origin, "GET", "Access-Control-Request-Method", "POST"), "", nil, `method "GET"`},
		{"a method without end", preflight(origin, strings.Repeat("A", 129)), "", nil, "it may not"},
		{"no origin", preflight("null", "POST"), "", nil, "never allowed"},
		{"an empty origin", preflight("", "POST"), "", nil, "never allowed"},
		{"two origins", preflight(origin, "POST", "Origin", origin), "", nil, "more than once"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := g.do(t, tt.call)
			if a.status != 204 || a.header.Get("X-Request-ID") == "" {
				t.Errorf("%d, %v", a.status, a.header)
			}
			if tt.methods == "" {
				step := stepOf(g.trace(t, a), trace.CORS)
				if all := granted(a.header); len(all) > 0 || step.Verdict != trace.Failed || !strings.Contains(step.Sentence(), tt.says) || len(step.Detail) > 128 {
					t.Errorf("it is allowed %v: %s", all, step.Sentence())
				}
				return
			}
			if a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Max-Age") != "0" ||
				a.header.Get("Access-Control-Allow-Methods") != tt.methods || !slices.Equal(a.header["Access-Control-Allow-Headers"], tt.headers) {
				t.Errorf("%v", a.header)
			}
		})
	}
}

// TestAPreflightAsksForNothingElse holds that what a browser asks beforehand meets no other step, and does nothing.
func TestAPreflightAsksForNothingElse(t *testing.T) {
	const origin = "https://app.example.com"
	g := start(t, "[server.rate_limits.per_ip]\nlimit = 1\ninterval = '1h'\n"+sharedWithPages)
	for _, path := range []string{"/llm", "/llm/v1/chat/completions", "/llm/v1/nothing", "/llm/v1/models/", "/llm//v1/models"} {
		c := preflight(origin, "POST", "Access-Control-Request-Headers", "x-client-id")
		c.path = path
		a := g.do(t, c)
		tr := g.trace(t, a)
		if a.status != 204 || a.body != "" || a.header.Get("Access-Control-Allow-Origin") != origin || len(tr.Steps()) != 1 || tr.Outcome != trace.Allowed {
			t.Errorf("%s: %d %v, %d steps", path, a.status, a.header, len(tr.Steps()))
		}
	}
	if a := g.do(t, alice(hello, "X-Own", "1", "Origin", origin)); a.status != 200 {
		t.Errorf("questions were counted against the limit: %d", a.status)
	}
	if a := g.do(t, alice(hello, "X-Own", "1", "Origin", origin)); a.status != 429 || a.header.Get("Access-Control-Allow-Origin") != origin {
		t.Errorf("over the limit: %d, %v", a.status, a.header)
	}
}

func TestAProviderLetsNoPageReadAnything(t *testing.T) {
	lines := []string{
		"Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true", "Access-Control-Expose-Headers: *", "access-control-allow-methods: *",
		"Access-Control-Allow-Private-Network: true", "Vary: Accept", "Cross-Origin-Resource-Policy: cross-origin",
	}
	v := startVendor(t, always(whole(`{"id":"c-1","object":"chat.completion","created":1,"model":"gpt-4o-2024","choices":[]}`, lines...)))
	for name, table := range map[string]string{
		"without the table": "", "with another origin": "[server.cors]\nallow_origins = ['https://app.example.com']\n",
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, table+relaying(v)).do(t, alice(asking, "Origin", "https://evil.example.com"))
			if all := granted(a.header); a.status != 200 || len(all) > 0 || a.header.Get("Cross-Origin-Resource-Policy") != "" || a.header.Get("Vary") == "Accept" {
				t.Errorf("%d, %v", a.status, a.header)
			}
			if got := v.last(t).Header; got["Origin"] != nil {
				t.Errorf("the provider is told the page's origin: %v", got)
			}
		})
	}
}

func TestARequestOfNoPageCostsNoMemoryForPages(t *testing.T) {
	for name, text := range map[string]string{"without the tables": tiered, "with them": sharedWithPages} {
		enter := gateway.CrossOrigin(&parse(t, text).Server)
		request := http.Header{"X-Own": {"1"}}
		answer := make(http.Header, 8)
		var tr trace.Trace
		if n := testing.AllocsPerRun(100, func() {
			tr = trace.Trace{}
			if err := enter(request, answer, &tr); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
