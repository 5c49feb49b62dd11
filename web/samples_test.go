package web_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"nexus/web"
)

var now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// hostile is what a caller may try to get onto a page.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'` + "`" + `{{7*7}}&lt;javascript:alert(3)?a=b&c=d#e/../%2e%00 ` + "\u202egnp.exe"

func ptr[T any](v T) *T { return &v }

func frame(page, title string) web.Frame {
	return web.Frame{Base: "/admin", Page: page, Title: title, Version: "v0.1.0", Generation: 3}
}

func minutes(scale uint64) []web.Minute {
	m := make([]web.Minute, 60)
	for i := range m {
		n := (uint64(i*i*7+i*13) % 11) * scale
		if i%9 == 0 {
			n = 0
		}
		m[i] = web.Minute{Requests: n, Rejections: n / 5, Tokens: (n - n/5) * (300 + uint64(i*37)%500)}
	}
	return m
}

func groups() []web.Group {
	return []web.Group{
		{Group: ptr("free"), Requests: 18234, Rejections: 912, InputTokens: 4120334, OutputTokens: 1820112, Minutes: minutes(3)},
		{Group: ptr("pro"), Requests: 7120, Rejections: 12, InputTokens: 8233123, OutputTokens: 5120887, Minutes: minutes(1)},
		{Group: ptr("enterprise"), Requests: 340, InputTokens: 1022212, OutputTokens: 300120, Minutes: make([]web.Minute, 60)},
		{Requests: 41, Rejections: 41, Minutes: append(make([]web.Minute, 59), web.Minute{Requests: 4, Rejections: 4})},
	}
}

func status() web.Status {
	return web.Status{
		Generation: 3, LiveGenerations: 1, Hash: "9f2c1e5b7a3d4c60818f9e0a", File: "/etc/nexus/nexus.toml",
		LoadedAt: now.Add(-12 * time.Minute), StartedAt: now.Add(-51 * time.Hour), UptimeSeconds: 51 * 3600, Version: "v0.1.0",
		Identification: &web.Identification{
			ClientID: &web.Source{Source: "http_header", Name: "x-client-id"},
			GroupID:  &web.Source{Source: "http_header", Name: "x-user-tier"},
		},
		Warnings: []web.Warning{
			{Key: ptr("server.client_identification.client_id.http_header"), Line: ptr(14), Text: "anybody who reaches 0.0.0.0:8000 can send this header; put a trusted proxy in front, or set trusted_sources"},
			{Key: ptr("server.listen_address"), Text: "overridden by the flag --listen-address"},
			{Key: ptr("llm.providers.local"), Line: ptr(31), Text: "the provider cannot be reached: connection refused", Provider: true},
		},
	}
}

func refused() web.Trace {
	return web.Trace{
		ID: "k3w8z5t4r7k9m2v6q0h1x4b9", Time: now.Add(-42 * time.Second), Generation: 3, Method: "POST", Path: "/llm/v1/chat/completions",
		RemoteAddress: ptr("127.0.0.1"), ClientID: ptr("alice"), Group: nil, Outcome: "rejected", Reason: ptr("group_invalid"),
		ReasonWords: "group not allowed", Message: ptr("The specified group is not valid"), Status: 400, DurationMS: 0.21,
		DecidedBy: &web.DecidedBy{Key: "server.client_identification.validation.group_values", File: ptr("/etc/nexus/nexus.toml"), Line: ptr(17)},
		Steps: []web.Step{
			{Name: "cors", Verdict: "skipped", Text: "cross-origin access is not configured"},
			{Name: "csrf", Verdict: "skipped", Text: "no header against cross-site requests is asked for"},
			{Name: "authentication", Verdict: "skipped", Text: "no token is asked for"},
			{Name: "client_certificate", Verdict: "skipped", Text: "no client certificate is asked for"},
			{Name: "client_id", Verdict: "passed", Text: `header "x-client-id" says "alice"`, MS: 0.002},
			{Name: "group", Verdict: "passed", Text: `header "x-user-tier" says "enterprize"`, MS: 0.001},
			{Name: "group_validation", Verdict: "failed", Text: `group "enterprize" is not in group_values [free, pro, enterprise]; did you mean "enterprise"?; the caller must name one of them, or server.client_identification.validation.group_values must list it`, MS: 0.004},
		},
		NotReached: []string{"request_limits", "route", "token_count", "token_limit", "provider"},
	}
}

