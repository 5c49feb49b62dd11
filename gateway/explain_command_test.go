package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nexus/gateway"
	"nexus/gateway/gatewaytest"
	"nexus/gateway/issuer"
	"nexus/gateway/trace"
)

// told are the steps of a trace as their reader sees them, up to the route: what comes after it costs something.
func told(tr *trace.Trace) []string {
	var steps []string
	for _, s := range tr.Steps() {
		steps = append(steps, fmt.Sprintf("%s %s: %s", s.Name, s.Verdict, s.Sentence()))
		if s.Name == trace.Route {
			break
		}
	}
	return steps
}

// outcome is what became of a request, as far as it can be told beforehand.
type outcome struct {
	Client, Group, Model, Provider, Path, Message string
	Outcome                                       trace.Outcome
	Reason                                        trace.Reason
	DecidedBy                                     trace.Decision
	Steps                                         []string
}

func outcomeOf(tr *trace.Trace) outcome {
	return outcome{
		Client: tr.ClientID, Group: tr.Group, Model: tr.Model, Provider: tr.Provider, Path: tr.Path, Message: tr.Message,
		Outcome: tr.Outcome, Reason: tr.Reason, DecidedBy: tr.DecidedBy, Steps: told(tr),
	}
}

// described is a request of a test as a question.
func described(c call, model string) gateway.Question {
	q := gateway.Question{Header: http.Header{}, Peer: netip.MustParseAddr("127.0.0.1"), Model: model}
	for i := 0; i < len(c.header); i += 2 {
		q.Header.Add(c.header[i], c.header[i+1])
	}
	return q
}

// TestAnExplanationIsWhatTheRequestGets sends requests, and holds what the journal has of each against what is said of
// it beforehand.
func TestAnExplanationIsWhatTheRequestGets(t *testing.T) {
	key, other := gatewaytest.NewKey(t, "one", "ES256"), gatewaytest.NewKey(t, "two", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	token := func(more map[string]any) []string {
		return []string{"Authorization", "Bearer " + i.Token(t, key, more)}
	}
	asked := func(model string) string { return strings.Replace(hello, "demo-1", model, 1) }
	files := map[string]string{"headers": tiered, "tokens": tokened(i)}
	for _, tt := range []struct {
		name, file, model string
		header            []string
		reason            trace.Reason
	}{
		{"headers", "headers", "demo-1", []string{"X-Client-Id", "alice", "X-User-Tier", "pro"}, ""},
		{"a header alone", "headers", "assistant", []string{"X-Client-Id", "alice"}, ""},
		{"no header", "headers", "demo-1", []string{"X-Client-Ids", "alice"}, trace.ClientIDMissing},
		{"a header twice", "headers", "demo-1", []string{"X-Client-Id", "alice", "X-Client-Id", "alice"}, trace.ClientIDInvalid},
		{"an unknown group", "headers", "demo-1", []string{"X-Client-Id", "alice", "X-User-Tier", "prp"}, trace.GroupInvalid},
		{"an unknown model", "headers", "demo-9", []string{"X-Client-Id", "alice"}, trace.ModelUnknown},
		{"an unknown provider", "headers", "dmo/demo-1", []string{"X-Client-Id", "alice"}, trace.ProviderUnknown},
		{"half a model", "headers", "demo/", []string{"X-Client-Id", "alice"}, trace.RequestInvalid},
		{"a model that is too long", "headers", strings.Repeat("m", 300), []string{"X-Client-Id", "alice"}, trace.RequestInvalid},
		{"a model of another kind", "headers", "demo/other", []string{"X-Client-Id", "alice"}, ""},
		{"a token", "tokens", "demo-1", token(nil), ""},
		{"a token without a group", "tokens", "demo-1", token(map[string]any{"plan": nil, "plans": "pro"}), ""},
		{"a token with a list of groups", "tokens", "demo-1", token(map[string]any{"plan": []any{"x", "free"}}), ""},
		{"a token of no allowed group", "tokens", "demo-1", token(map[string]any{"plan": []any{"x", "prp"}}), trace.GroupInvalid},
		{"a token without a subject", "tokens", "demo-1", token(map[string]any{"sub": nil}), trace.ClientIDMissing},
		{"no token", "tokens", "demo-1", nil, trace.TokenMissing},
		{"no Bearer", "tokens", "demo-1", []string{"Authorization", "Basic YTpi"}, trace.TokenMalformed},
		{"no JWT", "tokens", "demo-1", []string{"Authorization", "Bearer abc"}, trace.TokenMalformed},
		{"a token of another key", "tokens", "demo-1", []string{"Authorization", "Bearer " + i.Token(t, other, nil)}, trace.TokenKeyUnknown},
		{"a token for somebody else", "tokens", "demo-1", token(map[string]any{"aud": "nexus"}), trace.TokenAudienceMismatch},
		{"a token of somebody else", "tokens", "demo-1", token(map[string]any{"iss": i.URL + "/"}), trace.TokenIssuerMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, files[tt.file])
			g.awaitReady(t, http.StatusOK)
			c := chat(asked(tt.model), tt.header...)
			sent := g.trace(t, g.do(t, c))
			explained, err := gateway.Explain(t.Context(), gateway.Compile(parse(t, files[tt.file])), described(c, tt.model))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(outcomeOf(&sent), outcomeOf(explained)); diff != "" {
				t.Errorf("what happened (-) and what was said (+):\n%s", diff)
			}
			if explained.Reason != tt.reason {
				t.Errorf("reason %q, want %q", explained.Reason, tt.reason)
			}
			if tt.reason != "" && explained.Status != sent.Status {
				t.Errorf("status %d, was %d", explained.Status, sent.Status)
			}
		})
	}
}

