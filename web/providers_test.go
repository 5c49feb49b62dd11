package web_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"nexus/web"
)

func providersPage(list ...web.Provider) web.ProvidersPage {
	return web.ProvidersPage{Frame: frame("providers", "Providers"), Providers: list, Now: now}
}

// provider is one that can be reached and has n models.
func provider(n int) web.Provider {
	p := web.Provider{
		Name: "openai", Type: "openai", Reachable: ptr(true), LatencyMS: ptr(412.7), DiscoveredAt: ptr(now.Add(-3 * time.Minute)),
		LastError: ptr("the list of models took longer than 10s"), LastErrorAt: ptr(now.Add(-26 * time.Hour)),
	}
	for i := range n {
		p.Models = append(p.Models, fmt.Sprintf("gpt-5-mini-2026-%02d-%02d-preview", i%12+1, i%28+1))
	}
	return p
}

// demo is the built-in one, which nobody has called yet.
func demo() web.Provider {
	return web.Provider{Name: "demo", Type: "demo", Models: []string{"demo-1", "demo-2"}, BuiltIn: true, DiscoveredAt: ptr(now.Add(-51 * time.Hour))}
}

func unreachable() web.Provider {
	return web.Provider{
		Name: "local", Type: "openai", Reachable: ptr(false), Models: []string{"llama-3.3-70b"}, LatencyMS: ptr(88.0),
		DiscoveredAt: ptr(now.Add(-20 * time.Minute)), LastError: ptr("connection refused"), LastErrorAt: ptr(now.Add(-9 * time.Second)),
	}
}

// hostileProvider is one whose texts are all attacks, and long.
func hostileProvider() web.Provider {
	return web.Provider{
		Name: hostile + strings.Repeat("n", 200), Type: hostile, Reachable: ptr(false), Models: []string{hostile + strings.Repeat("m", 300), hostile},
		LastError: ptr(hostile + strings.Repeat("e", 300)), LastErrorAt: ptr(now), LatencyMS: ptr(1e12), DiscoveredAt: ptr(time.Time{}), MoreModels: 1 << 30,
	}
}

// cards are the texts of the cards of a page, by the name of the provider.
func cards(t *testing.T, d document) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, n := range d.all("section") {
		if slices.Contains(strings.Fields(attribute(n, "class")), "provider") {
			text := words(n)
			name, _, _ := strings.Cut(text, " ")
			found[name] = text
		}
	}
	return found
}

func TestThePageOfTheProvidersSays(t *testing.T) {
	d := render(t, web.ProvidersView(providersPage(provider(180), demo(), unreachable())))
	got := cards(t, d)
	for name, says := range map[string][]string{
		"openai": {"openai Reachable", "413 ms", "3 min ago", "180 models discovered", "Last error The list of models took longer than 10s", "1 day ago"},
		"demo":   {"demo Ready", "built in", "no call was answered yet", "2 models discovered demo-1 demo-2"},
		"local":  {"openai Not reachable Connection refused 9 s ago", "88 ms", "1 model discovered llama-3.3-70b"},
	} {
		for _, s := range says {
			if !strings.Contains(got[name], s) {
				t.Errorf("the card of %s does not say %q: %s", name, s, got[name])
			}
		}
	}
	if strings.Contains(got["local"], "Last error") {
		t.Errorf("the error stands twice: %s", got["local"])
	}
	if !strings.Contains(d.body(), "3 providers, in the order of the file") {
		t.Error("the page does not say what the order means")
	}
	if u := d.href(t, "JSON"); u.Path != "/admin/api/providers" {
		t.Errorf("the JSON is said to be at %q", u)
	}
}

func TestAProviderOfWhichNothingIsKnown(t *testing.T) {
	got := cards(t, render(t, web.ProvidersView(providersPage(web.Provider{Name: "new", Type: "openai"}, web.Provider{Name: "lost", Type: "openai", Reachable: ptr(false)}))))
	for name, says := range map[string][]string{
		"new":  {"Not tried yet", "no call was answered yet", "its models were never listed", "No models discovered."},
		"lost": {"Not reachable Its last call was not answered."},
	} {
		for _, s := range says {
			if !strings.Contains(got[name], s) {
				t.Errorf("the card of %s does not say %q: %s", name, s, got[name])
			}
		}
	}
}

func TestModelsThatThePageLeavesOutAreCounted(t *testing.T) {
	p := provider(2)
	p.MoreModels = 1500
	if got := cards(t, render(t, web.ProvidersView(providersPage(p))))["openai"]; !strings.Contains(got, "1 502 models discovered") || !strings.Contains(got, "1 500 more are left out here") {
		t.Errorf("the card says %s", got)
	}
}

func TestNoProviderIsSaid(t *testing.T) {
	if body := render(t, web.ProvidersView(providersPage())).body(); !strings.Contains(body, "No provider is configured") {
		t.Errorf("the page says %s", body)
	}
}

func TestTheWarningOfAProviderLeadsToItsPage(t *testing.T) {
	d := render(t, web.Overview(web.OverviewPage{Frame: frame("overview", "Overview"), Status: status(), Now: now}))
	if u := d.href(t, "See the providers"); u.Path != "/admin/providers" {
		t.Errorf("the warning leads to %q", u)
	}
	if !strings.Contains(d.body(), "nexus.toml:31 the provider cannot be reached: connection refused See the providers") {
		t.Errorf("the overview does not say which provider it is: %s", d.body())
	}
}

func TestTheJSONOfAProviderHoldsWhatThePageNeedsAlone(t *testing.T) {
	p := demo()
	p.MoreModels = 3
	got, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"demo","type":"demo","reachable":null,"models":["demo-1","demo-2"],"last_error":null,"last_error_at":null,"latency_ms":null,"discovered_at":"2026-03-12T12:09:26Z"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
