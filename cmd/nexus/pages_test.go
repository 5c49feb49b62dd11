package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"nexus/gateway/gatewaytest"
)

// views are a phone and a desk, by day and by night.
var views = map[string]gatewaytest.View{
	"phone-light": {Width: 390, Height: 844},
	"phone-dark":  {Width: 390, Height: 844, Dark: true},
	"desk-light":  {Width: 1440, Height: 900},
	"desk-dark":   {Width: 1440, Height: 900, Dark: true},
}

// request is what somebody types after curl.
type request struct {
	method, path, body string
	header             map[string][]string
}

// send does the request and gives its status and its X-Request-ID.
func send(t *testing.T, base string, r request) (int, string) {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	target.RawPath = r.path
	if target.Path, err = url.PathUnescape(r.path); err != nil {
		t.Fatal(err)
	}
	call := &http.Request{Method: r.method, URL: target, Header: r.header, Body: io.NopCloser(strings.NewReader(r.body)), ContentLength: int64(len(r.body))}
	answer, err := http.DefaultTransport.RoundTrip(call.WithContext(t.Context()))
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatalf("read the answer to %s %s: %v", r.method, r.path, err)
	}
	id := answer.Header.Get("X-Request-ID")
	if id == "" {
		t.Errorf("%s %s was answered without X-Request-ID", r.method, r.path)
	}
	return answer.StatusCode, id
}

const (
	chatPath = "/llm/v1/chat/completions"
	hello    = `{"model":"demo-1","messages":[{"role":"user","content":"Hello"}]}`
)

// from makes the headers of a caller; nothing is left out that is not empty.
func from(client, group string) map[string][]string {
	header := map[string][]string{"Content-Type": {"application/json"}}
	if client != "" {
		header["X-Client-ID"] = []string{client}
	}
	if group != "" {
		header["X-User-Tier"] = []string{group}
	}
	return header
}

// refusal is a request that must not be answered, and how its trace must explain that.
type refusal struct {
	name     string
	request  request
	status   int
	reason   string
	sentence string // a part of the sentence of the step that failed
}

func refusals() []refusal {
	chat := func(header map[string][]string, body string) request {
		return request{method: "POST", path: chatPath, body: body, header: header}
	}
	twice := from("alice", "pro")
	twice["X-Client-ID"] = []string{"alice", "bob"}
	return []refusal{
		{"a caller without an id", chat(from("", "pro"), hello), 400, "client_id_missing", `looked for header "x-client-id"`},
		{"a caller with two ids", chat(twice, hello), 400, "client_id_invalid", "occurs more than once"},
		{"a group with a slip of the pen", chat(from("alice", "enterprize"), hello), 400, "group_invalid",
			`group "enterprize" is not in group_values [free, pro, enterprise]`},
		{"a model nobody has", chat(from("alice", "pro"), `{"model":"demo-99","messages":[{"role":"user","content":"Hello"}]}`),
			404, "model_unknown", "demo-99"},
		{"a provider nobody has", chat(from("alice", "free"), `{"model":"nobody/demo-1","messages":[{"role":"user","content":"Hello"}]}`),
			404, "provider_unknown", "nobody"},
		{"a body that is no JSON", chat(from("bob", ""), `{"model":`), 400, "request_invalid", ""},
		{"a path that is none", request{method: "POST", path: "/llm/v1/chat/completion", body: hello, header: from("bob", "free")},
			404, "endpoint_unknown", "no such endpoint"},
		{"a GET in place of a POST", request{method: "GET", path: chatPath, header: from("bob", "free")}, 405, "method_not_allowed", "POST"},
	}
}

// traced is the part of a trace's JSON that the tests read.
type traced struct {
	Reason *string
	Steps  []struct{ Name, Verdict, Text string }
}

// failedStep fetches a trace as JSON and gives its reason and the sentence of the step that failed.
func failedStep(t *testing.T, base, id string) (reason, sentence string) {
	t.Helper()
	answer, err := http.Get(base + "/admin/api/traces/" + url.PathEscape(id))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the trace %s is answered %s", id, answer.Status)
	}
	var trace traced
	if err := json.NewDecoder(answer.Body).Decode(&trace); err != nil {
		t.Fatal(err)
	}
	if trace.Reason != nil {
		reason = *trace.Reason
	}
	for _, step := range trace.Steps {
		if step.Verdict == "failed" {
			sentence = step.Text
		}
	}
	return reason, sentence
}

