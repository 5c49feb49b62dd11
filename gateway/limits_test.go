package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

// limiting is a file with a demo provider, callers known by header, and whatever limits are given.
func limiting(limits string) string {
	return `
[server]
listen_address = "127.0.0.1:0"
[server.client_identification]
client_id.http_header = "x-client-id"
group_id.http_header = "x-user-tier"
[server.client_identification.validation]
group_values = ["free", "pro", "enterprise"]
[llm.providers.demo]
type = "demo"
[llm.providers.demo.models.plain]
[llm.providers.demo.models.own]
rename = "demo-own"
` + limits
}

// as is a call of a client in a group; an empty group is none.
func as(client, group, body string, header ...string) call {
	header = append(header, "X-Client-Id", client)
	if group != "" {
		header = append(header, "X-User-Tier", group)
	}
	return chat(body, header...)
}

// asks is a body that asks a model.
func asks(model, says string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]}`, model, says)
}

// passes makes calls until one is refused, and gives how many were not.
func (r *running) passes(t *testing.T, c call, most int) (passed int, refused answered) {
	t.Helper()
	for ; passed < most; passed++ {
		a := r.do(t, c)
		if a.status == http.StatusTooManyRequests {
			return passed, a
		}
		if a.status != http.StatusOK {
			t.Fatalf("status %d: %s", a.status, a.body)
		}
	}
	return passed, answered{}
}

func TestTheFirstLimitThatExistsHolds(t *testing.T) {
	r := start(t, limiting(`
[llm.providers.demo.rate_limits.per_user]
input_token_limit = 40
interval = "1h"
groups.pro = { input_token_limit = 80, interval = "1h" }
[llm.providers.demo.models.own.rate_limits.per_user]
input_token_limit = 100
interval = "1h"
groups.free = { input_token_limit = 16, interval = "1h" }
`))
	tests := []struct {
		name, client, group, model string
		passes                     int
		key                        string
	}{
		{"of the model and the group", "a", "free", "own", 2, "llm.providers.demo.models.own.rate_limits.per_user.groups.free"},
		{"of the model, for a group that has none there", "b", "pro", "own", 12, "llm.providers.demo.models.own.rate_limits.per_user"},
		{"of the model, for no group", "c", "", "demo/own", 12, "llm.providers.demo.models.own.rate_limits.per_user"},
		{"of the provider and the group", "d", "pro", "plain", 10, "llm.providers.demo.rate_limits.per_user.groups.pro"},
		{"of the provider, for a group that has none", "e", "enterprise", "demo-1", 5, "llm.providers.demo.rate_limits.per_user"},
		{"of the provider, for no group", "f", "", "plain", 5, "llm.providers.demo.rate_limits.per_user"},
		{"of the model under the provider's own name for it", "g", "free", "demo/demo-own", 2, "llm.providers.demo.models.own.rate_limits.per_user.groups.free"},
		{"of each user apart", "h", "", "plain", 5, "llm.providers.demo.rate_limits.per_user"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			passed, refused := r.passes(t, as(tt.client, tt.group, asks(tt.model, "Hello")), 20)
			if passed != tt.passes {
				t.Fatalf("%d calls of 8 tokens passed, not %d", passed, tt.passes)
			}
			if want := "Rate limit exceeded: Token rate limit exceeded. Please try again later."; refused.err.Message != want ||
				refused.err.Type != "rate_limit_error" || refused.err.Code != "rate_limit_exceeded" {
				t.Errorf("refused with %+v", refused.err)
			}
			if after, err := strconv.Atoi(refused.header.Get("Retry-After")); err != nil || after < 1 || after > 7200 {
				t.Errorf("Retry-After %q", refused.header.Get("Retry-After"))
			}
			tr := r.trace(t, refused)
			if tr.Reason != trace.TokenLimitExceeded || tr.DecidedBy.Key != tt.key {
				t.Errorf("reason %s, decided by %q, not %q", tr.Reason, tr.DecidedBy.Key, tt.key)
			}
		})
	}
	t.Run("and a provider's is one budget for all its models", func(t *testing.T) {
		r.passes(t, as("i", "", asks("plain", "Hello")), 3)
		if passed, _ := r.passes(t, as("i", "", asks("demo-1", "Hello")), 20); passed != 2 {
			t.Errorf("%d more calls passed at another model, not 2", passed)
		}
		if passed, _ := r.passes(t, as("i", "", asks("own", "Hello")), 3); passed != 3 {
			t.Error("a model with a limit of its own is counted with the others")
		}
	})
	t.Run("and what was used stays used in another tier", func(t *testing.T) {
		r.passes(t, as("j", "pro", asks("plain", "Hello")), 4)
		if passed, _ := r.passes(t, as("j", "", asks("plain", "Hello")), 20); passed != 1 {
			t.Errorf("%d calls passed after 32 tokens in another tier, not 1 of 40", passed)
		}
	})
}

func TestARequestLargerThanItsLimitIsToldThatItNeverPasses(t *testing.T) {
	r := start(t, limiting(`
