package admin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nexus/admin"
	"nexus/config"
	"nexus/gateway/journal"
)

func TestTheJSONOfTheConfiguration(t *testing.T) {
	i := start(t, guarded+"\n[server]\nlisten_address = \"0.0.0.0:8000\"\n[server.client_identification]\nenabled = true\nclient_id.http_header = \"x-client-id\"\n")
	i.gateway.status.Watching = "changes are noticed late: no inotify instance"
	cfg := i.gateway.status.Config
	tables, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Settings()) == 0 || len(cfg.Warnings()) == 0 {
		t.Fatalf("%d settings and %d warnings to tell", len(cfg.Settings()), len(cfg.Warnings()))
	}
	origins, warnings := []string{}, []string{}
	for _, s := range cfg.Settings() {
		origins = append(origins, fmt.Sprintf(`%s:{"from":%q,"line":%s}`, asJSON(t, s.Key), s.From, orNull(s.Line)))
	}
	for _, w := range cfg.Warnings() {
		warnings = append(warnings, fmt.Sprintf(`{"key":%q,"line":%s,"text":%s}`, w.Key, orNull(w.Line), asJSON(t, w.What+"; "+w.Fix)))
	}
	warnings = append(warnings, `{"key":null,"line":null,"text":"changes are noticed late: no inotify instance"}`)
	resp := i.send("GET", "/admin/api/config", bearer(adminToken))
	wantJSON(t, resp, 200, `{"generation":1,"config":`+string(tables)+`,"origins":{`+strings.Join(origins, ",")+`},"warnings":[`+strings.Join(warnings, ",")+`]}`)

	body := text(t, i.send("GET", "/admin/api/config", bearer(adminToken)))
	for _, part := range []string{`"admin.token":{"from":"file","line":3}`, `"admin.path":{"from":"default","line":null}`, `"token":"***"`} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	wantAnswer(t, i.send("GET", "/admin/api/status", bearer(adminToken)), 200, `{"key":null,"line":null,"text":"changes are noticed late: no inotify instance"}`)
}

