package admin_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nexus/admin"
	"nexus/config"
	"nexus/gateway"
	"nexus/gateway/journal"
)

const (
	adminToken   = "correct-horse-battery-staple"
	metricsToken = "scrape-me-if-you-can"
)

// fake is a gateway of which only the parts that the admin reads exist.
type fake struct {
	status  gateway.Status
	journal *journal.Journal
	// next is how the next reload ends; asked are the causes of those that were asked for.
	next  journal.Reload
	asked []journal.Cause
	// loaded is the configuration that runs after the next reload; nil: the same.
	loaded *config.Config
	tiers  []gateway.TierRow
	// limits are how the limits of a client in a group stand, by both with a space between; asks counts who asked.
	limits map[string][]gateway.LimitRow
	asks   int
	out    error // of the store of the limits
}

func (f *fake) Tiers() []gateway.TierRow { return f.tiers }

func (f *fake) Limits(_ context.Context, client, group string) ([]gateway.LimitRow, error) {
	f.asks++
	return f.limits[client+" "+group], f.out
}

func (f *fake) Forget(_ context.Context, client string) (bool, error) {
	if f.out != nil {
		return false, f.out
	}
	return f.journal.ForgetClient(client), nil
}

func (f *fake) Reload(cause journal.Cause) journal.Reload {
	f.asked = append(f.asked, cause)
	f.next.Cause = cause
	f.journal.AddReload(f.next)
	if f.loaded != nil {
		f.status.Config = f.loaded
	}
	return f.next
}

func (f *fake) Status() gateway.Status    { return f.status }
func (f *fake) Journal() *journal.Journal { return f.journal }
func (f *fake) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics of the fake\n") })
}

// load reads a file with the given text and a provider.
func load(t *testing.T, text string) *config.Config {
	t.Helper()
	text += "\n[llm.providers.demo]\ntype = \"demo\"\n[llm.providers.demo.models.echo]\n"
	cfg, problems := config.Parse("nexus.toml", []byte(text), config.Overlay{}, nil)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return cfg
}

// guarded is a file with a token for each surface.
const guarded = `
[admin]
token = "` + adminToken + `"
[telemetry.prometheus]
token = "` + metricsToken + `"
`

// instance is an admin before a fake gateway, at one generation after another.
type instance struct {
	admin          *admin.Admin
	gateway        *fake
	pages, metrics http.Handler
}

func start(t *testing.T, text string) *instance {
	t.Helper()
	i := &instance{admin: admin.New(admin.Options{}), gateway: &fake{journal: journal.New(1000, 1000)}}
	i.reload(t, text)
	return i
}

func (i *instance) reload(t *testing.T, text string) {
	t.Helper()
	cfg := load(t, text)
	i.pages, i.metrics = i.admin.Surfaces(i.gateway, cfg)
	i.gateway.status = gateway.Status{
		Config: cfg, Generation: i.gateway.status.Generation + 1, LiveGenerations: 1,
		LoadedAt: time.Now(), StartedAt: time.Now(), Version: "v1.2.3", Model: "demo/echo",
	}
}

// edit changes a request before it is sent.
type edit func(*http.Request)

func from(peer string) edit          { return func(r *http.Request) { r.RemoteAddr = peer } }
func host(name string) edit          { return func(r *http.Request) { r.Host = name } }
func header(name, value string) edit { return func(r *http.Request) { r.Header.Add(name, value) } }
func bearer(token string) edit       { return header("Authorization", "Bearer "+token) }
func cookie(c *http.Cookie) edit     { return func(r *http.Request) { r.AddCookie(c) } }

func overTLS(r *http.Request) { r.TLS = &tls.ConnectionState{} }

// form makes the request a POST of a form, as a browser on the same origin sends it.
func form(body string) edit {
	return func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader(body))
		r.ContentLength = int64(len(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
}

// send gives a request of a direct loopback caller to the handler that has its path.
func (i *instance) send(method, target string, edits ...edit) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "127.0.0.1:50000"
	r.Host = "localhost:8000"
	for _, e := range edits {
		e(r)
	}
	w := httptest.NewRecorder()
	if strings.HasPrefix(target, "/metrics") {
		i.metrics.ServeHTTP(w, r)
	} else {
		i.pages.ServeHTTP(w, r)
	}
	return w.Result()
}

// signIn signs in by the form and gives the cookie.
func (i *instance) signIn(t *testing.T, edits ...edit) *http.Cookie {
	t.Helper()
	resp := i.send("POST", "/admin/sign-in", append([]edit{form("token=" + adminToken)}, edits...)...)
	if resp.StatusCode != http.StatusSeeOther || len(resp.Cookies()) != 1 {
		t.Fatalf("sign in: status %d, cookies %v", resp.StatusCode, resp.Cookies())
	}
	return resp.Cookies()[0]
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// wantJSON compares an answer with a document, the order of the keys included.
func wantJSON(t *testing.T, resp *http.Response, status int, want string) {
	t.Helper()
	if resp.StatusCode != status {
		t.Errorf("status %d, want %d", resp.StatusCode, status)
	}
	if kind := resp.Header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("content type %q", kind)
	}
	if diff := cmp.Diff(indent(t, want), indent(t, text(t, resp))); diff != "" {
		t.Errorf("document differs (-want +got):\n%s", diff)
	}
}

func indent(t *testing.T, document string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(strings.TrimSpace(document)), "", "  "); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, document)
	}
	return b.String()
}
