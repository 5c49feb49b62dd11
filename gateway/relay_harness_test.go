package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// vendor is a provider on a bare socket: a test says every byte of its answers.
type vendor struct {
	url string

	mu       sync.Mutex
	answer   func(asked, net.Conn)
	requests []asked
}

// asked is one request that a vendor got.
type asked struct {
	*http.Request
	body string
	gone <-chan struct{} // closed when the connection has ended
}

// startVendor runs a vendor that answers what the test says; the list of models is not found until models are given.
func startVendor(t testing.TB, answer func(asked, net.Conn)) *vendor {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &vendor{url: "http://" + listener.Addr().String() + "/v1", answer: answer}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go v.serve(conn)
		}
	}()
	return v
}

// serve answers one request after the other, as long as the test's answers leave the connection open.
func (v *vendor) serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if r.URL.Path == "/v1/models" {
			fmt.Fprint(conn, whole(`{"object":"list","data":[{"id":"gpt-4o-2024","created":7},{"id":"o9-mini","created":8}]}`))
			continue
		}
		v.answerOne(r, string(body), reader, conn)
	}
}

// answerOne has the test answer, and watches whether the caller leaves meanwhile.
func (v *vendor) answerOne(r *http.Request, body string, reader *bufio.Reader, conn net.Conn) {
	gone, seen := make(chan struct{}), make(chan struct{})
	got := asked{Request: r, body: body, gone: gone}
	v.mu.Lock()
	v.requests = append(v.requests, got)
	answer := v.answer
	v.mu.Unlock()
	go func() {
		defer close(seen)
		if _, err := reader.Peek(1); err != nil && !isTimeout(err) {
			close(gone)
		}
	}()
	answer(got, conn)
	_ = conn.SetReadDeadline(time.Unix(1, 0))
	<-seen
	_ = conn.SetReadDeadline(time.Time{})
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// last is the last request that came for an answer.
func (v *vendor) last(t testing.TB) asked {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.requests) == 0 {
		t.Fatal("the provider was not asked")
	}
	return v.requests[len(v.requests)-1]
}

func (v *vendor) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.requests)
}

// whole is an answer of 200 with a JSON body; header are further lines.
func whole(body string, header ...string) string { return status("200 OK", body, header...) }

func status(line, body string, header ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", line, len(body))
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	return b.String() + "\r\n" + body
}

// always answers the same bytes.
func always(bytes string) func(asked, net.Conn) {
	return func(_ asked, conn net.Conn) { _, _ = io.WriteString(conn, bytes) }
}

// chunked begins a stream.
const chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

// chunk is one piece of a stream, endOfStream its end.
func chunk(data string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(data), data) }

const endOfStream = "0\r\n\r\n"

// streams answers a whole stream of these pieces.
func streams(pieces ...string) func(asked, net.Conn) {
	var b strings.Builder
	b.WriteString(chunked)
	for _, piece := range pieces {
		b.WriteString(chunk(piece))
	}
	return always(b.String() + endOfStream)
}

// delta is an event with a piece of text, as OpenAI sends it.
func delta(text string) string {
	return `data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-2024","choices":[{"index":0,"delta":{"content":"` + text + `"},"finish_reason":null}]}` + "\n\n"
}

const (
	finished = `data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-2024","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	counted  = `data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-2024","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}` + "\n\n"
	marked   = "data: [DONE]\n\n"
)

// vendorKey is the key that the gateway has for the vendor.
const vendorKey = "sk-c4nary-0123456789abcdef"

// relaying is a whole configuration with a vendor, whose model gpt-4o-2024 callers know as gpt-4o; more are lines of its table.
func relaying(v *vendor, more ...string) string {
	const demo = "[llm.providers.demo]"
	table := "[llm.providers.openai]\ntype = \"openai\"\napi_key = \"" + vendorKey + "\"\nbase_url = \"" + v.url + "\"\n" +
		strings.Join(more, "\n") + "\n[llm.providers.openai.models.gpt-4o]\nrename = \"gpt-4o-2024\"\n"
	return strings.Replace(tiered, demo, table+demo, 1)
}

const (
	asking    = `{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]}`
	askStream = `{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hello"}]}`
)

// connect sends a request and gives the connection that the answer comes by.
func (r *running) connect(t testing.TB, path, body string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: nexus\r\nX-Client-ID: alice\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	return conn, bufio.NewReader(conn)
}

// within waits for something, and not for ever.
func within(t testing.TB, limit time.Duration, what string, done <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatalf("%s has not happened within %s", what, limit)
	}
}

func contains(t testing.TB, where, text string, all ...string) {
	t.Helper()
	for _, one := range all {
		if !bytes.Contains([]byte(text), []byte(one)) {
			t.Errorf("%s lacks %q:\n%s", where, one, text)
		}
	}
}
