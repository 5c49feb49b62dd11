package gateway_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nexus/config"
	"nexus/gateway"
	"nexus/gateway/trace"
)

// raw sends bytes over a socket of its own and gives what comes back until the other side closes, and after how long.
func (r *running) raw(t *testing.T, request string, halfClose bool) (answer string, took time.Duration) {
	t.Helper()
	conn, err := net.Dial("tcp", r.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	_ = conn.SetDeadline(began.Add(20 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if halfClose {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	text, err := io.ReadAll(conn)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Fatalf("still open after %v, with %q", time.Since(began), text)
	}
	return string(text), time.Since(began)
}

// TestABodyThatNeverComesHoldsNobody sends three bytes of a thousand, where nobody wants them and where they are refused: there
// is an answer, and the connection closes.
func TestABodyThatNeverComesHoldsNobody(t *testing.T) {
	g := start(t, tiered)
	for _, tt := range []struct{ line, header, status string }{
		{"GET /health", "", "200"},
		{"POST /health", "", "405"},
		{"POST /nowhere", "", "404"},
		{"GET /llm/v1/models", "X-Client-ID: alice\r\n", "200"},
		{"POST /llm/v1/chat/completions", "", "400"},
		{"POST /llm/v1/nothing", "X-Client-ID: alice\r\n", "404"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			answer, took := g.raw(t, tt.line+" HTTP/1.1\r\nHost: x\r\n"+tt.header+"Content-Length: 1000\r\n\r\ntok", false)
			if !strings.HasPrefix(answer, "HTTP/1.1 "+tt.status) || took > 10*time.Second {
				t.Errorf("after %v: %.80q", took, answer)
			}
		})
	}
}

func TestATruncatedBodyIsTold(t *testing.T) {
	g := start(t, tiered)
	for _, framing := range []string{"Content-Length: 1000\r\n\r\n{\"model\"", "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"mod\r\n"} {
		answer, _ := g.raw(t, "POST /llm/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Client-ID: alice\r\n"+framing, true)
		if !strings.HasPrefix(answer, "HTTP/1.1 400") || !strings.Contains(answer, "ended before it was whole") {
			t.Errorf("answered %q", answer)
		}
	}
}

// TestACallerWhoStopsListeningHalfwayIsNotToldThatAllIsWell: a caller who closes its side has gone, as far as net/http can tell; if
// it still reads, it must not take what it has for a whole answer.
func TestACallerWhoStopsListeningHalfwayIsNotToldThatAllIsWell(t *testing.T) {
	g := start(t, tiered)
	for _, body := range []string{streaming("slow:100ms"), strings.Replace(hello, "Hello", "slow:5s", 1)} {
		head := "POST /llm/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Client-ID: alice\r\nX-Request-ID: half\r\n"
		answer, took := g.raw(t, head+"Content-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body, true)
		if strings.HasSuffix(answer, "0\r\n\r\n") || strings.Contains(answer, "Content-Length: 0") || took > 4*time.Second {
			t.Errorf("after %v: %q", took, answer)
		}
	}
	if tr := g.trace(t, answered{header: http.Header{"X-Request-Id": {"half"}}}); tr.Reason != trace.ClientGone || tr.Status != 499 {
		t.Errorf("trace: %s %d", tr.Reason, tr.Status)
	}
}

func TestTargetsThatAreNoPathAreNowhere(t *testing.T) {
	g := start(t, tiered)
	answer, _ := g.raw(t, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false)
	if !strings.HasPrefix(answer, "HTTP/1.1 404") || !strings.Contains(answer, "endpoint_unknown") || !strings.Contains(answer, "X-Request-Id") {
		t.Errorf("answered %q", answer)
	}
}

// TestASilentConnectionDoesNotHoldADrain: load balancers and browsers keep connections that say nothing.
func TestASilentConnectionDoesNotHoldADrain(t *testing.T) {
	g := start(t, tiered)
	for _, said := range []string{"", "GET /health HT"} {
		conn, err := net.Dial("tcp", g.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, said)
	}
	if a := g.do(t, alice(hello)); a.status != 200 { // by now the others are accepted
		t.Fatal(a.status)
	}
	began := time.Now()
	g.stop()
	if err := <-g.done; err != nil || time.Since(began) > 3*time.Second {
		t.Errorf("the drain took %v and ended with %v", time.Since(began), err)
	}
	g.done <- nil
}

func TestAnIdleProcessAskedTwiceSaysSo(t *testing.T) {
	g := start(t, tiered)
	g.stop()
	g.kill()
	if err := <-g.done; err != gateway.ErrKilled {
		t.Errorf("the drain ended with %v", err)
	}
	g.done <- nil
}

// TestASlowStreamIsKeptAlive runs in virtual time: the status goes out after ten seconds without an event, and a
// comment after fifteen of silence.
func TestASlowStreamIsKeptAlive(t *testing.T) {
	cfg := parse(t, tiered)
	synctest.Test(t, func(t *testing.T) {
		g, err := gateway.New(gateway.Options{Load: func() config.Draft { return drafted(cfg) }, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Start(); err != nil {
			t.Fatal(err)
		}
		kill, cancel := context.WithCancel(context.Background())
		cancel()
		request := httptest.NewRequest(http.MethodPost, "/llm/v1/chat/completions", strings.NewReader(streaming("slow:40s")))
		request.Header.Set("X-Client-ID", "alice")
		answer := httptest.NewRecorder()
		g.Handler().ServeHTTP(answer, request)
		if err := g.Run(kill, kill); err != gateway.ErrKilled {
			t.Errorf("stopped with %v", err)
		}
		events, comments := 0, 0
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			switch line := lines.Text(); {
			case line == ": keep-alive":
				comments++
			case strings.HasPrefix(line, "data: "):
				events++
			}
		}
		// The first wait of 40 s brings comments at 10, 25 and 40 s at the latest, each later one at 15 and 30 s.
		if answer.Code != 200 || events < 20 || comments < 2*(events-2) || comments > 2*events+3 {
			t.Errorf("%d with %d events and %d comments", answer.Code, events, comments)
		}
	})
}

// TestAProviderThatFailsAsTheCallerIsConsoledIsStillTold fails a stream at the very moment at which its status would go out
// without an event: the caller is told either way.
func TestAProviderThatFailsAsTheCallerIsConsoledIsStillTold(t *testing.T) {
	cfg := parse(t, tiered)
	synctest.Test(t, func(t *testing.T) {
		g, err := gateway.New(gateway.Options{Load: func() config.Draft { return drafted(cfg) }, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Start(); err != nil {
			t.Fatal(err)
		}
		for range 200 {
			request := httptest.NewRequest(http.MethodPost, "/llm/v1/chat/completions", strings.NewReader(streaming("slow:10s error:500")))
			request.Header.Set("X-Client-ID", "alice")
			answer := httptest.NewRecorder()
			g.Handler().ServeHTTP(answer, request)
			if answer.Code != 500 && !strings.Contains(answer.Body.String(), "event: error") {
				t.Fatalf("%d %q", answer.Code, answer.Body)
			}
		}
		kill, cancel := context.WithCancel(context.Background())
		cancel()
		_ = g.Run(kill, kill)
	})
}

// TestAnUploadThatWasAskedForAndIsTooLargeSeesItsStatus waits to be told to go on, and then sends too much.
func TestAnUploadThatWasAskedForAndIsTooLargeSeesItsStatus(t *testing.T) {
	g := start(t, strings.Replace(tiered, "[server]", "[server]\nmax_body_size = \"1MiB\"", 1))
	patient := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 5 * time.Second}, Timeout: 20 * time.Second}
	for range 5 {
		request, err := http.NewRequest(http.MethodPost, g.url+"/llm/v1/chat/completions", spaces(16<<20))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Client-ID", "alice")
		request.Header.Set("Expect", "100-continue")
		response, err := patient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("answered %s", response.Status)
		}
	}
}

// TestASmallRequestPaysForItselfAlone has large requests go before small ones that last, which must not be charged for the
// buffers of the large.
func TestASmallRequestPaysForItselfAlone(t *testing.T) {
	g := start(t, strings.Replace(tiered, "[server]", "[server]\nmax_body_size = \"4MiB\"\nmax_body_memory = \"6MiB\"", 1))
	large := strings.Replace(hello, "Hello", strings.Repeat("x", 900<<10), 1)
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	for range 40 {
		if a := g.do(t, alice(large)); a.status != 200 {
			t.Fatalf("large: %d %s", a.status, a.err.Code)
		}
		g.open(t, ctx, "slow:30ms "+strings.Repeat("word ", 20))
	}
}
