package web_test

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/net/html"

	"nexus/web"
)

// document is a page as a browser would read it.
type document struct {
	source string
	nodes  []*html.Node // all elements, in order
}

func render(t testing.TB, c templ.Component) document {
	t.Helper()
	var b strings.Builder
	if err := c.Render(t.Context(), &b); err != nil {
		t.Fatalf("render: %v", err)
	}
	root, err := html.Parse(strings.NewReader(b.String()))
	if err != nil {
		t.Fatalf("parse the page: %v", err)
	}
	d := document{source: b.String()}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			d.nodes = append(d.nodes, n)
		}
	}
	return d
}

func (d document) all(tag string) []*html.Node {
	return slices.DeleteFunc(slices.Clone(d.nodes), func(n *html.Node) bool { return n.Data != tag || n.Namespace != "" && tag == "title" })
}

// body is the text of the page, without its title, white space folded.
func (d document) body() string { return words(d.all("body")[0]) }

func (d document) href(t *testing.T, label string) *url.URL {
	t.Helper()
	for _, a := range d.all("a") {
		if words(a) == label {
			return parse(t, attribute(a, "href"))
		}
	}
	t.Fatalf("there is no link %q", label)
	return nil
}

func words(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data + " ")
		}
	}
	return strings.Join(strings.Fields(spaced(b.String())), " ")
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("address %q: %v", address, err)
	}
	return u
}

// TestPagesTellTheirOriginToThemselves: with no referrer at all Chromium's own form posts have a null origin, which the
// guard against other origins refuses.
func TestPagesTellTheirOriginToThemselves(t *testing.T) {
	for _, meta := range render(t, web.SignIn(web.SignInPage{})).all("meta") {
		if attribute(meta, "name") == "referrer" && attribute(meta, "content") == "same-origin" {
			return
		}
	}
	t.Error("the page does not say so")
}

func TestEveryPage(t *testing.T) {
	for name, page := range pages() {
		t.Run(name, func(t *testing.T) {
			d := render(t, page)
			frameIsComplete(t, d)
			nothingRunsOrLoads(t, d)
			referencesHold(t, d)
			tablesAreNamed(t, d)
		})
	}
}

// frameIsComplete checks what each page must have once, and that headings skip no level.
func frameIsComplete(t *testing.T, d document) {
	if !strings.HasPrefix(d.source, "<!doctype html>") {
		t.Error("the page has no doctype")
	}
	if attribute(d.all("html")[0], "lang") != "en" {
		t.Error("the page does not say its language")
	}
	if !strings.Contains(d.source, `<meta name="viewport" content="width=device-width, initial-scale=1">`) {
		t.Error("the page has no viewport for phones")
	}
	for _, tag := range []string{"title", "h1", "main", "header"} {
		if found := d.all(tag); len(found) != 1 || words(found[0]) == "" {
			t.Errorf("the page has %d <%s>, or an empty one; want one with text", len(found), tag)
		}
	}
	if skip := d.all("a")[0]; attribute(skip, "href") != "#main" {
		t.Errorf("the first link leads to %q, want the content", attribute(skip, "href"))
	}
	level := 0
	for _, n := range d.nodes {
		if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
			if l := int(n.Data[1] - '0'); l > level+1 {
				t.Errorf("heading %q is of level %d after %d", words(n), l, level)
			} else {
				level = l
			}
		}
	}
}

// nothingRunsOrLoads checks what the content security policy would block, and more: no script, no
// inline style, no handler, nothing from elsewhere.
func nothingRunsOrLoads(t *testing.T, d document) {
	for _, n := range d.nodes {
		if slices.Contains([]string{"script", "style", "iframe", "object", "embed", "base", "template"}, n.Data) {
			t.Errorf("the page has a <%s>", n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc", a.Key == "formaction":
				t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
			case a.Key == "href" || a.Key == "src" || a.Key == "action":
				if a.Val != "/admin" && !strings.HasPrefix(a.Val, "/admin/") && !strings.HasPrefix(a.Val, "/admin#") && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("<%s> leads to %q, which is not the admin's", n.Data, a.Val)
				}
			}
		}
	}
}

