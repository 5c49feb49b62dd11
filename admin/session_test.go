package admin_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSignIn(t *testing.T) {
	i := start(t, guarded)
	wantAnswer(t, i.send("GET", "/admin/sign-in"), 200, `action="/admin/sign-in"`)
	wantAnswer(t, i.send("POST", "/admin/sign-in", form("token=wrong")), 401, "not the token")
	wantAnswer(t, i.send("POST", "/admin/sign-in", form("token=")), 401, "Enter the token")
	wantAnswer(t, i.send("POST", "/admin/sign-in", form("token=%zz")), 400, "Unreadable form")
	wantAnswer(t, i.send("POST", "/admin/sign-in", form("token="+strings.Repeat("x", 1<<17))), 400, "Unreadable form")
	wantAnswer(t, i.send("POST", "/admin/sign-in?token="+adminToken, form("")), 401, "Enter the token")
	wantAnswer(t, i.send("PUT", "/admin/sign-in", form("token="+adminToken)), 405, "Wrong method")

	c := i.signIn(t)
	wantAnswer(t, i.send("GET", "/admin", cookie(c)), 200, "/admin/sign-out")
	wantAnswer(t, i.send("GET", "/admin/api/traces", cookie(c)), 200, `{"traces":[]}`)
	if body := text(t, i.send("GET", "/admin", bearer(adminToken))); strings.Contains(body, "/admin/sign-out") {
		t.Error("who has no session is offered to leave it")
	}
	wantAnswer(t, i.send("GET", "/admin/sign-in?next=/admin/traces", cookie(c)), 303, "")
	wantAnswer(t, i.send("GET", "/metrics", cookie(c)), 401, "")
	wantAnswer(t, i.send("GET", "/admin", cookie(c), bearer("wrong")), 401, "not the token")
	wantAnswer(t, i.send("GET", "/admin", cookie(c), header("Authorization", "Basic cHJveHk6eA==")), 200, "")
}

func TestCookie(t *testing.T) {
	cases := []struct {
		name, cookie string
		edits        []edit
		secure       bool
	}{
		{"over plain HTTP", "nexus_admin", nil, false},
		{"over TLS", "__Host-nexus_admin", []edit{overTLS}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			i := start(t, guarded)
			got := i.signIn(t, c.edits...)
			if got.Name != c.cookie || got.Secure != c.secure {
				t.Errorf("cookie %q, secure %v", got.Name, got.Secure)
			}
			if !got.HttpOnly || got.SameSite != http.SameSiteStrictMode || got.Path != "/" || got.Domain != "" || got.MaxAge != 8*60*60 {
				t.Errorf("cookie %v", got)
			}
			id, err := base64.RawURLEncoding.DecodeString(got.Value)
			if err != nil || len(id) != 32 {
				t.Errorf("id of %d bytes, %v", len(id), err)
			}
			if other := i.signIn(t, c.edits...); other.Value == got.Value {
				t.Error("two sessions with one id")
			}
			wantAnswer(t, i.send("GET", "/admin", append(c.edits, cookie(got))...), 200, "")
		})
	}
	i := start(t, guarded)
	plain := i.signIn(t)
	wantAnswer(t, i.send("GET", "/admin", overTLS, cookie(plain)), 401, "")
}

func TestASessionDoesNotOpenTheMetrics(t *testing.T) {
	i := start(t, strings.ReplaceAll(guarded, metricsToken, adminToken))
	c := i.signIn(t)
	wantAnswer(t, i.send("GET", "/metrics", cookie(c)), 401, "")
	wantAnswer(t, i.send("GET", "/metrics", bearer(adminToken)), 200, "")
}

func TestSignOut(t *testing.T) {
	i := start(t, guarded)
	one, other := i.signIn(t), i.signIn(t)
	wantAnswer(t, i.send("GET", "/admin/sign-out", cookie(one)), 405, "")
	wantAnswer(t, i.send("POST", "/admin/sign-out", cookie(one), header("Sec-Fetch-Site", "cross-site")), 403, "another origin")
	wantAnswer(t, i.send("GET", "/admin", cookie(one)), 200, "")

	resp := i.send("POST", "/admin/sign-out", form(""), cookie(one))
	wantAnswer(t, resp, 303, "")
	if c := resp.Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || c[0].Value != "" {
		t.Errorf("the cookie is not taken away: %v", c)
	}
	wantAnswer(t, i.send("GET", "/admin", cookie(one)), 401, "")
	wantAnswer(t, i.send("GET", "/admin", cookie(other)), 200, "")
	wantAnswer(t, i.send("POST", "/admin/sign-out", form("")), 303, "")
}

