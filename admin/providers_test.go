package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"nexus/gateway"
)

func TestTheJSONOfProviders(t *testing.T) {
	i := start(t, "")
	get := func() *http.Response { return i.send("GET", "/admin/api/providers") }
	wantJSON(t, get(), 200, `{"providers":[]}`)

	yes, no := true, false
	i.gateway.status.Providers = []gateway.ProviderStatus{
		{Name: "openai", Type: "openai", Reachable: &yes, Models: []string{"gpt-5", "gpt-5-mini"}, Latency: 412_345_678 * time.Nanosecond,
			DiscoveredAt: noon.In(time.FixedZone("elsewhere", 3600))},
		{Name: "local", Type: "openai", Reachable: &no, LastError: "connection refused", LastErrorAt: noon},
		{Name: "demo", Type: "demo", Models: []string{}},
	}
	wantJSON(t, get(), 200, `{"providers":[
		{"name":"openai","type":"openai","reachable":true,"models":["gpt-5","gpt-5-mini"],"last_error":null,"last_error_at":null,
			"latency_ms":412.346,"discovered_at":"2026-03-01T12:00:00.123Z"},
		{"name":"local","type":"openai","reachable":false,"models":[],"last_error":"connection refused","last_error_at":"2026-03-01T12:00:00.123Z",
			"latency_ms":null,"discovered_at":null},
		{"name":"demo","type":"demo","reachable":null,"models":[],"last_error":null,"last_error_at":null,"latency_ms":null,"discovered_at":null}]}`)
	page := text(t, i.send("GET", "/admin/providers"))
	for _, want := range []string{"gpt-5-mini", "412", "Not reachable", "Connection refused", "built in"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page says nothing of %q", want)
		}
	}
}

func TestThePageNamesThousandModelsAndTheJSONAll(t *testing.T) {
	i := start(t, "")
	models := make([]string, 1003)
	for n := range models {
		models[n] = fmt.Sprintf("model-%d", n)
	}
	i.gateway.status.Providers = []gateway.ProviderStatus{{Name: "openai", Type: "openai", Models: models}}
	page := text(t, i.send("GET", "/admin/providers"))
	if !strings.Contains(page, "model-999<") || strings.Contains(page, "model-1000<") || !strings.Contains(page, "3 more are left out here") {
		t.Error("the page does not name the first thousand alone and say so")
	}
	if body := text(t, i.send("GET", "/admin/api/providers")); !strings.Contains(body, `"model-1002"`) {
		t.Error("the JSON does not name all")
	}
	if got := i.gateway.status.Providers[0].Models; len(got) != 1003 {
		t.Errorf("the gateway's own list has %d entries afterwards", len(got))
	}
}

func TestAProviderThatCannotBeReachedIsAWarning(t *testing.T) {
	i := start(t, "")
	yes, no := true, false
	i.gateway.status.Providers = []gateway.ProviderStatus{
		{Name: "fine", Type: "openai", Reachable: &yes, LastError: "it was slow once", LastErrorAt: noon},
		{Name: "new", Type: "openai"},
		{Name: "demo", Type: "openai", Reachable: &no, LastError: "connection refused", LastErrorAt: noon},
		{Name: "dotted.name", Type: "openai", Reachable: &no},
	}
	status := text(t, i.send("GET", "/admin/api/status"))
	want := fmt.Sprintf(`"warnings":[{"key":"llm.providers.demo","line":%d,"text":"the provider cannot be reached: connection refused"},`+
		`{"key":"llm.providers.\"dotted.name\"","line":null,"text":"the provider cannot be reached"}]`, i.gateway.status.Config.Line("llm.providers.demo"))
	if !strings.Contains(status, want) {
		t.Errorf("no %s in %s", want, status)
	}
	page := text(t, i.send("GET", "/admin"))
	if !strings.Contains(page, "the provider cannot be reached: connection refused") || !strings.Contains(page, `<a href="/admin/providers">See the providers</a>`) {
		t.Error("the overview does not lead from the warning to the providers")
	}
}

func TestProvidersAreForThoseWhoMayLook(t *testing.T) {
	i := start(t, guarded)
	for path, says := range map[string]string{"/admin/providers": "Admin token", "/admin/api/providers": `"unauthorized"`} {
		wantAnswer(t, i.send("GET", path), 401, says)
		wantAnswer(t, i.send("GET", path, bearer(adminToken)), 200, "")
		wantAnswer(t, i.send("POST", path, bearer(adminToken)), 405, "")
	}
}
