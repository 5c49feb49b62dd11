package admin_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestAccessWithoutToken(t *testing.T) {
	const proxied = "came through a proxy"
	cases := []struct {
		name   string
		path   string
		edits  []edit
		status int
		says   string
	}{
		{"a direct caller on localhost sees the overview", "/admin", nil, 200, "<title>"},
		{"a direct caller by 127.0.0.1 sees it", "/admin", []edit{host("127.0.0.1:8000")}, 200, ""},
		{"another address of 127.0.0.0/8 is as good", "/admin", []edit{host("127.8.9.1"), from("127.8.9.1:1")}, 200, ""},
		{"a direct caller by IPv6 sees it", "/admin", []edit{host("[::1]:8000"), from("[::1]:50000")}, 200, ""},
		{"a mapped loopback peer is a loopback peer", "/admin", []edit{from("[::ffff:127.0.0.1]:50000")}, 200, ""},
		{"a host in capitals without a port is localhost too", "/admin", []edit{host("LOCALHOST")}, 200, ""},
		{"the metrics follow the same rule", "/metrics", nil, 200, "metrics of the fake"},
		{"the JSON follows the same rule", "/admin/api/status", nil, 200, `"generation":1`},
		{"a token that nobody asked for does no harm", "/admin", []edit{bearer("whatever")}, 200, ""},

		{"another machine is refused with the ways out", "/admin", []edit{from("192.0.2.7:50000")}, 403, "admin.token"},
		{"a port-forward is named as a way out", "/admin", []edit{from("192.0.2.7:50000")}, 403, "port-forward"},
		{"another machine is refused the JSON in JSON", "/admin/api/status", []edit{from("192.0.2.7:50000")}, 403, `{"error":{"code":"forbidden","message":"`},
		{"another machine is refused an API path that does not exist", "/admin/api/nothing", []edit{from("192.0.2.7:50000")}, 403, `"forbidden"`},
		{"another machine is refused the metrics in words", "/metrics", []edit{from("192.0.2.7:50000")}, 403, "telemetry.prometheus.token"},
		{"a private network is another machine", "/admin", []edit{from("10.0.0.3:50000")}, 403, ""},
		{"another machine by IPv6 is refused", "/admin", []edit{from("[2001:db8::1]:50000"), host("[::1]")}, 403, ""},
		{"a peer that is no address is refused", "/admin", []edit{from("@")}, 403, "not known"},
		{"an empty peer is refused", "/admin", []edit{from("")}, 403, ""},
		{"X-Forwarded-For does not make a caller local", "/admin", []edit{from("192.0.2.7:50000"), header("X-Forwarded-For", "127.0.0.1")}, 403, ""},
		{"X-Real-IP does not make a caller local", "/admin", []edit{from("192.0.2.7:50000"), header("X-Real-IP", "127.0.0.1")}, 403, ""},
		{"a name that resolves to this machine is refused", "/admin", []edit{host("rebound.example.com:8000")}, 403, "rebound.example.com"},
		{"a name that begins like localhost is refused", "/admin", []edit{host("localhost.example.com")}, 403, ""},
		{"a name that begins like 127.0.0.1 is refused", "/admin", []edit{host("127.0.0.1.example.com")}, 403, ""},
		{"an address in octal is refused", "/admin", []edit{host("0177.0.0.1")}, 403, ""},
		{"a short address is refused", "/admin", []edit{host("127.1")}, 403, ""},
		{"the unspecified address is refused", "/admin", []edit{host("0.0.0.0:8000")}, 403, ""},
		{"a mapped loopback host is refused", "/admin", []edit{host("[::ffff:127.0.0.1]")}, 403, ""},
		{"IPv6 without brackets is refused", "/admin", []edit{host("::1")}, 403, ""},
		{"localhost in brackets is refused", "/admin", []edit{host("[localhost]:8000")}, 403, ""},
		{"a port that is none is refused", "/admin", []edit{host("localhost:80@evil.example")}, 403, ""},
		{"an empty host is refused", "/admin", []edit{host("")}, 403, ""},
		{"the metrics look at the host too", "/metrics", []edit{host("rebound.example.com")}, 403, "rebound.example.com"},

		{"Forwarded is a proxy", "/admin", []edit{header("Forwarded", "for=127.0.0.1")}, 403, proxied},
		{"an empty Forwarded is a proxy", "/admin", []edit{header("Forwarded", "")}, 403, proxied},
		{"X-Forwarded-For is a proxy", "/admin", []edit{header("X-Forwarded-For", "127.0.0.1")}, 403, proxied},
		{"an empty X-Forwarded-Host is a proxy", "/admin", []edit{header("X-Forwarded-Host", "")}, 403, proxied},
		{"any X-Forwarded header is a proxy", "/admin", []edit{header("X-Forwarded-Whatever", "1")}, 403, proxied},
		{"X-Real-IP is a proxy", "/admin", []edit{header("X-Real-IP", "127.0.0.1")}, 403, proxied},
		{"an empty X-Real-IP is a proxy", "/admin", []edit{header("X-Real-IP", "")}, 403, proxied},
		{"Via is a proxy", "/admin", []edit{header("Via", "1.1 front")}, 403, proxied},
		{"an empty Via is a proxy", "/metrics", []edit{header("Via", "")}, 403, proxied},
		{"a forwarding header with underscores is a proxy", "/admin", []edit{func(r *http.Request) { r.Header["x_forwarded_for"] = []string{"::1"} }}, 403, proxied},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			resp := start(t, "").send("GET", c.path, c.edits...)
			wantAnswer(t, resp, c.status, c.says)
		})
	}
}

