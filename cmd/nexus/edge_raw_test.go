package main_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

const (
	rawLimit = 20 * time.Second // for one connection
	rawToken = "raw-operator-token-0123456789"
)

// rawFile is a gateway whose every path is guarded by something: the LLM paths by the client's name, the operator's by a token.
const rawFile = `
[server.client_identification]
client_id.http_header = "X-Client-ID"
[admin]
token = "` + rawToken + `"
[telemetry.prometheus]
token = "` + rawToken + `"
`

// rawCase is what a stranger sends over one socket. What it sends is followed at once, in the same write, by another request, which is
// whole and asks that the connection be closed after it. Either the first is a request, and then the other is the next; or it is not,
// and then nobody can say where it ends: nothing that follows may be taken for a request.
type rawCase struct {
	name string
	send string // "first-NNN" in it becomes the mark of this case
	want []int  // the statuses that come back, to the end of the connection; see anyRefusal
	// client is whom the first request is counted for; empty: it does not matter.
	client string
	// half closes the caller's side after the last byte: for what would otherwise be waited for.
	half bool
	// alone: nothing follows.
	alone bool
}

// anyRefusal stands for 400, 401 and 404.
const anyRefusal = 0

// fits is whether what came is what is wanted.
func (c *rawCase) fits(got []int) bool {
	return slices.EqualFunc(got, c.want, func(got, want int) bool {
		return got == want || want == anyRefusal && (got == 400 || got == 401 || got == 404)
	})
}

// The marks by which the provider's record tells what it was asked. Their length does not depend on the number.
func firstMark(i int) string  { return fmt.Sprintf("first-%03d", i) }
func followMark(i int) string { return fmt.Sprintf("follow-%03d", i) }

// rawBody is a small question.
func rawBody(mark string) string {
	return `{"model":"gpt-4o","messages":[{"role":"user","content":"` + mark + `"}]}`
}

// rawFollow is the request that follows.
func rawFollow(i int) string {
	body := rawBody(followMark(i))
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: nexus\r\nX-Client-ID: follower\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", chatPath, len(body), body)
}

// TestRawRequests sends what no library would. The provider sees what a caller has sent whole and nothing else, and no guard is
// passed by a way of writing.
func TestRawRequests(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		p := gatewaytest.StartProvider(t)
		nexus := gatewaytest.Start(t, rawFile+p.Config())
		tryRaw(t, rawDoor{nexus, http.DefaultClient, nil}, p)
	})
	t.Run("over TLS", func(t *testing.T) {
		p, ca := gatewaytest.StartProvider(t), gatewaytest.NewAuthority(t)
		cert, trust := ca.Server(t), &tls.Config{RootCAs: ca.Pool}
		nexus, client := startTLS(t, fmt.Sprintf("[server.tls]\ncertificate = %q\nkey = %q\n", cert.Certificate, cert.Key)+rawFile+p.Config(), trust)
		tryRaw(t, rawDoor{nexus, client, trust}, p)
	})
}

// rawDoor is the gateway, and how to come to it.
type rawDoor struct {
	*gatewaytest.Nexus
	client *http.Client
	trust  *tls.Config // nil: it speaks plain HTTP
}

// dial opens a socket, behind its handshake where there is one.
func (d *rawDoor) dial() (net.Conn, error) {
	_, address, _ := strings.Cut(d.URL, "://")
	if d.trust == nil {
		return net.Dial("tcp", address)
	}
	return tls.Dial("tcp", address, d.trust)
}

// get gets a page of the operator's.
func (d *rawDoor) get(t *testing.T, path string) (status int, body []byte) {
	t.Helper()
	call, err := http.NewRequest(http.MethodGet, d.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	call.Header.Set("Authorization", "Bearer "+rawToken)
	answer, err := d.client.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}

// tryRaw tries every case and holds them against what the provider was asked.
func tryRaw(t *testing.T, door rawDoor, p *gatewaytest.Provider) {
	cases := rawCases()
	t.Run("sockets", func(t *testing.T) {
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.try(t, &door, i)
			})
		}
	})
	checkAsked(t, p, cases)
	if got, _ := door.get(t, "/health"); got != http.StatusOK {
		t.Errorf("at the end /health answers %d", got)
	}
	if strings.Contains(door.Output(), rawToken) {
		t.Error("the operator's token is in the log")
	}
	t.Logf("%d cases", len(cases))
}

