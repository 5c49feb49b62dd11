package upstream_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/llm/upstream"
)

// ask makes a call that must be answered.
func ask(t testing.TB, client *upstream.Client, call upstream.Call) *upstream.Answer {
	t.Helper()
	answer, err := client.Do(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(answer.Close)
	return answer
}

const (
	ok      = "HTTP/1.1 200 OK\r\n"
	chunked = ok + "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// chunk is one piece of a body whose length is not known.
func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

func TestBodiesThatEndBeforeTheirEnd(t *testing.T) {
	const cutOff, noFraming = "the provider's answer cannot be used: the answer was cut off", "the provider's answer cannot be used: its parts do not fit together"
	squeezed := string(squeeze(t, "hello", true))
	for name, c := range map[string]struct{ text, body, want string }{
		"in a body":            {ok + "Content-Length: 50\r\n\r\nhello", "hello", cutOff},
		"before a body":        {ok + "Content-Length: 50\r\n\r\n", "", cutOff},
		"in a chunk":           {chunked + "32\r\nhello", "hello", cutOff},
		"in a chunk's length":  {chunked + chunk("hello") + "3", "hello", cutOff},
		"between chunks":       {chunked + chunk("hello"), "hello", cutOff},
		"before the last line": {chunked + chunk("hello") + "0\r\n", "hello", noFraming},
		"no chunk":             {chunked + chunk("hello") + "<" + canary + ">\r\n", "hello", noFraming},
		"a huge chunk":         {chunked + chunk("hello") + "ffffffffffffffffff\r\n", "hello", noFraming},
		"in what is packed":    {ok + "Content-Encoding: gzip\r\n\r\n" + squeezed[:len(squeezed)-9], "hello", cutOff},
		"in a packing's head":  {ok + "Content-Encoding: gzip\r\n\r\n" + squeezed[:5], "", cutOff},
		"not packed":           {ok + "Content-Encoding: gzip\r\n\r\n" + canary + canary, "", "the provider's answer cannot be used: it cannot be unpacked"},
		"a wrong sum":          {ok + "Content-Encoding: gzip\r\n\r\n" + squeezed[:len(squeezed)-8] + "12345678", "hello", "the provider's answer cannot be used: it cannot be unpacked"},
	} {
		t.Run(name, func(t *testing.T) {
			p := servePeer(t, says(c.text))
			answer := ask(t, open(t, upstream.Settings{BaseURL: p.URL}), chat(canary))
			body, err := answer.ReadAll(nil, 1<<20)
			if err == nil || err.Error() != c.want || string(body) != c.body {
				t.Fatalf("%q, %v; want %s", body, err, c.want)
			}
			harmlessBut(t, err)
			if _, again := answer.Read(make([]byte, 1)); again != err {
				t.Errorf("read again: %v", again)
			}
		})
	}
}

func TestBodiesThatEndWell(t *testing.T) {
	squeezed := string(squeeze(t, "hello", true))
	for name, text := range map[string]string{
		"by length":         ok + "Content-Length: 5\r\n\r\nhello",
		"by chunks":         chunked + chunk("hel") + chunk("lo") + "0\r\nX-Trailer: a\r\n\r\n",
		"by the end":        ok + "\r\nhello",
		"by the end of old": "HTTP/1.0 200 OK\r\n\r\nhello",
		"packed":            ok + "Content-Encoding: gzip\r\nContent-Length: " + fmt.Sprint(len(squeezed)) + "\r\n\r\n" + squeezed,
		"packed, of old":    ok + "Content-Encoding: X-GZIP\r\n\r\n" + squeezed,
		"packed in chunks":  chunked[:len(chunked)-2] + "Content-Encoding: gzip\r\n\r\n" + chunk(squeezed[:3]) + chunk(squeezed[3:]) + "0\r\n\r\n",
		"not packed":        ok + "Content-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
	} {
		p := servePeer(t, says(text))
		answer := ask(t, open(t, upstream.Settings{BaseURL: p.URL}), chat("{}"))
		if answer.Header["Content-Encoding"] != nil || strings.HasPrefix(name, "packed") && (answer.Length != -1 || answer.Header["Content-Length"] != nil) {
			t.Errorf("%s: the head says %d, %v", name, answer.Length, answer.Header)
		}
		if body, err := answer.ReadAll(nil, 5); err != nil || string(body) != "hello" {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
}

func TestAPackedAnswerWithoutABody(t *testing.T) {
	p := servePeer(t, says("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"))
	answer := ask(t, open(t, upstream.Settings{BaseURL: p.URL}), chat("{}"))
	if body, err := answer.ReadAll(nil, 5); err != nil || len(body) > 0 {
		t.Errorf("%q, %v", body, err)
	}
}

// squeeze packs a text, to its end or only so far that all of it can be read.
func squeeze(t testing.TB, text string, whole bool) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := io.WriteString(z, text); err != nil || z.Flush() != nil || whole && z.Close() != nil {
		t.Fatal("gzip")
	}
	return out.Bytes()
}

func TestALimitHoldsForWhatIsUnpacked(t *testing.T) {
	bomb := string(squeeze(t, strings.Repeat("0", 10<<20), true))
	for name, text := range map[string]string{
		"announced":   ok + "Content-Length: 1001\r\n\r\n" + strings.Repeat("0", 1001),
		"unannounced": ok + "\r\n" + strings.Repeat("0", 1001),
		"packed":      ok + "Content-Encoding: gzip\r\n\r\n" + bomb,
	} {
		p := servePeer(t, says(text))
		answer := ask(t, open(t, upstream.Settings{BaseURL: p.URL}), chat("{}"))
		body, err := answer.ReadAll([]byte("before"), 1000)
		if err == nil || err.Error() != "the provider's answer cannot be used: it is too long" || len(body) > 1006 {
			t.Errorf("%s: %d bytes, %v", name, len(body), err)
		}
	}
}

func TestAnEventIsThereBeforeTheNextIsSent(t *testing.T) {
	for _, packed := range []bool{false, true} {
		more := make(chan struct{})
		p := servePeer(t, func(_ *peer, c *peerConn) {
			c.request()
			if !packed {
				c.say(chunked + chunk("data: 1\n\n"))
				<-more
				c.say(chunk("data: 2\n\n") + "0\r\n\r\n")
				return
			}
			c.say(chunked[:len(chunked)-2] + "Content-Encoding: gzip\r\n\r\n")
			var out bytes.Buffer
			z := gzip.NewWriter(&out)
			fmt.Fprint(z, "data: 1\n\n")
			z.Flush()
			c.say(chunk(out.String()))
			<-more
			out.Reset()
			fmt.Fprint(z, "data: 2\n\n")
			z.Close()
			c.say(chunk(out.String()) + "0\r\n\r\n")
		})
		frames := upstream.NewFrames(ask(t, open(t, upstream.Settings{BaseURL: p.URL}), chat("{}")), 1<<20)
		for i, want := range []string{"data: 1\n\n", "data: 2\n\n"} {
			event, ok := frames.Next()
			for !ok {
				if err := frames.Fill(); err != nil {
					t.Fatal(err)
				}
				event, ok = frames.Next()
			}
			if string(event) != want {
				t.Errorf("%q", event)
			}
			if i == 0 {
				close(more)
			}
		}
		if err := frames.Fill(); err != io.EOF {
			t.Error(err)
		}
		frames.Close()
	}
}

func TestAnAnswerThatComesBeforeTheBodyIsSent(t *testing.T) {
	for name, after := range map[string]func(*peerConn, *http.Request) bool{
		"and hangs up":             func(*peerConn, *http.Request) bool { return false },
		"and takes nothing more":   func(c *peerConn, _ *http.Request) bool { c.deafen(t); return false },
		"and takes it all in time": func(_ *peerConn, r *http.Request) bool { n, _ := io.Copy(io.Discard, r.Body); return n == 20<<20 },
	} {
		p := servePeer(t, func(_ *peer, c *peerConn) {
			for r := c.head(); r != nil; r = c.head() {
				c.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 20\r\n\r\n" + `{"error":{"code":1}}`)
				if !after(c, r) {
					return
				}
			}
		})
		client := open(t, upstream.Settings{BaseURL: p.URL})
		counted := &keeper{}
		for range 20 {
			answer, err := client.Do(t.Context(), kept(counted, large(1<<20), large(19<<20)))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if body, err := answer.ReadAll(nil, 100); answer.Status != 413 || err != nil || len(body) != 20 {
				t.Errorf("%s: %d, %q, %v", name, answer.Status, body, err)
			}
			answer.Close()
		}
		if counted.ever.Load() == 0 {
			t.Error("the body was not counted")
		}
		counted.balanced(t)
	}
}

// deafen waits for the other side to hang up, without taking anything of what it sends.
func (c *peerConn) deafen(t testing.TB) {
	for t.Context().Err() == nil {
		if _, err := c.Conn.Write([]byte("x")); err != nil {
			return
		}
		select {
		case <-t.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestACancelledCallEndsItsConnectionWithinASecond(t *testing.T) {
	var running atomic.Int64
	p := servePeer(t, func(_ *peer, c *peerConn) {
		r := c.head()
		if r == nil {
			return
		}
		running.Add(1)
		defer running.Add(-1)
		_, _ = io.Copy(io.Discard, r.Body)
		c.say(chunked)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			if _, err := io.WriteString(c.Conn, chunk("data: "+canary+"\n\n")); err != nil {
				return
			}
			<-tick.C
		}
	})
	client := open(t, upstream.Settings{BaseURL: p.URL})
	counted := &keeper{}
	random := rand.New(rand.NewPCG(1, 2))
	base := runtime.NumGoroutine()
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(time.Duration(random.IntN(6000))*time.Microsecond, cancel)
		answer, err := client.Do(ctx, kept(counted, large(100<<10)))
		if err == nil {
			_, err = answer.ReadAll(nil, 1<<30)
			answer.Close()
		}
		if !errors.Is(err, context.Canceled) || !errors.Is(err, ctx.Err()) {
			t.Errorf("call %d: %v", i, err)
		}
		left := time.Now()
		timer.Stop()
		await(t, "the provider to notice", func() bool { return running.Load() == 0 })
		if took := time.Since(left); took > time.Second {
			t.Errorf("call %d: the connection ended %v later", i, took)
		}
	}
	counted.balanced(t)
	await(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= base+4*int(p.open.Load()) })
}

func TestAnAnswerThatIsClosedEarlyEndsItsConnection(t *testing.T) {
	p := servePeer(t, stalls(chunked+chunk("data: 1\n\n")))
	answer := ask(t, open(t, upstream.Settings{BaseURL: p.URL}), chat("{}"))
	answer.Close()
	answer.Close()
	await(t, "the connection to be closed", func() bool { return p.open.Load() == 0 })
	if _, err := answer.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("read after the end: %v", err)
	}
}

func TestADrainedAnswerKeepsItsConnectionAndNobodyWaits(t *testing.T) {
	release := make(chan string)
	p := servePeer(t, func(_ *peer, c *peerConn) {
		for r, _ := c.request(); r != nil; r, _ = c.request() {
			c.say(chunked + chunk("data: [DONE]\n\n"))
			c.say(<-release)
		}
	})
	client := open(t, upstream.Settings{BaseURL: p.URL})
	stream := func() *upstream.Answer {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel() // as a request's context ends when its handler has returned
		answer, err := client.Do(ctx, chat("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := answer.Read(make([]byte, 100)); n != 14 || err != nil {
			t.Fatal(n, err)
		}
		begun := time.Now()
		answer.Drain()
		answer.Close()
		if took := time.Since(begun); took > 50*time.Millisecond {
			t.Errorf("closing took %v", took)
		}
		return answer
	}
	for range 3 {
		stream()
		release <- "0\r\n\r\n"
		again, err := client.Do(t.Context(), chat("{}")) // a moment later, as other calls come
		if err != nil {
			t.Fatal(err)
		}
		release <- "0\r\n\r\n"
		if _, err := again.ReadAll(nil, 100); err != nil {
			t.Fatal(err)
		}
		again.Close()
	}
	if p.conns.Load() > 4 { // the call that came at once may have needed its own
		t.Errorf("%d connections", p.conns.Load())
	}
	stream()
	release <- "" // the end never comes
	await(t, "the connection to be given up", func() bool { return p.open.Load() < p.conns.Load() })
	ended := p.conns.Load() - p.open.Load()
	stream()
	release <- chunk(strings.Repeat("x", 64<<10)) // nor is it near
	await(t, "the connection to be given up", func() bool { return p.conns.Load()-p.open.Load() > ended })
}

func TestManyCallsAtOnceAreKeptApart(t *testing.T) {
	p := servePeer(t, func(_ *peer, c *peerConn) {
		for r, body := c.request(); r != nil; r, body = c.request() {
			c.say(chunked)
			for range 20 {
				c.say(chunk("data: " + string(body) + "\n\n"))
			}
			c.say("0\r\n\r\n")
		}
	})
	client := open(t, upstream.Settings{BaseURL: p.URL})
	var callers sync.WaitGroup
	for i := range 50 {
		callers.Go(func() {
			own := fmt.Sprintf("caller %d", i)
			for range 10 {
				answer, err := client.Do(t.Context(), chat(own))
				if err != nil {
					t.Error(err)
					return
				}
				body, err := answer.ReadAll(nil, 1<<20)
				if err != nil || string(body) != strings.Repeat("data: "+own+"\n\n", 20) {
					t.Errorf("%q, %v", body, err)
				}
				answer.Close()
			}
		})
	}
	callers.Wait()
}