func TestAccessWithToken(t *testing.T) {
	const signIn = `action="/admin/sign-in"`
	away := from("192.0.2.7:50000")
	cases := []struct {
		name      string
		path      string
		edits     []edit
		status    int
		challenge string
		says      string
	}{
		{"the token opens a page from anywhere", "/admin", []edit{away, host("nexus.example.com"), bearer(adminToken)}, 200, "", "<title>"},
		{"the token opens the JSON through a proxy", "/admin/api/status", []edit{away, header("Via", "x"), bearer(adminToken)}, 200, "", `"version":"v1.2.3"`},
		{"the scheme may be in any case", "/admin/api/status", []edit{away, header("Authorization", "bEARER  "+adminToken)}, 200, "", ""},
		{"the metrics have a token of their own", "/metrics", []edit{away, bearer(metricsToken)}, 200, "", "metrics of the fake"},
		{"a page without a token is the sign-in page", "/admin", []edit{away}, 401, "Bearer", signIn},
		{"also for callers on this machine", "/admin/traces", nil, 401, "Bearer", signIn},
		{"also where there is no page", "/admin/nothing", nil, 401, "Bearer", signIn},
		{"the sign-in page leads back", "/admin/rejections?reason=group_invalid", nil, 401, "Bearer", `value="/admin/rejections?reason=group_invalid"`},
		{"the JSON without a token is 401 in JSON", "/admin/api/traces", nil, 401, "Bearer", `{"error":{"code":"unauthorized","message":"`},
		{"an API path that does not exist is 401 as well", "/admin/api/nothing", nil, 401, "Bearer", `"unauthorized"`},
		{"the metrics without a token are 401 in words", "/metrics", nil, 401, "Bearer", "telemetry.prometheus.token"},
		{"a wrong token is told so", "/admin/api/status", []edit{bearer("wrong")}, 401, `Bearer error="invalid_token"`, "not the token"},
		{"a wrong token on a page is the sign-in page", "/admin", []edit{bearer("wrong")}, 401, `Bearer error="invalid_token"`, signIn},
		{"the beginning of the token is a wrong token", "/admin/api/status", []edit{bearer(adminToken[:8])}, 401, `Bearer error="invalid_token"`, ""},
		{"the token and more is a wrong token", "/admin/api/status", []edit{bearer(adminToken + "x")}, 401, `Bearer error="invalid_token"`, ""},
		{"the token of the metrics does not open the pages", "/admin/api/status", []edit{bearer(metricsToken)}, 401, `Bearer error="invalid_token"`, ""},
		{"the token of the pages does not open the metrics", "/metrics", []edit{bearer(adminToken)}, 401, `Bearer error="invalid_token"`, ""},
		{"a bare Bearer is no token", "/admin/api/status", []edit{header("Authorization", "Bearer")}, 401, "Bearer", ""},
		{"Basic is no token", "/admin/api/status", []edit{header("Authorization", "Basic "+adminToken)}, 401, "Bearer", ""},
		{"two Authorization headers are refused", "/admin/api/status", []edit{bearer(adminToken), bearer(adminToken)}, 401, `Bearer error="invalid_request"`, "more than one"},
		{"two Authorization headers are refused at the metrics", "/metrics", []edit{bearer(metricsToken), header("Authorization", "Basic x")}, 401, `Bearer error="invalid_request"`, ""},
		{"a token in the query is no token", "/admin/api/status?token=" + adminToken, nil, 401, "Bearer", ""},
		{"an invented cookie is no session", "/admin/api/status", []edit{cookie(&http.Cookie{Name: "nexus_admin", Value: "AAAA"})}, 401, "Bearer", ""},
		{"the token as a cookie is no session", "/admin/api/status", []edit{cookie(&http.Cookie{Name: "nexus_admin", Value: adminToken})}, 401, "Bearer", ""},
		{"an empty cookie is no session", "/admin/api/status", []edit{cookie(&http.Cookie{Name: "nexus_admin", Value: ""})}, 401, "Bearer", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			resp := start(t, guarded).send("GET", c.path, c.edits...)
			if got := resp.Header.Get("WWW-Authenticate"); got != c.challenge {
				t.Errorf("WWW-Authenticate %q, want %q", got, c.challenge)
			}
			wantAnswer(t, resp, c.status, c.says)
		})
	}
}

