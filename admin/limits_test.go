package admin_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"nexus/gateway"
	"nexus/gateway/trace"
)

// limitedTiers are the limits of a file with two groups.
func limitedTiers() []gateway.TierRow {
	var rows []gateway.TierRow
	for _, group := range []string{"free", "pro", ""} {
		rows = append(rows,
			gateway.TierRow{Group: group, Kind: "requests", Limit: 1000, Interval: "60s", Level: "none", Enforce: true, Key: "server.rate_limits.global", Line: 11},
			gateway.TierRow{Group: group, Kind: "concurrent", Limit: 8, Level: "none", Enforce: true, Key: "server.rate_limits.per_user.concurrent", Line: 14},
			gateway.TierRow{Group: group, Provider: "demo", Kind: "input", Limit: 100, Interval: "1m", Level: "provider", Enforce: true, Key: "llm.providers.demo.rate_limits.per_user", Line: 20})
		if group == "pro" {
			rows = append(rows, gateway.TierRow{Group: group, Provider: "demo", Model: "echo", Kind: "total", Limit: 500, Interval: "30s", Level: "model+group", Key: "llm.providers.demo.models.echo.rate_limits.per_user.groups.pro", Line: 30})
		} else {
			rows = append(rows, gateway.TierRow{Group: group, Provider: "demo", Model: "echo", Kind: "input", Limit: 100, Interval: "1m", Level: "provider", Enforce: true, Key: "llm.providers.demo.rate_limits.per_user", Line: 20})
		}
		rows = append(rows,
			gateway.TierRow{Group: group, Provider: "demo", Model: "found", Discovered: true, Kind: "input", Limit: 100, Interval: "1m", Level: "provider", Enforce: true, Key: "llm.providers.demo.rate_limits.per_user", Line: 20},
			gateway.TierRow{Group: group, Provider: "open", Level: "none"})
	}
	return rows
}

const twoGroups = `
[server.client_identification]
enabled = true
client_id.http_header = "x-client-id"
group_id.http_header = "x-user-tier"
[server.client_identification.validation]
group_values = ["free", "pro"]
`

func TestTheJSONOfTiers(t *testing.T) {
	i := start(t, twoGroups)
	get := func() *http.Response { return i.send("GET", "/admin/api/tiers") }
	wantJSON(t, get(), 200, `{"tiers":[]}`)
	i.gateway.tiers = limitedTiers()[6:12]
	wantJSON(t, get(), 200, `{"tiers":[
		{"group":"pro","provider":null,"model":null,"limit":1000,"interval":"60s","kind":"requests","level":"none","enforce":true,"key":"server.rate_limits.global","line":11},
		{"group":"pro","provider":null,"model":null,"limit":8,"interval":null,"kind":"concurrent","level":"none","enforce":true,"key":"server.rate_limits.per_user.concurrent","line":14},
		{"group":"pro","provider":"demo","model":null,"limit":100,"interval":"1m","kind":"input","level":"provider","enforce":true,"key":"llm.providers.demo.rate_limits.per_user","line":20},
		{"group":"pro","provider":"demo","model":"echo","limit":500,"interval":"30s","kind":"total","level":"model+group","enforce":false,"key":"llm.providers.demo.models.echo.rate_limits.per_user.groups.pro","line":30},
		{"group":"pro","provider":"demo","model":"found","limit":100,"interval":"1m","kind":"input","level":"provider","enforce":true,"key":"llm.providers.demo.rate_limits.per_user","line":20},
		{"group":"pro","provider":"open","model":null,"limit":null,"interval":null,"kind":null,"level":"none","enforce":false,"key":null,"line":null}]}`)
}

