package web_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"nexus/web"
)

// row is the text of the row of a table that begins with name.
func row(t *testing.T, d document, name string) string {
	t.Helper()
	for _, tr := range d.all("tr") {
		if text := words(tr); strings.HasPrefix(text, name) {
			return text
		}
	}
	t.Fatalf("there is no row %q", name)
	return ""
}

func TestThePageOfTheTiersSaysEachLimitAndItsLevel(t *testing.T) {
	d := render(t, web.TiersView(tiers()))
	for name, want := range map[string]string{
		"gpt-4 ": "gpt-4 free 50 000 input / 1m of the model nexus.toml:41 pro 80 000 input / 30s of this group and model nexus.toml:44 " +
			"enterprise 50 000 input / 1m of the model nexus.toml:41 no group 50 000 input / 1m of the model nexus.toml:41",
		"gpt-4o-mini": "gpt-4o-mini free 10 000 input / 60s of the group at this provider nexus.toml:35 " +
			"pro 100 000 input / 1m 25 000 output / 1m of the provider nexus.toml:31 " +
			"enterprise 2 000 000 total / 24h of the group at this provider nexus.toml:36 observed, refuses nothing " +
			"no group 100 000 input / 1m 25 000 output / 1m of the provider nexus.toml:31",
		"demo-1":                "demo-1 free no limit pro no limit enterprise no limit no group no limit",
		"All requests together": "All requests together 1 000 requests / 60s nexus.toml:14 whatever the group",
		"Each client free":      "Each client free 60 requests / 60s nexus.toml:20 pro 600 requests / 60s nexus.toml:23 enterprise 60 requests / 60s nexus.toml:20 no group 60 requests / 60s nexus.toml:20",
		"Each client, in fl":    "Each client, in flight requests that are being answered 8 at once nexus.toml:22 in every group alike",
	} {
		if got := row(t, d, name); got != want {
			t.Errorf("row %q\ngot  %s\nwant %s", name, got, want)
		}
	}
	if body := d.body(); !strings.Contains(body, "Ready In the memory of this instance") {
		t.Errorf("the page does not say where limits are counted: %s", body)
	}
	for _, td := range d.all("td") {
		if strings.Contains(words(td), "1 000 requests") && attribute(td, "colspan") != "4" {
			t.Errorf("a limit of all groups stands under one: colspan %q", attribute(td, "colspan"))
		}
	}
}

func TestAStoreThatIsOutIsSaid(t *testing.T) {
	body := render(t, web.TiersView(manyTiers())).body()
	for _, want := range []string{"Degraded On Redis, together with other instances", "Redis is out (it does not answer): each instance counts by itself until it is back", "40 s ago", "3 more rows are left out here"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q: %s", want, body[:1000])
		}
	}
	p := web.OverviewPage{Frame: frame("overview", "Overview"), Status: status(), Known: 12, Now: now}
	p.Status.Limiter = manyTiers().Limiter
	p.Status.Warnings = []web.Warning{{Key: ptr("server.rate_limits.storage"), Text: "Redis is out", Limiter: true}}
	d := render(t, web.Overview(p))
	if u := d.href(t, "See the limits"); u.Path != "/admin/tiers" {
		t.Errorf("the warning leads to %q", u)
	}
	if u := d.href(t, "redis, degraded"); u.Path != "/admin/tiers" {
		t.Errorf("the storage leads to %q", u)
	}
	if u := d.href(t, "12"); u.Path != "/admin/clients" {
		t.Errorf("the number of clients leads to %q", u)
	}
}

// TestPlacesOfLimitsAreOnThePageOfTheConfiguration follows the links of keys, of names that need quotes too.
func TestPlacesOfLimitsAreOnThePageOfTheConfiguration(t *testing.T) {
	for _, table := range []string{"llm.providers.openai.rate_limits.per_user", `llm.providers."my own (1)".rate_limits.per_user`, hostile} {
		page := tiers()
		page.Providers = page.Providers[:1]
		page.Providers[0].Rows = page.Providers[0].Rows[:1]
		page.Requests = nil
		page.Providers[0].Rows[0].Cells[0].Limits[0].Key = &table
		link := render(t, web.TiersView(page)).href(t, "nexus.toml:41")
		config := render(t, web.ConfigView(web.ConfigPage{Frame: frame("config", "Configuration"), Now: now,
			Tables: []web.SettingTable{{Name: table, Settings: []web.Setting{{Key: "interval"}}}, {Settings: []web.Setting{{Key: "top"}}}}}))
		has := func(id string) bool {
			return slices.ContainsFunc(config.nodes, func(n *html.Node) bool { return attribute(n, "id") == id })
		}
		if link.Path != "/admin/config" || !has(link.EscapedFragment()) {
			t.Errorf("%q leads to %q, and there is nothing", table, link)
		}
		if !has("key-"+url.QueryEscape(table+".interval")) || !has("key-top") {
			t.Errorf("the keys of %q have no places", table)
		}
	}
}