func asJSON(t *testing.T, text string) string {
	t.Helper()
	encoded, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func orNull(line int) string {
	if line == 0 {
		return "null"
	}
	return fmt.Sprint(line)
}

// mistaken is what a reload of a broken file finds.
func mistaken() config.Problems {
	return config.Problems{
		{File: "nexus.toml", What: "the file has a mistake without a place"},
		{File: "nexus.toml", Key: "admin.tokn", Line: 3, Column: 1, What: "unknown key", Fix: "did you mean token?"},
		{File: "nexus.toml", Key: "server.oauth", Line: 9, What: "is lacking", Fix: "say so"},
	}
}

const mistakenJSON = `[{"line":null,"column":null,"key":null,"message":"the file has a mistake without a place","hint":null},
	{"line":3,"column":1,"key":"admin.tokn","message":"unknown key","hint":"did you mean token?"},
	{"line":9,"column":null,"key":"server.oauth","message":"is lacking","hint":"say so"}]`

func TestTheJSONOfReloads(t *testing.T) {
	i := start(t, "")
	get := func() *http.Response { return i.send("GET", "/admin/api/reloads") }
	wantJSON(t, get(), 200, `{"reloads":[]}`)
	add := i.gateway.journal.AddReload
	add(journal.Reload{Generation: 1, Time: noon, Cause: journal.CauseStart, Result: journal.ResultSuccess, Hash: "aa"})
	add(journal.Reload{Generation: 2, Time: noon, Cause: journal.CauseFile, Result: journal.ResultSuccess, Hash: "bb", Diff: "@@ -1 +1 @@\n-a <b>\n+c\n"})
	add(journal.Reload{Generation: 2, Time: noon, Cause: journal.CauseSIGHUP, Result: journal.ResultUnchanged, Hash: "bb"})
	add(journal.Reload{Generation: 2, Time: noon.In(time.FixedZone("elsewhere", 3600)), Cause: journal.CauseAdmin, Result: journal.ResultFailed, Errors: mistaken()})
	wantJSON(t, get(), 200, `{"reloads":[
		{"generation":2,"time":"2026-03-01T12:00:00.123Z","cause":"admin","result":"failed","hash":null,"diff":null,"errors":`+mistakenJSON+`},
		{"generation":2,"time":"2026-03-01T12:00:00.123Z","cause":"sighup","result":"unchanged","hash":"bb","diff":null,"errors":[]},
		{"generation":2,"time":"2026-03-01T12:00:00.123Z","cause":"file","result":"success","hash":"bb","diff":"@@ -1 +1 @@\n-a \u003cb\u003e\n+c\n","errors":[]},
		{"generation":1,"time":"2026-03-01T12:00:00.123Z","cause":"start","result":"success","hash":"aa","diff":null,"errors":[]}]}`)
}

func TestTheJSONOfAReloadThatWasAskedFor(t *testing.T) {
	cases := []struct {
		name   string
		ends   journal.Reload
		status int
		want   string
	}{
		{"a new generation", journal.Reload{Generation: 7, Result: journal.ResultSuccess}, 200, `{"generation":7,"changed":true}`},
		{"what runs already", journal.Reload{Generation: 6, Result: journal.ResultUnchanged}, 200, `{"generation":6,"changed":false}`},
		{"a file with mistakes", journal.Reload{Generation: 6, Result: journal.ResultFailed, Errors: mistaken()}, 422, `{"errors":` + mistakenJSON + `}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			i := start(t, "")
			i.gateway.next = c.ends
			wantJSON(t, i.send("POST", "/admin/api/reload"), c.status, c.want)
			if len(i.gateway.asked) != 1 || i.gateway.asked[0] != journal.CauseAdmin {
				t.Errorf("asked for %q", i.gateway.asked)
			}
		})
	}
}

func TestWhoMayAskForAReload(t *testing.T) {
	site := func(value string) edit { return header("Sec-Fetch-Site", value) }
	origin := func(value string) edit { return header("Origin", value) }
	away := from("192.0.2.7:50000")
	const signedIn = "a session"
	cases := []struct {
		name   string
		text   string
		edits  []edit
		status int // of the JSON
		page   int // of the button
	}{
		{"a direct loopback caller", "", nil, 200, 303},
		{"a browser's own form", "", []edit{site("same-origin"), origin("http://localhost:8000")}, 200, 303},
		{"Origin alone is enough where it is the same", "", []edit{origin("http://localhost:8000")}, 200, 303},
		{"a page of another site", "", []edit{site("cross-site")}, 403, 403},
		{"a page of the same site at another port", "", []edit{site("same-site")}, 403, 403},
		{"another site, whatever Origin says", "", []edit{site("cross-site"), origin("http://localhost:8000")}, 403, 403},
		{"another Origin", "", []edit{origin("https://evil.example")}, 403, 403},
		{"an Origin of null", "", []edit{origin("null")}, 403, 403},
		{"another machine", "", []edit{away}, 403, 403},
		{"a name that resolves to this machine", "", []edit{host("rebound.example.com:8000")}, 403, 403},
		{"a proxy on this machine", "", []edit{header("X-Forwarded-For", "127.0.0.1")}, 403, 403},

		{"the token", guarded, []edit{away, bearer(adminToken)}, 200, 303},
		{"the token does not excuse another origin", guarded, []edit{bearer(adminToken), site("cross-site")}, 403, 403},
		{"no token", guarded, nil, 401, 401},
		{"no token, from another origin", guarded, []edit{site("cross-site")}, 403, 403},
		{"a wrong token", guarded, []edit{bearer("wrong")}, 401, 401},
		{"the token of the metrics", guarded, []edit{bearer(metricsToken)}, 401, 401},
		{"two tokens", guarded, []edit{bearer(adminToken), bearer(adminToken)}, 401, 401},
		{signedIn, guarded, []edit{away, site("same-origin")}, 200, 303},
		{signedIn + ", used by another site", guarded, []edit{site("cross-site")}, 403, 403},
	}
	for _, c := range cases {
		for path, status := range map[string]int{"/admin/api/reload": c.status, "/admin/config": c.page} {
			t.Run(c.name+" at "+path, func(t *testing.T) {
				i := start(t, c.text)
				i.gateway.next = journal.Reload{Generation: 2, Result: journal.ResultSuccess}
				edits := c.edits
				if strings.HasPrefix(c.name, signedIn) {
					edits = append(edits, cookie(i.signIn(t)))
				}
				resp := i.send("POST", path, edits...)
				wantAnswer(t, resp, status, "")
				done := status == 200 || status == 303
				if (len(i.gateway.asked) == 1) != done {
					t.Errorf("status %d, and the gateway was asked %d times", status, len(i.gateway.asked))
				}
				if place := resp.Header.Get("Location"); status == 303 && place != "/admin/config#history" {
					t.Errorf("the button leads to %q", place)
				}
			})
		}
	}
}

func TestMethodsOfTheConfiguration(t *testing.T) {
	cases := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/admin/config", 200, ""},
		{"HEAD", "/admin/config", 200, ""},
		{"GET", "/admin/config/", 200, ""},
		{"PUT", "/admin/config", 405, "GET, HEAD, POST"},
		{"DELETE", "/admin/config", 405, "GET, HEAD, POST"},
		{"OPTIONS", "/admin/config", 405, "GET, HEAD, POST"},
		{"HEAD", "/admin/api/config", 200, ""},
		{"POST", "/admin/api/config", 405, "GET, HEAD"},
		{"HEAD", "/admin/api/reloads", 200, ""},
		{"POST", "/admin/api/reloads", 405, "GET, HEAD"},
		{"GET", "/admin/api/reload", 405, "POST"},
		{"HEAD", "/admin/api/reload", 405, "POST"},
		{"PUT", "/admin/api/reload", 405, "POST"},
		{"POST", "/admin/api/reload/", 200, ""},
		{"post", "/admin/api/reload", 405, "POST"},
		{"GET", "/admin/config/x", 404, ""},
		{"POST", "/admin/reload", 404, ""},
	}
	for _, c := range cases {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			i := start(t, "")
			i.gateway.next.Result = journal.ResultUnchanged
			resp := i.send(c.method, c.path)
			if got := resp.Header.Get("Allow"); got != c.allow {
				t.Errorf("Allow %q, want %q", got, c.allow)
			}
			says := ""
			if c.status == 405 && strings.Contains(c.path, "/api/") {
				says = `{"error":{"code":"method_not_allowed","message":"`
			}
			wantAnswer(t, resp, c.status, says)
			if asked := len(i.gateway.asked); asked > 0 && c.method != "POST" {
				t.Errorf("%s asked for %d reloads", c.method, asked)
			}
		})
	}
}

// unreadable is a body that fails the test if anybody reads it.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("not to be read")
}
func (unreadable) Close() error { return nil }