func TestThePageOfTheTiersIsAMatrix(t *testing.T) {
	i := start(t, twoGroups)
	i.gateway.tiers = limitedTiers()
	page := text(t, i.send("GET", "/admin/tiers"))
	for want, times := range map[string]int{
		"All requests together": 1, ">every other model<": 2, ">echo<": 1, ">found<": 0, "of this group and model": 1,
		"observed, refuses nothing": 1, `href="/admin/config#key-llm.providers.demo.models.echo.rate_limits.per_user.groups.pro"`: 1,
		">no limit<": 1, "in every group alike": 3, "whatever the group": 1,
	} {
		if got := strings.Count(page, want); got != times {
			t.Errorf("the page says %q %d times, want %d", want, got, times)
		}
	}
	if strings.Index(page, ">echo<") > strings.Index(page, ">every other model<") {
		t.Error("all others do not stand behind those with a name")
	}

	i.gateway.tiers = nil
	wantAnswer(t, i.send("GET", "/admin/tiers"), 200, "No number of requests is limited.")
}

func TestThePageOfTheTiersIsBounded(t *testing.T) {
	i := start(t, twoGroups)
	for n := range 2000 {
		i.gateway.tiers = append(i.gateway.tiers, gateway.TierRow{Provider: "demo", Model: fmt.Sprintf("model-%d", n), Level: "none"})
	}
	page := text(t, i.send("GET", "/admin/tiers"))
	if !strings.Contains(page, ">model-1665<") || strings.Contains(page, ">model-1666<") || !strings.Contains(page, "left out here; the JSON has all") {
		t.Error("the page does not stop at 5,000 cells and say so")
	}
	if body := text(t, i.send("GET", "/admin/api/tiers")); !strings.Contains(body, `"model-1999"`) {
		t.Error("the JSON does not have all")
	}
}

func TestALimiterThatIsOutIsAWarning(t *testing.T) {
	i := start(t, "")
	i.gateway.status.Limiter = gateway.LimiterStatus{Storage: "memory", State: "ok"}
	wantAnswer(t, i.send("GET", "/admin/api/status"), 200, `"warnings":[],"last_reload_error":null,"limiter":{"storage":"memory","state":"ok","error":null}`)
	const why = "Redis is out (it does not answer): nothing is limited until it is back"
	i.gateway.status.Limiter = gateway.LimiterStatus{Storage: "redis", State: "degraded", Error: why, Since: noon, OnFailure: "allow"}
	wantAnswer(t, i.send("GET", "/admin/api/status"), 200, `"warnings":[{"key":"server.rate_limits.storage","line":null,"text":"`+why+`"}],"last_reload_error":null,"limiter":{"storage":"redis","state":"degraded","error":"`+why+`"}`)
	wantAnswer(t, i.send("GET", "/admin"), 200, `<a href="/admin/tiers">See the limits</a>`)
	wantAnswer(t, i.send("GET", "/admin/tiers"), 200, why)
}

// limits are how the limits of alice stand.
func limits() []gateway.LimitRow {
	row := func(provider, model, kind, level string, discovered bool) gateway.LimitRow {
		return gateway.LimitRow{
			TierRow: gateway.TierRow{Group: "pro", Provider: provider, Model: model, Discovered: discovered, Kind: kind, Limit: 100, Interval: "1m", Level: level, Enforce: true, Key: "llm.providers.demo", Line: 9},
			Used:    30, Remaining: 70, Reset: noon,
		}
	}
	over := row("demo", "echo", "total", "model+group", false)
	over.Used, over.Remaining, over.Enforce, over.WouldRefuse, over.Reset = 140, -40, false, 3, time.Time{}
	return []gateway.LimitRow{row("", "", "requests", "none", false), over, row("demo", "", "input", "provider", false),
		row("demo", "listed", "input", "provider", false), row("demo", "found", "input", "provider", true)}
}

