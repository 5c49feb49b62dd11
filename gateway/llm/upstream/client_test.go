package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"nexus/gateway/llm"
	"nexus/gateway/llm/upstream"
)

func TestACallArrivesAsItWasMade(t *testing.T) {
	arrived := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"a": 1}` {
			t.Errorf("the body is %q: %v", body, err)
		}
		arrived <- r
		w.Header().Set("X-Request-Id", "r1")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	}))
	defer server.Close()
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	client := open(t, upstream.Settings{BaseURL: server.URL + "/v%31/x"})
	answer, err := client.Do(t.Context(), chat(`{"a": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	body, err := answer.ReadAll([]byte("a "), 100)
	if err != nil || string(body) != "a short and stout" {
		t.Errorf("the answer is %q: %v", body, err)
	}
	if answer.Status != http.StatusTeapot || answer.Length != 15 || answer.Header.Get("X-Request-Id") != "r1" {
		t.Errorf("the head is %d, %d, %v", answer.Status, answer.Length, answer.Header)
	}
	r := <-arrived
	if r.Method != http.MethodPost || r.RequestURI != "/v%31/x/chat/completions" || r.ContentLength != 8 || r.Proto != "HTTP/1.1" {
		t.Errorf("arrived as %s %s, %d bytes, %s", r.Method, r.RequestURI, r.ContentLength, r.Proto)
	}
	want := http.Header{
		"Content-Type": {"application/json"}, "Authorization": {"Bearer " + canary},
		"User-Agent": {"nexus"}, "Accept-Encoding": {"identity"}, "Content-Length": {"8"},
	}
	for name, values := range r.Header {
		if strings.Join(values, "|") != strings.Join(want[name], "|") {
			t.Errorf("the header %s is %q", name, values)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func TestACallWithoutABodyOrHeader(t *testing.T) {
	p := servePeer(t, func(_ *peer, c *peerConn) {
		for r, body := c.request(); r != nil; r, body = c.request() {
			if r.Method != http.MethodGet || r.RequestURI != "/v1/models" || len(body) > 0 || r.ContentLength != 0 {
				t.Errorf("arrived as %s %s with %d bytes", r.Method, r.RequestURI, r.ContentLength)
			}
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	client := open(t, upstream.Settings{BaseURL: p.URL + "/"})
	for range 3 {
		answer, err := client.Do(t.Context(), upstream.Call{Method: http.MethodGet, Path: "/models"})
		if err != nil {
			t.Fatal(err)
		}
		if body, err := answer.ReadAll(nil, 2); err != nil || string(body) != "{}" {
			t.Errorf("%q: %v", body, err)
		}
		answer.Close()
		answer.Close()
	}
	if p.conns.Load() != 1 {
		t.Errorf("%d connections for three calls in a row", p.conns.Load())
	}
}

func TestARedirectIsAnAnswerLikeAnyOther(t *testing.T) {
	p := servePeer(t, says("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://192.0.2.1/\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"))
	answer, err := open(t, upstream.Settings{BaseURL: p.URL}).Do(t.Context(), chat("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	if answer.Status != 307 || p.requests.Load() != 1 {
		t.Errorf("status %d after %d requests", answer.Status, p.requests.Load())
	}
	if _, err := answer.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
}

func TestInterimAnswersArePassedOver(t *testing.T) {
	p := servePeer(t, says("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"))
	answer, err := open(t, upstream.Settings{BaseURL: p.URL}).Do(t.Context(), chat("{}"))
	if err != nil || answer.Status != 204 {
		t.Fatal(answer, err)
	}
	answer.Close()
}

// TestHeadsThatAreNoUse is about what a provider can do in the place of a head.
func TestHeadsThatAreNoUse(t *testing.T) {
	const noHead, cutOff = "the provider's answer cannot be used: its head cannot be read", "the provider's answer cannot be used: the answer was cut off"
	const noAnswer = "the provider could not be reached: the connection was closed before an answer came"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":             {"", noAnswer},
		"half a status":       {"HTTP/1.1 20", noHead},
		"half a head":         {"HTTP/1.1 200 OK\r\nX-A: " + canary + "\r\n", cutOff},
		"a page":              {"<html>" + canary + "</html>\r\n\r\n", noHead},
		"TLS":                 {"\x15\x03\x01\x00\x02\x02\x28\r\n\r\n", noHead},
		"no status":           {"HTTP/1.1 abc " + canary + "\r\n\r\n", noHead},
		"another protocol":    {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: " + canary + "\r\n\r\n", "the provider's answer cannot be used: it changes to another protocol"},
		"a header without :":  {"HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n", noHead},
		"two lengths":         {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", noHead},
		"a length below 0":    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nxx", noHead},
		"an unknown transfer": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\nxx", noHead},
		"a huge head":         {"HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat(canary, 1<<14) + "\r\n\r\n", noHead},
		"endless hints":       {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+canary+"\r\n\r\n", 1<<12), noHead},
		"an unknown coding":   {"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nxx", "the provider's answer cannot be used: it comes in a content coding that is not known"},
		"two codings":         {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", "the provider's answer cannot be used: it comes in a content coding that is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			p := servePeer(t, says(c.text))
			counted := &keeper{}
			client := open(t, upstream.Settings{BaseURL: p.URL})
			for _, call := range []upstream.Call{chat(canary), kept(counted, large(100<<10))} {
				_, err := client.Do(t.Context(), call)
				if err == nil || err.Error() != c.want {
					t.Fatalf("%v, want %s", err, c.want)
				}
				harmlessBut(t, err)
			}
			counted.balanced(t)
		})
	}
}

// harmlessBut is harmless for errors whose own words are fine.
func harmlessBut(t *testing.T, err error) {
	t.Helper()
	harmless(t, err)
	if errors.Unwrap(err) != nil {
		t.Error("an error of the library can be reached")
	}
}

func TestAConnectionThatTheProviderHasClosedCostsNoCall(t *testing.T) {
	p := servePeer(t, func(_ *peer, c *peerConn) {
		if r, body := c.request(); r != nil && len(body) == int(r.ContentLength) {
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") // keeps the connection, it seems
		}
	})
	client := open(t, upstream.Settings{BaseURL: p.URL})
	counted := &keeper{}
	var callers sync.WaitGroup
	for range 10 {
		callers.Go(func() {
			for i := range 300 {
				call := chat(`{"model":"m"}`)
				if i%3 == 0 {
					call = kept(counted, large(20<<10), large(20<<10))
				}
				answer, err := client.Do(t.Context(), call)
				if err != nil {
					t.Errorf("call %d: %v", i, err)
					return
				}
				if body, err := answer.ReadAll(nil, 2); err != nil || string(body) != "{}" {
					t.Errorf("call %d: %q, %v", i, body, err)
				}
				answer.Close()
			}
		})
	}
	callers.Wait()
	counted.balanced(t)
}

func TestACallIsSentTwiceAtMost(t *testing.T) {
	var refuse sync.Map // whatever is in it: all connections are closed when the next request came
	p := servePeer(t, func(_ *peer, c *peerConn) {
		for r, _ := c.request(); r != nil; r, _ = c.request() {
			if _, on := refuse.Load("on"); on {
				return
			}
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	client := open(t, upstream.Settings{BaseURL: p.URL})
	var answers []*upstream.Answer
	for range 5 { // five connections at once, all kept
		answer, err := client.Do(t.Context(), chat("{}"))
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	for _, answer := range answers {
		if _, err := answer.ReadAll(nil, 10); err != nil {
			t.Fatal(err)
		}
		answer.Close()
	}
	refuse.Store("on", true)
	before := p.requests.Load()
	_, err := client.Do(t.Context(), chat("{}"))
	var unreachable *llm.UnreachableError
	if !errors.As(err, &unreachable) || unreachable.Why != "the connection was closed before an answer came" {
		t.Error(err)
	}
	if sent := p.requests.Load() - before; sent != 2 {
		t.Errorf("sent %d times", sent)
	}
}

func TestAnAnswerThatBegunIsNeverAskedForAgain(t *testing.T) {
	first := true
	p := servePeer(t, func(_ *peer, c *peerConn) {
		for r, _ := c.request(); r != nil; r, _ = c.request() {
			if !first {
				c.say("H")
				return
			}
			first = false
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	client := open(t, upstream.Settings{BaseURL: p.URL})
	answer, err := client.Do(t.Context(), chat("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer.ReadAll(nil, 10); err != nil {
		t.Fatal(err)
	}
	answer.Close()
	_, err = client.Do(t.Context(), chat("{}"))
	if broken := new(llm.BrokenError); !errors.As(err, &broken) || p.requests.Load() != 2 {
		t.Errorf("%v after %d requests", err, p.requests.Load())
	}
}

func TestTheCallersEndIsTheError(t *testing.T) {
	p := servePeer(t, stalls(""))
	client := open(t, upstream.Settings{BaseURL: p.URL})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Do(ended, chat("{}")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	counted := &keeper{}
	if _, err := client.Do(short, kept(counted, large(1<<20))); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	counted.balanced(t)
	await(t, "the connection to be closed", func() bool { return p.open.Load() == 0 })
}

func TestAClosedClientKeepsNoConnection(t *testing.T) {
	p := servePeer(t, func(_ *peer, c *peerConn) {
		for r, _ := c.request(); r != nil; r, _ = c.request() {
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	client, end := upstream.Open(upstream.Settings{BaseURL: p.URL})
	idle, err := client.Do(t.Context(), chat("{}"))
	if err != nil {
		t.Fatal(err)
	}
	runs, err := client.Do(t.Context(), chat("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := idle.ReadAll(nil, 10); err != nil {
		t.Fatal(err)
	}
	idle.Close()
	end()
	await(t, "the idle connection to be closed", func() bool { return p.open.Load() == 1 })
	if body, err := runs.ReadAll(nil, 10); err != nil || string(body) != "{}" {
		t.Errorf("the call that ran: %q, %v", body, err)
	}
	runs.Close()
	await(t, "the other one to be closed", func() bool { return p.open.Load() == 0 })
}
