package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"nexus/gateway/trace"
)

// TestRefusals is the table of what callers are told, held against what the trace says of it.
func TestRefusals(t *testing.T) {
	g := start(t, tiered)
	get := func(path string) call {
		return call{method: http.MethodGet, path: path, header: []string{"X-Client-Id", "alice"}}
	}
	tests := []struct {
		name    string
		call    call
		status  int
		kind    string
		code    string
		reason  trace.Reason
		message string
		failed  trace.Name
	}{
		{"no client id", chat(hello), 400, "invalid_request_error", "missing_client_id", trace.ClientIDMissing, "Client identification is required", trace.ClientID},
		{"two client ids", alice(hello, "X-Client-Id", "bob"), 400, "invalid_request_error", "invalid_client_id", trace.ClientIDInvalid, "", trace.ClientID},
		{"a group outside the list", alice(hello, "X-User-Tier", "gold"), 400, "invalid_request_error", "invalid_group", trace.GroupInvalid, "The specified group is not valid", trace.GroupValidation},
		{"no body", alice(""), 400, "invalid_request_error", "invalid_request", trace.RequestInvalid, "Invalid request: ", trace.Route},
		{"a body that is no JSON", alice("{"), 400, "invalid_request_error", "invalid_request", trace.RequestInvalid, "Invalid request: ", trace.Route},
		{"a key twice", alice(`{"model":"a","model":"demo-1","messages":[]}`), 400, "invalid_request_error", "invalid_request", trace.RequestInvalid, "Invalid request: ", trace.Route},
		{"no messages", alice(`{"model":"demo-1"}`), 400, "invalid_request_error", "invalid_request", trace.RequestInvalid, "messages", trace.Route},
		{"no model", alice(`{"messages":[{"role":"user","content":"x"}]}`), 400, "invalid_request_error", "invalid_request", trace.RequestInvalid, "model", trace.Route},
		{"an endless model name", alice(strings.Replace(hello, "demo-1", strings.Repeat("m", 257), 1)), 400, "invalid_request_error", "invalid_request", trace.RequestInvalid, "256", trace.Route},
		{"an empty model part", alice(strings.Replace(hello, "demo-1", "openai/", 1)), 400, "invalid_request_error", "invalid_request", trace.RequestInvalid, "Invalid model format: expected 'provider/model', got 'openai/'", trace.Route},
		{"an unknown model", alice(strings.Replace(hello, "demo-1", "demo-2", 1)), 404, "not_found_error", "model_not_found", trace.ModelUnknown, "Model 'demo-2' not found", trace.Route},
		{"an unknown provider", alice(strings.Replace(hello, "demo-1", "openai/x", 1)), 404, "not_found_error", "provider_not_found", trace.ProviderUnknown, "Provider 'openai' not found", trace.Route},
		{"a parameter that the demo cannot honour", alice(strings.Replace(hello, "{", `{"n":2,`, 1)), 400, "invalid_request_error", "unsupported_parameter", trace.ParameterUnsupported, "", trace.Provider},
		{"parts", alice(hello, "Content-Type", "multipart/form-data; boundary=x"), 415, "invalid_request_error", "unsupported_media_type", trace.ContentTypeUnsupported, "", trace.Route},
		{"a packed body", alice(hello, "Content-Encoding", "gzip"), 415, "invalid_request_error", "unsupported_media_type", trace.ContentTypeUnsupported, "", trace.Route},
		{"a GET", get("/llm/v1/chat/completions"), 405, "invalid_request_error", "method_not_allowed", trace.MethodNotAllowed, "POST is; for example: curl http://127.0.0.1:", trace.Route},
		{"an invented method", call{method: "BREW", path: "/llm/chat/completions", header: []string{"X-Client-Id", "alice"}}, 405, "invalid_request_error", "method_not_allowed", trace.MethodNotAllowed, "BREW is not allowed here", trace.Route},
		{"a POST to the models", call{method: "POST", path: "/llm/models", header: []string{"X-Client-Id", "alice"}}, 405, "invalid_request_error", "method_not_allowed", trace.MethodNotAllowed, "", trace.Route},
		{"a question for other origins", call{method: "OPTIONS", path: "/llm/v1/chat/completions"}, 405, "invalid_request_error", "method_not_allowed", trace.MethodNotAllowed, "", trace.CORS},
		{"an unknown path", get("/llm/v1/chat"), 404, "not_found_error", "endpoint_unknown", trace.EndpointUnknown, "", trace.Route},
		{"the prefix itself", get("/llm"), 404, "not_found_error", "endpoint_unknown", trace.EndpointUnknown, "", trace.Route},
		{"an unknown path without an id", call{method: "GET", path: "/llm/v1/secret"}, 400, "invalid_request_error", "missing_client_id", trace.ClientIDMissing, "", trace.ClientID},
		{"an empty segment", get("/llm//models"), 404, "not_found_error", "endpoint_unknown", trace.EndpointUnknown, "", trace.Route},
		{"two slashes at the end", get("/llm/models//"), 404, "not_found_error", "endpoint_unknown", trace.EndpointUnknown, "", trace.Route},
		{"a way up", get("/llm/v1/../models"), 404, "not_found_error", "endpoint_unknown", trace.EndpointUnknown, "", trace.Route},
		{"another case", get("/llm/v1/Models"), 404, "not_found_error", "endpoint_unknown", trace.EndpointUnknown, "", trace.Route},
		{"a slash in disguise", get("/llm/v1%2Fmodels"), 404, "not_found_error", "endpoint_unknown", trace.EndpointUnknown, "", trace.Route},
		{"another version", get("/llm/v2/models"), 404, "not_found_error", "endpoint_unknown", trace.EndpointUnknown, "", trace.Route},
		{"an unknown model by its id", get("/llm/v1/models/nope"), 404, "not_found_error", "model_not_found", trace.ModelUnknown, "Model 'nope' not found", trace.Route},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := g.do(t, tt.call)
			if a.status != tt.status || a.err.Type != tt.kind || a.err.Code != tt.code || !strings.Contains(a.err.Message, tt.message) {
				t.Errorf("answered %d %s %s: %q", a.status, a.err.Type, a.err.Code, a.err.Message)
			}
			tr := g.trace(t, a)
			if tr.Reason != tt.reason || tr.Outcome != trace.Rejected || tr.Status != tt.status || tr.Message != a.err.Message && !strings.Contains(tr.Message, "a name occurs twice") {
				t.Errorf("trace: %s %s %d %q", tr.Outcome, tr.Reason, tr.Status, tr.Message)
			}
			steps := tr.Steps()
			if last := steps[len(steps)-1]; last.Verdict != trace.Failed || last.Name != tt.failed {
				t.Errorf("the last step is %s %s, want %s failed", last.Name, last.Verdict, tt.failed)
			}
			for i, s := range steps[1:] {
				if s.Name <= steps[i].Name {
					t.Errorf("step %s comes after %s", s.Name, steps[i].Name)
				}
			}
		})
	}
}

