package admin_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

// identified is a file whose callers have ids and groups.
const identified = `
[server.client_identification]
enabled = true
client_id.http_header = "x-client-id"
group_id.http_header = "x-user-tier"
[server.client_identification.validation]
group_values = ["free", "pro", "enterprise"]
`

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// refused is a request whose group is not in group_values.
func refused(id string, at time.Time) *trace.Trace {
	t := &trace.Trace{
		ID: id, Time: at.In(time.FixedZone("elsewhere", 3600)), Generation: 3, Method: "POST", Path: "/llm/v1/chat/completions",
		Remote: netip.MustParseAddr("::ffff:127.0.0.1"), ClientID: "alice", Outcome: trace.Rejected, Reason: trace.GroupInvalid,
		Message: "The specified group is not valid", Status: 400, Duration: 1234567 * time.Nanosecond, Input: -1, Output: -1,
		DecidedBy: trace.Decision{Key: "server.client_identification.validation.group_values", File: "nexus.toml", Line: 7},
	}
	t.Note(trace.CORS, trace.Skipped, trace.NotConfigured)
	s := t.Note(trace.ClientID, trace.Passed, trace.Found)
	s.Source, s.Key, s.Value = trace.Header, "x-client-id", "alice"
	s = t.Note(trace.Group, trace.Passed, trace.Found)
	s.Source, s.Key, s.Value = trace.Header, "x-user-tier", "gold"
	s = t.Note(trace.GroupValidation, trace.Failed, trace.NotAllowed)
	s.Value, s.Near, s.Took = "gold", []string{"free", "pro", "enterprise"}, 1500*time.Nanosecond
	return t
}

// answered is a request that a provider has answered.
func answered(id string, at time.Time) *trace.Trace {
	t := &trace.Trace{
		ID: id, Time: at, Generation: 3, Method: "POST", Path: "/llm/v1/chat/completions", Remote: netip.MustParseAddr("2001:db8::1"),
		ClientID: "bob", Group: "pro", Model: "demo/echo", Provider: "demo", Outcome: trace.Allowed, Status: 200,
		Duration: 25 * time.Millisecond, Upstream: 20 * time.Millisecond, FirstToken: 5 * time.Millisecond, Input: 8, Output: 0,
	}
	s := t.Note(trace.Provider, trace.Passed, trace.Answered)
	s.Key, s.Took = "demo", 20*time.Millisecond
	return t
}

const refusedFields = `"id":%q,"time":"2026-03-01T12:00:00.123Z","generation":3,"method":"POST","path":"/llm/v1/chat/completions",
	"remote_address":"127.0.0.1","client_id":"alice","group":null,"model":null,"provider":null,"fallback":null,
	"outcome":"rejected","reason":"group_invalid","message":"The specified group is not valid","status":400,
	"duration_ms":1.235,"upstream_ms":null,"first_token_ms":null,"input_tokens":null,"output_tokens":null,
	"decided_by":{"key":"server.client_identification.validation.group_values","file":"nexus.toml","line":7}`

const answeredFields = `"id":%q,"time":"2026-03-01T12:00:00.123Z","generation":3,"method":"POST","path":"/llm/v1/chat/completions",
	"remote_address":"2001:db8::1","client_id":"bob","group":"pro","model":"demo/echo","provider":"demo","fallback":null,
	"outcome":"allowed","reason":null,"message":null,"status":200,
	"duration_ms":25,"upstream_ms":20,"first_token_ms":5,"input_tokens":8,"output_tokens":0,"decided_by":null`