const aliceLimits = `[
	{"provider":null,"model":null,"kind":"requests","level":"none","limit":100,"interval":"1m","used":30,"remaining":70,"reset":"2026-03-01T12:00:00.123Z","enforce":true,"would_refuse":0},
	{"provider":"demo","model":"echo","kind":"total","level":"model+group","limit":100,"interval":"1m","used":140,"remaining":0,"reset":null,"enforce":false,"would_refuse":3},
	{"provider":"demo","model":null,"kind":"input","level":"provider","limit":100,"interval":"1m","used":30,"remaining":70,"reset":"2026-03-01T12:00:00.123Z","enforce":true,"would_refuse":0},
	{"provider":"demo","model":"listed","kind":"input","level":"provider","limit":100,"interval":"1m","used":30,"remaining":70,"reset":"2026-03-01T12:00:00.123Z","enforce":true,"would_refuse":0},
	{"provider":"demo","model":"found","kind":"input","level":"provider","limit":100,"interval":"1m","used":30,"remaining":70,"reset":"2026-03-01T12:00:00.123Z","enforce":true,"would_refuse":0}]`

// use adds a request of a client.
func (i *instance) use(client, group string, reason trace.Reason) {
	tr := answered("of "+client, noon)
	tr.ClientID, tr.Group, tr.Reason, tr.Duration = client, group, reason, 0
	if reason != "" {
		tr.Outcome = trace.Rejected
	}
	i.gateway.journal.Add(tr)
}

func TestTheJSONOfClients(t *testing.T) {
	i := start(t, identified)
	get := func(path string) *http.Response { return i.send("GET", "/admin/api/clients"+path) }
	wantJSON(t, get(""), 200, `{"clients":[]}`)
	i.use("alice", "pro", "")
	i.use("alice", "pro", trace.ModelUnknown)
	i.use("bob", "", "")
	i.gateway.limits = map[string][]gateway.LimitRow{"alice pro": limits()}
	alice := `{"client_id":"alice","group":"pro","last_seen":"2026-03-01T12:00:00.123Z","requests":2,"rejections":1,"input_tokens":16,"output_tokens":0,"limits":` + aliceLimits + `}`
	bob := `{"client_id":"bob","group":null,"last_seen":"2026-03-01T12:00:00.123Z","requests":1,"rejections":0,"input_tokens":8,"output_tokens":0,"limits":[]}`
	wantJSON(t, get(""), 200, `{"clients":[`+bob+`,`+alice+`]}`)
	wantJSON(t, get("?limit=1"), 200, `{"clients":[`+bob+`]}`)
	wantJSON(t, get("?id="), 200, `{"clients":[`+bob+`,`+alice+`]}`)
	for _, one := range []string{"/alice", "/alice/", "/%61lice", "?id=alice", "?id=alice&limit=0"} {
		wantJSON(t, get(one), 200, `{"clients":[`+alice+`]}`)
	}
	for _, gone := range []string{"/carol", "?id=carol", "/alice%20", "/%2561lice"} {
		wantAnswer(t, get(gone), 404, `{"error":{"code":"not_found","message":"Nothing is known of a client`)
	}
	wantAnswer(t, get("?limit=0"), 400, `"invalid_limit"`)

	i.gateway.out = errors.New("the store is out")
	wantJSON(t, get("/alice"), 200, `{"clients":[`+strings.Replace(alice, aliceLimits, "null", 1)+`]}`)
	i.gateway.asks = 0
	wantAnswer(t, get(""), 200, `"limits":null`)
	if i.gateway.asks != 1 {
		t.Errorf("a store that is out is asked %d times for one list", i.gateway.asks)
	}
}