func TestAWrongMethodShowsTheRightCall(t *testing.T) {
	g := start(t, tiered)
	a := g.do(t, call{method: "GET", path: "/llm/v1/chat/completions", header: []string{"X-Client-Id", "alice"}})
	if a.header.Get("Allow") != "POST" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
	for _, part := range []string{g.url + "/llm/v1/chat/completions", "-H 'X-Client-ID: you'", `"model":"demo-1"`} {
		if !strings.Contains(a.err.Message, part) {
			t.Errorf("%q does not show %s", a.err.Message, part)
		}
	}
}

func TestProviderFailures(t *testing.T) {
	g := start(t, tiered)
	tests := []struct {
		says         string
		status       int
		kind, prefix string
	}{
		{"error:400", 400, "invalid_request_error", "Invalid request: "},
		{"error:401", 401, "authentication_error", "Authentication failed: "},
		{"error:403", 403, "insufficient_quota", "Insufficient quota: "},
		{"error:404", 404, "not_found_error", ""},
		{"error:422", 422, "invalid_request_error", "Invalid request: "},
		{"error:429", 429, "rate_limit_error", "Rate limit exceeded: "},
		{"error:500", 500, "internal_error", ""},
		{"error:503", 502, "api_error", "Provider API error (503): "},
	}
	for _, tt := range tests {
		for _, stream := range []string{"false", "true"} {
			t.Run(tt.says+" stream "+stream, func(t *testing.T) {
				a := g.do(t, alice(`{"model":"demo-1","stream":`+stream+`,"messages":[{"role":"user","content":"`+tt.says+`"}]}`))
				if a.status != tt.status || a.err.Type != tt.kind || !strings.HasPrefix(a.err.Message, tt.prefix) || a.err.Code == "" {
					t.Errorf("answered %d %+v", a.status, a.err)
				}
				if tt.status == 429 && a.header.Get("Retry-After") == "" {
					t.Error("the provider's Retry-After is lost")
				}
				if tt.status == 401 && (a.header.Get("WWW-Authenticate") != "Bearer" || a.header.Get("Cache-Control") != "no-store") {
					t.Errorf("a 401 has the headers %v", a.header)
				}
				if tr := g.trace(t, a); tr.Outcome != trace.Failure || tr.Reason != trace.ProviderError || tr.Provider != "demo" {
					t.Errorf("trace: %s %s %s", tr.Outcome, tr.Reason, tr.Provider)
				}
			})
		}
	}
}