func TestTheJSONOfTraces(t *testing.T) {
	i := start(t, identified)
	get := func(path string) *http.Response { return i.send("GET", "/admin/api/"+path) }
	wantJSON(t, get("traces"), 200, `{"traces":[]}`)
	wantJSON(t, get("rejections"), 200, `{"rejections":[]}`)

	i.gateway.journal.Add(refused("one", noon))
	i.gateway.journal.Add(answered("two", noon))
	i.gateway.journal.Add(refused("three", noon))
	one, two, three := fmt.Sprintf(refusedFields, "one"), fmt.Sprintf(answeredFields, "two"), fmt.Sprintf(refusedFields, "three")
	wantJSON(t, get("traces"), 200, `{"traces":[{`+three+`},{`+two+`},{`+one+`}]}`)
	wantJSON(t, get("traces?limit=2"), 200, `{"traces":[{`+three+`},{`+two+`}]}`)
	wantJSON(t, get("traces?limit=99999999999999999999999"), 200, `{"traces":[{`+three+`},{`+two+`},{`+one+`}]}`)
	wantJSON(t, get("rejections"), 200, `{"rejections":[{`+three+`},{`+one+`}]}`)
	wantJSON(t, get("rejections?limit=1"), 200, `{"rejections":[{`+three+`}]}`)

	wantJSON(t, get("traces/three"), 200, `{`+three+`,"steps":[
		{"name":"cors","verdict":"skipped","text":"cross-origin access is not configured","ms":0},
		{"name":"client_id","verdict":"passed","text":"header \"x-client-id\" says \"alice\"","ms":0},
		{"name":"group","verdict":"passed","text":"header \"x-user-tier\" says \"gold\"","ms":0},
		{"name":"group_validation","verdict":"failed","text":`+sentenceOf(t, "three", i)+`,"ms":0.002}]}`)
	wantJSON(t, get("traces/two"), 200, `{`+two+`,"steps":[{"name":"provider","verdict":"passed","text":"provider \"demo\" answered","ms":20}]}`)
	wantJSON(t, get("traces/t%68ree/"), 200, strings.TrimSpace(indent(t, text(t, get("traces/three")))))
	wantAnswer(t, get("traces/four"), 404, `"not_found"`)

	unknown := trace.Trace{ID: "bare", Time: noon, Method: "GET", Path: "/llm", Outcome: trace.Rejected, Reason: trace.EndpointUnknown, Status: 404,
		Input: -1, Output: -1, DecidedBy: trace.Decision{Key: "llm.protocols.openai.path", File: "nexus.toml"}}
	i.gateway.journal.Add(&unknown)
	wantJSON(t, get("rejections?limit=1"), 200, `{"rejections":[{"id":"bare","time":"2026-03-01T12:00:00.123Z","generation":0,"method":"GET","path":"/llm",
		"remote_address":null,"client_id":null,"group":null,"model":null,"provider":null,"fallback":null,
		"outcome":"rejected","reason":"endpoint_unknown","message":null,"status":404,
		"duration_ms":0,"upstream_ms":null,"first_token_ms":null,"input_tokens":null,"output_tokens":null,
		"decided_by":{"key":"llm.protocols.openai.path","file":null,"line":null}}]}`)
}

// sentenceOf is the last step of a trace in words, as JSON.
func sentenceOf(t *testing.T, id string, i *instance) string {
	t.Helper()
	kept, ok := i.gateway.journal.Trace(id)
	if !ok {
		t.Fatalf("no trace %q", id)
	}
	steps := kept.Steps()
	return fmt.Sprintf("%q", steps[len(steps)-1].Sentence())
}

func TestFilters(t *testing.T) {
	i := start(t, identified)
	i.gateway.journal.Add(refused("one", noon))
	other := refused("two", noon)
	other.ClientID, other.Reason, other.Model = "carol", trace.ModelUnknown, "gpt-99"
	i.gateway.journal.Add(other)
	cases := []struct{ query, want string }{
		{"", "two one"},
		{"?reason=group_invalid", "one"},
		{"?reason=no_such_reason", ""},
		{"?client=carol", "two"},
		{"?client=+carol+", "two"},
		{"?client=car", ""},
		{"?group=pro", ""},
		{"?text=GPT-99", "two"},
		{"?text=%3Cscript%3E", ""},
		{"?reason=group_invalid&client=carol", ""},
		{"?limit=1&client=alice", "one"},
		{"?limit=", "two one"},
	}
	for _, c := range cases {
		body := text(t, i.send("GET", "/admin/api/rejections"+c.query))
		var got []string
		for _, part := range strings.Split(body, `"id":"`)[1:] {
			id, _, _ := strings.Cut(part, `"`)
			got = append(got, id)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q gives %q, want %q", c.query, got, c.want)
		}
		page := text(t, i.send("GET", "/admin/rejections"+c.query))
		for _, id := range []string{"one", "two"} {
			if shown := strings.Contains(page, "/admin/traces/"+id+`"`); shown != strings.Contains(c.want, id) {
				t.Errorf("page %q: shows %s: %v", c.query, id, shown)
			}
		}
	}
	for _, limit := range []string{"0", "-1", "ten", "1.5", "1e3", "%20", "0x10", "-99999999999999999999999"} {
		for _, list := range []string{"traces", "rejections"} {
			wantAnswer(t, i.send("GET", "/admin/api/"+list+"?limit="+limit), 400, `{"error":{"code":"invalid_limit","message":"`)
		}
	}
}

func TestTheJSONOfGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := start(t, identified)
		get := func() *http.Response { return i.send("GET", "/admin/api/groups") }
		zero := func(group string) string {
			return `{"group":` + group + `,"requests":0,"rejections":0,"input_tokens":0,"output_tokens":0}`
		}
		wantJSON(t, get(), 200, `{"groups":[`+zero(`"free"`)+`,`+zero(`"pro"`)+`,`+zero(`"enterprise"`)+`,`+zero(`null`)+`]}`)

		i.gateway.journal.Add(answered("one", time.Now()))
		i.gateway.journal.Add(answered("two", time.Now()))
		i.gateway.journal.Add(refused("three", time.Now()))
		pro := `{"group":"pro","requests":2,"rejections":0,"input_tokens":16,"output_tokens":0}`
		none := `{"group":null,"requests":1,"rejections":1,"input_tokens":0,"output_tokens":0}`
		wantJSON(t, get(), 200, `{"groups":[`+zero(`"free"`)+`,`+pro+`,`+zero(`"enterprise"`)+`,`+none+`]}`)

		i.reload(t, strings.Replace(identified, `["free", "pro", "enterprise"]`, `["enterprise", "free"]`, 1))
		wantJSON(t, get(), 200, `{"groups":[`+zero(`"enterprise"`)+`,`+zero(`"free"`)+`,`+none+`]}`)
		i.reload(t, "")
		wantJSON(t, get(), 200, `{"groups":[`+none+`]}`)
	})
}

func TestTheJSONOfStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := start(t, identified)
		i.gateway.status.StartedAt = noon
		i.gateway.status.LoadedAt = noon.Add(time.Hour)
		now := noon.Add(90 * time.Minute)
		time.Sleep(time.Until(now))
		common := func() string {
			return fmt.Sprintf(`"generation":%d,"live_generations":1,"hash":%q,"file":"nexus.toml","loaded_at":"2026-03-01T13:00:00.123Z",
				"started_at":"2026-03-01T12:00:00.123Z","uptime_seconds":5400,"version":"v1.2.3"`, i.gateway.status.Generation, i.gateway.status.Config.Hash())
		}
		get := func() *http.Response { return i.send("GET", "/admin/api/status") }
		wantJSON(t, get(), 200, `{`+common()+`,
			"identification":{"client_id":{"source":"http_header","name":"x-client-id"},"group_id":{"source":"http_header","name":"x-user-tier"}},
			"warnings":[],"last_reload_error":null,"limiter":null}`)

		again := func(text string) {
			i.reload(t, text)
			i.gateway.status.StartedAt, i.gateway.status.LoadedAt = noon, noon.Add(time.Hour)
		}
		again("[server.client_identification]\nenabled = true\nclient_id.http_header = \"x-client-id\"\n")
		wantJSON(t, get(), 200, `{`+common()+`,"identification":{"client_id":{"source":"http_header","name":"x-client-id"},"group_id":null},
			"warnings":[],"last_reload_error":null,"limiter":null}`)

		again("")
		i.gateway.status.LastReloadError = "nexus.toml:1: broken"
		wantJSON(t, get(), 200, `{`+common()+`,"identification":null,"warnings":[],"last_reload_error":"nexus.toml:1: broken","limiter":null}`)
		wantAnswer(t, i.send("GET", "/admin"), 200, "nexus.toml:1: broken")
	})
}

func TestWarningsAreShown(t *testing.T) {
	i := start(t, `
[server]
listen_address = "0.0.0.0:8000"
[server.client_identification]
enabled = true
client_id.http_header = "x-client-id"
`)
	warnings := i.gateway.status.Config.Warnings()
	if len(warnings) == 0 {
		t.Fatal("the file has no warning to show")
	}
	w := warnings[0]
	body := text(t, i.send("GET", "/admin/api/status"))
	want := fmt.Sprintf(`"key":%q,"line":%d,"text":`, w.Key, w.Line)
	if !strings.Contains(body, want) {
		t.Errorf("no %s in %s", want, body)
	}
}

// TestAnIDOfDotsHasItsTrace follows the link of an id that a path cannot hold.
func TestAnIDOfDotsHasItsTrace(t *testing.T) {
	i := start(t, identified)
	for _, id := range []string{".", ".."} {
		i.gateway.journal.Add(refused(id, noon))
		if body := text(t, i.send("GET", "/admin/rejections")); !strings.Contains(body, `href="/admin/traces?id=`+id+`"`) {
			t.Errorf("no link to %q", id)
		}
		wantAnswer(t, i.send("GET", "/admin/traces?id="+id), 200, "")
		wantAnswer(t, i.send("GET", "/admin/api/traces?id="+id), 200, `{"id":"`+id+`"`)
	}
}

