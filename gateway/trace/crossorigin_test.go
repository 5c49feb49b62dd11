package trace_test

import (
	"strings"
	"testing"

	"nexus/gateway/trace"
)

// TestCrossOriginSentences holds the words about pages of other origins against what an operator needs: which origin, what
// is not allowed, and which key says so.
func TestCrossOriginSentences(t *testing.T) {
	const origin = "https://app.example.com"
	page := func(verdict trace.Verdict, finding trace.Finding, detail string) trace.Step {
		return trace.Step{Name: trace.CORS, Verdict: verdict, Finding: finding, Value: origin, Detail: detail}
	}
	of := func(finding trace.Finding, value string) trace.Step {
		return trace.Step{Name: trace.CORS, Verdict: trace.Failed, Finding: finding, Value: value}
	}
	asked := func(verdict trace.Verdict, finding trace.Finding) trace.Step {
		return trace.Step{Name: trace.CSRF, Verdict: verdict, Finding: finding, Key: "X-Own"}
	}
	tests := []struct {
		step trace.Step
		says []string
	}{
		{page(trace.Skipped, trace.NotConfigured, ""), []string{"cross-origin access is not configured"}},
		{page(trace.Skipped, trace.SameOrigin, ""), []string{`no header "Origin"`}},
		{page(trace.Passed, trace.OriginAllowed, ""), []string{origin, "may read the answer"}},
		{page(trace.Passed, trace.Preflight, ""), []string{origin, "asked", "the request itself comes next"}},
		{page(trace.Failed, trace.OriginRefused, ""), []string{`origin "` + origin + `"`, "not in server.cors.allow_origins", "add the origin there"}},
		{of(trace.OriginRefused, "null"), []string{`origin "null"`, "never allowed", "an origin of its own"}},
		{of(trace.OriginRefused, ""), []string{`origin ""`, "never allowed"}},
		{of(trace.Repeated, origin), []string{`"Origin" occurs more than once`, "server.cors.allow_origins", "in between"}},
		{page(trace.Failed, trace.MethodRefused, "PATCH"), []string{origin, `method "PATCH"`, "add the method to server.cors.allow_methods"}},
		{page(trace.Failed, trace.HeaderRefused, "x-other"), []string{origin, `header "x-other"`, "add the header to server.cors.allow_headers"}},
		{page(trace.Failed, trace.HeaderRefused, ""), []string{origin, "longer than 4 KiB", "set fewer"}},
		{page(trace.Failed, trace.PrivateRefused, ""), []string{origin, "set server.cors.allow_private_network"}},
		{page(trace.Failed, trace.WrongMethod, ""), []string{"OPTIONS", "from the same origin"}},

		{asked(trace.Skipped, trace.NotConfigured), []string{"no header against cross-site requests"}},
		{asked(trace.Passed, trace.Found), []string{`header "X-Own" is there`}},
		{asked(trace.Failed, trace.Absent), []string{`looked for header "X-Own"`, "server.csrf", "with any value"}},
	}
	for _, tt := range tests {
		got := tt.step.Sentence()
		for _, want := range tt.says {
			if !strings.Contains(got, want) {
				t.Errorf("%s %s %d: %q says nothing of %q", tt.step.Name, tt.step.Verdict, tt.step.Finding, got, want)
			}
		}
	}
}