// referencesHold checks that what points to an element of the page finds it, once.
func referencesHold(t *testing.T, d document) {
	ids := map[string]int{}
	for _, n := range d.nodes {
		if id := attribute(n, "id"); id != "" {
			ids[id]++
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %q stands %d times", id, n)
		}
	}
	for _, n := range d.nodes {
		refs := strings.Fields(attribute(n, "aria-labelledby") + " " + attribute(n, "aria-describedby") + " " + attribute(n, "for"))
		if local, ok := strings.CutPrefix(attribute(n, "href"), "#"); ok {
			refs = append(refs, local)
		}
		for _, ref := range refs {
			if ids[ref] == 0 {
				t.Errorf("<%s> points to %q, which is not there", n.Data, ref)
			}
		}
		if n.Data == "time" {
			if _, err := time.Parse(time.RFC3339, attribute(n, "datetime")); err != nil {
				t.Errorf("a time has datetime %q", attribute(n, "datetime"))
			}
		}
		if field := n.Data == "input" && attribute(n, "type") != "hidden" || n.Data == "select"; field {
			if !strings.Contains(d.source, `for="`+attribute(n, "id")+`"`) {
				t.Errorf("field %q has no label", attribute(n, "name"))
			}
		}
	}
}

func tablesAreNamed(t *testing.T, d document) {
	if tables, captions := len(d.all("table")), len(d.all("caption")); tables != captions {
		t.Errorf("%d tables have %d captions", tables, captions)
	}
	for _, th := range d.all("th") {
		if attribute(th, "scope") == "" {
			t.Errorf("table heading %q has no scope", words(th))
		}
	}
}

// TestHostileText fills every text of every view model with an attack, whatever fields there are, and
// looks whether one of them became more than text.
func TestHostileText(t *testing.T) {
	filled := map[string]templ.Component{
		"overview":   web.Overview(poisoned[web.OverviewPage]()),
		"rejections": web.RejectionsView(poisoned[web.RejectionsPage]()),
		"traces":     web.TracesView(poisoned[web.TracesPage]()),
		"trace":      web.TraceView(poisoned[web.TracePage]()),
		"tiers":      web.TiersView(poisoned[web.TiersPage]()),
		"clients":    web.ClientsView(poisoned[web.ClientsPage]()),
		"client":     web.ClientView(poisoned[web.ClientPage]()),
		"providers":  web.ProvidersView(poisoned[web.ProvidersPage]()),
		"config":     web.ConfigView(poisoned[web.ConfigPage]()),
		"sign-in":    web.SignIn(poisoned[web.SignInPage]()),
		"message":    web.Message(poisoned[web.MessagePage]()),
	}
	for name, page := range filled {
		t.Run(name, func(t *testing.T) {
			d := render(t, page)
			nothingRunsOrLoads(t, d)
			for _, img := range d.all("img") {
				if !strings.HasPrefix(attribute(img, "src"), "/admin/assets/icon.") {
					t.Errorf("an image of %q got onto the page", attribute(img, "src"))
				}
			}
			if name == "sign-in" {
				if next := attribute(d.all("input")[0], "value"); next != hostile {
					t.Errorf("next came out as %q", next)
				}
			} else if !strings.Contains(d.body(), strings.TrimSpace(hostile)) {
				t.Error("the text is not on the page as it is")
			}
		})
	}
}

// poisoned is a view model in which each text is hostile, each pointer set, each list of one entry.
func poisoned[T any]() T {
	var v T
	poison(reflect.ValueOf(&v).Elem())
	return v
}

func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		poison(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		poison(v.Index(0))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(now))
			return
		}
		for i := range v.NumField() {
			poison(v.Field(i))
		}
		if f, ok := v.Addr().Interface().(*web.Frame); ok {
			f.Base = "/admin" // made from the configuration, which says only what is a path
		}
	}
}

