package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nexus/gateway/trace"
)

// endless is a body of spaces that does not say how long it is.
type endless struct{ io.Reader }

func spaces(n int64) io.Reader { return endless{io.LimitReader(zeros{}, n)} }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func post(t *testing.T, url string, body io.Reader, header ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, url+"/llm/v1/chat/completions", body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("the answer was not seen: %v", err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestLargeBodies(t *testing.T) {
	g := start(t, strings.Replace(tiered, "[server]", "[server]\nmax_body_size = \"1MiB\"", 1))
	for _, tt := range []struct {
		name   string
		body   io.Reader
		client string
		status int
	}{
		{"a body of the size allowed is looked at", bytes.NewReader(bytes.Repeat([]byte(" "), 1<<20)), "alice", 400},
		{"a byte more is too large", bytes.NewReader(bytes.Repeat([]byte(" "), 1<<20+1)), "alice", 413},
		{"25 MB are too large and the answer is seen", bytes.NewReader(bytes.Repeat([]byte(" "), 25<<20)), "alice", 413},
		{"8 MB of unknown length are too large", spaces(8 << 20), "alice", 413},
		{"8 MB from nobody are refused for the nobody", bytes.NewReader(bytes.Repeat([]byte(" "), 8<<20)), "", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			response := post(t, g.url, tt.body, "X-Client-ID", tt.client)
			if response.StatusCode != tt.status {
				t.Errorf("answered %d, want %d", response.StatusCode, tt.status)
			}
		})
	}
	a := g.do(t, alice(strings.Repeat(" ", 1<<20+1)))
	if tr := g.trace(t, a); tr.Reason != trace.BodyTooLarge || a.err.Code != "request_too_large" || tr.DecidedBy.Key != "server.max_body_size" || tr.DecidedBy.Line != 3 {
		t.Errorf("%s %s, decided by %+v", tr.Reason, a.err.Code, tr.DecidedBy)
	}
}

func TestALargeBodyThatFitsIsAnswered(t *testing.T) {
	g := start(t, tiered)
	long := strings.Repeat("word ", 1<<20)
	for range 3 {
		a := g.do(t, alice(strings.Replace(hello, "Hello", long, 1)))
		if a.status != 200 {
			t.Fatalf("answered %d %+v", a.status, a.err)
		}
	}
}

func TestAllBodiesTogetherAreBounded(t *testing.T) {
	g := start(t, strings.Replace(tiered, "[server]", "[server]\nmax_body_size = \"1MiB\"\nmax_body_memory = \"4MiB\"", 1))
	// Eight callers send a megabyte each but for the last byte, and wait.
	var wait sync.WaitGroup
	release := make(chan struct{})
	statuses := make(chan int, 8)
	for range 8 {
		wait.Go(func() {
			first := strings.NewReader(strings.Replace(hello, "Hello", strings.Repeat("x", 1<<20-200), 1))
			body := io.MultiReader(io.LimitReader(first, 1<<20-300), held{release}, first)
			request, _ := http.NewRequest(http.MethodPost, g.url+"/llm/v1/chat/completions", body)
			request.Header.Set("X-Client-ID", "alice")
			response, err := client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			statuses <- response.StatusCode
		})
	}
	count := map[int]int{}
	// Two or three fit. The others are refused after the time in which their rest is waited for, and all at about that.
	for quiet := false; !quiet; {
		select {
		case status := <-statuses:
			if count[status]++; status != http.StatusServiceUnavailable {
				t.Fatalf("answered %d while all wait", status)
			}
		case <-time.After(3 * time.Second):
			quiet = count[503] > 0
		case <-t.Context().Done():
			t.Fatal("nobody is refused")
		}
	}
	close(release)
	wait.Wait()
	close(statuses)
	for status := range statuses {
		count[status]++
	}
	if count[503] < 4 || count[200] < 2 || count[200]+count[503] != 8 {
		t.Errorf("answers by status: %v", count)
	}
	if a := g.do(t, alice(hello)); a.status != 200 {
		t.Errorf("afterwards: %d", a.status)
	}
}

// held gives nothing until it is released.
type held struct{ released chan struct{} }

func (h held) Read([]byte) (int, error) { <-h.released; return 0, io.EOF }

// TestACallerWhoWaitsToGoOnIsRefusedAtOnce sends no byte of the body: a refusal does not ask for it.
func TestACallerWhoWaitsToGoOnIsRefusedAtOnce(t *testing.T) {
	g := start(t, tiered)
	conn, err := net.Dial("tcp", g.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(conn, "POST /llm/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 400 || !response.Close {
		t.Errorf("answered %d, close %t", response.StatusCode, response.Close)
	}
}

// TestEveryByteCountedIsGivenBack ends requests in every way that touches their bodies.
func TestEveryByteCountedIsGivenBack(t *testing.T) {
	g := start(t, strings.Replace(tiered, "[server]", "[server]\nmax_body_size = \"1MiB\"\nmax_body_memory = \"1100KiB\"", 1))
	for range 20 {
		for _, body := range []string{hello, "{", strings.Replace(hello, "Hello", strings.Repeat("x", 900<<10), 1), strings.Repeat(" ", 1<<20+1), strings.Repeat("[", 500<<10)} {
			g.do(t, alice(body))
		}
		g.do(t, chat(hello))
		post(t, g.url, spaces(1<<20+1), "X-Client-ID", "alice")
	}
	a := g.do(t, alice(hello))
	g.trace(t, a)
	for deadline := time.Now().Add(5 * time.Second); g.InFlight() != 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are still counted", g.InFlight())
		}
		<-time.After(time.Millisecond)
	}
}
