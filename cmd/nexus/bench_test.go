package main_test

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

const (
	benchConnections = 32
	benchRounds      = 15
	benchBody        = 200              // bytes of a request's body
	roundLimit       = 60 * time.Second // for one round of one side
)

// BenchmarkCPU measures what a request costs the gateway, in time on a processor by the process's own
// accounts, as a ratio to a bare httputil.ReverseProxy in front of a server that answers with the same
// bytes. Both sides take turns, so that a busy machine slows both; the median of the rounds counts.
//
// The demo answers within the gateway, so no call to a provider is in these figures. Of a stream it makes
// one event at a time, each with a write of its own, where the bare proxy often reads several at once and
// hands them on in one: there the ratio is mostly the number of writes.
func BenchmarkCPU(b *testing.B) {
	b.Run("chat", func(b *testing.B) { compareCPU(b, 20_000, padded(`"stream":false,`)) })
	b.Run("stream", func(b *testing.B) { compareCPU(b, 6_000, padded(`"stream":true,`)) })
}

// padded is a chat request of benchBody bytes.
func padded(parameters string) string {
	const start, end = `{"model":"demo-1",`, `"messages":[{"role":"user","content":"Hello, %s"}]}`
	room := benchBody - len(start) - len(parameters) - len(end) + len("%s")
	return start + parameters + fmt.Sprintf(end, strings.Repeat("and hello again ", benchBody)[:room])
}

func compareCPU(b *testing.B, requests int, body string) {
	nexus := gatewaytest.Start(b, identified)
	bare, bareAddress := startBare(b, startOrigin(b, record(b, nexus.URL, body)))
	ours := &side{process: nexus.Process, address: strings.TrimPrefix(nexus.URL, "http://"), body: body, header: benchHeader}
	theirs := &side{process: bare, address: bareAddress, body: body, header: benchHeader}
	compare(b, benchRounds, requests, ours, theirs, "bare")
}

// benchHeader says who calls.
const benchHeader = "X-Client-ID: bench\r\nX-User-Tier: pro\r\n"

// BenchmarkCPUOfTokens measures what a request costs the gateway whose caller is known by an RS256 token, as a ratio to
// one whose caller is known by headers. Both are Nexus and answer the same. A token is several hundred bytes that the
// server reads before anybody looks at them: so once more with those bytes on both sides.
func BenchmarkCPUOfTokens(b *testing.B) {
	key := gatewaytest.NewKey(b, "bench", "RS256")
	i := gatewaytest.StartIssuer(b, key)
	token := "Authorization: Bearer " + i.Token(b, key, nil) + "\r\n"
	for name, header := range map[string]string{"headers": benchHeader, "same bytes": benchHeader + token} {
		b.Run(name, func(b *testing.B) {
			byToken, byHeader := gatewaytest.Start(b, tokened(i)), gatewaytest.Start(b, identified)
			body := padded(`"stream":false,`)
			compare(b, benchRounds, 20_000,
				&side{process: byToken.Process, address: strings.TrimPrefix(byToken.URL, "http://"), body: body, header: token},
				&side{process: byHeader.Process, address: strings.TrimPrefix(byHeader.URL, "http://"), body: body, header: header},
				"header")
		})
	}
}

