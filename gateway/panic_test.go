package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"nexus/gateway"
	"nexus/gateway/gatewaytest"
	"nexus/gateway/trace"
)

// thrown is what every bug of these tests throws: it looks like a secret, and is to be seen nowhere.
const thrown = "Bearer sk-c4nary-thrown-0123456789"

// limited is a whole configuration in which everything is counted: requests, by address and by client, slots, and tokens.
const limited = tiered + `
[server.rate_limits.global]
limit = 1000000
interval = "60s"
[server.rate_limits.per_ip]
limit = 1000000
interval = "60s"
`

// stillWell checks that the process answers as if nothing had happened, and that its log tells of the bug and not of what was
// thrown.
func (r *running) stillWell(t *testing.T, panics int) {
	t.Helper()
	for range 3 {
		if a := r.do(t, alice(hello)); a.status != 200 {
			t.Errorf("afterwards: %d %s", a.status, a.body)
		}
	}
	log := r.log.String()
	if strings.Contains(log, "c4nary") {
		t.Errorf("what was thrown is in the log:\n%s", log)
	}
	if n := strings.Count(log, "panicked"); n != panics {
		t.Errorf("the log tells of %d panics, want %d:\n%s", n, panics, log)
	}
	if !strings.Contains(log, "type=") || !strings.Contains(log, "stack=") {
		t.Errorf("the log does not say where:\n%s", log)
	}
	if held := r.InFlight(); held != 0 {
		t.Errorf("%d bytes of bodies are still counted", held)
	}
}

// told checks that a caller was told of a bug, and nothing of it.
func (r *running) told(t *testing.T, a answered) {
	t.Helper()
	if a.status != 500 || a.err.Code != "internal_error" || a.err.Type != "internal_error" || a.header.Get("X-Request-ID") == "" {
		t.Errorf("answered %d %+v, id %q", a.status, a.err, a.header.Get("X-Request-ID"))
	}
	if text := a.body + fmt.Sprint(a.header); strings.Contains(text, "c4nary") {
		t.Errorf("what was thrown is in the answer: %s", text)
	}
}

// traced checks that the trace tells of a bug, and nothing of it.
func (r *running) traced(t *testing.T, a answered) {
	t.Helper()
	tr := r.trace(t, a)
	if tr.Outcome != trace.Failure || tr.Reason != trace.InternalError || tr.Status != 500 || strings.Contains(fmt.Sprintf("%+v", tr), "c4nary") {
		t.Errorf("the trace has %v %s %d", tr.Outcome, tr.Reason, tr.Status)
	}
}

// TestABugBeforeTheFirstByteIsTold: it costs the request that meets it, and no other.
func TestABugBeforeTheFirstByteIsTold(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(g *gateway.Gateway) (mend func())
		call  call
	}{
		{"in the limits, at the door", func(g *gateway.Gateway) func() { return g.BreakStore(thrown, "over") }, alice(hello)},
		{"in the limits, as a request pays", func(g *gateway.Gateway) func() { return g.BreakStore(thrown, "pay") }, alice(hello)},
		{"in the limits, as a request without a model pays", func(g *gateway.Gateway) func() { return g.BreakStore(thrown, "pay") },
			call{method: http.MethodGet, path: "/llm/v1/models", header: []string{"X-Client-Id", "alice"}}},
		{"in the limits, as a refused request pays", func(g *gateway.Gateway) func() { return g.BreakStore(thrown, "pay") }, chat(hello)},
		{"in a provider", func(g *gateway.Gateway) func() { return g.BreakProvider("demo", thrown, 0) }, alice(hello)},
		{"in a provider that streams", func(g *gateway.Gateway) func() { return g.BreakProvider("demo", thrown, 0) }, alice(streaming("Hello"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, limited)
			mend := tt.spoil(g.Gateway)
			a := g.do(t, tt.call)
			mend()
			g.told(t, a)
			g.traced(t, a)
			g.stillWell(t, 1)
		})
	}
}