func allowed() web.Trace {
	t := refused()
	t.ID, t.Group, t.Outcome, t.Reason, t.ReasonWords, t.Message = "k3w8z5t4r7k9m2v6q0h1x4bA", ptr("pro"), "allowed", nil, "", nil
	t.Status, t.DurationMS, t.UpstreamMS, t.FirstTokenMS = 200, 1284.3, ptr(1283.9), ptr(212.0)
	t.Model, t.Provider, t.InputTokens, t.OutputTokens = ptr("gpt-4"), ptr("demo"), ptr(int64(1280)), ptr(int64(412))
	t.DecidedBy, t.NotReached = nil, nil
	t.Steps = append(t.Steps[:5:5],
		web.Step{Name: "group", Verdict: "passed", Text: `header "x-user-tier" says "pro"`, MS: 0.001},
		web.Step{Name: "group_validation", Verdict: "passed", Text: `group "pro" is in group_values [free, pro, enterprise]`, MS: 0.001},
		web.Step{Name: "request_limits", Verdict: "skipped", Text: "no request limit is configured"},
		web.Step{Name: "route", Verdict: "passed", Text: `model "gpt-4" leads to provider "demo", which knows it as "echo-1"`, MS: 0.006},
		web.Step{Name: "token_count", Verdict: "skipped", Text: "no limit needs a count of the tokens"},
		web.Step{Name: "token_limit", Verdict: "skipped", Text: "no token limit is configured"},
		web.Step{Name: "provider", Verdict: "passed", Text: `provider "demo" answered`, MS: 1283.9},
	)
	return t
}

func failed() web.Trace {
	t := allowed()
	t.ID, t.Outcome, t.Reason, t.ReasonWords, t.Status = "k3w8z5t4r7k9m2v6q0h1x4bB", "failed", ptr("provider_error"), "the provider failed", 502
	t.Message, t.OutputTokens, t.FirstTokenMS = ptr("Provider API error (503): overloaded"), nil, nil
	t.Steps = append(t.Steps[:11:11], web.Step{Name: "provider", Verdict: "failed", Text: `provider "demo" failed: status 503; the request itself was let through`, MS: 1283.9})
	return t
}

// nasty is a trace in which every text that could come from outside is hostile.
func nasty() web.Trace {
	t := refused()
	long := hostile + strings.Repeat("x", 256-len(hostile))
	t.ID, t.Method, t.Path, t.RemoteAddress = hostile, hostile, "/llm/"+strings.Repeat("a", 250)+hostile, ptr(hostile)
	t.ClientID, t.Group, t.Model, t.Provider, t.Fallback = ptr(long), ptr(long), ptr(strings.Repeat("m", 300)+hostile), ptr(hostile), ptr(hostile)
	t.Reason, t.ReasonWords, t.Message = ptr(hostile), hostile, ptr(hostile)
	t.DecidedBy = &web.DecidedBy{Key: hostile, File: ptr(hostile), Line: ptr(1)}
	t.Steps = []web.Step{{Name: hostile, Verdict: "passed", Text: hostile}, {Name: "group", Verdict: "failed", Text: hostile + strings.Repeat("z", 400)}}
	t.NotReached = []string{hostile}
	return t
}