// checkAsked holds the provider's record against what the cases sent whole.
func checkAsked(t *testing.T, p *gatewaytest.Provider, cases []rawCase) {
	t.Helper()
	asked := map[string]int{}
	for _, r := range p.Requests() {
		var body struct{ Messages []struct{ Content string } }
		if err := json.Unmarshal(r.Body, &body); err != nil || len(body.Messages) != 1 {
			t.Errorf("the provider was sent what nobody asked: %.200q", r.Body)
			continue
		}
		asked[body.Messages[0].Content]++
	}
	for i, c := range cases {
		first, follow := 0, 0
		if answers := c.final(); len(answers) > 0 && answers[0] == http.StatusOK && strings.HasPrefix(c.send, "POST ") {
			first = 1
		}
		if answers := c.final(); len(answers) > 1 && answers[len(answers)-1] == http.StatusOK {
			follow = 1
		}
		if asked[firstMark(i)] != first || asked[followMark(i)] != follow {
			t.Errorf("%s: the provider was asked %d times, and %d times what follows; want %d and %d",
				c.name, asked[firstMark(i)], asked[followMark(i)], first, follow)
		}
		delete(asked, firstMark(i))
		delete(asked, followMark(i))
	}
	if len(asked) > 0 {
		t.Errorf("the provider was asked what no case has sent: %v", asked)
	}
}

// final are the statuses without those that only announce another.
func (c *rawCase) final() []int {
	return slices.DeleteFunc(slices.Clone(c.want), func(status int) bool { return status == http.StatusContinue })
}

// try sends one case and reads the connection to its end.
func (c *rawCase) try(t *testing.T, door *rawDoor, i int) {
	conn, err := door.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(rawLimit))
	id := fmt.Sprintf("raw-%03d", i)
	text := strings.NewReplacer("first-NNN", firstMark(i), "raw-NNN", id).Replace(c.send)
	if !c.alone {
		text += rawFollow(i)
	}
	// A large one may be refused, and the connection closed, before all of it was sent.
	_, _ = io.WriteString(conn, text)
	if c.half {
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	}
	got := c.answers(t, bufio.NewReader(conn))
	if !c.fits(got) {
		t.Errorf("answered %v, want %v", got, c.want)
	}
	if c.client != "" {
		if who := door.clientOf(t, id); who != c.client {
			t.Errorf("counted for %q, want %q", who, c.client)
		}
	}
}

// answers reads the connection to its end and gives the statuses of what came.
func (c *rawCase) answers(t *testing.T, from *bufio.Reader) (got []int) {
	t.Helper()
	method, _, _ := strings.Cut(c.send, " ")
	for {
		request := &http.Request{Method: http.MethodPost}
		if len(got) == 0 && method == http.MethodHead {
			request.Method = method
		}
		_, err := from.Peek(1)
		if err == io.EOF || errors.Is(err, syscall.ECONNRESET) && len(got) > 0 {
			return got // a reset is an end, too, where something was left unread
		}
		answer, err := http.ReadResponse(from, request)
		if err != nil {
			t.Errorf("after %v there is no end and no answer: %v", got, err)
			return got
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Errorf("the answer of %d breaks off: %v", answer.StatusCode, err)
			return got
		}
		got = append(got, answer.StatusCode)
		if answer.StatusCode >= 400 && request.Method != http.MethodHead {
			if err := refusalForm(answer, body); err != nil {
				t.Errorf("%d: %v: %.200q", answer.StatusCode, err, body)
			}
		}
	}
}

// refusalForm says what a refusal lacks: each has the form that callers' libraries understand, and the id that leads to its trace or
// line of the log.
func refusalForm(answer *http.Response, body []byte) error {
	if answer.Header.Get("X-Request-ID") == "" {
		return errors.New("it has no X-Request-ID")
	}
	if answer.Header.Get("WWW-Authenticate") != "" {
		return nil // the operator's paths have forms of their own
	}
	var told struct{ Error apiError }
	if err := json.Unmarshal(body, &told); err != nil || told.Error.Message == "" || told.Error.Type == "" {
		return fmt.Errorf("it is no error in JSON (%v)", err)
	}
	return nil
}

// clientOf is whom a request was counted for, as its trace says. It is written a moment after the answer.
func (d *rawDoor) clientOf(t *testing.T, id string) string {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(rawLimit); time.Now().Before(deadline); <-poll.C {
		status, body := d.get(t, "/admin/api/traces/"+id)
		var trace struct {
			ClientID *string `json:"client_id"`
		}
		err := json.Unmarshal(body, &trace)
		switch {
		case status == http.StatusNotFound:
		case err != nil || status != http.StatusOK:
			t.Fatalf("the trace of %s: %d, %v", id, status, err)
		case trace.ClientID == nil:
			return "nobody"
		default:
			return *trace.ClientID
		}
	}
	t.Fatalf("no trace of %s", id)
	return ""
}