func TestNextStaysInTheAdmin(t *testing.T) {
	cases := []struct{ next, want string }{
		{"/admin/traces", "/admin/traces"},
		{"/admin/rejections?reason=group_invalid&text=a+b", "/admin/rejections?reason=group_invalid&text=a+b"},
		{"/admin/traces/a%2Fb", "/admin/traces/a%2Fb"},
		{"/admin/", "/admin/"},
		{"/admin", "/admin"},
		{"", "/admin"},
		{"https://evil.example/admin", "/admin"},
		{"//evil.example/admin", "/admin"},
		{"/\\evil.example", "/admin"},
		{"/admin\\..\\..", "/admin"},
		{"/admin/\\evil.example", "/admin/%5Cevil.example"},
		{"/admin/../llm", "/admin"},
		{"/admin/%2e%2e/llm", "/admin"},
		{"/admin//evil.example", "/admin"},
		{"/administrator", "/admin"},
		{"/llm/v1/models", "/admin"},
		{"admin/traces", "/admin"},
		{"javascript:alert(1)", "/admin"},
		{"/admin\r\nX-Injected: 1", "/admin"},
		{"/admin/\tx", "/admin"},
		{"/admin/sign-in", "/admin"},
		{"/admin/sign-out", "/admin"},
		{"/admin/traces#steps", "/admin/traces"},
		{"http://[", "/admin"},
	}
	i := start(t, guarded)
	for _, c := range cases {
		resp := i.send("POST", "/admin/sign-in", form("token="+adminToken+"&next="+url.QueryEscape(c.next)))
		if got := resp.Header.Get("Location"); resp.StatusCode != 303 || got != c.want {
			t.Errorf("next %q leads to %q (%d), want %q", c.next, got, resp.StatusCode, c.want)
		}
	}
}

func TestSessionsOverReloads(t *testing.T) {
	const other = `
[admin]
token = "another-token-altogether"
`
	i := start(t, guarded)
	c := i.signIn(t)
	stillIn := func(want int) {
		t.Helper()
		if got := i.send("GET", "/admin", cookie(c)).StatusCode; got != want {
			t.Fatalf("status %d, want %d", got, want)
		}
	}
	i.reload(t, guarded+"\n[server]\nmax_body_size = \"1MiB\"\n")
	stillIn(200)

	// A file that never goes live ends nothing.
	i.admin.Surfaces(i.gateway, load(t, other))
	stillIn(200)
	i.reload(t, guarded)
	stillIn(200)

	i.reload(t, other)
	stillIn(401)
	wantAnswer(t, i.send("GET", "/admin/api/status", bearer(adminToken)), 401, "")
	wantAnswer(t, i.send("GET", "/admin/api/status", bearer("another-token-altogether")), 200, "")

	// The old token's return does not bring its sessions back.
	i.reload(t, guarded)
	stillIn(401)

	c = i.signIn(t)
	i.reload(t, "[admin]\ntoken = \"\"\n")
	stillIn(200) // without a token callers on this machine need no session
	wantAnswer(t, i.send("GET", "/admin", cookie(c), from("192.0.2.7:1")), 403, "")
	i.reload(t, guarded)
	stillIn(401)
}

func TestSessionsEndAfterEightHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := start(t, guarded)
		c := i.signIn(t)
		time.Sleep(8*time.Hour - time.Second)
		wantAnswer(t, i.send("GET", "/admin", cookie(c)), 200, "")
		time.Sleep(time.Second)
		wantAnswer(t, i.send("GET", "/admin", cookie(c)), 401, "")
	})
}

func TestTheOldestSessionGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := start(t, guarded)
		first := i.signIn(t)
		time.Sleep(time.Second)
		second := i.signIn(t)
		time.Sleep(time.Second)
		for range 999 {
			i.signIn(t)
		}
		wantAnswer(t, i.send("GET", "/admin", cookie(first)), 401, "")
		wantAnswer(t, i.send("GET", "/admin", cookie(second)), 200, "")
	})
}

func TestTenWrongTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := start(t, guarded)
		c := i.signIn(t)
		for n := range 10 {
			switch n % 3 {
			case 0:
				wantAnswer(t, i.send("GET", "/admin/api/status", bearer("wrong")), 401, "")
			case 1:
				wantAnswer(t, i.send("POST", "/admin/sign-in", form("token=wrong")), 401, "")
			case 2:
				wantAnswer(t, i.send("GET", "/metrics", bearer("wrong")), 401, "")
			}
			time.Sleep(time.Second)
		}
		// The first of the ten was 10 s ago.
		for _, resp := range []*http.Response{
			i.send("GET", "/admin/api/status", bearer("wrong")),
			i.send("GET", "/admin/api/status", bearer(adminToken)),
			i.send("GET", "/admin", bearer(adminToken)),
			i.send("POST", "/admin/sign-in", form("token="+adminToken)),
			i.send("GET", "/metrics", bearer(metricsToken)),
		} {
			if got := resp.Header.Get("Retry-After"); got != "50" {
				t.Errorf("Retry-After %q", got)
			}
			wantAnswer(t, resp, 429, "Ten wrong tokens")
		}
		wantJSON(t, i.send("GET", "/admin/api/status", bearer("wrong")), 429,
			`{"error":{"code":"too_many_attempts","message":"Ten wrong tokens came from this address within a minute. It can try again in 50 s; until then the right token is refused too."}}`)

		// Who guesses nothing is not in the way of the rule.
		wantAnswer(t, i.send("GET", "/admin", cookie(c)), 200, "")
		wantAnswer(t, i.send("GET", "/admin"), 401, "")
		wantAnswer(t, i.send("GET", "/admin/api/status", bearer(adminToken), from("192.0.2.7:1")), 200, "")
		// A header does not make another address, nor does a reload.
		i.reload(t, guarded)
		wantAnswer(t, i.send("GET", "/admin/api/status", bearer(adminToken), header("X-Forwarded-For", "192.0.2.8")), 429, "")

		time.Sleep(49*time.Second + 100*time.Millisecond)
		if got := i.send("GET", "/metrics", bearer("wrong")).Header.Get("Retry-After"); got != "1" {
			t.Errorf("Retry-After %q for 0.9 s", got)
		}
		time.Sleep(900 * time.Millisecond)
		wantAnswer(t, i.send("GET", "/admin/api/status", bearer(adminToken)), 200, "")
		// The window slides: nine of the ten are still within the last minute.
		wantAnswer(t, i.send("GET", "/admin/api/status", bearer("wrong")), 401, "")
		wantAnswer(t, i.send("GET", "/admin/api/status", bearer(adminToken)), 429, "")
	})
}

func TestNineWrongTokensAMinuteAreForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := start(t, guarded)
		for range 5 {
			for range 9 {
				wantAnswer(t, i.send("GET", "/admin/api/status", bearer("wrong")), 401, "")
			}
			wantAnswer(t, i.send("GET", "/admin/api/status", bearer(adminToken)), 200, "")
			time.Sleep(time.Minute)
		}
	})
}

func TestWhatCountsAsOneAddress(t *testing.T) {
	cases := []struct {
		name  string
		peer  func(n int) string
		share bool
	}{
		{"the ports of one address", func(n int) string { return fmt.Sprintf("192.0.2.1:%d", 1000+n) }, true},
		{"the addresses of an IPv6 /64", func(n int) string { return fmt.Sprintf("[2001:db8:1:2:%x::%x]:1", n, n) }, true},
		{"IPv4 and its mapped form", func(n int) string {
			return [2]string{"192.0.2.1:1", "[::ffff:192.0.2.1]:1"}[n%2]
		}, true},
		{"two IPv4 addresses are two", func(n int) string { return fmt.Sprintf("192.0.2.%d:1", n) }, false},
		{"two IPv6 /64 are two", func(n int) string { return fmt.Sprintf("[2001:db8:1:%x::1]:1", n) }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			i := start(t, guarded)
			for n := range 10 {
				wantAnswer(t, i.send("GET", "/admin/api/status", bearer("wrong"), from(c.peer(n))), 401, "")
			}
			want := 200
			if c.share {
				want = 429
			}
			wantAnswer(t, i.send("GET", "/admin/api/status", bearer(adminToken), from(c.peer(11))), want, "")
		})
	}
}

func TestTheTableOfAddressesIsBounded(t *testing.T) {
	i := start(t, guarded)
	wrongFrom := func(peer string) int {
		return i.send("GET", "/admin/api/status", bearer("wrong"), from(peer)).StatusCode
	}
	for range 10 {
		wrongFrom("192.0.2.1:1")
	}
	if got := wrongFrom("192.0.2.1:1"); got != 429 {
		t.Fatalf("status %d after ten wrong tokens", got)
	}
	for n := range 10_000 {
		if got := wrongFrom(fmt.Sprintf("10.1.%d.%d:1", n/256, n%256)); got != 401 {
			t.Fatalf("status %d for address %d", got, n)
		}
	}
	// 10,000 other addresses later the first one has given way.
	if got := wrongFrom("192.0.2.1:1"); got != 401 {
		t.Errorf("status %d: the address is still remembered", got)
	}
	// Who was wrong again meanwhile has not.
	for range 9 {
		wrongFrom("192.0.2.2:1")
	}
	for n := range 9_990 {
		wrongFrom(fmt.Sprintf("10.2.%d.%d:1", n/256, n%256))
	}
	wrongFrom("192.0.2.2:1")
	for n := range 9_990 {
		wrongFrom(fmt.Sprintf("10.3.%d.%d:1", n/256, n%256))
	}
	if got := wrongFrom("192.0.2.2:1"); got != 429 {
		t.Errorf("status %d: the address that was wrong last is forgotten first", got)
	}
}