func TestEachRefusalIsExplainedOnItsPage(t *testing.T) {
	nexus := gatewaytest.Start(t, identified)
	tab := gatewaytest.OpenBrowser(t).Tab(t, views["desk-light"])
	for _, r := range refusals() {
		t.Run(r.name, func(t *testing.T) {
			status, id := send(t, nexus.URL, r.request)
			if status != r.status {
				t.Errorf("answered %d, want %d", status, r.status)
			}
			reason, sentence := failedStep(t, nexus.URL, id)
			if reason != r.reason {
				t.Errorf("reason %q, want %q", reason, r.reason)
			}
			if sentence == "" || !strings.Contains(sentence, r.sentence) {
				t.Errorf("the step that failed says %q, want a sentence with %q", sentence, r.sentence)
			}
			if status := tab.Open(t, nexus.URL+"/admin/traces/"+url.PathEscape(id)); status != http.StatusOK {
				t.Fatalf("the page of the trace is answered %d", status)
			}
			page := gatewaytest.Evaluate[string](t, tab, `document.querySelector("main").textContent`)
			for _, want := range []string{sentence, r.reason, id} {
				if !strings.Contains(page, want) {
					t.Errorf("the page does not say %q", want)
				}
			}
			if p := tab.Problems(); len(p) != 0 {
				t.Errorf("problems in the browser: %q", p)
			}
		})
	}
}

func TestPagesFitEveryScreen(t *testing.T) {
	nexus := gatewaytest.Start(t, identified)
	browser := gatewaytest.OpenBrowser(t)
	empty := browser.Tab(t, views["phone-light"])
	for _, path := range []string{"/admin", "/admin/rejections", "/admin/traces", "/admin/tiers", "/admin/clients", "/admin/providers", "/admin/config"} {
		look(t, empty, nexus.URL+path)
		empty.Screenshot(t, "empty"+strings.ReplaceAll(path, "/", "-"))
	}

	pages := map[string]string{
		"overview": "/admin", "rejections": "/admin/rejections", "traces": "/admin/traces",
		"filtered": "/admin/rejections?group=pro&text=demo", "nothing-found": "/admin/rejections?client=nobody",
	}
	for i, r := range refusals() {
		_, id := send(t, nexus.URL, r.request)
		pages[fmt.Sprintf("trace-%d-%s", i, r.reason)] = "/admin/traces/" + url.PathEscape(id)
	}
	// A caller with the longest names that there may be: they must not push the page apart.
	long := strings.Repeat("w", 256)
	_, id := send(t, nexus.URL, request{method: "POST", path: chatPath, header: from(long, "free"),
		body: `{"model":"` + long + `","messages":[{"role":"user","content":"Hello"}]}`})
	pages["trace-long"] = "/admin/traces/" + url.PathEscape(id)
	for range 3 {
		_, id = send(t, nexus.URL, request{method: "POST", path: chatPath, header: from("carol", "enterprise"), body: hello})
	}
	pages["trace-allowed"] = "/admin/traces/" + url.PathEscape(id)

	// Reloads with long lines, one of them with mistakes.
	reloadWith(t, nexus, identified+"# "+long+"\n[llm.providers."+strings.Repeat("p", 100)+"]\ntype = \"demo\"\n")
	reloadWith(t, nexus, identified+"# "+long+long+"\n["+long+"]\n[admin]\ntraces = \"many\"\n")
	pages["config"], pages["overview-broken"], pages["providers"] = "/admin/config", "/admin", "/admin/providers"

	for name, view := range views {
		t.Run(name, func(t *testing.T) {
			tab := browser.Tab(t, view)
			for page, path := range pages {
				look(t, tab, nexus.URL+path)
				tab.Screenshot(t, page+"-"+name)
			}
		})
	}
}

