package web_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"nexus/web"
)

func TestAssets(t *testing.T) {
	assets := web.NewAssets()
	style := assets.URL("/admin", "style.css")
	if !regexp.MustCompile(`^/admin/assets/style\.[0-9a-f]{12}\.css$`).MatchString(style) {
		t.Errorf("the stylesheet is at %q, which holds no hash", style)
	}
	for _, c := range []struct {
		name, method, path string
		status             int
		contentType        string
	}{
		{"the stylesheet is CSS", "GET", style, 200, "text/css; charset=utf-8"},
		{"the icon is SVG", "GET", assets.URL("/admin", "icon.svg"), 200, "image/svg+xml"},
		{"below another base it is the same", "GET", assets.URL("", "icon.svg"), 200, "image/svg+xml"},
		{"a stripped prefix is fine", "GET", strings.TrimPrefix(style, "/admin/assets"), 200, "text/css; charset=utf-8"},
		{"HEAD is answered", "HEAD", style, 200, "text/css; charset=utf-8"},
		{"POST is not", "POST", style, 405, ""},
		{"without its hash there is nothing", "GET", "/admin/assets/style.css", 404, ""},
		{"with an old hash there is nothing", "GET", "/admin/assets/style.000000000000.css", 404, ""},
		{"a name that leads out finds nothing", "GET", "/admin/assets/../view.go", 404, ""},
		{"an unknown name leads to nothing", "GET", assets.URL("/admin", "other.js"), 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			assets.ServeHTTP(w, &http.Request{Method: c.method, URL: parse(t, c.path)})
			if w.Code != c.status {
				t.Fatalf("%s %s is answered %d, want %d", c.method, c.path, w.Code, c.status)
			}
			if cache := w.Header().Get("Cache-Control"); strings.Contains(cache, "immutable") != (c.status == 200) {
				t.Errorf("status %d comes with Cache-Control %q", w.Code, cache)
			}
			if c.status != 200 {
				return
			}
			if got := w.Header().Get("Content-Type"); got != c.contentType {
				t.Errorf("Content-Type is %q, want %q", got, c.contentType)
			}
			if w.Body.Len() == 0 {
				t.Error("the body is empty")
			}
		})
	}
}

func TestAssetsLoadNothingElse(t *testing.T) {
	for _, name := range []string{"style.css", "config.css", "providers.css", "limits.css", "icon.svg"} {
		text := asset(t, name)
		for _, no := range []string{"url(", "@import", "<script", "<style", "href=", "data:"} {
			if strings.Contains(text, no) {
				t.Errorf("%s has %q, which the content security policy would block", name, no)
			}
		}
	}
}

func asset(t *testing.T, name string) string {
	t.Helper()
	assets := web.NewAssets()
	w := httptest.NewRecorder()
	assets.ServeHTTP(w, httptest.NewRequest("GET", assets.URL("/admin", name), nil))
	if w.Code != 200 {
		t.Fatalf("%s is answered %d", name, w.Code)
	}
	return w.Body.String()
}