func TestAnswers(t *testing.T) {
	g := start(t, tiered)
	for _, path := range []string{"/llm/v1/chat/completions", "/llm/chat/completions", "/llm/v1/chat/completions/"} {
		c := alice(hello, "X-User-Tier", "pro")
		c.path = path
		a := g.do(t, c)
		if a.status != 200 || !strings.Contains(a.body, `"model":"demo-1"`) {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		tr := g.trace(t, a)
		if tr.ClientID != "alice" || tr.Group != "pro" || tr.Model != "demo-1" || tr.Provider != "demo" || tr.Outcome != trace.Allowed ||
			tr.Path != path || tr.Input <= 0 || tr.Output <= 0 || tr.Remote.String() != "127.0.0.1" || tr.Generation != 1 {
			t.Errorf("trace %+v", tr)
		}
		if len(tr.Steps()) != 12 {
			t.Errorf("%d steps, want all 12", len(tr.Steps()))
		}
	}
	for _, model := range []string{"demo/demo-1", "demo/anything", "assistant", "demo/assistant"} {
		a := g.do(t, alice(strings.Replace(hello, "demo-1", model, 1)))
		if a.status != 200 || !strings.Contains(a.body, `"model":"`+model+`"`) {
			t.Errorf("%s: %d %s", model, a.status, a.body)
		}
	}
}

func TestModels(t *testing.T) {
	g := start(t, tiered)
	get := func(path string) answered {
		return g.do(t, call{method: http.MethodGet, path: path, header: []string{"X-Client-Id", "alice"}})
	}
	list := get("/llm/v1/models")
	if first, second := strings.Index(list.body, `"demo-1"`), strings.Index(list.body, `"demo/assistant"`); first < 0 || second < first {
		t.Errorf("models: %s", list.body)
	}
	for path, id := range map[string]string{
		"/llm/v1/models/demo-1": "demo-1", "/llm/models/demo/assistant": "demo/assistant", "/llm/v1/models/demo%2Fassistant": "demo/assistant",
		"/llm/v1/models/assistant/": "assistant",
	} {
		if a := get(path); a.status != 200 || !strings.Contains(a.body, `"id":"`+id+`"`) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	head := g.do(t, call{method: http.MethodHead, path: "/llm/v1/models", header: []string{"X-Client-Id", "alice"}})
	if head.status != 200 || head.body != "" {
		t.Errorf("HEAD: %d %q", head.status, head.body)
	}
}

func TestRequestID(t *testing.T) {
	g := start(t, tiered)
	for _, tt := range []struct {
		name string
		sent []string
		kept bool
	}{
		{"a plain id is kept", []string{"X-Request-Id", "My.id_1-2"}, true},
		{"128 characters are kept", []string{"X-Request-Id", strings.Repeat("a", 128)}, true},
		{"129 characters are replaced", []string{"X-Request-Id", strings.Repeat("a", 129)}, false},
		{"a space is replaced", []string{"X-Request-Id", "a b"}, false},
		{"two ids are replaced", []string{"X-Request-Id", "a", "X-Request-Id", "b"}, false},
		{"none is made up for", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"/llm/v1/chat/completions", "/health", "/nowhere"} {
				got := g.do(t, call{method: "GET", path: path, header: tt.sent}).header.Get("X-Request-ID")
				if kept := len(tt.sent) > 1 && got == tt.sent[1]; kept != tt.kept || got == "" {
					t.Errorf("%s: id %q", path, got)
				}
			}
		})
	}
}

