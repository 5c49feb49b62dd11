package main_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"nexus/gateway/gatewaytest"
)

// limited has limits of every level: hello costs 8 tokens, so a caller in no group asks demo-1 twelve times.
const limited = identified + `
[llm.providers.demo.rate_limits.per_user]
input_token_limit = 1000
output_token_limit = 100000
interval = "1h"
groups.free = { input_token_limit = 400, interval = "60s" }
groups.enterprise = { total_token_limit = 5, interval = "1h", enforce = false }

[llm.providers.demo.models.demo-1.rate_limits.per_user]
input_token_limit = 100
interval = "1h"
groups.pro = { input_token_limit = 80, interval = "1h" }
groups.enterprise = { total_token_limit = 20, interval = "1h", enforce = false }

[llm.providers.demo.models.demo-2]

[server.rate_limits.global]
limit = 100000
interval = "1h"
[server.rate_limits.per_ip]
limit = 50000
interval = "1h"
[server.rate_limits.per_user]
limit = 600
interval = "1h"
concurrent = 8
`

// chats asks demo-1 that many times and gives the status of the last answer.
func chats(t *testing.T, base, client, group string, times int) (last int) {
	t.Helper()
	for range times {
		last, _ = send(t, base, request{method: "POST", path: chatPath, header: from(client, group), body: hello})
	}
	return last
}

// fetched is what a JSON twin says.
func fetched[T any](t *testing.T, address string) T {
	t.Helper()
	code, text := status(t, address, "")
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil || code != http.StatusOK {
		t.Fatalf("%s is answered %d: %s", address, code, text)
	}
	return v
}

// budgets are the rows of a client's limits that the tests read.
type budgets struct {
	Clients []struct {
		ClientID string `json:"client_id"`
		Requests int
		Limits   []struct {
			Provider, Model, Kind *string
			Level                 string
			Limit, Used           int
			Remaining             int
			Reset                 *string
			Enforce               bool
			WouldRefuse           int `json:"would_refuse"`
		}
	}
}

// ofDemo1 is how the limit of the only model with one of its own stands.
func (b budgets) ofDemo1(t *testing.T) (level string, limit, used, remaining, would int) {
	t.Helper()
	for _, c := range b.Clients {
		for _, l := range c.Limits {
			if l.Model != nil && *l.Model == "demo-1" {
				return l.Level, l.Limit, l.Used, l.Remaining, l.WouldRefuse
			}
		}
	}
	t.Fatalf("demo-1 has no limit: %+v", b)
	return
}

func TestTheUseOfAClientIsOnItsPage(t *testing.T) {
	nexus := gatewaytest.Start(t, limited)
	if last := chats(t, nexus.URL, "alice", "", 13); last != http.StatusTooManyRequests {
		t.Errorf("the 13th of 12 calls is answered %d", last)
	}
	if last := chats(t, nexus.URL, "eve", "enterprise", 2); last != http.StatusOK {
		t.Errorf("a limit that observes answers %d", last)
	}
	level, limit, used, left, _ := fetched[budgets](t, nexus.URL+"/admin/api/clients/alice").ofDemo1(t)
	if level != "model" || limit != 100 || used != 96 || left != 4 {
		t.Errorf("alice has used %d of %d, %d are left, by level %q", used, limit, left, level)
	}
	level, _, used, left, would := fetched[budgets](t, nexus.URL+"/admin/api/clients?id=eve").ofDemo1(t)
	if level != "model+group" || used <= 20 || left != 0 || would == 0 {
		t.Errorf("eve has used %d, %d are left, %d would have been refused, by level %q", used, left, would, level)
	}

	tab := gatewaytest.OpenBrowser(t).Tab(t, views["phone-light"])
	look(t, tab, nexus.URL+"/admin/clients")
	if got := tab.Follow(t, chromedp.SendKeys(chromedp.ID("client-id"), "alice"+kb.Enter)); got != http.StatusOK {
		t.Fatalf("looking for alice leads to %d", got)
	}
	page := gatewaytest.Evaluate[string](t, tab, `document.querySelector("main").innerText.replace(/\s+/g, " ")`)
	for _, want := range []string{"alice", "demo/demo-1", "96 used", "4 left", "of the model", "Latest refusals"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of alice does not say %q: %s", want, page)
		}
	}
	look(t, tab, nexus.URL+"/admin/clients?id=eve")
	if page := mainText(t, tab); !strings.Contains(page, "would have been refused") || !strings.Contains(page, "observed, refuses nothing") {
		t.Errorf("the page of eve does not say what would have been refused: %s", page)
	}
}

