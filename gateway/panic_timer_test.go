package gateway_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nexus/config"
	"nexus/gateway"
)

// throwing is a caller whose connection throws something at a comment that keeps a stream alive, which a timer sends.
type throwing struct{ *httptest.ResponseRecorder }

func (w throwing) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte(": keep-alive")) {
		panic(thrown)
	}
	return w.ResponseRecorder.Write(p)
}

// TestABugInATimerCostsOneRequest: nothing stands between a timer and the end of the process.
func TestABugInATimerCostsOneRequest(t *testing.T) {
	cfg := parse(t, tiered)
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		g, err := gateway.New(gateway.Options{Load: func() config.Draft { return drafted(cfg) }, Logger: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Start(); err != nil {
			t.Fatal(err)
		}
		request := httptest.NewRequest(http.MethodPost, "/llm/v1/chat/completions", strings.NewReader(streaming("slow:40s")))
		request.Header.Set("X-Client-ID", "alice")
		aborted := false
		func() {
			defer func() { aborted = recover() == http.ErrAbortHandler }()
			g.Handler().ServeHTTP(throwing{httptest.NewRecorder()}, request)
		}()
		if !aborted {
			t.Error("the answer ends as if it were whole")
		}
		if text := log.String(); !strings.Contains(text, "a request panicked") || strings.Contains(text, "c4nary") {
			t.Errorf("log:\n%s", text)
		}
		killed, kill := context.WithCancel(context.Background())
		kill()
		_ = g.Run(killed, killed)
	})
}

// ended is a stream of HTTP/2 that its caller has ended, and what its deadlines were set to last.
type ended struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (e *ended) SetReadDeadline(t time.Time) error  { e.read = t; return nil }
func (e *ended) SetWriteDeadline(t time.Time) error { e.write = t; return nil }

// TestAStreamThatItsCallerHasEndedKeepsNoTimer, which would keep it in memory.
func TestAStreamThatItsCallerHasEndedKeepsNoTimer(t *testing.T) {
	g := start(t, tiered)
	for _, client := range []string{"", "alice"} {
		for _, path := range []string{"/llm/v1/chat/completions", "/llm/v1/models", "/nowhere", "/health"} {
			ctx, leave := context.WithCancel(t.Context())
			leave()
			request := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(hello))
			request.ProtoMajor, request.ProtoMinor, request.ContentLength = 2, 0, -1
			request.Header.Set("X-Client-ID", client)
			w := &ended{ResponseRecorder: httptest.NewRecorder()}
			func() {
				defer func() { _ = recover() }() // it is aborted, or not
				g.Handler().ServeHTTP(w, request)
			}()
			if !w.read.IsZero() || !w.write.IsZero() {
				t.Errorf("%s by %q leaves the deadlines %v and %v", path, client, w.read, w.write)
			}
		}
	}
}