func TestAListLooksUpTheLimitsOfHundredClients(t *testing.T) {
	i := start(t, identified)
	for n := range 150 {
		i.use(fmt.Sprint("client", n), "", "")
	}
	body := text(t, i.send("GET", "/admin/api/clients"))
	if got, none := strings.Count(body, `"limits":[]`), strings.Count(body, `"limits":null`); got != 100 || none != 50 {
		t.Errorf("%d clients have limits and %d have none, want 100 and 50", got, none)
	}
	if i.gateway.asks != 100 {
		t.Errorf("the store is asked %d times", i.gateway.asks)
	}
	// Clients with very many limits are told fewer at a time.
	many := make([]gateway.LimitRow, 1000)
	i.gateway.limits = map[string][]gateway.LimitRow{}
	for n := range 150 {
		i.gateway.limits[fmt.Sprint("client", n, " ")] = many
	}
	if none := strings.Count(text(t, i.send("GET", "/admin/api/clients")), `"limits":null`); none != 140 {
		t.Errorf("%d clients have no limits, want all but 10", none)
	}
}

func TestThePageOfAClient(t *testing.T) {
	i := start(t, identified)
	i.gateway.journal.Add(&trace.Trace{ClientID: "alice", Group: "pro", Would: trace.Would{Provider: "demo", Model: "echo", Kinds: 4}})
	i.gateway.journal.Add(refused("one", noon))
	i.gateway.limits = map[string][]gateway.LimitRow{"alice pro": limits()}
	for _, path := range []string{"/admin/clients/alice", "/admin/clients?id=alice"} {
		page := text(t, i.send("GET", path))
		for want, times := range map[string]int{
			`class="bar-of`: 3, "demo/echo": 2, "demo, models without limits of their own": 1, "1 request": 1, "/admin/traces/one": 1,
			"would have been refused": 1, `name="id" value="alice"`: 1,
		} {
			if got := strings.Count(page, want); got != times {
				t.Errorf("%s says %q %d times, want %d", path, want, got, times)
			}
		}
	}
	wantAnswer(t, i.send("GET", "/admin/clients"), 200, `href="/admin/clients?id=alice"`)
	wantAnswer(t, i.send("GET", "/admin"), 200, `<a href="/admin/clients">1</a>`)
	for _, gone := range []string{"/admin/clients/carol", "/admin/clients?id=carol"} {
		wantAnswer(t, i.send("GET", gone), 404, "Nothing is known of a client <q>carol</q>")
	}
	i.gateway.out = errors.New("dial 10.0.0.1: secret")
	if page := text(t, i.send("GET", "/admin/clients/alice")); !strings.Contains(page, "The store of the limits cannot be asked") || strings.Contains(page, "10.0.0.1") {
		t.Errorf("the page says what is not meant for it:\n%s", page)
	}
}

func TestIDsOfClientsThatFitNoPath(t *testing.T) {
	i := start(t, identified)
	for _, id := range []string{".", "..", "a/b", "a//b", "a/", "a%2Fb", "a b", "ä", "<script>alert(1)</script>", "forget"} {
		i.use(id, "", "")
		query := "?id=" + url.QueryEscape(id)
		if body := text(t, i.send("GET", "/admin/clients")); !strings.Contains(body, `href="/admin/clients`+strings.ReplaceAll(query, "&", "&amp;")+`"`) || strings.Contains(body, "<script>alert") {
			t.Errorf("no link to %q, or it stands there as it came", id)
		}
		wantAnswer(t, i.send("GET", "/admin/clients"+query), 200, "")
		wantAnswer(t, i.send("GET", "/admin/api/clients"+query), 200, `{"clients":[{"client_id":`+asJSON(t, id))
		wantAnswer(t, i.send("DELETE", "/admin/api/clients"+query), 204, "")
		wantAnswer(t, i.send("GET", "/admin/api/clients"+query), 404, "")
	}
}