func TestLinksKeepWhatTheyCarry(t *testing.T) {
	ids := []string{"k3w8z5", "a/b", "a?b#c", "a%2fb", "..%2f..", `"><script>`, "käse", "a b", hostile}
	for _, id := range ids {
		tr := refused()
		tr.ID, tr.ClientID = id, ptr(id)
		d := render(t, web.TraceView(web.TracePage{Frame: frame("traces", "Trace"), Trace: tr, Now: now}))
		if u := d.href(t, "JSON"); u.Path != "/admin/api/traces/"+id || u.RawQuery != "" || strings.Contains(u.EscapedPath()[len("/admin/api/traces/"):], "/") {
			t.Errorf("the JSON of trace %q is said to be at %q", id, u)
		}
		if u := d.href(t, "Refusals of this client"); u.Query().Get("client") != id || len(u.Query()) != 1 || u.Fragment != "" {
			t.Errorf("the refusals of client %q are said to be at %q", id, u)
		}
		f := web.Filter{Reason: id, Text: id}
		d = render(t, web.RejectionsView(rejections(f, []web.Trace{tr})))
		if u := d.href(t, "group not allowed"); u.Path != "/admin/traces/"+id {
			t.Errorf("trace %q is said to be at %q", id, u)
		}
		want := url.Values{"reason": {id}, "client": {id}, "text": {id}}
		if u := d.href(t, strings.Join(strings.Fields(id), " ")); !reflect.DeepEqual(u.Query(), want) {
			t.Errorf("narrowing to client %q leads to %q", id, u)
		}
	}
}

func TestFilterForm(t *testing.T) {
	f := web.Filter{Reason: "rate_limit_user", Client: "alice", Group: "pro", Text: "gpt"}
	d := render(t, web.RejectionsView(rejections(f, list(3, refused))))
	form := d.all("form")[0]
	if attribute(form, "method") != "get" || attribute(form, "action") != "/admin/rejections" {
		t.Errorf("the form goes to %s %s", attribute(form, "method"), attribute(form, "action"))
	}
	got := map[string]string{}
	for _, n := range d.all("input") {
		got[attribute(n, "name")] = attribute(n, "value")
	}
	for _, n := range d.all("option") {
		if slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "selected" }) {
			got[attribute(n.Parent, "name")] = attribute(n, "value")
		}
	}
	want := map[string]string{"reason": f.Reason, "client": f.Client, "group": f.Group, "text": f.Text}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the form shows %v, want %v, a reason that its list does not know included", got, want)
	}
}

func TestPagesSay(t *testing.T) {
	all := pages()
	for _, c := range []struct {
		name, page string
		says       []string
		not        []string
	}{
		{"an unused instance shows a call that works", "overview-empty", []string{"Nobody has called yet", "curl http://127.0.0.1:8000/llm/v1/chat/completions", "Nothing has been refused yet.", "Nobody is identified", "no group"}, []string{"All refusals"}},
		{"the overview tells how callers are known", "overview-full", []string{"The client id comes from the request header x-client-id .", "The group comes from the request header x-user-tier .", "nexus.toml:14", "25 735", "3.7%", "9f2c1e5b7a3d", "2 d 3 h", "Sign out", "generation 3"}, []string{"Nobody has called yet", "Mend it"}},
		{"a failed reload stands on top with its mistake", "overview-broken", []string{"The file on disk is not what runs", "nexus.toml:42:1:", "2 alive", "redis, degraded"}, nil},
		{"no refusal yet", "rejections-empty", []string{"Nothing has been refused yet.", "the newest 1 000 are kept"}, []string{"Clear the filter"}},
		{"no refusal matches", "rejections-nomatch", []string{"No refusal matches.", "Clear the filter"}, []string{"Nothing has been refused"}},
		{"one refusal matches", "rejections-one", []string{"1 refusal matches", "group not allowed group_invalid", "7 s ago 15:09:19 UTC", "Show all"}, nil},
		{"a refused trace says why, and what to change", "trace-refused", []string{"Refused with 400: group not allowed", "The caller was told: The specified group is not valid", `What to change Group "enterprize" is not in group_values`, "server. client_identification. validation. group_values at nexus.toml:17", "Group validation failed", "Provider not reached", "2026-03-14 15:08:44 UTC", "127.0.0.1"}, []string{"What went wrong"}},
		{"an allowed trace has nothing to change", "trace-allowed", []string{"Allowed, answered with 200", "1.28 s, of which 1.28 s at the provider", "after 212 ms", "1 280 in, 412 out", "Provider passed"}, []string{"What to change", "Decided by", "not reached"}},
		{"a failed trace says what went wrong", "trace-failed", []string{"Failed with 502: the provider failed", "What went wrong", "1 280 in, – out"}, []string{"What to change"}},
		{"a list of all kinds says how each ended", "traces-full", []string{"Allowed", "Refused: no client id", "Failed: the provider failed", "1 000 requests; the newest 1 000 are kept."}, nil},
		{"who must sign in learns nothing of the instance", "signin", []string{"Admin token"}, []string{"generation", "v0.1.0", "Overview"}},
		{"who is kept out learns nothing of the instance", "message-forbidden", []string{"403 Forbidden", "Only for this machine", "Forward a port"}, []string{"generation", "v0.1.0", "Overview"}},
		{"a page that is not there leads back", "message-notfound", []string{"404 Not Found", "No such trace", "To the overview"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := render(t, all[c.page]).body()
			for _, s := range c.says {
				if !strings.Contains(body, s) {
					t.Errorf("the page does not say %q:\n%s", s, body[:min(len(body), 3000)])
				}
			}
			for _, s := range c.not {
				if strings.Contains(body, s) {
					t.Errorf("the page says %q", s)
				}
			}
		})
	}
}

