package upstream_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nexus/gateway/llm/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary stands in every path, host, header and body of these tests, and in no error.
const canary = "canary-7c1e"

// peer is a provider made of bytes.
type peer struct {
	URL string

	listener net.Listener
	conns    atomic.Int64 // that were opened
	open     atomic.Int64 // that are open now
	requests atomic.Int64
	mu       sync.Mutex
	all      []net.Conn
	running  sync.WaitGroup
}

// servePeer accepts connections, each for one function, and closes it afterwards. All end with the test.
func servePeer(t testing.TB, handle func(p *peer, conn *peerConn)) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{URL: "http://" + listener.Addr().String() + "/v1", listener: listener}
	p.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.conns.Add(1)
			p.open.Add(1)
			p.mu.Lock()
			p.all = append(p.all, conn)
			p.mu.Unlock()
			p.running.Go(func() {
				defer p.open.Add(-1)
				defer conn.Close()
				handle(p, &peerConn{Conn: conn, in: bufio.NewReader(conn), peer: p})
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.mu.Lock()
		for _, conn := range p.all {
			conn.Close()
		}
		p.mu.Unlock()
		p.running.Wait()
	})
	return p
}

// peerConn is one connection of a peer.
type peerConn struct {
	net.Conn
	in   *bufio.Reader
	peer *peer
}

// request reads one request, whole; nil: there is none.
func (c *peerConn) request() (*http.Request, []byte) {
	r, err := http.ReadRequest(c.in)
	if err != nil {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil
	}
	c.peer.requests.Add(1)
	return r, body
}

// head reads the head of a request and leaves its body.
func (c *peerConn) head() *http.Request {
	r, err := http.ReadRequest(c.in)
	if err != nil {
		return nil
	}
	return r
}

// say sends bytes. A client that hangs up is what some tests are about.
func (c *peerConn) say(text string) { _, _ = io.WriteString(c.Conn, text) }

// linger reads until the client hangs up.
func (c *peerConn) linger() { _, _ = io.Copy(io.Discard, c.in) }

// says answers each request with the same bytes and then hangs up.
func says(text string) func(*peer, *peerConn) {
	return func(_ *peer, c *peerConn) {
		if r, _ := c.request(); r != nil {
			c.say(text)
		}
	}
}

// stalls answers with some bytes and then says nothing more.
func stalls(text string) func(*peer, *peerConn) {
	return func(_ *peer, c *peerConn) {
		if r, _ := c.request(); r != nil {
			c.say(text)
			c.linger()
		}
	}
}

// open opens a client that ends with the test.
func open(t testing.TB, settings upstream.Settings) *upstream.Client {
	t.Helper()
	client, end := upstream.Open(settings)
	t.Cleanup(end)
	return client
}

// chat is a call with a body.
func chat(body string) upstream.Call {
	return upstream.Call{
		Method: http.MethodPost, Path: "/chat/completions",
		Header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + canary}},
		Body:   &upstream.Payload{Pieces: [][]byte{[]byte(body)}},
	}
}

// keeper counts who reads.
type keeper struct {
	now, ever, wrong atomic.Int64
}

func (k *keeper) Retain() {
	k.now.Add(1)
	k.ever.Add(1)
}

func (k *keeper) Release() {
	if k.now.Add(-1) < 0 {
		k.wrong.Add(1)
	}
}

// balanced waits until nobody reads any more.
func (k *keeper) balanced(t testing.TB) {
	t.Helper()
	await(t, "all readers to be closed", func() bool { return k.now.Load() == 0 })
	if k.wrong.Load() > 0 {
		t.Error("something was released that nobody had retained")
	}
}

// kept is a call with a body that is counted.
func kept(k upstream.Keeper, pieces ...[]byte) upstream.Call {
	call := chat("")
	call.Body = &upstream.Payload{Pieces: pieces, Keeper: k}
	return call
}

// await waits for a condition, for 20 s at most.
func await(t testing.TB, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !met() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// large is n bytes that are not all the same.
func large(n int) []byte {
	return bytes.Repeat([]byte("0123456789abcdef-"), n/17+1)[:n]
}

// harmless checks that an error repeats nothing.
func harmless(t testing.TB, err error) {
	t.Helper()
	if text := err.Error(); strings.Contains(text, canary) || strings.Contains(text, "127.0.0.1") || strings.Contains(text, "http") {
		t.Errorf("the error tells too much: %q", text)
	}
}
