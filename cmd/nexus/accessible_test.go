package main_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// axe is the rule set of axe-core: WCAG 2 at A and AA, and its own advice.
const axe = "testdata/clients/npm/node_modules/axe-core/axe.min.js"

// TestPagesAreAccessible holds the pages against axe-core, on a phone and at a desk, by day and by night.
func TestPagesAreAccessible(t *testing.T) {
	rules, err := os.ReadFile(axe)
	if err != nil {
		gatewaytest.Lack(t, "node", "axe-core is not installed")
	}
	nexus := gatewaytest.Start(t, identified)
	named(t, nexus.URL, "answered", from("alice", "pro"), http.StatusOK)
	named(t, nexus.URL, "refused", from("alice", "gold"), http.StatusBadRequest)
	browser := gatewaytest.OpenBrowser(t)
	look := func(state string, paths ...string) {
		for name, view := range views {
			t.Run(state+"/"+name, func(t *testing.T) {
				tab := browser.Tab(t, view)
				for _, path := range paths {
					tab.Open(t, nexus.URL+path)
					for _, violation := range violations(t, tab, string(rules)) {
						t.Errorf("%s: %s", path, violation)
					}
				}
			})
		}
	}
	look("a sound file", "/admin", "/admin/rejections", "/admin/rejections?reason=none", "/admin/traces",
		"/admin/traces/answered", "/admin/traces/refused", "/admin/traces/gone", "/admin/config", "/admin/providers")
	reloadWith(t, nexus, strings.Replace(identified, `"free", `, "", 1))
	reloadWith(t, nexus, strings.Replace(identified, "group_values", "group_valeus", 1)+"\n[admin]\ntraces = \"many\"\n")
	look("a file with mistakes", "/admin", "/admin/config")

	reloadWith(t, nexus, limited)
	chats(t, nexus.URL, "alice", "pro", 12)
	chats(t, nexus.URL, "eve", "enterprise", 3)
	look("limits", "/admin", "/admin/tiers", "/admin/clients", "/admin/clients?id=nobody", "/admin/clients?id=alice", "/admin/clients/eve", "/admin/traces")
	groups := []string{"free", "pro", "enterprise", "four", "five", "six", "seven", "eight"}
	reloadWith(t, nexus, strings.Replace(limited, `["free", "pro", "enterprise"]`, `["`+strings.Join(groups, `", "`)+`"]`, 1))
	look("many groups", "/admin/tiers")
}

// violations are what axe finds on the page of a tab, with all details open.
func violations(t *testing.T, tab *gatewaytest.Tab, rules string) []any {
	t.Helper()
	gatewaytest.Evaluate[bool](t, tab, rules+`
		document.querySelectorAll("details").forEach(d => { d.open = true });
		axe.run().then(r => { window.found = [r.passes.length, ...r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html).join(" "))] }); true`)
	found := []any{}
	for end := time.Now().Add(20 * time.Second); len(found) == 0 && time.Now().Before(end); {
		found = gatewaytest.Evaluate[[]any](t, tab, "window.found || []")
	}
	if len(found) == 0 || found[0] == 0.0 {
		t.Fatal("axe has not looked")
	}
	return found[1:]
}

// reloadWith saves another file and asks for a reload, whose result is in the history then.
func reloadWith(t *testing.T, nexus *gatewaytest.Nexus, text string) {
	t.Helper()
	if err := os.WriteFile(nexus.ConfigPath, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(nexus.URL+"/admin/api/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
}
