package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"nexus/gateway"
	"nexus/gateway/trace"
)

func streaming(says string) string {
	return `{"model":"demo-1","stream":true,"messages":[{"role":"user","content":"` + says + `"}]}`
}

func TestAStreamIsWholeAndCounted(t *testing.T) {
	g := start(t, tiered)
	a := g.do(t, alice(streaming("Hello")))
	if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Fatalf("%d %s", a.status, a.header.Get("Content-Type"))
	}
	if !strings.HasSuffix(a.body, "data: [DONE]\n\n") || strings.Count(a.body, "data: ") < 20 {
		t.Errorf("stream: %s", a.body)
	}
	tr := g.trace(t, a)
	if tr.Outcome != trace.Allowed || tr.Input <= 0 || tr.Output <= 0 || tr.FirstToken <= 0 {
		t.Errorf("trace %+v", tr)
	}
}

// open starts a stream and reads its first event.
func (r *running) open(t *testing.T, ctx context.Context, says string) (*http.Response, *bufio.Reader) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/llm/v1/chat/completions", strings.NewReader(streaming(says)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Client-ID", "alice")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	reader := bufio.NewReader(response.Body)
	if line, err := reader.ReadString('\n'); err != nil || !strings.HasPrefix(line, "data: ") {
		t.Fatalf("first line %q: %v", line, err)
	}
	return response, reader
}

func TestEventsAreFlushedAsTheyCome(t *testing.T) {
	g := start(t, tiered)
	// With a pace of 5 s, the first event is only seen this early if it does not wait for the second.
	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Second)
	defer cancel()
	g.open(t, ctx, "slow:5s")
}

func TestACallerWhoLeavesEndsItsRequest(t *testing.T) {
	g := start(t, tiered)
	before := runtime.NumGoroutine()
	for range 30 {
		ctx, leave := context.WithCancel(context.Background())
		response, _ := g.open(t, ctx, "slow:50ms")
		leave()
		tr := g.trace(t, answered{header: response.Header})
		if tr.Outcome != trace.Failure || tr.Reason != trace.ClientGone {
			t.Fatalf("trace: %s %s", tr.Outcome, tr.Reason)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+4; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestADrainServesWhatIsInFlight(t *testing.T) {
	g := start(t, tiered)
	_, reader := g.open(t, context.Background(), "slow:30ms")
	g.stop()
	rest, err := io.ReadAll(reader)
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("the stream ended with %v: %s", err, rest)
	}
	if err := <-g.done; err != nil {
		t.Errorf("the drain ended with %v", err)
	}
	g.done <- nil
}

func TestAnOverrunDrainTellsItsStreams(t *testing.T) {
	g := start(t, strings.Replace(tiered, "[server]", "[server]\nshutdown_timeout = \"200ms\"", 1))
	response, reader := g.open(t, context.Background(), "slow:1s")
	g.stop()
	rest, _ := io.ReadAll(reader)
	if !strings.Contains(string(rest), "event: error\n") || !strings.Contains(string(rest), `"code":"shutting_down"`) || strings.Contains(string(rest), "[DONE]") {
		t.Errorf("the stream ended with: %s", rest)
	}
	if err := <-g.done; !errors.Is(err, gateway.ErrOverrun) {
		t.Errorf("the drain ended with %v", err)
	}
	g.done <- nil
	if tr := g.trace(t, answered{header: response.Header}); tr.Reason != trace.ShuttingDown || tr.Outcome != trace.Failure || tr.Status != 200 {
		t.Errorf("trace: %s %s %d", tr.Outcome, tr.Reason, tr.Status)
	}
}

func TestAskedTwiceItStopsAtOnce(t *testing.T) {
	g := start(t, tiered)
	g.open(t, context.Background(), "slow:1s")
	g.stop()
	g.kill()
	if err := <-g.done; !errors.Is(err, gateway.ErrKilled) {
		t.Errorf("the drain ended with %v", err)
	}
	g.done <- nil
}
