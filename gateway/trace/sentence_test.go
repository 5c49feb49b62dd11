package trace_test

import (
	"fmt"
	"strings"
	"testing"

	"nexus/gateway/trace"
)

// TestEachFailureSaysWhatToDo holds every sentence of a failed step against what an operator needs: what was
// found, and who must change what.
func TestEachFailureSaysWhatToDo(t *testing.T) {
	tests := []struct {
		step trace.Step
		says []string
	}{
		{trace.Step{Name: trace.ClientID, Finding: trace.Absent, Key: "x-client-id", Near: []string{"X-Other"}}, []string{`"x-client-id"`, "it has X-Other", "server.client_identification.client_id.http_header"}},
		{trace.Step{Name: trace.ClientID, Finding: trace.Untrusted, Key: "x-client-id", Detail: "192.0.2.1"}, []string{"192.0.2.1", "trusted_sources"}},
		{trace.Step{Name: trace.Group, Finding: trace.Unprintable, Key: "x-user-tier"}, []string{`"x-user-tier"`, "plain text"}},
		{trace.Step{Name: trace.GroupValidation, Finding: trace.NotAllowed, Value: "gold", Near: []string{"free", "pro"}}, []string{`group "gold"`, "[free, pro]", "group_values must list it"}},
		{trace.Step{Name: trace.Route, Finding: trace.UnknownPath, Key: "/llm", Near: []string{"GET /llm/models"}}, []string{"GET /llm/models"}},
		{trace.Step{Name: trace.Route, Finding: trace.WrongMethod, Key: "POST", Detail: "GET"}, []string{"takes POST, not GET"}},
		{trace.Step{Name: trace.Route, Finding: trace.BadBody, Detail: "model is missing"}, []string{"model is missing", "the caller must mend it"}},
		{trace.Step{Name: trace.Route, Finding: trace.BodyOverSize, Detail: "20MiB"}, []string{"server.max_body_size (20MiB)"}},
		{trace.Step{Name: trace.Route, Finding: trace.BodyOverMemory, Detail: "512MiB"}, []string{"server.max_body_memory (512MiB)"}},
		{trace.Step{Name: trace.Route, Finding: trace.BodyKind, Detail: "parts (multipart)"}, []string{"plain JSON"}},
		{trace.Step{Name: trace.Route, Finding: trace.UnknownModel, Value: "demo", Near: []string{"demo-1"}, Detail: "demo-1"}, []string{`model "demo"`, `did you mean "demo-1"?`}},
		{trace.Step{Name: trace.Route, Finding: trace.UnknownProvider, Value: "x/y", Key: "x", Near: []string{"demo"}}, []string{`provider "x"`, "there are demo", "llm.providers"}},
		{trace.Step{Name: trace.Provider, Finding: trace.BadParameter, Key: "demo", Value: "n", Detail: "the demo gives one answer"}, []string{`"n"`, "leave it out"}},
		{trace.Step{Name: trace.Provider, Finding: trace.Broken, Key: "demo", Detail: "the provider answered 429"}, []string{"429"}},
	}
	for _, tt := range tests {
		tt.step.Verdict = trace.Failed
		got := tt.step.Sentence()
		for _, want := range tt.says {
			if !strings.Contains(got, want) {
				t.Errorf("%s %d: %q says nothing of %q", tt.step.Name, tt.step.Finding, got, want)
			}
		}
	}
}

func TestALongListIsCounted(t *testing.T) {
	var groups []string
	for i := range 100 {
		groups = append(groups, fmt.Sprintf("g%d", i))
	}
	s := trace.Step{Name: trace.GroupValidation, Verdict: trace.Failed, Finding: trace.NotAllowed, Value: "x", Near: groups}
	if got := s.Sentence(); !strings.Contains(got, "g19 and 80 more]") {
		t.Errorf("sentence %q", got)
	}
}

func TestOneStepTooManyTakesThePlaceOfTheLast(t *testing.T) {
	var tr trace.Trace
	for range 20 {
		tr.Note(trace.Route, trace.Passed, trace.Routed)
	}
	tr.Note(trace.Provider, trace.Failed, trace.Broken)
	steps := tr.Steps()
	if len(steps) != 12 || steps[11].Name != trace.Provider {
		t.Errorf("%d steps, the last is %s", len(steps), steps[len(steps)-1].Name)
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	for _, r := range trace.Reasons {
		if r.Words() == string(r) {
			t.Errorf("reason %s has no words", r)
		}
	}
}
