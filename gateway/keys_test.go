package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"nexus/config"
	"nexus/gateway/journal"
)

// TestEachKeyTakesEffectLive edits one key, reloads, and asks again: no key needs a restart but the address.
func TestEachKeyTakesEffectLive(t *testing.T) {
	get := func(path string) call { return call{method: http.MethodGet, path: path} }
	table := func(name, text string) string { return tiered + "[" + name + "]\n" + text + "\n" }
	server := func(text string) string { return strings.Replace(tiered, "[server]", "[server]\n"+text, 1) }
	identified := func(old, new string) string { return strings.Replace(tiered, old, new, 1) }
	tests := []struct {
		key, edited   string
		call          call
		before, after int
	}{
		{"server.health.path", table("server.health", `path = "/live"`), get("/live"), 404, 200},
		{"server.health.ready_path", table("server.health", `ready_path = "/go"`), get("/go"), 404, 200},
		{"server.health.enabled", table("server.health", "enabled = false"), get("/health"), 200, 404},
		{"server.max_body_size", server(`max_body_size = "40B"`), alice(hello), 200, 413},
		{"server.max_body_memory", server(`max_body_memory = "16KiB"`), alice(hello), 200, 503},
		{"server.client_identification.enabled", identified("[server.client_identification]", "[server.client_identification]\nenabled = false"), chat(hello), 400, 200},
		{"server.client_identification.client_id", identified("X-Client-ID", "X-Person"), chat(hello, "X-Person", "alice"), 400, 200},
		{"server.client_identification.group_id", identified("X-User-Tier", "X-Plan"), alice(hello, "X-Plan", "gold"), 200, 400},
		{"server.client_identification.trusted_sources", identified("[server.client_identification]", "[server.client_identification]\ntrusted_sources = [\"192.0.2.0/24\"]"), alice(hello), 200, 400},
		{"server.client_identification.validation.group_values", identified(`"pro"`, `"gold"`), alice(hello, "X-User-Tier", "gold"), 400, 200},
		{"llm.enabled", table("llm", "enabled = false"), alice(hello), 200, 404},
		{"llm.protocols.openai.enabled", table("llm.protocols.openai", "enabled = false"), alice(hello), 200, 404},
		{"llm.protocols.openai.path", table("llm.protocols.openai", `path = "/ai"`), call{method: "GET", path: "/ai/v1/models", header: []string{"X-Client-Id", "alice"}}, 404, 200},
		{"llm.providers.NAME", identified("[llm.providers.demo]", "[llm.providers.other]\ntype = \"demo\"\n[llm.providers.demo]"), alice(strings.Replace(hello, "demo-1", "other/x", 1)), 404, 200},
		{"llm.providers.NAME.models.MODEL", table("llm.providers.demo.models.gpt", ""), alice(strings.Replace(hello, "demo-1", "gpt", 1)), 404, 200},
		{"admin.path", table("admin", `path = "/ops"`), get("/ops/traces"), 404, 200},
		{"admin.enabled", table("admin", "enabled = false"), get("/admin"), 200, 404},
		{"telemetry.prometheus.path", table("telemetry.prometheus", `path = "/stats"`), get("/stats"), 404, 200},
		{"telemetry.prometheus.enabled", table("telemetry.prometheus", "enabled = false"), get("/metrics"), 200, 404},
	}
	for _, tt := range tests {
		t.Run(tt.key, func(t *testing.T) {
			configs := [2]*config.Config{parse(t, tiered), parse(t, tt.edited)}
			var edited atomic.Int32
			g := startWith(t, func() config.Draft { return drafted(configs[edited.Load()]) })
			if a := g.do(t, tt.call); a.status != tt.before {
				t.Errorf("before: %d, want %d: %s", a.status, tt.before, a.body)
			}
			edited.Store(1)
			if r := g.Reload(journal.CauseSIGHUP); r.Result != journal.ResultSuccess {
				t.Fatal(r.Errors)
			}
			if a := g.do(t, tt.call); a.status != tt.after {
				t.Errorf("after: %d, want %d: %s", a.status, tt.after, a.body)
			}
		})
	}
}

func TestTheRingsFollowTheFile(t *testing.T) {
	g := start(t, tiered+"[admin]\ntraces = 7\nrejections = 5\n")
	if traces, rejections := g.Journal().Kept(); traces != 7 || rejections != 5 {
		t.Errorf("%d traces and %d rejections are kept", traces, rejections)
	}
}

func TestAnotherAddressNeedsARestart(t *testing.T) {
	configs := [2]*config.Config{parse(t, tiered), parse(t, strings.Replace(tiered, "127.0.0.1:0", "127.0.0.1:1", 1))}
	var edited atomic.Int32
	g := startWith(t, func() config.Draft { return drafted(configs[edited.Load()]) })
	edited.Store(1)
	r := g.Reload(journal.CauseSIGHUP)
	if said := r.Errors.Error(); r.Result != journal.ResultFailed || !strings.Contains(said, "nexus.toml:3") || !strings.Contains(said, "needs a restart") {
		t.Errorf("reload: %s: %s", r.Result, said)
	}
	if s := g.Status(); s.Generation != 1 || s.LiveGenerations != 1 || s.LastReloadError == "" {
		t.Errorf("status %+v", s)
	}
}

