package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

// lister is a provider that lists models, or does not, and answers every call.
type lister struct {
	*httptest.Server
	down  atomic.Bool
	asked atomic.Int32
}

func startLister(t testing.TB, ids ...string) *lister {
	t.Helper()
	l := &lister{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/v1/models" {
			fmt.Fprint(w, `{"model":"x"}`)
			return
		}
		l.asked.Add(1)
		if l.down.Load() || r.Header.Get("Authorization") != "Bearer "+vendorKey {
			http.Error(w, `{"error":{"message":"c4nary"}}`, http.StatusServiceUnavailable)
			return
		}
		var models []string
		for i, id := range ids {
			models = append(models, fmt.Sprintf(`{"id":%q,"object":"model","created":%d,"owned_by":"x"}`, id, i+1))
		}
		fmt.Fprintf(w, `{"object":"list","data":[%s]}`, strings.Join(models, ","))
	}))
	t.Cleanup(l.Close)
	return l
}

// table is the provider's table in the file.
func (l *lister) table(name string, more ...string) string {
	return fmt.Sprintf("[llm.providers.%s]\ntype = \"openai\"\napi_key = %q\nbase_url = \"%s/v1/\"\n%s\n", name, vendorKey, l.URL, strings.Join(more, "\n"))
}

// listing is a configuration with nothing but these tables of providers.
func listing(tables ...string) string {
	return tiered[:strings.Index(tiered, "[llm.")] + strings.Join(tables, "")
}

func question(model string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"Hello"}]}`, model)
}

func TestDiscoveredModelsAreKnownByTheirBareNames(t *testing.T) {
	one, two := startLister(t, "shared", "gpt-4o", "whisper"), startLister(t, "shared", "own")
	g := start(t, listing(
		one.table("first", `model_filter = "^(GPT-|shared)"`, "[llm.providers.first.models.best]", `rename = "gpt-4o"`),
		two.table("second")))
	for _, tt := range []struct {
		model    string
		status   int
		provider string
	}{
		{"shared", 200, "first"}, {"gpt-4o", 200, "first"}, {"own", 200, "second"}, {"best", 200, "first"}, {"first/best", 200, "first"},
		{"second/shared", 200, "second"}, {"second/never-heard-of", 200, "second"}, {"first/gpt-9", 200, "first"},
		{"whisper", 404, ""}, {"first/whisper", 404, ""}, {"never-heard-of", 404, ""}, {"third/x", 404, ""},
	} {
		a := g.do(t, alice(question(tt.model)))
		if a.status != tt.status {
			t.Errorf("%s is answered %d %+v", tt.model, a.status, a.err)
			continue
		}
		if tr := g.trace(t, a); tt.status == 200 && tr.Provider != tt.provider {
			t.Errorf("%s leads to %s", tt.model, tr.Provider)
		}
	}
	a := g.do(t, call{method: http.MethodGet, path: "/llm/v1/models", header: []string{"X-Client-Id", "alice"}})
	const want = `{"object":"list","data":[{"id":"shared","object":"model","created":1,"owned_by":"first"},{"id":"gpt-4o","object":"model","created":2,"owned_by":"first"},` +
		`{"id":"own","object":"model","created":2,"owned_by":"second"},{"id":"first/best","object":"model","created":2,"owned_by":"first"}]}`
	if a.body != want {
		t.Errorf("the list is\n%s, want\n%s", a.body, want)
	}
	a = g.do(t, alice(question("first/whisper")))
	tr := g.trace(t, a)
	if a.err.Code != "model_not_found" || tr.Reason != trace.ModelUnknown || tr.DecidedBy.Key != "llm.providers.first.model_filter" || tr.DecidedBy.Line == 0 {
		t.Errorf("%+v, decided by %+v", a.err, tr.DecidedBy)
	}
	status := g.Status().Providers
	if len(status) != 2 || fmt.Sprint(status[0].Models) != "[shared gpt-4o]" || status[0].DiscoveredAt.IsZero() || status[0].Reachable == nil || !*status[0].Reachable || status[0].Latency <= 0 {
		t.Errorf("status %+v", status)
	}
}

func TestAProviderThatDoesNotListIsAskedAgainAndStopsNothing(t *testing.T) {
	l := startLister(t, "late")
	l.down.Store(true)
	g := start(t, listing(l.table("slow", "[llm.providers.slow.models.known]")))
	if a := g.do(t, alice(question("known"))); a.status != 200 {
		t.Errorf("an explicit model is answered %d", a.status)
	}
	if a := g.do(t, alice(question("late"))); a.status != 404 {
		t.Errorf("a model that nobody listed is answered %d", a.status)
	}
	status := g.Status().Providers[0]
	if status.LastError == "" || status.LastErrorAt.IsZero() || !status.DiscoveredAt.IsZero() || strings.Contains(status.LastError+g.log.String(), "c4nary\"") {
		t.Errorf("status %+v", status)
	}
	l.down.Store(false)
	for deadline := time.Now().Add(10 * time.Second); g.do(t, alice(question("late"))).status != 200; {
		if time.Now().After(deadline) {
			t.Fatal("the provider was not asked again")
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestAnotherKeyKeepsTheListThatWasThere(t *testing.T) {
	l := startLister(t, "gpt-4o")
	text := listing(l.table("first"))
	g, d := startAt(t, text)
	l.down.Store(true)
	d.save(text + "connect_timeout = \"2s\"\n")
	if r := g.Reload(journal.CauseFile); r.Result != journal.ResultSuccess {
		t.Fatal(r.Errors)
	}
	if a := g.do(t, alice(question("gpt-4o"))); a.status != 200 {
		t.Errorf("the model is answered %d", a.status)
	}
}

func TestAnEditElsewhereAsksForNoList(t *testing.T) {
	l := startLister(t, "gpt-4o")
	text := listing(l.table("first"))
	g, d := startAt(t, text)
	d.save(strings.Replace(text, `"free", "pro"`, `"free", "pro", "team"`, 1))
	if r := g.Reload(journal.CauseFile); r.Result != journal.ResultSuccess {
		t.Fatal(r.Errors)
	}
	if n := l.asked.Load(); n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
}
