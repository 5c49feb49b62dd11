package web_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"nexus/web"
)

func TestTheConfigurationPageSays(t *testing.T) {
	for _, c := range []struct {
		name string
		page web.ConfigPage
		says []string
		not  []string
	}{
		{"a fresh start", freshConfig(), []string{
			"Generation 1 Loaded 12 min ago", "Changes are noticed at once", "9f2c1e5b7a3d", "/etc/nexus/nexus.toml", "Reload now",
			"[server] Key Value From listen_address 127.0.0.1:8123 flag shutdown_timeout 30s default max_body_size 40MiB line 3",
			"[server. client_identification. validation] Key Value From group_values free , pro , enterprise line 11",
			"api_key *** environment, line 15", "token *** environment trusted [] default", "listen – default", `model_filter "" default`,
			"Loaded as generation 1", "start of the process",
		}, []string{"was refused", "Warnings", "still finish", "left out"}},
		{"a file with three mistakes", brokenConfig(), []string{
			"an older one still finishes its requests", "seconds late", "The file on disk was refused 40 s ago 15:08:46 UTC the file changed 3 mistakes",
			"nexus.toml:3:1 server. max_body_sise Unknown key Did you mean max_body_size?", "nexus.toml:11:17",
			"server. oauth The running file has it", "What changed since generation 3", `+group_values = ["free", "pro", "enterprise"]`,
			"too many open files", "Failed: generation 3 went on 40 s ago", "3 mistakes; 2 lines added, 1 removed", "Loaded as generation 3",
		}, []string{"at once and"}},
		{"a long history", longHistory(), []string{
			"Unchanged: still generation 100", "SIGHUP", "Failed: generation 100 went on", "asked for in the admin", "1 mistake", "199 lines added, 1 removed",
			"The rest is left out here; the JSON of the reloads has more.",
		}, []string{"was refused"}},
		{"nothing at all", web.ConfigPage{Frame: frame("config", "Configuration"), Now: now}, []string{"Nothing is configured."}, []string{"left out"}},
		{"more keys than a page takes", web.ConfigPage{Frame: frame("config", "Configuration"), Now: now, MoreSettings: 1}, []string{"1 more key is left out here"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := render(t, web.ConfigView(c.page)).body()
			for _, s := range c.says {
				if !strings.Contains(body, s) {
					t.Errorf("the page does not say %q:\n%s", s, body[:min(len(body), 4000)])
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

func TestTheReloadButtonNeedsNoScript(t *testing.T) {
	d := render(t, web.ConfigView(freshConfig()))
	form := d.all("form")[0]
	if attribute(form, "method") != "post" || attribute(form, "action") != "/admin/config" {
		t.Errorf("the form goes to %s %s", attribute(form, "method"), attribute(form, "action"))
	}
	if b := d.all("button")[0]; attribute(b, "type") != "submit" || b.Parent != form || words(b) != "Reload now" {
		t.Errorf("the form has a button %q of type %q", words(b), attribute(b, "type"))
	}
}

// TestEachPageLeadsToWhatIsWrong follows the banner from every page.
func TestEachPageLeadsToWhatIsWrong(t *testing.T) {
	f := frame("traces", "Traces")
	f.ReloadFailed = true
	if u := render(t, web.TracesView(web.TracesPage{Frame: f, Now: now})).href(t, "See what is wrong"); u.Path != "/admin/config" || u.Fragment != "reload" {
		t.Errorf("the banner leads to %q", u)
	}
	if !strings.Contains(render(t, web.ConfigView(brokenConfig())).source, `id="reload"`) {
		t.Error("the page has no such place")
	}
	o := web.OverviewPage{Frame: f, Status: status(), Now: now}
	for mistakes, label := range map[string]string{
		"one":             "What changed in the file",
		"one\ntwo":        "1 more mistake, and what changed in the file",
		"one\ntwo\nthree": "2 more mistakes, and what changed in the file",
	} {
		o.Status.LastReloadError = &mistakes
		d := render(t, web.Overview(o))
		if u := d.href(t, label); u.Path != "/admin/config" || u.Fragment != "reload" {
			t.Errorf("the overview leads to %q", u)
		}
		if strings.Contains(d.body(), "two") {
			t.Error("the overview tells more than the first mistake")
		}
	}
}

// TestLinesOfADiffAreWhole checks that each line keeps its white space, ends with a line break for those who copy
// it, and has its kind as a class besides its sign.
func TestLinesOfADiffAreWhole(t *testing.T) {
	p := freshConfig()
	p.Reloads[0].Changes = changed("@@ -1,2 +1,2 @@", "   two  spaces", "-\told", "+new")
	d := render(t, web.ConfigView(p))
	pre := d.all("pre")[0]
	var lines, kinds []string
	for n := range pre.Descendants() {
		if n.Type == html.TextNode {
			lines = append(lines, n.Data)
			kinds = append(kinds, attribute(n.Parent, "class"))
		}
	}
	if want := []string{"@@ -1,2 +1,2 @@\n", "   two  spaces\n", "-\told\n", "+new\n"}; !slices.Equal(lines, want) {
		t.Errorf("the lines are %q, want %q", lines, want)
	}
	if want := []string{"hunk", "context", "removed", "added"}; !slices.Equal(kinds, want) {
		t.Errorf("the classes are %q, want %q", kinds, want)
	}
	if attribute(pre, "tabindex") != "0" || attribute(pre, "aria-label") == "" {
		t.Error("what scrolls cannot be reached by keyboard, or has no name")
	}
}

func TestValuesFromTheFileStandOut(t *testing.T) {
	set := map[string]bool{}
	for _, tr := range render(t, web.ConfigView(freshConfig())).all("tr") {
		if cells := strings.Fields(words(tr)); cells[0] != "Key" {
			set[cells[0]] = attribute(tr, "class") == "set"
		}
	}
	for key, want := range map[string]bool{"max_body_size": true, "listen_address": true, "token": true, "shutdown_timeout": false, "ready_path": false} {
		if set[key] != want {
			t.Errorf("%s stands out: %v", key, set[key])
		}
	}
}

func TestOriginsAreOneObjectInOrder(t *testing.T) {
	origins := web.Origins{{Key: "z", From: "file", Line: ptr(3)}, {Key: `a."<b>"`, From: "default"}}
	for want, o := range map[string]web.Origins{
		`{"z":{"from":"file","line":3},"a.\"\u003cb\u003e\"":{"from":"default","line":null}}`: origins,
		`{}`: nil,
	} {
		if got, err := json.Marshal(o); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}