// list is n requests of all kinds, newest first.
func list(n int, kinds ...func() web.Trace) []web.Trace {
	reasons := [][2]string{{"group_invalid", "group not allowed"}, {"client_id_missing", "no client id"}, {"model_unknown", "unknown model"}, {"client_id_untrusted", "identity header from an untrusted peer"}}
	traces := make([]web.Trace, n)
	for i := range traces {
		t := kinds[i%len(kinds)]()
		t.Steps, t.NotReached = nil, nil
		t.ID = fmt.Sprintf("k3w8z5t4r7k9m2v6q0h1x%03d", i)
		t.Time = now.Add(-time.Duration(i*i+7) * time.Second)
		t.ClientID = ptr([]string{"alice", "bob@example.com", "svc-billing-prod-eu-west-1", "2f1c9a34-88e1-4d6a-9a50-3b0c7a1b9f11"}[i%4])
		if t.Outcome == "rejected" {
			r := reasons[i%len(reasons)]
			t.Reason, t.ReasonWords = ptr(r[0]), r[1]
			switch r[0] {
			case "client_id_missing":
				t.ClientID = nil
			case "model_unknown":
				t.Model, t.Status, t.Group = ptr("openai/gpt-5-mini"), 404, ptr("pro")
			}
		}
		traces[i] = t
	}
	return traces
}

func choices() ([]web.Choice, []web.Choice) {
	return []web.Choice{{"client_id_missing", "no client id"}, {"group_invalid", "group not allowed"}}, []web.Choice{{"free", "free"}, {"pro", "pro"}}
}

func rejections(f web.Filter, rows []web.Trace) web.RejectionsPage {
	reasons, groups := choices()
	return web.RejectionsPage{Frame: frame("rejections", "Refusals"), Filter: f, Reasons: reasons, Groups: groups, Rejections: rows, Kept: 1000, Now: now}
}

const example = "curl http://127.0.0.1:8000/llm/v1/chat/completions \\\n  -H 'Content-Type: application/json' \\\n  -H 'x-client-id: alice' \\\n  -d '{\"model\":\"demo/echo\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'"