[llm.providers.demo.rate_limits.per_user]
input_token_limit = 20
interval = "1m"
`))
	a := r.do(t, as("a", "", asks("plain", strings.Repeat("Hello ", 30))))
	if want := "Rate limit exceeded: Token rate limit exceeded. Request requires more tokens than the configured limit allows and cannot be fulfilled."; a.status != 429 || a.err.Message != want {
		t.Errorf("%d %q", a.status, a.err.Message)
	}
	if after, said := a.header["Retry-After"]; said {
		t.Errorf("Retry-After %q, though waiting does not help", after)
	}
	if tr := r.trace(t, a); tr.Reason != trace.TokenLimitImpossible {
		t.Errorf("reason %s", tr.Reason)
	}
	if passed, _ := r.passes(t, as("a", "", asks("plain", "Hello")), 5); passed != 2 {
		t.Errorf("%d calls passed afterwards: the refused one has paid", passed)
	}
}

func TestRequestsAreLimited(t *testing.T) {
	tests := []struct {
		name, limits string
		clients      []string
		passes       int
		reason       trace.Reason
	}{
		{"all together", "global = { limit = 3, interval = \"1m\" }", []string{"a", "b"}, 3, trace.RateLimitGlobal},
		{"of one address", "per_ip = { limit = 3, interval = \"1m\" }", []string{"a", "b"}, 3, trace.RateLimitIP},
		{"of one client", "per_user = { limit = 3, interval = \"1m\" }", []string{"a", "b"}, 6, trace.RateLimitUser},
		{"of one client in a group", "per_user = { limit = 3, interval = \"1m\", groups.pro = { limit = 4, interval = \"1m\" } }", []string{"a"}, 4, trace.RateLimitUser},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, limiting("[server.rate_limits]\n"+tt.limits))
			passed := 0
			var last answered
			for i := range 12 {
				last = r.do(t, as(tt.clients[i%len(tt.clients)], "pro", asks("plain", "Hello")))
				if last.status == 200 {
					passed++
					contains(t, "header", fmt.Sprint(last.header), "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests")
				}
			}
			if passed != tt.passes || last.status != 429 || last.err.Message != "Rate limit exceeded" || last.err.Code != "rate_limit_exceeded" {
				t.Fatalf("%d passed, not %d; the last: %d %+v", passed, tt.passes, last.status, last.err)
			}
			if tr := r.trace(t, last); tr.Reason != tt.reason {
				t.Errorf("reason %s", tr.Reason)
			}
			if last.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

func TestRefusedRequestsCountAgainstTheirAddress(t *testing.T) {
	r := start(t, limiting("[server.rate_limits]\nper_ip = { limit = 3, interval = \"1m\" }"))
	for range 3 {
		if a := r.do(t, chat(hello)); a.status != 400 {
			t.Fatalf("status %d", a.status)
		}
	}
	a := r.do(t, chat(hello))
	if tr := r.trace(t, a); a.status != 429 || tr.Reason != trace.RateLimitIP || tr.ClientID != "" {
		t.Errorf("%d %s", a.status, tr.Reason)
	}
	// The identity of whoever comes from there is not even looked at.
	a = r.do(t, as("alice", "no such group", hello))
	if tr := r.trace(t, a); a.status != 429 || tr.ClientID != "" {
		t.Errorf("%d, client %q", a.status, tr.ClientID)
	}
}

func TestWhatLeadsNowhereIsARequestToo(t *testing.T) {
	r := start(t, limiting("[server.rate_limits]\nper_user = { limit = 3, interval = \"1m\" }"))
	for i, c := range []call{
		as("a", "", asks("no-such-model", "Hello")),
		{method: "GET", path: "/llm/v1/nothing", header: []string{"X-Client-Id", "a"}},
		{method: "GET", path: "/llm/v1/models", header: []string{"X-Client-Id", "a"}},
	} {
		if a := r.do(t, c); a.status == 429 {
			t.Fatalf("call %d: %s", i, a.body)
		}
	}
	a := r.do(t, as("a", "", asks("no-such-model", "Hello")))
	if a.status != 429 {
		t.Errorf("an unknown model is told of before the limit: %d", a.status)
	}
}

func TestACallerCanAskForItsLimits(t *testing.T) {
	r := start(t, limiting(`