func TestHealth(t *testing.T) {
	g := start(t, tiered)
	for path, body := range map[string]string{"/health": `{"status":"healthy"}`, "/ready": `{"status":"ready"}`, "/ready/": `{"status":"ready"}`} {
		if a := g.do(t, call{method: "GET", path: path}); a.status != 200 || a.body != body {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := g.do(t, call{method: "POST", path: "/health"}); a.status != 405 || a.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", a.status, a.header.Get("Allow"))
	}
	for _, path := range []string{"/", "/v1/chat/completions", "/Health", "/health//", "/LLM/v1/models"} {
		if a := g.do(t, call{method: "GET", path: path}); a.status != 404 || a.err.Code != "endpoint_unknown" {
			t.Errorf("%s: %d %+v", path, a.status, a.err)
		}
	}
}

func TestAProtocolAtTheRootLeavesTheRestInPlace(t *testing.T) {
	g := start(t, tiered+"[llm.protocols.openai]\npath = \"/\"\n")
	c := alice(hello)
	c.path = "/v1/chat/completions"
	if a := g.do(t, c); a.status != 200 {
		t.Errorf("answered %d %+v", a.status, a.err)
	}
	if a := g.do(t, call{method: "GET", path: "/health"}); a.status != 200 {
		t.Errorf("health: %d", a.status)
	}
	if a := g.do(t, call{method: "GET", path: "/anything"}); a.err.Code != "missing_client_id" {
		t.Errorf("elsewhere: %d %+v", a.status, a.err)
	}
}

func TestTooManyHeaderFieldsAreRefused(t *testing.T) {
	g := start(t, tiered)
	var many []string
	for range 101 {
		many = append(many, "X-Many", "1")
	}
	a := g.do(t, alice(hello, many...))
	if a.status != 431 {
		t.Errorf("answered %d", a.status)
	}
	if tr := g.trace(t, a); tr.Reason != trace.RequestInvalid || tr.Outcome != trace.Rejected {
		t.Errorf("trace: %s %s", tr.Outcome, tr.Reason)
	}
}

func TestAHostIsNotRepeatedIntoACommand(t *testing.T) {
	g := start(t, tiered)
	answer, _ := g.raw(t, "GET /llm/v1/chat/completions HTTP/1.1\r\nHost: x;reboot&&(poweroff);y\r\nX-Client-ID: alice\r\nConnection: close\r\n\r\n", false)
	if !strings.HasPrefix(answer, "HTTP/1.1 405") || strings.Contains(answer, "reboot") || !strings.Contains(answer, "curl http://127.0.0.1:") {
		t.Errorf("answered %s", answer)
	}
}

func TestLogsTellTheReasonAndNoBody(t *testing.T) {
	g := start(t, tiered)
	a := g.do(t, alice(`{"model":"demo-1","messages":[{"role":"user","content":"c4nary"}],"n":2}`))
	g.trace(t, a)
	log := g.log.String()
	if !strings.Contains(log, "reason=parameter_unsupported") || !strings.Contains(log, "client=alice") || strings.Contains(log, "c4nary") {
		t.Errorf("log:\n%s", log)
	}
}

func TestNoNameOutOfABodyIsKept(t *testing.T) {
	g := start(t, tiered)
	a := g.do(t, alice(`{"model":"demo-1","messages":[],"metadata":{"c4nary":1,"c4nary":2}}`))
	if !strings.Contains(a.err.Message, `the name "c4nary" occurs twice (byte 55)`) {
		t.Errorf("the caller is told %q", a.err.Message)
	}
	tr := g.trace(t, a)
	steps := tr.Steps()
	if kept := tr.Message + steps[len(steps)-1].Sentence() + g.log.String(); strings.Contains(kept, "c4nary") || !strings.Contains(kept, "a name occurs twice (byte 55)") {
		t.Errorf("kept: %s", kept)
	}
}

func TestTheGroupOfARefusalIsNoGroup(t *testing.T) {
	g := start(t, tiered)
	g.trace(t, g.do(t, alice(hello, "X-User-Tier", "gold")))
	g.trace(t, g.do(t, alice(hello, "X-User-Tier", "pro")))
	counts := g.Journal().Groups([]string{"free", "pro"})
	var got []uint64
	for _, c := range counts {
		got = append(got, c.Requests, c.Rejections)
	}
	if !slices.Equal(got, []uint64{0, 0, 1, 0, 1, 1}) {
		t.Errorf("requests and rejections of free, pro and none: %v", got)
	}
}