func TestPostsComeFromTheSameOrigin(t *testing.T) {
	site := func(value string) edit { return func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", value) } }
	bare := func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }
	origin := func(value string) edit { return header("Origin", value) }
	cases := []struct {
		name   string
		edits  []edit
		status int
	}{
		{"by Sec-Fetch-Site it is the same origin", nil, 303},
		{"Sec-Fetch-Site comes before an Origin of null", []edit{origin("null")}, 303},
		{"typed by the user", []edit{site("none")}, 303},
		{"no browser at all", []edit{bare}, 303},
		{"by Origin it is the same origin", []edit{bare, origin("http://localhost:8000")}, 303},
		{"another site is refused", []edit{site("cross-site")}, 403},
		{"another site is refused whatever Origin says", []edit{site("cross-site"), origin("http://localhost:8000")}, 403},
		{"another port of the site is refused", []edit{site("same-site")}, 403},
		{"an Origin of null is refused", []edit{bare, origin("null")}, 403},
		{"another Origin is refused", []edit{bare, origin("https://evil.example")}, 403},
		{"another port in Origin is refused", []edit{bare, origin("http://localhost:8001")}, 403},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			resp := start(t, guarded).send("POST", "/admin/sign-in", append([]edit{form("token=" + adminToken)}, c.edits...)...)
			wantAnswer(t, resp, c.status, "")
			if got := len(resp.Cookies()) > 0; got != (c.status == 303) {
				t.Errorf("cookie set: %v", got)
			}
		})
	}
}