// TestTheReloadButton presses it by keyboard: with a file that has a mistake, and with one that has none.
func TestTheReloadButton(t *testing.T) {
	nexus := gatewaytest.Start(t, identified)
	tab := gatewaytest.OpenBrowser(t).Tab(t, views["phone-light"])
	press := func(text, place string) string {
		if err := os.WriteFile(nexus.ConfigPath, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		look(t, tab, nexus.URL+"/admin/config")
		tabTo(t, tab, "the button", `e.matches("main button")`)
		if got := tab.Follow(t, chromedp.KeyEvent(kb.Enter)); got != http.StatusOK {
			t.Fatalf("the button leads to %d", got)
		}
		if at := gatewaytest.Evaluate[string](t, tab, "location.pathname + location.hash"); at != "/admin/config"+place {
			t.Errorf("the button leads to %q", at)
		}
		return mainText(t, tab)
	}
	const mistake = "group_valeus"
	if page := press(strings.Replace(identified, "group_values", mistake, 1), "#reload"); !strings.Contains(page, "The file on disk was refused") || !strings.Contains(page, "nexus.toml:7:1") || !strings.Contains(page, "asked for in the admin") {
		t.Errorf("the page does not say what is wrong: %s", page)
	}
	if page := press(strings.Replace(identified, `"free", `, "", 1), "#history"); strings.Contains(page, "was refused") || !strings.Contains(page, "Loaded as generation 2") {
		t.Errorf("the page does not say that the file is live: %s", page)
	}
	if !strings.Contains(nexus.Output(), "reload asked for") {
		t.Error("the log does not say who asked")
	}
}

// look opens a page that must be answered, whole, and no wider than the screen.
func look(t *testing.T, tab *gatewaytest.Tab, address string) {
	t.Helper()
	if status := tab.Open(t, address); status != http.StatusOK {
		t.Errorf("%s is answered %d", address, status)
	}
	type size struct{ Content, Screen int }
	s := gatewaytest.Evaluate[size](t, tab, `({Content: document.scrollingElement.scrollWidth, Screen: window.innerWidth})`)
	if s.Content > s.Screen {
		t.Errorf("%s is %d wide on a screen of %d", address, s.Content, s.Screen)
	}
	if p := tab.Problems(); len(p) != 0 {
		t.Errorf("%s: problems in the browser: %q", address, p)
	}
}

// TestWhatCallersSendStaysText sends markup in everything that a caller can choose, and opens every page
// that shows it: none of it may become an element or run.
func TestWhatCallersSendStaysText(t *testing.T) {
	nexus := gatewaytest.Start(t, identified)
	browser := gatewaytest.OpenBrowser(t)
	payloads := []string{
		`<script>window.marker=1;alert(1)</script>`,
		`"><img src=nothing onerror="window.marker=1;alert(1)">`,
		`'><svg onload='window.marker=1'>`,
		`javascript:window.marker=1`,
		`</title></main></td><iframe srcdoc="<script>parent.marker=1</script>">`,
	}
	pages := []string{"/admin", "/admin/rejections", "/admin/traces", "/admin/clients"}
	for _, p := range payloads {
		model, err := json.Marshal(map[string]any{"model": p, "messages": []map[string]string{{"role": "user", "content": "Hello"}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []request{
			{method: "POST", path: chatPath, body: hello, header: from(p, "nope")},
			{method: "POST", path: chatPath, body: hello, header: from("mallory", p)},
			{method: "POST", path: chatPath, body: string(model), header: from("mallory", "free")},
			{method: "POST", path: "/llm/v1/" + url.PathEscape(p), body: hello, header: from("mallory", "free")},
			{method: "GET", path: "/llm/v1/models/" + url.PathEscape(p), header: from("mallory", "free")},
			{method: "POST", path: chatPath, body: hello, header: from(p, "free")},
		} {
			_, id := send(t, nexus.URL, r)
			pages = append(pages, "/admin/traces/"+url.PathEscape(id))
		}
		pages = append(pages,
			"/admin/rejections?client="+url.QueryEscape(p), "/admin/rejections?group="+url.QueryEscape(p),
			"/admin/clients?id="+url.QueryEscape(p),
			"/admin/rejections?reason="+url.QueryEscape(p), "/admin/rejections?text="+url.QueryEscape(p))
	}
	tab := browser.Tab(t, views["phone-light"])
	for _, page := range pages {
		look(t, tab, nexus.URL+page)
		ran := gatewaytest.Evaluate[bool](t, tab, `window.marker !== undefined ||
			[...document.scripts].some(s => !s.src) ||
			[...document.links].some(a => !/^https?:$/.test(a.protocol)) ||
			[...document.querySelectorAll("*")].some(e => [...e.attributes].some(a => a.name.startsWith("on"))) ||
			document.querySelector("iframe, img[src=nothing]") !== null`)
		if ran {
			t.Errorf("%s: what a caller sent became part of the page", page)
		}
	}
	if text := gatewaytest.Evaluate[string](t, openTab(t, tab, nexus.URL+"/admin/traces"), `document.body.innerText`); !strings.Contains(text, payloads[0]) {
		t.Errorf("the client id %q is not on the list of traces", payloads[0])
	}
}

func openTab(t *testing.T, tab *gatewaytest.Tab, address string) *gatewaytest.Tab {
	t.Helper()
	look(t, tab, address)
	return tab
}

func TestSigningInWithTheAdminToken(t *testing.T) {
	const token = "a-token-for-this-test-alone"
	nexus := gatewaytest.Start(t, identified+"\n[admin]\ntoken = \""+token+"\"\n")
	_, id := send(t, nexus.URL, refusals()[0].request)
	trace := nexus.URL + "/admin/traces/" + url.PathEscape(id)
	if status, _ := status(t, trace, ""); status != http.StatusUnauthorized {
		t.Errorf("without a token a trace is answered %d", status)
	}
	if status, text := status(t, nexus.URL+"/admin/api/status", token); status != http.StatusOK || strings.Contains(text, token) {
		t.Errorf("with the token as a bearer the status is answered %d: %s", status, text)
	}

	browser := gatewaytest.OpenBrowser(t)
	tab := browser.Tab(t, views["phone-light"])
	look(t, tab, nexus.URL+"/admin/sign-in")
	tab.Screenshot(t, "sign-in")

	if got := tab.Open(t, trace); got != http.StatusUnauthorized {
		t.Errorf("a stranger is answered %d", got)
	}
	if text := mainText(t, tab); strings.Contains(text, "x-client-id") {
		t.Errorf("a stranger reads %q", text)
	}
	enter := func(text string) int {
		return tab.Follow(t, chromedp.SendKeys(chromedp.ID("token"), text+kb.Enter))
	}
	if got := enter("not-the-token"); got != http.StatusUnauthorized || !strings.Contains(mainText(t, tab), "not the token") {
		t.Errorf("a wrong token is answered %d, %q", got, mainText(t, tab))
	}
	tab.Screenshot(t, "sign-in-wrong")
	if got := enter(token); got != http.StatusOK || !strings.Contains(mainText(t, tab), id) {
		t.Errorf("the right token leads to %d, %q, not to the trace that was asked for", got, mainText(t, tab))
	}
	if cookie := gatewaytest.Evaluate[string](t, tab, "document.cookie"); cookie != "" {
		t.Errorf("a script can read the session: %q", cookie)
	}
	if got := tab.Open(t, nexus.URL+"/admin"); got != http.StatusOK {
		t.Errorf("the session does not hold: %d", got)
	}
	if got := tab.Follow(t, chromedp.Click(chromedp.CSS(`form[action$="/sign-out"] button`))); got != http.StatusUnauthorized {
		t.Errorf("after signing out the overview is answered %d", got)
	}
}

func mainText(t *testing.T, tab *gatewaytest.Tab) string {
	t.Helper()
	return gatewaytest.Evaluate[string](t, tab, `document.querySelector("main").textContent`)
}

// status fetches a page as a program does, with a bearer token unless it is empty.
func status(t *testing.T, address, token string) (int, string) {
	t.Helper()
	call, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		call.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultTransport.RoundTrip(call)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// TestPagesAreReachableByKeyboard goes from the overview to a trace without a pointer.
func TestPagesAreReachableByKeyboard(t *testing.T) {
	nexus := gatewaytest.Start(t, identified)
	_, id := send(t, nexus.URL, refusals()[2].request)
	tab := gatewaytest.OpenBrowser(t).Tab(t, views["desk-light"])
	look(t, tab, nexus.URL+"/admin")

	tabTo(t, tab, "the list of refusals in the navigation", `e.matches("nav a") && e.pathname == "/admin/rejections"`)
	if got := tab.Follow(t, chromedp.KeyEvent(kb.Enter)); got != http.StatusOK {
		t.Fatalf("Enter on the navigation leads to %d", got)
	}
	tabTo(t, tab, "the trace in the first row", `e.matches("tbody tr:first-child a") && e.pathname.startsWith("/admin/traces/")`)
	if got := tab.Follow(t, chromedp.KeyEvent(kb.Enter)); got != http.StatusOK {
		t.Fatalf("Enter on the first row leads to %d", got)
	}
	if text := mainText(t, tab); !strings.Contains(text, id) {
		t.Errorf("the first row led to %q", text)
	}
}

// tabTo presses the tab key until the element in focus, e, fulfils the condition, and checks that a
// reader could see where the focus is.
func tabTo(t *testing.T, tab *gatewaytest.Tab, what, condition string) {
	t.Helper()
	const presses = 60
	for range presses {
		tab.Do(t, chromedp.KeyEvent(kb.Tab))
		if !gatewaytest.Evaluate[bool](t, tab, `(e => `+condition+`)(document.activeElement)`) {
			continue
		}
		if !gatewaytest.Evaluate[bool](t, tab, `(s => s.outlineStyle != "none" || s.boxShadow != "none")(getComputedStyle(document.activeElement))`) {
			t.Errorf("nothing shows that %s has the focus", what)
		}
		return
	}
	t.Fatalf("%d presses of the tab key do not reach %s", presses, what)
}