func TestThePageOfAClientSaysHowItsLimitsStand(t *testing.T) {
	d := render(t, web.ClientView(clientPage(client("alice"))))
	var got []string
	for _, li := range d.all("li") {
		if slices.ContainsFunc(d.all("ul"), func(ul *html.Node) bool { return ul == li.Parent && attribute(ul, "class") == "budgets" }) {
			got = append(got, words(li))
		}
	}
	const of = "of this group and model nexus.toml:31"
	want := []string{
		"Requests 600 requests / 1m 71 used (12%) 529 left all free again in 95 s nexus.toml:31",
		"Requests in flight 8 at once 1 in flight (12%) 7 left nexus.toml:31",
		"openai/gpt-4 80 000 input tokens / 1m 68 211 used (85%) 11 789 left all free again in 95 s " + of,
		"openai/gpt-4 50 000 output tokens / 1m 50 000 used (100%) 0 left all free again in 95 s " + of,
		"openai/o3 20 000 output tokens / 1m 0 used (0%) 20 000 left of the model nexus.toml:31",
		"openai, models without limits of their own 2 000 000 total tokens / 1m 2 100 000 used (105%) 0 left all free again in 95 s " +
			"of the group at this provider nexus.toml:31 observed, refuses nothing 3 requests would have been refused",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	body := d.body()
	for _, says := range []string{"Requests 1 834", "Refused 12 0.7%", "Tokens in 412 033", "42 s ago", "Would have been refused By limits that only observe. 3 requests by total tokens openai, models without limits of their own", "No refusal of this client is kept."} {
		if !strings.Contains(body, says) {
			t.Errorf("the page does not say %q: %s", says, body)
		}
	}
	fills := map[string]int{}
	for _, svg := range d.all("svg") {
		fills[strings.TrimPrefix(attribute(svg, "class"), "bar-of ")]++
	}
	if fills["fine"] != 3 || fills["near"] != 1 || fills["full"] != 1 || fills["watched"] != 1 {
		t.Errorf("the bars are %v", fills)
	}
}

func TestAClientWhoseLimitsAreNotKnown(t *testing.T) {
	c := client("alice")
	c.Limits = nil
	p := clientPage(c)
	if body := render(t, web.ClientView(p)).body(); !strings.Contains(body, "Nothing limits this client.") {
		t.Errorf("the page says %s", body)
	}
	p.NoLimits = "the store cannot be asked"
	if body := render(t, web.ClientView(p)).body(); !strings.Contains(body, "the store cannot be asked") || strings.Contains(body, "Nothing limits") {
		t.Errorf("the page says %s", body)
	}
}

// TestIDsOfClientsAreAskedFor: an id may be anything, also what a path cannot hold.
func TestIDsOfClientsAreAskedFor(t *testing.T) {
	for _, id := range []string{"alice", "a/b", ".", "..", "a?b#c", "a%2fb", "a b+c", "forget", hostile} {
		c := client(id)
		list := render(t, web.ClientsView(clientsPage(c)))
		if u := list.href(t, strings.Join(strings.Fields(id), " ")); u.Path != "/admin/clients" || u.Query().Get("id") != id || u.Fragment != "" {
			t.Errorf("client %q is said to be at %q", id, u)
		}
		d := render(t, web.ClientView(clientPage(c)))
		if u := d.href(t, "JSON"); u.Path != "/admin/api/clients" || u.Query().Get("id") != id {
			t.Errorf("the JSON of client %q is said to be at %q", id, u)
		}
		tr := refused()
		tr.ClientID = &id
		if u := render(t, web.TraceView(web.TracePage{Frame: frame("traces", "Trace"), Trace: tr, Now: now})).href(t, "What this client uses"); u.Path != "/admin/clients" || u.Query().Get("id") != id {
			t.Errorf("the trace leads to %q", u)
		}
		form := d.all("form")[0]
		input := d.all("input")[0]
		if attribute(form, "method") != "post" || attribute(form, "action") != "/admin/clients" || attribute(input, "name") != "id" || attribute(input, "value") != id {
			t.Errorf("the button to forget %q sends %s=%q by %s to %s", id, attribute(input, "name"), attribute(input, "value"), attribute(form, "method"), attribute(form, "action"))
		}
	}
}

func TestTheListOfClientsSays(t *testing.T) {
	d := render(t, web.ClientsView(clientsPage(clientList(4)...)))
	for name, want := range map[string]string{
		"alice": "alice pro 7 s ago 15:09:19 UTC 1 834 12 0.7% 412 033 / 182 011 openai/gpt-4: 100% of 50 000 output tokens / 1m",
		"bob":   "bob@example.com – 8 s ago 15:09:18 UTC 1 834 0 412 033 / 182 011 –",
		"svc":   "svc-billing-prod-eu-west-1 pro 11 s ago 15:09:15 UTC 1 834 12 0.7% 412 033 / 182 011 Requests: 12% of 600 requests / 1m",
	} {
		if got := row(t, d, name); got != want {
			t.Errorf("row %q\ngot  %s\nwant %s", name, got, want)
		}
	}
	p := clientsPage(clientList(3)...)
	p.Known, p.Missing = 10_000, "nobody"
	body := render(t, web.ClientsView(p)).body()
	for _, want := range []string{"10 000 clients, the latest first; the latest 3 are shown, the JSON has all", "Nothing is known of a client nobody"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q: %s", want, body)
		}
	}
}