// compare measures two programs in turns.
func compare(b *testing.B, rounds, requests int, ours, theirs *side, other string) {
	b.Helper()
	for range b.N {
		ours.measure(b, requests/10) // warm: caches, the heap's size
		theirs.measure(b, requests/10)
		var mine, yours, ratios []float64
		for range rounds {
			m, y := ours.measure(b, requests), theirs.measure(b, requests)
			mine, yours, ratios = append(mine, m), append(yours, y), append(ratios, m/y)
		}
		b.Logf("ratios of the rounds: %.2f", ratios)
		b.ReportMetric(median(mine), "us/req")
		b.ReportMetric(median(yours), other+"-us/req")
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(float64(theirs.cut.Load()), other+"-cut")
		b.ReportMetric(0, "ns/op") // the time of all rounds together says nothing
		if n := ours.cut.Load(); n != 0 {
			b.Errorf("%d answers were cut off", n)
		}
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// record keeps one answer of the gateway in a file and gives its path.
func record(b *testing.B, base, body string) string {
	b.Helper()
	call, err := http.NewRequest(http.MethodPost, base+chatPath, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	call.Header = from("bench", "pro")
	answer, err := http.DefaultClient.Do(call)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("the request of the benchmark is answered %s: %v\n%s", answer.Status, err, text)
	}
	b.Logf("an answer has %d bytes", len(text))
	file := filepath.Join(b.TempDir(), "answer")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// startOrigin starts a server that answers with the content of a file, and gives its address.
func startOrigin(b *testing.B, answer string) string {
	b.Helper()
	address := gatewaytest.FreeAddress(b)
	gatewaytest.Run(b, gatewaytest.Build(b, "./testdata/bare"), "origin", address, answer).Await(b, "listening")
	return address
}

// startBare starts the yardstick, the bare proxy in front of an origin, and gives its address.
func startBare(b *testing.B, origin string) (*gatewaytest.Process, string) {
	b.Helper()
	address := gatewaytest.FreeAddress(b)
	process := gatewaytest.Run(b, gatewaytest.Build(b, "./testdata/bare"), "proxy", address, "http://"+origin)
	process.Await(b, "listening")
	return process, address
}

// side is one of the two programs that are compared.
type side struct {
	process *gatewaytest.Process
	address string
	body    string
	header  string       // lines that say who calls
	conns   int          // connections; 0: benchConnections
	fresh   *fresh       // makes each request another one; nil: they are all the same
	cut     atomic.Int64 // answers that ended too early
}

// measure sends requests over kept-alive connections and gives the microseconds of CPU per request.
func (s *side) measure(b *testing.B, requests int) float64 {
	b.Helper()
	conns := cmp.Or(s.conns, benchConnections)
	before := s.process.CPU(b)
	var wait sync.WaitGroup
	failures := make([]error, conns)
	for i := range conns {
		wait.Go(func() { failures[i] = s.drive(requests / conns) })
	}
	wait.Wait()
	if err := errors.Join(failures...); err != nil {
		b.Fatal(err)
	}
	spent := s.process.CPU(b) - before
	return float64(spent.Microseconds()) / float64(requests/conns*conns)
}

// drive sends the request over a kept-alive connection, one after the other. The bare proxy now and then
// cuts an answer off, and the connection with it: such a request counts, and the next one has a new
// connection.
func (s *side) drive(requests int) error {
	for sent := 0; sent < requests; {
		done, err := s.converse(requests - sent)
		sent += done
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			sent++
			s.cut.Add(1)
		case err != nil:
			return err
		}
	}
	return nil
}

// converse sends at most so many requests over one connection, reads each answer to its end, and says
// how many it has read.
func (s *side) converse(requests int) (done int, err error) {
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(roundLimit)); err != nil {
		return 0, fmt.Errorf("set a deadline: %w", err)
	}
	message := s.message()
	answers := bufio.NewReader(conn)
	for done < requests {
		s.fresh.renew(message)
		if _, err := conn.Write(message); err != nil {
			return done, fmt.Errorf("send a request: %w", err)
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return done, fmt.Errorf("read an answer: %w", err)
		}
		if answer.StatusCode != http.StatusOK {
			return done, fmt.Errorf("answered %s", answer.Status)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return done, fmt.Errorf("read the body of an answer: %w", err)
		}
		done++
	}
	return done, nil
}

// message is the request as it goes over a connection.
func (s *side) message() []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"%sContent-Length: %d\r\n\r\n%s", chatPath, s.address, s.header, len(s.body), s.body)
}
