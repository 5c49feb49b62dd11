package gateway_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/journal"
	"nexus/gateway/trace"
)

// explained is the part of a request that must cost nothing: who calls, every step noted, the record kept.
func explained() func() {
	id := identity.Compile(&config.ClientIdentification{
		Enabled:    true,
		ClientID:   config.ClientSource{HTTPHeader: "x-client-id"},
		GroupID:    config.Source{HTTPHeader: "x-user-tier"},
		Validation: config.Validation{GroupValues: []string{"free", "pro"}},
	})
	evidence := identity.Evidence{Header: http.Header{"X-Client-Id": {"alice"}, "X-User-Tier": {"pro"}}, Peer: netip.MustParseAddr("127.0.0.1")}
	kept := journal.New(1000, 1000)
	var tr trace.Trace
	return func() {
		tr = trace.Trace{ID: "id", Time: time.Now(), Method: http.MethodPost, Path: "/llm/chat/completions"}
		tr.Note(trace.CORS, trace.Skipped, trace.NotConfigured)
		client, err := id.Identify(evidence, &tr)
		if err != nil {
			panic(err)
		}
		tr.ClientID, tr.Group = client.ID, client.Group
		kept.Add(&tr)
	}
}

func TestIdentifyingAndKeepingARequestAllocatesNothing(t *testing.T) {
	explain := explained()
	for range 2000 { // until the ring has its full size
		explain()
	}
	if n := testing.AllocsPerRun(1000, explain); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkIdentify(b *testing.B) {
	explain := explained()
	for range 2000 {
		explain()
	}
	b.ReportAllocs()
	for b.Loop() {
		explain()
	}
}

// TestRecordsOutliveTheBuffersOfTheirRequests sends requests whose every kept string differs, over connections and
// buffers that are used again and again, and then reads the first records.
func TestRecordsOutliveTheBuffersOfTheirRequests(t *testing.T) {
	g := start(t, tiered)
	send := func(i int) answered {
		model := fmt.Sprintf("demo/model-%06d", i)
		if i%3 == 0 {
			model = fmt.Sprintf("no-model-%06d", i)
		}
		return g.do(t, call{method: http.MethodPost, path: "/llm/v1/chat/completions",
			body:   fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"%s"}]}`, model, strings.Repeat("x", i%500)),
			header: []string{"X-Client-Id", fmt.Sprintf("client-%06d", i), "X-Request-Id", fmt.Sprintf("request-%06d", i)}})
	}
	var wait sync.WaitGroup
	for caller := range 4 {
		wait.Go(func() {
			for i := range 200 {
				send(caller*200 + i)
			}
		})
	}
	wait.Wait()
	g.trace(t, send(800))
	for i := range 800 {
		tr, ok := g.Journal().Trace(fmt.Sprintf("request-%06d", i))
		if !ok {
			if i%3 == 0 {
				continue // refusals of one address have a share of their own
			}
			t.Fatalf("request %d is gone", i)
		}
		if tr.ClientID != fmt.Sprintf("client-%06d", i) || !strings.HasSuffix(tr.Model, fmt.Sprintf("model-%06d", i)) {
			t.Fatalf("request %d: client %q, model %q", i, tr.ClientID, tr.Model)
		}
		for _, s := range tr.Steps() {
			if s.Name == trace.ClientID && s.Value != tr.ClientID || s.Name == trace.Route && !strings.HasSuffix(s.Value, fmt.Sprintf("model-%06d", i)) {
				t.Fatalf("request %d: step %s says %q", i, s.Name, s.Value)
			}
		}
	}
}

// BenchmarkChat is a whole request through the handler, without a socket.
func BenchmarkChat(b *testing.B) {
	g := start(b, tiered)
	handler := g.Handler()
	b.ReportAllocs()
	for b.Loop() {
		request, _ := http.NewRequest(http.MethodPost, "/llm/v1/chat/completions", strings.NewReader(hello))
		request.RemoteAddr = "127.0.0.1:1234"
		request.Header["X-Client-Id"] = []string{"alice"}
		handler.ServeHTTP(discarded{http.Header{}}, request)
	}
}

// discarded is a response that nobody reads.
type discarded struct{ header http.Header }

func (d discarded) Header() http.Header       { return d.header }
func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) WriteHeader(int)             {}