func TestHostileIDs(t *testing.T) {
	i := start(t, identified)
	for _, id := range []string{
		"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "../../etc/passwd", "a/b", "a%2Fb", "%", "\x00", "\xff\xfe", "ä", "..", ".", "'--",
		strings.Repeat("x", 5000),
	} {
		path := url.PathEscape(id)
		resp := i.send("GET", "/admin/traces/"+path)
		body := text(t, resp)
		if resp.StatusCode != 404 || !hasTitle(body) || !strings.Contains(body, "No such trace") || !strings.Contains(body, "The last 1000 requests") {
			t.Errorf("%.40q: status %d\n%s", id, resp.StatusCode, body)
		}
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") {
			t.Errorf("%.40q stands in the page as it came", id)
		}
		wantAnswer(t, i.send("GET", "/admin/api/traces/"+path), 404, `{"error":{"code":"not_found","message":"`)
	}

	// What callers send is shown as text wherever it shows.
	hostile := refused("hostile", noon)
	hostile.ClientID, hostile.Model, hostile.Path = `<script>alert(1)</script>`, `"><script>alert(1)</script>`, "/llm/\xff<script>alert(1)</script>"
	i.gateway.journal.Add(hostile)
	for _, path := range []string{"", "/rejections", "/rejections?client=%3Cscript%3Ealert(1)%3C/script%3E&text=%22%3E%3Cscript%3Ealert", "/traces", "/traces/hostile", "/api/traces", "/nothing%3Cscript%3Ealert"} {
		if body := text(t, i.send("GET", "/admin"+path)); strings.Contains(body, "<script>alert") {
			t.Errorf("%s holds what a caller sent as it came", path)
		}
	}
	wantAnswer(t, i.send("GET", "/admin", host("<script>alert(1)</script>")), 403, "&lt;script&gt;")
}

func TestPages(t *testing.T) {
	i := start(t, identified)
	wantAnswer(t, i.send("GET", "/admin"), 200, "curl")
	i.gateway.journal.Add(refused("one", noon))
	i.gateway.journal.Add(answered("two", noon))
	cases := []struct{ path, says string }{
		{"/admin", "/admin/traces/one"},
		{"/admin", "enterprise"},
		{"/admin/rejections", "/admin/traces/one"},
		{"/admin/rejections", `value="pro"`},
		{"/admin/rejections", `value="group_invalid"`},
		{"/admin/traces", "/admin/traces/two"},
		{"/admin/traces/one", "is not in group_values"},
		{"/admin/traces/one", "nexus.toml:7"},
	}
	for _, c := range cases {
		resp := i.send("GET", c.path)
		wantAnswer(t, resp, 200, c.says)
		if kind := resp.Header.Get("Content-Type"); kind != "text/html; charset=utf-8" {
			t.Errorf("%s: content type %q", c.path, kind)
		}
	}
	// A page of a trace names the steps that a refusal spared it, and only then.
	if body := text(t, i.send("GET", "/admin/traces/one")); !strings.Contains(strings.ToLower(body), "token limit") {
		t.Errorf("the steps that were not reached are missing:\n%s", body)
	}
	gone := refused("three", noon)
	gone.Outcome, gone.Reason = trace.Failure, trace.ClientGone
	i.gateway.journal.Add(gone)
	if body := text(t, i.send("GET", "/admin/traces/three")); strings.Contains(strings.ToLower(body), "token limit") {
		t.Errorf("a request that was not refused has steps that it was spared:\n%s", body)
	}
}

func TestTheExampleGetsAnAnswer(t *testing.T) {
	i := start(t, identified+"\n[server]\nlisten_address = \"127.0.0.1:8123\"\n")
	body := text(t, i.send("GET", "/admin"))
	for _, part := range []string{"http://127.0.0.1:8123/llm/v1/chat/completions", "x-client-id: alice", "x-user-tier: free", "demo/echo"} {
		if !strings.Contains(body, part) {
			t.Errorf("the example lacks %q", part)
		}
	}
}

func TestAssetsNeedNoSignIn(t *testing.T) {
	i := start(t, guarded)
	page := text(t, i.send("GET", "/admin", from("192.0.2.7:1")))
	_, rest, ok := strings.Cut(page, `href="/admin/assets/style.`)
	hash, _, _ := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("the sign-in page has no stylesheet:\n%s", page)
	}
	resp := i.send("GET", "/admin/assets/style."+hash, from("192.0.2.7:1"))
	wantAnswer(t, resp, 200, "{")
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/css") {
		t.Errorf("content type %q", kind)
	}
	if got := resp.Header.Get("Content-Security-Policy"); got == "" {
		t.Error("no Content-Security-Policy")
	}
}

func TestAnotherPath(t *testing.T) {
	i := start(t, "[admin]\npath = \"/ops/nexus\"\n")
	wantAnswer(t, i.send("GET", "/ops/nexus"), 200, `href="/ops/nexus/traces"`)
	wantAnswer(t, i.send("GET", "/ops/nexus/api/traces"), 200, `{"traces":[]}`)
	wantAnswer(t, i.send("GET", "/admin"), 404, "")
}

func TestKeptIsTold(t *testing.T) {
	i := start(t, "")
	i.gateway.journal = journal.New(12, 34)
	wantAnswer(t, i.send("GET", "/admin/traces/gone"), 404, "The last 12 requests and the last 34 refusals")
}