// pages are all pages in all their states, by name.
func pages() map[string]templ.Component {
	empty := web.OverviewPage{Frame: frame("overview", "Overview"), Status: status(), Now: now, Example: example,
		Groups: []web.Group{{Group: ptr("free")}, {Group: ptr("pro")}, {}}}
	empty.Status.Warnings = nil
	empty.Status.Identification = nil
	one := web.OverviewPage{Frame: frame("overview", "Overview"), Status: status(), Now: now, Latest: list(1, refused), Groups: groups()[3:]}
	full := web.OverviewPage{Frame: frame("overview", "Overview"), Status: status(), Now: now, Latest: list(10, refused), Groups: groups()}
	full.Frame.SignedIn = true
	broken := full
	broken.Frame.ReloadFailed = true
	broken.Status.LiveGenerations = 2
	broken.Status.LastReloadError = ptr("nexus.toml:42:1: llm.providers.openai.rate_limits.per_user.groups.gold: group \"gold\" is not in group_values [free, pro]; add \"gold\" to server.client_identification.validation.group_values")
	broken.Status.Limiter = &web.Limiter{Storage: "redis", State: "degraded", Error: ptr("dial tcp 127.0.0.1:6379: connection refused")}
	bad := nasty()
	every := web.OverviewPage{Frame: frame("overview", hostile), Status: status(), Now: now, Latest: []web.Trace{bad, refused()}, Example: hostile,
		Groups: []web.Group{{Group: ptr(hostile + strings.Repeat("g", 200))}}}
	every.Frame.Version, every.Frame.ReloadFailed = hostile, true
	every.Status.File, every.Status.Hash, every.Status.Version = "/very/"+strings.Repeat("long", 60)+hostile, hostile, hostile
	every.Status.LastReloadError = ptr(hostile)
	every.Status.Identification = &web.Identification{ClientID: &web.Source{Source: hostile, Name: hostile}, GroupID: &web.Source{Source: "http_header", Name: hostile}}
	every.Status.Warnings = []web.Warning{{Key: ptr(strings.Repeat("k", 200) + hostile), Line: ptr(1), Text: hostile}}
	every.Status.Limiter = &web.Limiter{Storage: hostile, State: hostile, Error: ptr(hostile)}
	traces := func(rows []web.Trace) templ.Component {
		return web.TracesView(web.TracesPage{Frame: frame("traces", "Traces"), Traces: rows, Kept: 1000, Now: now})
	}
	trace := func(t web.Trace) templ.Component {
		return web.TraceView(web.TracePage{Frame: frame("traces", "Trace"), Trace: t, Now: now})
	}
	hostileFilter := web.Filter{Reason: hostile, Client: hostile, Group: hostile, Text: hostile}
	return map[string]templ.Component{
		"overview-empty":     web.Overview(empty),
		"overview-one":       web.Overview(one),
		"overview-full":      web.Overview(full),
		"overview-broken":    web.Overview(broken),
		"overview-hostile":   web.Overview(every),
		"rejections-empty":   web.RejectionsView(rejections(web.Filter{}, nil)),
		"rejections-nomatch": web.RejectionsView(rejections(web.Filter{Client: "nobody"}, nil)),
		"rejections-one":     web.RejectionsView(rejections(web.Filter{Client: "alice"}, list(1, refused))),
		"rejections-full":    web.RejectionsView(rejections(web.Filter{}, list(1000, refused))),
		"rejections-hostile": web.RejectionsView(rejections(hostileFilter, []web.Trace{bad, bad, refused()})),
		"traces-empty":       traces(nil),
		"traces-full":        traces(list(1000, allowed, refused, allowed, failed)),
		"traces-hostile":     traces([]web.Trace{bad, refused(), bad}),
		"trace-allowed":      trace(allowed()),
		"trace-refused":      trace(refused()),
		"trace-failed":       trace(failed()),
		"trace-hostile":      trace(bad),
		"config-fresh":       web.ConfigView(freshConfig()),
		"config-broken":      web.ConfigView(brokenConfig()),
		"config-history":     web.ConfigView(longHistory()),
		"config-hostile":     web.ConfigView(hostileConfig()),
		"providers-empty":    web.ProvidersView(providersPage()),
		"providers-fresh":    web.ProvidersView(providersPage(web.Provider{Name: "openai", Type: "openai"}, demo())),
		"providers-full":     web.ProvidersView(providersPage(provider(1), demo(), unreachable(), provider(180))),
		"providers-many":     web.ProvidersView(providersPage(slices.Repeat([]web.Provider{provider(1000)}, 30)...)),
		"providers-hostile":  web.ProvidersView(providersPage(hostileProvider(), unreachable())),
		"tiers-full":         web.TiersView(tiers()),
		"tiers-many":         web.TiersView(manyTiers()),
		"tiers-empty":        web.TiersView(noTiers()),
		"tiers-hostile":      web.TiersView(hostileTiers()),
		"clients-empty":      web.ClientsView(clientsPage()),
		"clients-full":       web.ClientsView(clientsPage(clientList(200)...)),
		"clients-hostile":    web.ClientsView(clientsPage(client(hostile+strings.Repeat("c", 200)), client("."))),
		"client-busy":        web.ClientView(clientPage(client("alice"))),
		"client-fresh":       web.ClientView(clientPage(web.Client{ClientID: "bob", LastSeen: now})),
		"client-hostile":     web.ClientView(clientPage(client(hostile + strings.Repeat("c", 200)))),
		"signin":             web.SignIn(web.SignInPage{Frame: frame("", "Sign in"), Next: "/admin/traces"}),
		"signin-wrong":       web.SignIn(web.SignInPage{Frame: frame("", "Sign in"), Next: hostile, Wrong: "this is not the token"}),
		"message-forbidden":  web.Message(web.MessagePage{Frame: frame("", "Forbidden"), Status: 403, Headline: "Only for this machine", Text: "The request came from 10.1.2.3. Without admin.token these pages are for direct callers on this machine alone.", Ways: []string{"Forward a port: ssh -L 8000:127.0.0.1:8000 host", "Set admin.token in nexus.toml, and sign in with it."}}),
		"message-notfound":   web.Message(web.MessagePage{Frame: frame("", "Not found"), Status: 404, Headline: "No such trace", Text: "No trace of a request \"abc\" is kept.", Ways: []string{"The last 1000 requests are kept, in memory: older ones have made room, and a restart forgets all."}}),
		"message-hostile":    web.Message(web.MessagePage{Frame: frame("", hostile), Status: 404, Headline: hostile, Text: hostile, Ways: []string{hostile}}),
	}
}