func TestAReloadReadsNoBodyAndIsLogged(t *testing.T) {
	var log bytes.Buffer
	i := &instance{admin: admin.New(admin.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}), gateway: &fake{journal: journal.New(10, 10)}}
	i.reload(t, guarded)
	i.gateway.next.Result = journal.ResultSuccess
	body := func(r *http.Request) { r.Body, r.ContentLength = unreadable{t}, 1<<40 }
	wantAnswer(t, i.send("POST", "/admin/api/reload", body, bearer(adminToken), from("192.0.2.7:50000")), 200, "")
	if got := log.String(); !strings.Contains(got, "level=INFO") || !strings.Contains(got, "remote_address=192.0.2.7") || strings.Contains(got, adminToken) {
		t.Errorf("log %q", got)
	}
}

// TestTheCallerOfAReloadIsAnswered asks for a reload into a file with another token.
func TestTheCallerOfAReloadIsAnswered(t *testing.T) {
	i := start(t, guarded)
	c := i.signIn(t)
	i.gateway.next = journal.Reload{Generation: 2, Result: journal.ResultSuccess}
	old := i.pages
	i.pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.reload(t, strings.ReplaceAll(guarded, adminToken, "another-token"))
		old.ServeHTTP(w, r)
	})
	wantAnswer(t, i.send("POST", "/admin/config", form(""), cookie(c)), 303, "")
	wantAnswer(t, i.send("GET", "/admin/config", cookie(c)), 401, `value="/admin/config"`)
}

func TestTheConfigurationOnItsPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := start(t, identified+"[llm.providers.\"a.b\"]\ntype = \"demo\"\n[llm.providers.\"a.b\".models.x]\n")
		at := time.Now().Add(-5 * time.Minute)
		add := i.gateway.journal.AddReload
		add(journal.Reload{Generation: 1, Time: at, Cause: journal.CauseStart, Result: journal.ResultSuccess, Hash: strings.Repeat("a", 64)})
		add(journal.Reload{Generation: 2, Time: at, Cause: journal.CauseFile, Result: journal.ResultSuccess, Hash: strings.Repeat("b", 64), Diff: "@@ -1 +1 @@\n-old\n+new <script>alert(1)</script>\n"})
		page := text(t, i.send("GET", "/admin/config"))
		for _, want := range []string{
			`<form method="post" action="/admin/config">`, `aria-current="page">Configuration<`, `href="/admin/api/config"`, `href="/admin/api/reloads"`,
			"at once", `title="[server.health]"`, `title="[llm.providers.&#34;a.b&#34;]"`, "x-client-id", "enterprise", ">line 4<", ">default<",
			"Loaded as generation 2", "Loaded as generation 1", "the file changed", "start of the process", "1 line added, 1 removed",
			`<span class="removed">-old`, `<span class="added">+new &lt;script&gt;`, `<span class="hunk">@@ -1 +1 @@`, `title="` + strings.Repeat("b", 64) + `"`, "5\u202fmin ago",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		for _, no := range []string{`id="reload"`, `id="warnings"`, "still finish", "<script>alert"} {
			if strings.Contains(page, no) {
				t.Errorf("the page has %q", no)
			}
		}

		add(journal.Reload{Generation: 2, Time: time.Now(), Cause: journal.CauseAdmin, Result: journal.ResultFailed, Hash: strings.Repeat("c", 64), Errors: mistaken(), Diff: "+more\n"})
		i.gateway.status.LastReloadError = mistaken().Error()
		i.gateway.status.Watching = "changes are noticed late: no inotify instance"
		i.gateway.status.LiveGenerations = 3
		page = text(t, i.send("GET", "/admin/config"))
		for _, want := range []string{
			`id="reload"`, "nexus.toml:3:1", "nexus.toml:9<", "Unknown key", "Did you mean token?", "3 mistakes", `<span class="added">+more`,
			"Failed: generation 2 went on", "asked for in the admin", `href="#reload"`, "no inotify instance", "seconds late", "2 older ones still finish their requests",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the page of a failed reload lacks %q", want)
			}
		}
		if n := strings.Count(page, "+more"); n != 1 {
			t.Errorf("the newest diff is drawn %d times", n)
		}
		overview := text(t, i.send("GET", "/admin"))
		if !strings.Contains(overview, `href="/admin/config#reload">2 more mistakes, and what changed in the file`) || strings.Contains(overview, "did you mean token") {
			t.Error("the overview does not lead from the first mistake to the page that has all")
		}

		// What is mended is no longer on top.
		add(journal.Reload{Generation: 3, Time: time.Now(), Cause: journal.CauseFile, Result: journal.ResultSuccess})
		i.gateway.status.LastReloadError = ""
		if page = text(t, i.send("GET", "/admin/config")); strings.Contains(page, `id="reload"`) || !strings.Contains(page, "Did you mean token?") {
			t.Error("a mended file is still shown as refused, or its mistakes are forgotten")
		}
	})
}

func TestThePageOfTheConfigurationIsBounded(t *testing.T) {
	var many strings.Builder
	var names []string
	for n := range 300 {
		names = append(names, fmt.Sprintf("%q", fmt.Sprintf("group-%d", n)))
	}
	many.WriteString(strings.Replace(identified, `"free", "pro", "enterprise"`, strings.Join(names, ", "), 1))
	fmt.Fprintf(&many, "[llm.providers.long]\ntype = \"demo\"\n[llm.providers.long.models.one]\nrename = %q\n", strings.Repeat("n", 2000))
	for n := range 1000 {
		fmt.Fprintf(&many, "[llm.providers.p%d]\ntype = \"demo\"\nmodels.one = {}\n", n)
	}
	i := start(t, many.String())
	long := strings.Repeat("+"+strings.Repeat("<", 100)+"\n", 640)
	var problems config.Problems
	for range 51 {
		problems = append(problems, config.Problem{File: "nexus.toml", Line: 1, What: "broken", Fix: "mend it"})
	}
	for range 100 {
		i.gateway.journal.AddReload(journal.Reload{Generation: 1, Time: noon, Cause: journal.CauseFile, Result: journal.ResultFailed, Diff: long, Errors: problems})
	}
	page := text(t, i.send("GET", "/admin/config"))
	if len(page) > 20<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	if got := strings.Count(page, `<span class="added">`); got == 0 || got > 100*200 {
		t.Errorf("%d lines of diffs are drawn", got)
	}
	if got := strings.Count(page, `class="origin"`); got != 2000 {
		t.Errorf("%d keys are drawn", got)
	}
	for _, want := range []string{"640 lines added", "The rest is left out here", "41 more mistakes are left out here", "keys are left out here", "200 more entries", "nnn… (2000 bytes)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	// The JSON has all of it.
	if body := text(t, i.send("GET", "/admin/api/reloads")); strings.Count(body, `"broken"`) != 51*100-100 || !strings.Contains(body, asJSON(t, long)) {
		t.Error("the JSON of the reloads is not whole")
	}
	if body := text(t, i.send("GET", "/admin/api/config")); !strings.Contains(body, `"llm.providers.p999.type"`) || !strings.Contains(body, `"group-299"`) {
		t.Error("the JSON of the configuration is not whole")
	}
}

// TestTheButtonLeadsToWhereThePagesAre has a reload that moves the pages.
func TestTheButtonLeadsToWhereThePagesAre(t *testing.T) {
	i := start(t, guarded)
	moved := load(t, strings.Replace(guarded, "[admin]\n", "[admin]\npath = \"/ops\"\n", 1))
	i.gateway.loaded, i.gateway.next = moved, journal.Reload{Generation: 2, Result: journal.ResultSuccess}
	resp := i.send("POST", "/admin/config", bearer(adminToken), form(""))
	if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || got != "/ops/config#history" {
		t.Errorf("%d, Location %q", resp.StatusCode, got)
	}
}