func TestTheJSONOfABudgetHoldsWhatTheContractSays(t *testing.T) {
	c := client("alice")
	c.Limits = c.Limits[5:]
	got, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"client_id":"alice","group":"pro","last_seen":"2026-03-14T15:08:44Z","requests":1834,"rejections":12,"input_tokens":412033,"output_tokens":182011,` +
		`"limits":[{"provider":null,"model":null,"kind":"total","level":"provider+group","limit":2000000,"interval":"1m","used":2100000,"remaining":0,` +
		`"reset":"2026-03-14T15:11:01Z","enforce":false,"would_refuse":3}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestATraceSaysWhatWouldHaveRefusedItAndWhoAnsweredInstead(t *testing.T) {
	tr := allowed()
	tr.Fallback = ptr("openai/gpt-4o-mini")
	tr.Would = []web.WouldLimit{{Name: "openai/gpt-4", Kind: "input"}, {Name: "openai/gpt-4", Kind: "total"}}
	body := render(t, web.TraceView(web.TracePage{Frame: frame("traces", "Trace"), Trace: tr, Now: now})).body()
	for _, want := range []string{
		"Answered by openai/gpt-4o-mini instead of the model that was asked for.",
		"The observed limit of input tokens, openai/gpt-4 , would have refused this request.", "The observed limit of total tokens",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the trace does not say %q: %s", want, body)
		}
	}
	body = render(t, web.TracesView(web.TracesPage{Frame: frame("traces", "Traces"), Traces: []web.Trace{tr}, Now: now})).body()
	for _, want := range []string{"answered by openai/gpt-4o-mini", "would have been refused"} {
		if !strings.Contains(body, want) {
			t.Errorf("the list does not say %q: %s", want, body)
		}
	}
}

func TestUntil(t *testing.T) {
	for _, c := range []struct {
		ahead time.Duration
		want  string
	}{
		{-time.Second, "now"}, {0, "now"}, {time.Millisecond, "in 1 s"}, {95 * time.Second, "in 95 s"}, {2 * time.Minute, "in 2 min"},
		{121 * time.Second, "in 3 min"}, {119 * time.Minute, "in 119 min"}, {2 * time.Hour, "in 2 h"}, {47 * time.Hour, "in 47 h"},
		{48 * time.Hour, "in 2 days"}, {365 * 24 * time.Hour, "in 365 days"},
	} {
		if got := spaced(web.Until(now.Add(c.ahead), now)); got != c.want {
			t.Errorf("%v: got %q, want %q", c.ahead, got, c.want)
		}
	}
}