// TestABugInAnOperatorsPageIsTold, before the first byte as well as after it.
func TestABugInAnOperatorsPageIsTold(t *testing.T) {
	g := start(t, tiered)
	for _, path := range []string{"/admin", "/admin/api/status", "/metrics"} {
		g.told(t, g.do(t, call{method: http.MethodGet, path: path + "?panic=early"}))
		late, _ := g.raw(t, "GET "+path+"?panic=late HTTP/1.1\r\nHost: x\r\n\r\n", false)
		if !strings.Contains(late, "half an ") || strings.HasSuffix(late, "0\r\n\r\n") {
			t.Errorf("%s: an answer that broke off looks whole: %q", path, late)
		}
	}
	g.stillWell(t, 6)
}

// TestABugAfterTheFirstByteIsSeen: the caller must not take what it has for the whole.
func TestABugAfterTheFirstByteIsSeen(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(g *gateway.Gateway) (mend func())
	}{
		{"in a provider", func(g *gateway.Gateway) func() { return g.BreakProvider("demo", thrown, 2) }},
		{"in the limits, as the answer is paid for", func(g *gateway.Gateway) func() { return g.BreakStore(thrown, "settle") }},
	} {
		t.Run(tt.name+", over HTTP/1.1", func(t *testing.T) {
			g := start(t, slotted)
			mend := tt.spoil(g.Gateway)
			conn, answer := g.connect(t, "/llm/v1/chat/completions", streaming("Hello"))
			defer conn.Close()
			response, err := http.ReadResponse(answer, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			mend()
			g.brokeOff(t, response, body, err)
			g.stillWell(t, 1)
		})
		t.Run(tt.name+", over HTTP/2", func(t *testing.T) {
			g, secure := startSecure(t, slotted)
			mend := tt.spoil(g.Gateway)
			request, err := http.NewRequest(http.MethodPost, g.url+"/llm/v1/chat/completions", strings.NewReader(streaming("Hello")))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("X-Client-ID", "alice")
			response, err := secure.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(bufio.NewReader(response.Body))
			mend()
			if response.ProtoMajor != 2 || !strings.Contains(fmt.Sprint(err), "stream error") {
				t.Errorf("%s: the stream is not reset: %v", response.Proto, err)
			}
			g.brokeOff(t, response, body, err)
		})
	}
}

// brokeOff checks a stream that a bug has ended.
func (r *running) brokeOff(t *testing.T, response *http.Response, body []byte, err error) {
	t.Helper()
	if response.StatusCode != 200 || len(body) == 0 {
		t.Errorf("%s, with %d bytes: the answer had not begun", response.Status, len(body))
	}
	if err == nil || strings.Contains(string(body), "[DONE]") {
		t.Errorf("a stream that broke off looks whole (%v): %s", err, body)
	}
	if strings.Contains(string(body), "c4nary") {
		t.Errorf("what was thrown is in the stream: %s", body)
	}
	r.traced(t, answered{header: response.Header})
	if log := r.log.String(); strings.Contains(log, "c4nary") {
		t.Errorf("what was thrown is in the log:\n%s", log)
	}
}

// slotted has callers take slots, which are given back when a request ends, however it does.
const slotted = limited + `
[server.rate_limits.per_user]
concurrent = 1
`

// startSecure is start behind TLS, with a client that speaks HTTP/2 to it.
func startSecure(t *testing.T, text string) (*running, *http.Client) {
	t.Helper()
	ca := gatewaytest.NewAuthority(t)
	cert := ca.Server(t)
	g := start(t, fmt.Sprintf("[server.tls]\ncertificate = %q\nkey = %q\n", cert.Certificate, cert.Key)+text)
	g.url = strings.Replace(g.url, "http://", "https://", 1)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return g, &http.Client{Timeout: 30 * time.Second, Transport: transport}
}

// TestABugBehindTheScenesCostsNothing: an address pays in the background where the store is far away, and nobody waits for it.
func TestABugBehindTheScenesCostsNothing(t *testing.T) {
	g := start(t, limited)
	mend := g.BreakStore(thrown, "pay behind")
	for range 3 {
		if a := g.do(t, chat(hello)); a.status != 400 || a.err.Code != "missing_client_id" {
			t.Errorf("answered %d %s", a.status, a.err.Code)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for strings.Count(g.log.String(), "charging an address panicked") < 3 {
		select {
		case <-ctx.Done():
			t.Fatalf("the log does not tell of it:\n%s", g.log)
		case <-time.After(time.Millisecond):
		}
	}
	mend()
	g.stillWell(t, 3)
}
