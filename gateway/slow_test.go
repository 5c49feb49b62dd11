package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nexus/config"
	"nexus/gateway"
)

// pipes is a listener for callers in the same process, whose lines hold nothing: what is not read is not sent.
type pipes struct{ arriving chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p.arriving
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// TestHowLongASlowCallerIsWaitedFor runs in virtual time: it tells to the second when a caller is given up.
func TestHowLongASlowCallerIsWaitedFor(t *testing.T) {
	const head = "POST /llm/v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Client-ID: alice\r\n"
	// Not a stream: its keep-alives wait for a lock that virtual time does not know of.
	question := strings.Replace(hello, "Hello", strings.Repeat("word ", 100), 1)
	for _, tt := range []struct {
		name  string
		sent  string
		every time.Duration // after which one more byte is sent; 0: none is
		reads bool          // the answer is read
		want  string        // that the answer begins with
		least time.Duration
	}{
		{name: "a body that stops", sent: head + "Content-Length: 1000\r\n\r\n{", reads: true, want: "HTTP/1.1 408 ", least: 30 * time.Second},
		{name: "chunks that stop", sent: head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{", reads: true, want: "HTTP/1.1 408 ", least: 30 * time.Second},
		{name: "a body by drops", sent: head + "Content-Length: 1000\r\n\r\n{", every: 20 * time.Second, reads: true, want: "HTTP/1.1 408 ", least: 5 * time.Minute},
		{name: "a body of a refused request that stops", sent: strings.Replace(head, "X-Client-ID", "X-Nobody", 1) + "Content-Length: 1000\r\n\r\n{",
			reads: true, want: "HTTP/1.1 400 ", least: 5 * time.Second},
		{name: "a body that nobody wants, by drops", sent: "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", every: time.Second,
			reads: true, want: "HTTP/1.1 200 ", least: 5 * time.Second},
		{name: "an answer that nobody reads", sent: fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(question), question), least: 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := parse(t, tiered)
			synctest.Test(t, func(t *testing.T) {
				dial, stop := servePipes(t, cfg)
				defer stop()
				c := dial()
				defer c.Close()
				began := time.Now()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_, err := io.WriteString(c, tt.sent)
					for err == nil && tt.every > 0 {
						<-time.After(tt.every)
						_, err = io.WriteString(c, "a")
					}
				}()
				if !tt.reads {
					<-ended
					<-time.After(tt.least + 5*time.Second)
				}
				answer, _ := io.ReadAll(c) // however it ends
				took := time.Since(began)
				c.Close()
				<-ended
				if !strings.HasPrefix(string(answer), tt.want) || !tt.reads && len(answer) > 0 {
					t.Errorf("answered %.60q, want %q", answer, tt.want)
				}
				if most := tt.least + 6*time.Second; took < tt.least || took > most {
					t.Errorf("given up after %v, want %v", took, tt.least)
				}
			})
		})
	}
}

// servePipes has a gateway answer callers in the same process.
func servePipes(t *testing.T, cfg *config.Config) (dial func() net.Conn, stop func()) {
	t.Helper()
	g, err := gateway.New(gateway.Options{Load: func() config.Draft { return drafted(cfg) }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	listener := pipes{make(chan net.Conn)}
	server := &http.Server{Handler: g.Handler()}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // it ends with the test
	}()
	dial = func() net.Conn {
		ours, theirs := net.Pipe()
		listener.arriving <- theirs
		return ours
	}
	return dial, func() {
		close(listener.arriving)
		<-served
		_ = server.Close()
		killed, kill := context.WithCancel(context.Background())
		kill()
		if err := g.Run(killed, killed); err != gateway.ErrKilled {
			t.Errorf("stopped with %v", err)
		}
	}
}
