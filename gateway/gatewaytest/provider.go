package gatewaytest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Provider is a stand-in for OpenAI's API on loopback. It speaks the true wire format, refuses what the real one refuses,
// with the same errors, and fails its test at a header that no gateway should send. What it answers repeats the last
// message, unless that message tells it to misbehave: see [Provider.Answer] for what a test sets, and wishOf for what a
// prompt says.
type Provider struct {
	// URL is the base URL, with the version and without a slash at its end: "http://127.0.0.1:40123/v1".
	URL string
	// Key is the API key that it takes.
	Key string

	t      testing.TB
	server *httptest.Server
	stop   chan struct{} // closed when the test ends

	mu       sync.Mutex
	keys     []string                    // that are taken, too
	allowed  []string                    // headers that may come, besides the usual ones
	models   []string                    // that are offered
	answers  map[string]http.HandlerFunc // by path, below URL; "" stands for every POST
	unread   map[string]bool             // paths whose handlers get the body as it comes
	pace     time.Duration
	burst    bool
	gate     *Gate
	calls    []*Received
	listings []*Received
	held     int // bytes of the bodies in calls
	asked    int // calls that ever came
	changed  chan struct{}
	running  sync.WaitGroup
}

// StartProvider starts a provider that offers the usual models. It ends with the test.
func StartProvider(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{
		Key: "sk-test-" + rand.Text(), t: t, stop: make(chan struct{}), changed: make(chan struct{}),
		models: []string{
			"gpt-4o", "gpt-4o-mini", "gpt-4.1", "o3-mini", "gpt-3.5-turbo-instruct", "text-embedding-3-small",
			"omni-moderation-latest", "dall-e-3", "gpt-image-1", "tts-1",
		},
		answers: make(map[string]http.HandlerFunc), unread: make(map[string]bool),
	}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	p.URL = p.server.URL + "/v1"
	t.Cleanup(func() {
		close(p.stop)
		p.server.CloseClientConnections()
		p.server.Close()
		p.running.Wait()
	})
	return p
}

// Config is the table [llm.providers.openai] of a nexus.toml for this provider. More lines go into it.
func (p *Provider) Config(more ...string) string { return p.ConfigAs("openai", more...) }

// ConfigAs is [Provider.Config] under another name.
func (p *Provider) ConfigAs(name string, more ...string) string {
	return fmt.Sprintf("\n[llm.providers.%s]\ntype = \"openai\"\napi_key = %q\nbase_url = %q\n%s\n",
		name, p.Key, p.URL, strings.Join(more, "\n"))
}

// Offer has the provider list these models, and no others, and know no others.
func (p *Provider) Offer(models ...string) { p.set(func() { p.models = slices.Clone(models) }) }

// Admit has the provider take one more key.
func (p *Provider) Admit(key string) { p.set(func() { p.keys = append(p.keys, key) }) }

// Allow has headers arrive that would otherwise fail the test.
func (p *Provider) Allow(names ...string) {
	p.set(func() {
		for _, name := range names {
			p.allowed = append(p.allowed, http.CanonicalHeaderKey(name))
		}
	})
}

// Pace is the pause between two events of a stream. 0: none.
func (p *Provider) Pace(d time.Duration) { p.set(func() { p.pace = d }) }

// Burst has a stream leave in as few writes as possible, all its events together.
func (p *Provider) Burst(on bool) { p.set(func() { p.burst = on }) }

// Answer has h answer the calls of a path ("/chat/completions", "/models"), or with "" every POST, in the provider's
// place. Nil: the provider itself again. The body was read and is there to be read again; key and fields are h's
// business, headers are still checked.
func (p *Provider) Answer(path string, h http.HandlerFunc) { p.override(path, h, false) }

// AnswerUnread is [Provider.Answer] with a body that nobody has read yet, and which is not recorded.
func (p *Provider) AnswerUnread(path string, h http.HandlerFunc) { p.override(path, h, true) }

func (p *Provider) override(path string, h http.HandlerFunc, unread bool) {
	p.set(func() {
		delete(p.answers, path)
		delete(p.unread, path)
		if h != nil {
			p.answers[path], p.unread[path] = h, unread
		}
	})
}

// Stopped is closed when the test ends: a handler that waits, waits for that as well as for its caller.
func (p *Provider) Stopped() <-chan struct{} { return p.stop }

func (p *Provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// handler is what a test wants to have answered by itself.
func (p *Provider) handler(r *http.Request, path string) (h http.HandlerFunc, unread bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h = p.answers[path]; h == nil && r.Method == http.MethodPost {
		path = ""
		h = p.answers[path]
	}
	return h, h != nil && p.unread[path]
}

// maxRequest bounds a body that is read.
const maxRequest = 64 << 20

func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	p.running.Add(1)
	defer p.running.Done()
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	h, unread := p.handler(r, path)
	got := &Received{
		Method: r.Method, Path: path, Query: r.URL.RawQuery, Host: r.Host, Header: r.Header.Clone(),
		TransferEncoding: slices.Clone(r.TransferEncoding), Length: r.ContentLength, At: time.Now(),
		done: make(chan struct{}), gone: make(chan struct{}),
	}
	defer close(got.done)
	p.checkHeaders(got)
	if !unread {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
		if err != nil {
			return // the gateway gave up before it had said everything
		}
		got.Body = body
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	p.record(got)
	defer got.watch(r.Context())()
	if h == nil {
		h = p.openai(path, got)
	}
	h(w, r)
}