func TestAKeyThatTheFileDoesNotSay(t *testing.T) {
	tr := refused()
	tr.DecidedBy = &web.DecidedBy{Key: "server.max_body_size"}
	if body := render(t, web.TraceView(web.TracePage{Trace: tr, Now: now})).body(); !strings.Contains(body, "at its default: the file does not set it") {
		t.Errorf("the page does not say that a default decided:\n%s", body)
	}
}

func TestSigningInAndOut(t *testing.T) {
	in := render(t, web.SignIn(web.SignInPage{Frame: web.Frame{Base: "/ops", Title: "Sign in"}, Next: "/ops/traces", Wrong: "this is not the token"}))
	form := in.all("form")[0]
	if attribute(form, "method") != "post" || attribute(form, "action") != "/ops/sign-in" {
		t.Errorf("the form goes to %s %s", attribute(form, "method"), attribute(form, "action"))
	}
	fields := map[string]string{}
	for _, n := range in.all("input") {
		fields[attribute(n, "name")] = attribute(n, "type") + " " + attribute(n, "value")
	}
	if want := map[string]string{"next": "hidden /ops/traces", "token": "password "}; !reflect.DeepEqual(fields, want) {
		t.Errorf("the form has %v, want %v", fields, want)
	}
	for _, signedIn := range []bool{true, false} {
		f := frame("traces", "Traces")
		f.SignedIn = signedIn
		out := render(t, web.TracesView(web.TracesPage{Frame: f, Now: now})).all("form")
		if (len(out) == 1 && attribute(out[0], "method") == "post" && attribute(out[0], "action") == "/admin/sign-out") != signedIn {
			t.Errorf("signed in: %v, and the page has %d forms", signedIn, len(out))
		}
	}
}

func TestMessagesOfReadersWhoMayNotLook(t *testing.T) {
	for code, nav := range map[int]int{http.StatusUnauthorized: 0, http.StatusForbidden: 0, http.StatusTooManyRequests: 0, http.StatusNotFound: 1, http.StatusInternalServerError: 1} {
		d := render(t, web.Message(web.MessagePage{Frame: frame("", "Message"), Status: code, Headline: "No", Text: "No."}))
		if got := len(d.all("nav")); got != nav {
			t.Errorf("status %d has %d navigations, want %d", code, got, nav)
		}
	}
}

func BenchmarkRejections(b *testing.B) {
	page := web.RejectionsView(rejections(web.Filter{}, list(1000, refused)))
	var out strings.Builder
	for b.Loop() {
		out.Reset()
		if err := page.Render(b.Context(), &out); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(out.Len()))
}
