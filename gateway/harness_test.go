package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/config"
	"nexus/gateway"
	"nexus/gateway/trace"
)

// tiered is a whole configuration: a client id, a group, the demo.
const tiered = `
[server]
listen_address = "127.0.0.1:0"
[server.client_identification]
client_id.http_header = "X-Client-ID"
group_id.http_header = "X-User-Tier"
[server.client_identification.validation]
group_values = ["free", "pro"]
[llm.providers.demo]
type = "demo"
[llm.providers.demo.models.assistant]
rename = "demo-1"
`

// running is a gateway that listens in this process.
type running struct {
	*gateway.Gateway
	url    string
	log    *lines
	broken atomic.Bool // the surfaces of the next generation throw something
	stop   context.CancelFunc
	kill   context.CancelFunc
	done   chan error
}

// lines is a log that tests may read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// parse reads a configuration from text.
func parse(t testing.TB, text string) *config.Config {
	t.Helper()
	cfg, problems := config.Parse("nexus.toml", []byte(text), config.Overlay{}, func(string) (string, bool) { return "", false })
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return cfg
}

// drafted is a configuration as a source would give it.
func drafted(cfg *config.Config) config.Draft {
	return config.Draft{Config: cfg, Problems: cfg.Warnings(), Hash: cfg.Hash(), Text: cfg.Text()}
}

// start runs a gateway with a configuration until the test ends.
func start(t testing.TB, text string) *running {
	t.Helper()
	cfg := parse(t, text)
	return startWith(t, func() config.Draft { return drafted(cfg) })
}

func startWith(t testing.TB, load func() config.Draft) *running {
	t.Helper()
	log := &lines{}
	r := &running{log: log}
	g, err := gateway.New(gateway.Options{
		Load:   load,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Grace:  -1,
		Surfaces: func(*gateway.Gateway, *config.Config) (pages, metrics http.Handler) {
			if r.broken.Load() {
				panic("c4nary")
			}
			return http.HandlerFunc(operator), http.HandlerFunc(operator)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	kill, killNow := context.WithCancel(context.Background())
	r.Gateway, r.url, r.stop, r.kill, r.done = g, "http://"+g.Address(), stop, killNow, make(chan error, 1)
	go func() { r.done <- g.Run(ctx, kill) }()
	t.Cleanup(func() {
		stop()
		killNow()
		select {
		case <-r.done:
		case <-time.After(10 * time.Second):
			t.Error("the gateway did not stop")
		}
	})
	return r
}

// operator stands in for the pages and the metrics, and breaks when it is asked to.
func operator(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("panic") {
	case "late":
		_, _ = io.WriteString(w, "half an ")
		_ = http.NewResponseController(w).Flush()
		panic("c4nary")
	case "early":
		panic("c4nary")
	}
	_, _ = io.WriteString(w, "operator at "+r.URL.Path)
}

// call is one request of a test.
type call struct {
	method, path, body string
	header             []string // name, value, …
}

// answered is what came back.
type answered struct {
	status int
	header http.Header
	body   string
	err    apiError
}

type apiError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// client keeps its connections for the tests of one package run.
var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}

func (r *running) do(t testing.TB, c call) answered {
	t.Helper()
	request, err := http.NewRequest(c.method, r.url+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(c.header); i += 2 {
		// Not Add: some tests mean the name exactly as it is.
		request.Header[c.header[i]] = append(request.Header[c.header[i]], c.header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := answered{status: response.StatusCode, header: response.Header, body: string(body)}
	if out.status >= 400 {
		var envelope struct{ Error apiError }
		if err := json.Unmarshal(body, &envelope); err != nil && c.method != http.MethodHead {
			t.Fatalf("%d %s: %v", out.status, body, err)
		}
		out.err = envelope.Error
	}
	return out
}

// trace is what the journal has of an answer. The record is kept after the answer has gone out, so it may be a moment late.
func (r *running) trace(t testing.TB, a answered) trace.Trace {
	t.Helper()
	id := a.header.Get("X-Request-ID")
	for deadline := time.Now().Add(5 * time.Second); ; {
		if tr, ok := r.Journal().Trace(id); ok {
			return tr
		}
		if time.Now().After(deadline) {
			t.Fatalf("no trace of request %q", id)
		}
		<-time.After(time.Millisecond)
	}
}

const hello = `{"model":"demo-1","messages":[{"role":"user","content":"Hello"}]}`

func chat(body string, header ...string) call {
	return call{method: http.MethodPost, path: "/llm/v1/chat/completions", body: body,
		header: append([]string{"Content-Type", "application/json"}, header...)}
}

func alice(body string, header ...string) call {
	return chat(body, append([]string{"X-Client-Id", "alice"}, header...)...)
}