[server.rate_limits]
per_user = { limit = 2, interval = "1m", concurrent = 4 }
[llm.providers.demo.rate_limits.per_user]
input_token_limit = 100
interval = "60s"
groups.free = { input_token_limit = 20, total_token_limit = 500, interval = "60s" }
`))
	ask := call{method: "GET", path: "/llm/v1/limits", header: []string{"X-Client-Id", "a", "X-User-Tier", "free"}}
	r.do(t, as("a", "free", asks("plain", "Hello")))
	r.do(t, as("a", "free", asks("plain", "Hello")))
	var got struct {
		ClientID, Group string
		Limits          []struct {
			Provider, Model, Reset *string
			Kind, Level            string
			Limit, Used, Remaining int64
			Enforce                bool
		}
	}
	a := r.do(t, ask)
	if err := json.Unmarshal([]byte(strings.ReplaceAll(a.body, "client_id", "ClientID")), &got); err != nil || a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got.ClientID != "a" || got.Group != "free" {
		t.Errorf("client %q, group %q", got.ClientID, got.Group)
	}
	seen := map[string]bool{}
	for _, l := range got.Limits {
		model := "*"
		if l.Model != nil {
			model = *l.Model
		}
		seen[l.Kind+" "+model] = true
		if l.Remaining != max(0, l.Limit-l.Used) || l.Used > 0 && l.Reset == nil {
			t.Errorf("row %+v", l)
		}
		if l.Kind == "input" && model == "plain" && (l.Used != 16 || l.Limit != 20 || l.Level != "provider+group") {
			t.Errorf("row %+v", l)
		}
		if l.Kind == "requests" && (l.Used != 2 || l.Remaining != 0 || l.Provider != nil) {
			t.Errorf("row %+v", l)
		}
	}
	for _, want := range []string{"requests *", "concurrent *", "input *", "total *", "input plain", "input own", "input demo-1"} {
		if !seen[want] {
			t.Errorf("no row of %s", want)
		}
	}
	if a := r.do(t, ask); a.status != 200 {
		t.Error("who has no request left cannot ask why")
	}
}

func TestAnObservedLimitRefusesNothingAndIsSeen(t *testing.T) {
	r := start(t, limiting(`
[llm.providers.demo.rate_limits.per_user]
input_token_limit = 20
interval = "1h"
enforce = false
groups.pro = { input_token_limit = 20, interval = "1h", enforce = true }
`))
	var a answered
	for range 4 {
		if a = r.do(t, as("a", "", asks("plain", "Hello"))); a.status != 200 {
			t.Fatalf("status %d", a.status)
		}
	}
	tr := r.trace(t, a)
	if tr.Would.Kinds != 1 || tr.Would.Provider != "demo" || tr.Would.Reason != trace.TokenLimitExceeded {
		t.Errorf("the trace has %+v", tr.Would)
	}
	if h := a.header.Get("X-Ratelimit-Limit-Tokens"); h != "" {
		t.Errorf("the caller is told of a limit of %s that does not hold", h)
	}
	if passed, _ := r.passes(t, as("b", "pro", asks("plain", "Hello")), 5); passed != 2 {
		t.Errorf("%d calls of a group that is limited passed, not 2", passed)
	}
}

func TestALimitedAnswerSaysWhatIsLeft(t *testing.T) {
	r := start(t, limiting(`