func TestForgettingAClient(t *testing.T) {
	i := start(t, identified)
	for _, path := range []string{"/admin/api/clients/alice", "/admin/api/clients?id=alice"} {
		i.use("alice", "", "")
		resp := i.send("DELETE", path)
		if body := text(t, resp); resp.StatusCode != 204 || body != "" {
			t.Errorf("%s: status %d, body %q", path, resp.StatusCode, body)
		}
		wantAnswer(t, i.send("DELETE", path), 404, `"not_found"`)
	}
	// A slash at the end of an id is a part of it; one that is sent as such is not.
	i.use("x", "", "")
	i.use("x/", "", "")
	wantAnswer(t, i.send("DELETE", "/admin/api/clients/x%2F"), 204, "")
	wantAnswer(t, i.send("GET", "/admin/api/clients/x%2F"), 404, "")
	wantAnswer(t, i.send("GET", "/admin/api/clients/x/"), 200, `"client_id":"x"`)
	wantAnswer(t, i.send("DELETE", "/admin/api/clients"), 405, "")
	wantAnswer(t, i.send("DELETE", "/admin/clients/alice"), 405, "")
	wantAnswer(t, i.send("POST", "/admin/api/clients/alice"), 405, "")
	if allow := i.send("PUT", "/admin/api/clients/alice").Header.Get("Allow"); allow != "GET, HEAD, DELETE" {
		t.Errorf("Allow is %q", allow)
	}

	i.use("b/o&b", "", "")
	resp := i.send("POST", "/admin/clients", form("id=b%2Fo%26b"))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/admin/clients" {
		t.Errorf("the button leads to %d %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	if _, ok := i.gateway.journal.Client("b/o&b"); ok {
		t.Error("the button forgets nobody")
	}
	wantAnswer(t, i.send("POST", "/admin/clients", form("id=b%2Fo%26b")), 404, "No such client")
	wantAnswer(t, i.send("POST", "/admin/clients", form("id=%zz")), 400, "Unreadable form")

	i.use("alice", "", "")
	i.gateway.out = errors.New("out")
	wantAnswer(t, i.send("DELETE", "/admin/api/clients/alice"), 503, `"temporarily_unavailable"`)
	wantAnswer(t, i.send("POST", "/admin/clients", form("id=alice")), 503, "Not forgotten")
}

func TestWhoMayLookAtClientsAndForgetThem(t *testing.T) {
	i := start(t, guarded+identified)
	for path, says := range map[string]string{"/admin/tiers": "Admin token", "/admin/clients": "Admin token", "/admin/clients?id=alice": "Admin token",
		"/admin/api/tiers": `"unauthorized"`, "/admin/api/clients": `"unauthorized"`, "/admin/api/clients/alice": `"unauthorized"`} {
		wantAnswer(t, i.send("GET", path), 401, says)
	}
	i.use("alice", "", "")
	wantAnswer(t, i.send("DELETE", "/admin/api/clients/alice"), 401, "")
	wantAnswer(t, i.send("DELETE", "/admin/api/clients/alice", bearer(adminToken), header("Sec-Fetch-Site", "cross-site")), 403, `"cross_origin"`)
	wantAnswer(t, i.send("POST", "/admin/clients", bearer(adminToken), form("id=alice"), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }), 403, "Sent from elsewhere")
	wantAnswer(t, i.send("POST", "/admin/clients", form("id=alice"), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }), 403, "")
	if _, ok := i.gateway.journal.Client("alice"); !ok {
		t.Fatal("somebody who may not has made the gateway forget a client")
	}
	wantAnswer(t, i.send("DELETE", "/admin/api/clients/alice", bearer(adminToken)), 204, "")
}

func TestATraceTellsWhatWouldHaveRefusedIt(t *testing.T) {
	i := start(t, identified)
	tr := answered("one", noon)
	tr.Fallback, tr.Would = "demo/other", trace.Would{Provider: "demo", Kinds: 1 << 2}
	i.gateway.journal.Add(tr)
	page := text(t, i.send("GET", "/admin/traces/one"))
	for _, want := range []string{"demo/other", "The observed limit of total tokens", "demo, models without limits of their own"} {
		if !strings.Contains(page, want) {
			t.Errorf("the trace does not say %q", want)
		}
	}
	wantAnswer(t, i.send("GET", "/admin/api/traces/one"), 200, `"fallback":"demo/other"`)
}