func TestForgettingAClientByItsButton(t *testing.T) {
	nexus := gatewaytest.Start(t, limited)
	const id = "a/b?c#d e" // fits no path
	chats(t, nexus.URL, id, "pro", 11)
	if last := chats(t, nexus.URL, id, "pro", 1); last != http.StatusTooManyRequests {
		t.Fatalf("the limit does not hold: %d", last)
	}
	tab := gatewaytest.OpenBrowser(t).Tab(t, views["desk-dark"])
	look(t, tab, nexus.URL+"/admin/clients")
	tabTo(t, tab, "the client", `e.matches("tbody a") && new URLSearchParams(e.search).get("id") == "`+id+`"`)
	if got := tab.Follow(t, chromedp.KeyEvent(kb.Enter)); got != http.StatusOK {
		t.Fatalf("the client's page is answered %d", got)
	}
	tabTo(t, tab, "what opens the button", `e.matches("details.sure summary")`)
	tab.Do(t, chromedp.KeyEvent(kb.Enter))
	tabTo(t, tab, "the button", `e.matches("button.danger")`)
	if got := tab.Follow(t, chromedp.KeyEvent(kb.Enter)); got != http.StatusOK {
		t.Fatalf("the button leads to %d", got)
	}
	if at := gatewaytest.Evaluate[string](t, tab, "location.pathname + location.search"); at != "/admin/clients" {
		t.Errorf("the button leads to %q", at)
	}
	if page := mainText(t, tab); strings.Contains(page, id) || !strings.Contains(page, "No client was seen yet") {
		t.Errorf("the client is still there: %s", page)
	}
	if code, _ := status(t, nexus.URL+"/admin/api/clients?id="+url.QueryEscape(id), ""); code != http.StatusNotFound {
		t.Errorf("a forgotten client is answered %d", code)
	}
	if last := chats(t, nexus.URL, id, "pro", 1); last != http.StatusOK {
		t.Errorf("what was used is not forgotten: %d", last)
	}
}

func TestTheTiersOfTheFileAreOnTheirPage(t *testing.T) {
	nexus := gatewaytest.Start(t, limited)
	type tiers struct {
		Tiers []struct {
			Group, Provider, Model, Kind *string
			Limit                        *int
			Level                        string
			Key                          *string
			Line                         *int
		}
	}
	levels := map[string]string{}
	for _, r := range fetched[tiers](t, nexus.URL+"/admin/api/tiers").Tiers {
		if r.Provider == nil || r.Model == nil && r.Limit == nil {
			continue
		}
		name := "-"
		if r.Group != nil {
			name = *r.Group
		}
		if r.Model != nil {
			name += " " + *r.Model
		}
		levels[name] = r.Level
		if r.Limit != nil && (r.Line == nil || *r.Line == 0 || r.Key == nil) {
			t.Errorf("the limit of %q has no place in the file: %+v", name, r)
		}
	}
	for name, want := range map[string]string{
		"pro demo-1": "model+group", "free demo-1": "model", "- demo-1": "model", "enterprise demo-1": "model+group",
		"free demo-2": "provider+group", "pro demo-2": "provider", "- demo-2": "provider", "enterprise": "provider+group", "-": "provider",
	} {
		if levels[name] != want {
			t.Errorf("%q has a limit of level %q, want %q", name, levels[name], want)
		}
	}

	tab := gatewaytest.OpenBrowser(t).Tab(t, views["desk-light"])
	look(t, tab, nexus.URL+"/admin/tiers")
	page := gatewaytest.Evaluate[string](t, tab, `document.querySelector("main").innerText.replace(/\s+/g, " ")`)
	for _, want := range []string{"80 input / 1h", "of this group and model", "400 input / ", "of the group at this provider", "observed, refuses nothing", "600 requests / 1h", "8 at once", "every other model"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q: %s", want, page)
		}
	}
	// Each link to a key finds it.
	missing := gatewaytest.Evaluate[[]string](t, tab, `[...new Set([...document.querySelectorAll("a.place")].map(a => a.getAttribute("href").split("#")[1]))]`)
	look(t, tab, nexus.URL+"/admin/config")
	for _, id := range missing {
		if !gatewaytest.Evaluate[bool](t, tab, `document.getElementById(`+jsString(t, id)+`) !== null`) {
			t.Errorf("a limit leads to %q, which the page of the configuration does not have", id)
		}
	}
	if len(missing) < 6 {
		t.Errorf("the limits lead to %q alone", missing)
	}
}

func jsString(t *testing.T, text string) string {
	t.Helper()
	encoded, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// TestThePagesOfLimitsFitEveryScreen opens them with real traffic, with the longest names and with more groups than fit.
func TestThePagesOfLimitsFitEveryScreen(t *testing.T) {
	nexus := gatewaytest.Start(t, limited)
	long := strings.Repeat("w", 256)
	chats(t, nexus.URL, "bob@example.com", "free", 3)
	chats(t, nexus.URL, "svc-billing-prod-eu-west-1", "pro", 9)
	chats(t, nexus.URL, "eve", "enterprise", 4)
	chats(t, nexus.URL, "alice", "pro", 14)
	chats(t, nexus.URL, long, "gold", 1)
	chats(t, nexus.URL, long, "free", 1)
	_, observed := send(t, nexus.URL, request{method: "POST", path: chatPath, header: from("eve", "enterprise"), body: hello})
	pages := map[string]string{
		"tiers": "/admin/tiers", "clients": "/admin/clients", "client": "/admin/clients?id=alice", "client-observed": "/admin/clients/eve",
		"client-long": "/admin/clients?id=" + long, "overview-limits": "/admin", "trace-observed": "/admin/traces/" + observed, "traces-limits": "/admin/traces",
	}
	browser := gatewaytest.OpenBrowser(t)
	see := func(pages map[string]string) {
		for name, view := range views {
			tab := browser.Tab(t, view)
			for page, path := range pages {
				look(t, tab, nexus.URL+path)
				tab.Screenshot(t, page+"-"+name)
			}
		}
	}
	see(pages)
	many := []string{"free", "pro", "enterprise"}
	for i := range 12 {
		many = append(many, "group-"+strings.Repeat("x", i+1))
	}
	reloadWith(t, nexus, strings.Replace(limited, `["free", "pro", "enterprise"]`, `["`+strings.Join(many, `", "`)+`"]`, 1))
	see(map[string]string{"tiers-many": "/admin/tiers"})
}