// TestTheCallersAddress holds server.client_ip against what a socket's peer and its headers say.
func TestTheCallersAddress(t *testing.T) {
	const proxies = `trusted_proxies = ["10.0.0.0/8", "fd00::/8"]`
	tests := []struct {
		name, rule, peer string
		header           http.Header
		want             string
	}{
		{"headers are not believed without a word", "", "192.0.2.9:1", http.Header{"X-Real-Ip": {"198.51.100.1"}, "X-Forwarded-For": {"198.51.100.2"}}, "192.0.2.9"},
		{"X-Real-IP of a proxy", "x_real_ip = true\n" + proxies, "10.0.0.1:1", http.Header{"X-Real-Ip": {" 198.51.100.1 "}}, "198.51.100.1"},
		{"X-Real-IP of a stranger", "x_real_ip = true\n" + proxies, "192.0.2.9:1", http.Header{"X-Real-Ip": {"198.51.100.1"}}, "192.0.2.9"},
		{"two opinions are none", "x_real_ip = true\n" + proxies, "10.0.0.1:1", http.Header{"X-Real-Ip": {"198.51.100.1", "198.51.100.2"}}, "10.0.0.1"},
		{"no address at all", "x_real_ip = true\n" + proxies, "10.0.0.1:1", http.Header{"X-Real-Ip": {"unknown"}}, "10.0.0.1"},
		{"the rightmost entry", "x_forwarded_for_trusted_hops = 0\n" + proxies, "10.0.0.1:1", http.Header{"X-Forwarded-For": {"198.51.100.1, 198.51.100.2"}}, "198.51.100.2"},
		{"one hop skipped", "x_forwarded_for_trusted_hops = 1\n" + proxies, "10.0.0.1:1", http.Header{"X-Forwarded-For": {"198.51.100.1, 198.51.100.2"}}, "198.51.100.1"},
		{"lines are one list", "x_forwarded_for_trusted_hops = 2\n" + proxies, "10.0.0.1:1", http.Header{"X-Forwarded-For": {"198.51.100.1", "198.51.100.2, 198.51.100.3"}}, "198.51.100.1"},
		{"too few entries", "x_forwarded_for_trusted_hops = 2\n" + proxies, "10.0.0.1:1", http.Header{"X-Forwarded-For": {"198.51.100.1, 198.51.100.2"}}, "10.0.0.1"},
		{"an entry that is none", "x_forwarded_for_trusted_hops = 0\n" + proxies, "10.0.0.1:1", http.Header{"X-Forwarded-For": {"198.51.100.1, "}}, "10.0.0.1"},
		{"a port and brackets", "x_forwarded_for_trusted_hops = 0\n" + proxies, "10.0.0.1:1", http.Header{"X-Forwarded-For": {"[2001:db8::1]:443"}}, "2001:db8::1"},
		{"mapped addresses are unmapped", "x_forwarded_for_trusted_hops = 0\n" + proxies, "[::ffff:10.0.0.1]:1", http.Header{"X-Forwarded-For": {"::ffff:198.51.100.1"}}, "198.51.100.1"},
		{"a zone is left out", "x_real_ip = true\n" + proxies, "[fd00::1%eth0]:1", http.Header{"X-Real-Ip": {"198.51.100.1"}}, "198.51.100.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, tiered+"[server.client_ip]\n"+tt.rule+"\n")
			request := httptest.NewRequest(http.MethodGet, "/llm/v1/models", nil)
			request.RemoteAddr, request.Header = tt.peer, tt.header
			request.Header["X-Client-Id"] = []string{"alice"}
			answer := httptest.NewRecorder()
			g.Handler().ServeHTTP(answer, request)
			if got := g.trace(t, answered{header: answer.Header()}).Remote.String(); got != tt.want {
				t.Errorf("the caller is at %s, want %s", got, tt.want)
			}
		})
	}
}

func TestABugIsToldAndItsValueIsNot(t *testing.T) {
	g := start(t, tiered)
	early := g.do(t, call{method: "GET", path: "/admin?panic=early"})
	if early.status != 500 || early.err.Code != "internal_error" || early.header.Get("X-Request-ID") == "" {
		t.Errorf("answered %d %+v", early.status, early.err)
	}
	late, _ := g.raw(t, "GET /admin?panic=late HTTP/1.1\r\nHost: x\r\n\r\n", false)
	if !strings.Contains(late, "half an ") || strings.HasSuffix(late, "0\r\n\r\n") {
		t.Errorf("an answer that broke off looks whole: %q", late)
	}
	if a := g.do(t, alice(hello)); a.status != 200 {
		t.Errorf("afterwards: %d", a.status)
	}
	if log := g.log.String(); strings.Count(log, "a request panicked") != 2 || strings.Contains(log, "c4nary") || !strings.Contains(log, "operator") {
		t.Errorf("log:\n%s", log)
	}
}
