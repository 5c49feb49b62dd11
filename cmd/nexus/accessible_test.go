package main_test

import (
	"net/http"
	"os"
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
	for name, view := range views {
		t.Run(name, func(t *testing.T) {
			tab := browser.Tab(t, view)
			for _, path := range []string{"/admin", "/admin/rejections", "/admin/rejections?reason=none", "/admin/traces",
				"/admin/traces/answered", "/admin/traces/refused", "/admin/traces/gone"} {
				tab.Open(t, nexus.URL+path)
				gatewaytest.Evaluate[bool](t, tab, string(rules)+`
					axe.run().then(r => { window.found = [r.passes.length, ...r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html).join(" "))] }); true`)
				found := []any{}
				for end := time.Now().Add(20 * time.Second); len(found) == 0 && time.Now().Before(end); {
					found = gatewaytest.Evaluate[[]any](t, tab, "window.found || []")
				}
				if len(found) == 0 || found[0] == 0.0 {
					t.Fatalf("%s: axe has not looked", path)
				}
				for _, violation := range found[1:] {
					t.Errorf("%s: %s", path, violation)
				}
			}
		})
	}
}
