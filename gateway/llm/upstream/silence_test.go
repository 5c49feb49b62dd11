package upstream_test

import (
	"errors"
	"testing"
	"time"

	"nexus/gateway/llm"
	"nexus/gateway/llm/upstream"
)

func TestSilenceBeforeAnAnswer(t *testing.T) {
	for name, handle := range map[string]func(*peer, *peerConn){
		"no head":            stalls(""),
		"half a head":        stalls(ok + "X-A: "),
		"hints alone":        stalls("HTTP/1.1 103 Early Hints\r\n\r\n"),
		"never reads a body": func(_ *peer, c *peerConn) { c.head(); <-c.gone(t) },
	} {
		p := servePeer(t, handle)
		client := open(t, upstream.Settings{BaseURL: p.URL, ResponseTimeout: 80 * time.Millisecond, IdleTimeout: 50 * time.Millisecond})
		counted := &keeper{}
		begun := time.Now()
		_, err := client.Do(t.Context(), kept(counted, large(20<<20)))
		var late *llm.TimeoutError
		if !errors.As(err, &late) || *late != (llm.TimeoutError{Key: "response_timeout", Waited: 80 * time.Millisecond}) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(begun); took < 80*time.Millisecond {
			t.Errorf("%s: given up after %v", name, took)
		}
		counted.balanced(t)
	}
}

// gone is closed when the test is over: what a peer waits for that does nothing at all.
func (c *peerConn) gone(t testing.TB) <-chan struct{} { return t.Context().Done() }

func TestSilenceInsideAnAnswer(t *testing.T) {
	for name, text := range map[string]string{
		"in a body":  ok + "Content-Length: 50\r\n\r\nhello",
		"in chunks":  chunked + chunk("hello"),
		"in a chunk": chunked + "50\r\nhello",
		"packed":     ok + "Content-Encoding: gzip\r\n\r\n" + string(squeeze(t, "hello", false)),
	} {
		p := servePeer(t, stalls(text))
		client := open(t, upstream.Settings{BaseURL: p.URL, IdleTimeout: 80 * time.Millisecond})
		answer := ask(t, client, chat("{}"))
		begun := time.Now()
		body, err := answer.ReadAll(nil, 100)
		var late *llm.TimeoutError
		if !errors.As(err, &late) || *late != (llm.TimeoutError{Key: "idle_timeout", Waited: 80 * time.Millisecond}) || string(body) != "hello" {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		if took := time.Since(begun); took < 80*time.Millisecond || took > 10*time.Second {
			t.Errorf("%s: given up after %v", name, took)
		}
		answer.Close()
		await(t, "the connection to be closed", func() bool { return p.open.Load() == 0 })
	}
}

func TestAReaderWhoTakesItsTimeIsNotTheProvidersSilence(t *testing.T) {
	p := servePeer(t, func(_ *peer, c *peerConn) {
		c.request()
		c.say(chunked + chunk("1"))
		c.linger()
	})
	client := open(t, upstream.Settings{BaseURL: p.URL, IdleTimeout: 30 * time.Millisecond})
	answer := ask(t, client, chat("{}"))
	one := make([]byte, 1)
	if _, err := answer.Read(one); err != nil {
		t.Fatal(err)
	}
	<-time.After(100 * time.Millisecond) // the reader's own time
	begun := time.Now()
	_, err := answer.Read(one)
	if late := new(llm.TimeoutError); !errors.As(err, &late) || time.Since(begun) < 30*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func TestAnAnswerThatComesSlowlyButSteadilyIsWhole(t *testing.T) {
	p := servePeer(t, func(_ *peer, c *peerConn) {
		c.request()
		c.say(chunked)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range 40 {
			<-tick.C
			c.say(chunk("x"))
		}
		c.say("0\r\n\r\n")
	})
	client := open(t, upstream.Settings{BaseURL: p.URL, IdleTimeout: 200 * time.Millisecond, ResponseTimeout: 300 * time.Millisecond})
	if body, err := ask(t, client, chat("{}")).ReadAll(nil, 100); err != nil || len(body) != 40 {
		t.Errorf("%q, %v", body, err)
	}
}