func TestMethodsAndPaths(t *testing.T) {
	cases := []struct {
		name         string
		method, path string
		status       int
		allow, says  string
	}{
		{"HEAD works where GET does", "HEAD", "/admin", 200, "", ""},
		{"HEAD works on the JSON", "HEAD", "/admin/api/traces", 200, "", ""},
		{"HEAD works on the metrics", "HEAD", "/metrics", 200, "", ""},
		{"a page is not posted to", "POST", "/admin", 405, "GET, HEAD", "Wrong method"},
		{"the JSON is not deleted", "DELETE", "/admin/api/traces", 405, "GET, HEAD", `"method_not_allowed"`},
		{"OPTIONS is no way in", "OPTIONS", "/admin/api/status", 405, "GET, HEAD", ""},
		{"the metrics are not posted to", "POST", "/metrics", 405, "GET, HEAD", ""},
		{"an asset is not posted to", "POST", "/admin/assets/style.css", 405, "GET, HEAD", ""},
		{"one slash at the end is tolerated", "GET", "/admin/", 200, "", ""},
		{"also after a page", "GET", "/admin/rejections/", 200, "", ""},
		{"also after the JSON", "GET", "/admin/api/status/", 200, "", ""},
		{"two slashes are not", "GET", "/admin//", 404, "", "No such page"},
		{"nor two in the middle", "GET", "/admin//rejections", 404, "", ""},
		{"dots lead nowhere", "GET", "/admin/traces/../rejections", 404, "", ""},
		{"other case is another page", "GET", "/admin/Rejections", 404, "", ""},
		{"a page that does not exist is a page that says so", "GET", "/admin/nothing", 404, "", "No such page"},
		{"a path that only begins like the admin's is none of its", "GET", "/administrator", 404, "", ""},
		{"an API path that does not exist is JSON", "GET", "/admin/api/nothing", 404, "", `{"error":{"code":"not_found","message":"`},
		{"the API itself is no document", "GET", "/admin/api", 404, "", `"not_found"`},
		{"an unknown asset is not found", "GET", "/admin/assets/nothing.css", 404, "", ""},
		{"without a token there is no sign-in", "GET", "/admin/sign-in", 303, "", ""},
		{"a sign-out from a page of before leads back", "POST", "/admin/sign-out", 303, "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			resp := start(t, "").send(c.method, c.path)
			if got := resp.Header.Get("Allow"); got != c.allow {
				t.Errorf("Allow %q, want %q", got, c.allow)
			}
			wantAnswer(t, resp, c.status, c.says)
		})
	}
}

func TestSecurityHeaders(t *testing.T) {
	want := map[string]string{
		"Content-Security-Policy":      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'",
		"X-Frame-Options":              "DENY",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Strict-Transport-Security":    "",
		"Access-Control-Allow-Origin":  "",
	}
	for _, request := range []string{
		"GET /admin", "GET /admin/rejections", "GET /admin/nothing", "POST /admin", "GET /admin/api/status", "GET /admin/api/nothing",
		"GET /admin/assets/nothing.css", "GET /metrics", "POST /metrics",
	} {
		for _, text := range []string{"", guarded} {
			method, path, _ := strings.Cut(request, " ")
			resp := start(t, text).send(method, path, header("Origin", "http://localhost:8000"))
			for name, value := range want {
				if got := resp.Header.Get(name); got != value {
					t.Errorf("%s (%d): %s is %q, want %q", request, resp.StatusCode, name, got, value)
				}
			}
			if got := resp.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s (%d): Cache-Control is %q", request, resp.StatusCode, got)
			}
			if got := resp.Header.Get("Permissions-Policy"); !strings.Contains(got, "camera=(), ") || strings.Contains(got, "self") {
				t.Errorf("%s: Permissions-Policy is %q", request, got)
			}
		}
	}
	if got := start(t, "").send("GET", "/admin", overTLS).Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("under TLS Strict-Transport-Security is %q", got)
	}
}

// wantAnswer checks the status and, where says is not empty, that the body holds it. Pages have a title,
// JSON is JSON, and no token is ever repeated.
func wantAnswer(t *testing.T, resp *http.Response, status int, says string) {
	t.Helper()
	body := text(t, resp)
	if resp.StatusCode != status {
		t.Errorf("status %d, want %d; body:\n%s", resp.StatusCode, status, body)
	}
	if !strings.Contains(body, says) {
		t.Errorf("the answer does not say %q:\n%s", says, body)
	}
	kind := resp.Header.Get("Content-Type")
	if strings.HasPrefix(kind, "text/html") && !hasTitle(body) {
		t.Errorf("a page without a title:\n%s", body)
	}
	if kind == "application/json" {
		indent(t, body)
	}
	if strings.Contains(body, adminToken) || strings.Contains(body, metricsToken) {
		t.Errorf("the answer holds a token:\n%s", body)
	}
}

// hasTitle tells whether a page has a title that says something.
func hasTitle(page string) bool {
	_, rest, _ := strings.Cut(page, "<title>")
	title, _, ok := strings.Cut(rest, "</title>")
	return ok && strings.TrimSpace(title) != ""
}