func TestAnExplanationAsksTheIssuerOnceAtMost(t *testing.T) {
	key := gatewaytest.NewKey(t, "one", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	plan := gateway.Compile(parse(t, tokened(i)))
	good := described(bearer(i.Token(t, key, nil)), "")
	set, err := issuer.Set(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		set     []byte
		fetches int
	}{{"from the issuer", nil, 1}, {"from a document", set, 0}} {
		before := i.Fetches()
		question := good
		question.KeySet = tt.set
		tr, err := gateway.Explain(t.Context(), plan, question)
		if err != nil || tr.Outcome != trace.Allowed || tr.ClientID != "alice" || tr.Group != "pro" {
			t.Errorf("%s: %v, %+v", tt.name, err, tr)
		}
		if n := i.Fetches() - before; n != tt.fetches {
			t.Errorf("%s: %d fetches", tt.name, n)
		}
	}
	before := i.Fetches()
	for _, refused := range []call{chat(hello), bearer("a.b"), bearer("eyJhbGciOiJub25lIn0.e30.")} {
		if tr, err := gateway.Explain(t.Context(), plan, described(refused, "")); err != nil || tr.Status != http.StatusUnauthorized {
			t.Errorf("%v, %+v", err, tr)
		}
	}
	if n := i.Fetches() - before; n != 0 {
		t.Errorf("%d fetches for what is refused whatever the keys are", n)
	}
	question := good
	question.KeySet = []byte(`{"keys":[]}`)
	if tr, err := gateway.Explain(t.Context(), plan, question); err == nil {
		t.Errorf("a document without a key is used: %+v", tr)
	}
}

func TestAnExplanationSaysWhyThereAreNoKeys(t *testing.T) {
	key := gatewaytest.NewKey(t, "one", "ES256")
	i := gatewaytest.StartIssuer(t, key)
	plan := gateway.Compile(parse(t, tokened(i)))
	question := described(bearer(i.Token(t, key, nil)), "demo-1")
	answers := map[string]http.HandlerFunc{
		"404": http.NotFound,
		"empty": func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{}})
		},
		"slow": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	}
	for name, answer := range answers {
		i.Answer(answer)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		tr, err := gateway.Explain(ctx, plan, question)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		failed := slices.IndexFunc(tr.Steps(), func(s trace.Step) bool { return s.Verdict == trace.Failed })
		if tr.Reason != trace.KeysUnavailable || tr.Status != http.StatusServiceUnavailable || tr.DecidedBy.Key != "server.oauth.url" ||
			failed < 0 || tr.Steps()[failed].Name != trace.Authentication || tr.Steps()[failed].Detail == "" {
			t.Errorf("%s: reason %s, status %d, decided by %+v, steps %q", name, tr.Reason, tr.Status, tr.DecidedBy, told(tr))
		}
	}
}

func TestAnExplanationWithoutAModelEndsBeforeTheRoute(t *testing.T) {
	tr, err := gateway.Explain(t.Context(), gateway.Compile(parse(t, tiered)), described(alice(""), ""))
	if err != nil {
		t.Fatal(err)
	}
	steps := tr.Steps()
	if last := steps[len(steps)-1].Name; tr.Outcome != trace.Allowed || last != trace.RequestLimits || tr.Provider != "" {
		t.Errorf("outcome %s after step %s", tr.Outcome, last)
	}
}

func TestNothingIsExplainedWhereNothingIsServed(t *testing.T) {
	for _, off := range []string{"[llm]\nenabled = false\n", "[llm.protocols.openai]\nenabled = false\n"} {
		plan := gateway.Compile(parse(t, off+tiered))
		if tr, err := gateway.Explain(t.Context(), plan, described(alice(""), "demo-1")); err == nil {
			t.Errorf("%s: %+v", off, tr)
		}
	}
}