[llm.providers.demo.rate_limits.per_user]
input_token_limit = 100
interval = "1h"
`))
	stream := strings.Replace(asks("plain", "Hello"), "{", `{"stream":true,`, 1)
	for i, body := range []string{asks("plain", "Hello"), stream} {
		a := r.do(t, as("a", "", body))
		limit, left, reset := a.header.Get("X-Ratelimit-Limit-Tokens"), a.header.Get("X-Ratelimit-Remaining-Tokens"), a.header.Get("X-Ratelimit-Reset-Tokens")
		if limit != "100" || left != strconv.Itoa(92-8*i) {
			t.Errorf("%s of %s left", left, limit)
		}
		if d, err := time.ParseDuration(reset); err != nil || d <= 0 || d > 2*time.Hour {
			t.Errorf("reset in %q", reset)
		}
	}
}

func TestAFallbackAnswersWhoIsOverTheLimit(t *testing.T) {
	r := start(t, limiting(`fallback = ["demo/cheap"]
[llm.providers.demo.models.own.rate_limits.per_user]
input_token_limit = 10
interval = "1h"
[llm.providers.demo.models.cheap]
[llm.providers.demo.models.cheap.rate_limits.per_user]
input_token_limit = 20
interval = "1h"
`))
	first := r.do(t, as("a", "", asks("own", "Hello")))
	if h := first.header.Get("X-Nexus-Fallback"); first.status != 200 || h != "" {
		t.Fatalf("%d, fallback %q", first.status, h)
	}
	for range 2 {
		a := r.do(t, as("a", "", asks("own", "Hello")))
		if h := a.header.Get("X-Nexus-Fallback"); a.status != 200 || h != "demo/cheap" || !strings.Contains(a.body, `"model":"demo/cheap"`) {
			t.Fatalf("%d, fallback %q: %s", a.status, h, a.body)
		}
		if tr := r.trace(t, a); tr.Fallback != "demo/cheap" || tr.Model != "own" {
			t.Errorf("the trace says model %q, fallback %q", tr.Model, tr.Fallback)
		}
	}
	a := r.do(t, as("a", "", asks("own", "Hello")))
	if a.status != 429 || a.header.Get("X-Nexus-Fallback") != "" {
		t.Errorf("%d: %s", a.status, a.body)
	}
}

func TestAnEditedLimitAppliesToWhatWasUsed(t *testing.T) {
	const limit = "[llm.providers.demo.rate_limits.per_user]\ninput_token_limit = %d\ninterval = %q\n"
	r, d := startAt(t, limiting(fmt.Sprintf(limit, 40, "1h")))
	edit := func(most int, interval string) {
		d.save(limiting(fmt.Sprintf(limit, most, interval)))
		if told := r.Reload(journal.CauseSIGHUP); told.Result != journal.ResultSuccess {
			t.Fatalf("%+v", told)
		}
	}
	passes := func(most, want int, what string) {
		t.Helper()
		if passed, _ := r.passes(t, as("a", "", asks("plain", "Hello")), most); passed != want {
			t.Errorf("%s: %d calls passed, not %d", what, passed, want)
		}
	}
	passes(20, 5, "40 tokens")
	edit(56, "1h")
	passes(20, 2, "raised to 56")
	edit(16, "1h")
	passes(20, 0, "lowered to 16")
	edit(64, "2h")
	passes(20, 1, "raised to 64 in another interval")
	edit(64, "1h")
	passes(20, 0, "the first interval again")
}

func TestReloadsChangeNoCount(t *testing.T) {
	const limit = "[llm.providers.demo.rate_limits.per_user]\ninput_token_limit = 4000\ninterval = \"1d\"\n"
	r, d := startAt(t, limiting(limit))
	stop, passed := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				passed <- n
				return
			default:
			}
			if a := r.do(t, as("a", "", asks("plain", "Hello"))); a.status == 200 {
				n++
			}
		}
	}()
	for i := range 300 {
		d.save(limiting(limit + fmt.Sprintf("# edit %d\n", i)))
		if told := r.Reload(journal.CauseSIGHUP); told.Result != journal.ResultSuccess {
			t.Fatalf("%+v", told)
		}
	}
	close(stop)
	n := <-passed
	more, _ := r.passes(t, as("a", "", asks("plain", "Hello")), 600)
	if n+more != 500 {
		t.Errorf("%d calls of 8 passed during 300 reloads and %d afterwards, of a limit of 4000", n, more)
	}
}

func TestAChangeOfTierKeepsWhatWasUsedInLongerIntervals(t *testing.T) {
	r := start(t, limiting(`
[server.rate_limits.per_user]
limit = 1000
interval = "1h"
groups.pro = { limit = 900, interval = "50ms" }
[llm.providers.demo.rate_limits.per_user]
input_token_limit = 80
interval = "1h"
groups.pro = { input_token_limit = 1000, interval = "50ms" }
`))
	for range 3 {
		r.passes(t, as("a", "pro", asks("plain", "Hello")), 3)
		<-time.After(120 * time.Millisecond)
	}
	if passed, _ := r.passes(t, as("a", "", asks("plain", "Hello")), 20); passed != 1 {
		t.Errorf("%d calls passed, after 72 of 80 tokens in a tier of short intervals", passed)
	}
	rows, err := r.Limits(t.Context(), "a", "")
	if err != nil || len(rows) == 0 || rows[0].Kind != "requests" || rows[0].Used != 11 { // the refused one is spent as a request
		t.Errorf("%v, %+v", err, rows)
	}
}

func TestWhatHoldsWhileTheStoreIsOut(t *testing.T) {
	const out = "[server.rate_limits.storage]\ntype = \"redis\"\nurl = \"redis://127.0.0.1:1\"\non_failure = %q\n" +
		"[llm.providers.demo.rate_limits.per_user]\ninput_token_limit = 20\ninterval = \"1h\"\ngroups.pro = { input_token_limit = 20, interval = \"1h\", enforce = false }\n"
	ready := call{method: "GET", path: "/ready"}
	degraded := func(t *testing.T, onFailure string) *running {
		r := start(t, limiting(fmt.Sprintf(out, onFailure)))
		for deadline := time.Now().Add(5 * time.Second); ; <-time.After(5 * time.Millisecond) {
			a := r.do(t, ready)
			if a.status != 200 {
				t.Fatal(a.status)
			}
			if strings.Contains(a.body, `"status":"degraded","reasons":["Redis is out (`) {
				return r
			}
			if time.Now().After(deadline) {
				t.Fatal(a.body)
			}
		}
	}
	t.Run("local", func(t *testing.T) {
		if passed, _ := degraded(t, "local").passes(t, as("a", "", asks("plain", "Hello")), 5); passed != 2 {
			t.Errorf("%d calls passed, not 2", passed)
		}
	})
	t.Run("allow", func(t *testing.T) {
		if passed, _ := degraded(t, "allow").passes(t, as("a", "", asks("plain", "Hello")), 5); passed != 5 {
			t.Errorf("%d calls passed, not all", passed)
		}
	})
	t.Run("deny", func(t *testing.T) {
		r := degraded(t, "deny")
		a := r.do(t, as("a", "", asks("plain", "Hello")))
		if tr := r.trace(t, a); a.status != 503 || a.err.Code != "temporarily_unavailable" || a.err.Type != "api_error" || a.header.Get("Retry-After") == "" || tr.Reason != trace.LimiterUnavailable {
			t.Errorf("%d %+v %s", a.status, a.err, tr.Reason)
		}
		if passed, _ := r.passes(t, as("b", "pro", asks("plain", "Hello")), 5); passed != 5 {
			t.Errorf("%d calls passed of a tier that is only observed", passed)
		}
	})
}
