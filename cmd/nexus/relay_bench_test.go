package main_test

import (
	"bufio"
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
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

const (
	relayRounds = 7
	openRate    = 1000 // requests a second
	openConns   = 32
	openLength  = 3 // seconds of a round of one side
)

// relayed is a nexus.toml with a provider at address that speaks like OpenAI, and knows the callers' gpt-4o by another
// name: so the name is really rewritten, both ways. More lines go into the provider's table.
func relayed(identification, address string, more ...string) string {
	return identification + fmt.Sprintf(`
[llm.providers.openai]
type = "openai"
api_key = "sk-of-the-load-tests"
base_url = "http://%s/v1"
%s
[llm.providers.openai.models.gpt-4o]
rename = "gpt-4o-2024-08-06"
`, address, strings.Join(more, "\n"))
}

// relayLoad is one kind of request and how much of it is sent.
type relayLoad struct {
	name     string
	body     string
	answer   string
	conns    int
	requests int // of a round of one side
}

func relayLoads() []relayLoad {
	return []relayLoad{
		{"200B", conversation(200, "", prose), relayAnswer, 32, 10_000},
		{"10KB", conversation(10_000, "", prose), relayAnswer, 32, 8000},
		{"200KB", conversation(200_000, "", prose), relayAnswer, 8, 3000},
		{"200KB-code", conversation(200_000, "", code), relayAnswer, 8, 3000},
		{"burst", conversation(200, `"stream":true,`, prose), relayStream(100), 16, 2500},
	}
}

// Lines as they stand in a body: an end of line now and then, and an escape every few bytes.
const (
	prose = `The answer came at once, and nobody in the room could say who of them had asked for it.\n`
	code  = `\tif err := run(\"hello\", 1); err != nil {\n\t\treturn fmt.Errorf(\"run: %w\", err)\n\t}\n`
)

// relayAnswer is a provider's answer to a small question.
const relayAnswer = `{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"model":"gpt-4o-2024-08-06",` +
	`"choices":[{"index":0,"message":{"role":"assistant","content":"Hello! How can I assist you today?"},"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}`

// relayStream is a provider's answer of so many events, its usage after them.
func relayStream(events int) string {
	const head = `data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-2024-08-06",`
	var b strings.Builder
	for i := range events {
		finish := "null"
		if i == events-1 {
			finish = `"stop"`
		}
		fmt.Fprintf(&b, head+`"choices":[{"index":0,"delta":{"content":" word%d"},"finish_reason":%s}]}`+"\n\n", i, finish)
	}
	fmt.Fprintf(&b, head+`"choices":[],"usage":{"prompt_tokens":19,"completion_tokens":%d,"total_tokens":%d}}`+"\n\n", events, events+19)
	return b.String() + "data: [DONE]\n\n"
}

// conversation is a chat request of so many bytes: turns of about a kilobyte, of one line again and again.
func conversation(size int, parameters, line string) string {
	const most, turn, end = 1000, `"},{"role":"user","content":"`, `"}]}`
	var b strings.Builder
	b.WriteString(`{"model":"gpt-4o",` + parameters + `"messages":[{"role":"user","content":"Hello. `)
	for at := 0; b.Len()+len(line)+len(turn)+len(end) < size; at += len(line) {
		if at > most {
			b.WriteString(turn)
			at = 0
		}
		b.WriteString(line)
	}
	b.WriteString(strings.Repeat("x", max(0, size-b.Len()-len(end))))
	return b.String() + end
}

// BenchmarkRelay measures what handing a request on to a provider costs the gateway, in time on a processor, as a ratio to
// a bare httputil.ReverseProxy in front of the same provider, both in turns. The caller is known by headers, or by an
// RS256 token. The gateway also reads the body, finds the model, writes another name both ways, asks for the usage
// of a stream and hides it again.
func BenchmarkRelay(b *testing.B) {
	key := gatewaytest.NewKey(b, "bench", "RS256")
	issuer := gatewaytest.StartIssuer(b, key)
	token := "Authorization: Bearer " + issuer.Token(b, key, nil) + "\r\n"
	for _, who := range []struct{ name, file, header string }{
		{"header", identified, benchHeader},
		{"token", tokened(issuer), token},
	} {
		for _, load := range relayLoads() {
			b.Run(who.name+"/"+load.name, func(b *testing.B) {
				ours, theirs, _ := load.sides(b, who.file, who.header)
				compare(b, relayRounds, load.requests, ours, theirs, "bare")
			})
		}
	}
}

// sides are the gateway and the bare proxy in front of one origin, and the origin's address.
func (l relayLoad) sides(b *testing.B, file, header string) (ours, theirs *side, origin string) {
	b.Helper()
	answer := filepath.Join(b.TempDir(), "answer")
	if err := os.WriteFile(answer, []byte(l.answer), 0o600); err != nil {
		b.Fatal(err)
	}
	origin = startOrigin(b, answer)
	nexus := gatewaytest.Start(b, relayed(file, origin))
	bare, bareAddress := startBare(b, origin)
	ours = &side{process: nexus.Process, address: strings.TrimPrefix(nexus.URL, "http://"), body: l.body, header: header, conns: l.conns}
	theirs = &side{process: bare, address: bareAddress, body: l.body, header: header, conns: l.conns}
	for s, want := range map[*side]string{theirs: l.answer, ours: l.renamed()} {
		if got := s.ask(b); got != want {
			b.Fatalf("the answer is\n%s\nwant\n%s", got, want)
		}
	}
	return ours, theirs, origin
}

// renamed is the answer as callers see it: under the name that they used, without the usage that they did not ask for.
func (l relayLoad) renamed() string {
	text := strings.ReplaceAll(l.answer, "gpt-4o-2024-08-06", "gpt-4o")
	events := strings.SplitAfter(text, "\n\n")
	return strings.Join(slices.DeleteFunc(events, func(event string) bool {
		return strings.HasPrefix(event, "data: ") && strings.Contains(event, `"choices":[]`)
	}), "")
}

// ask sends one request and gives the answer's body.
func (s *side) ask(b *testing.B) string {
	b.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(roundLimit))
	if _, err := conn.Write(s.message()); err != nil {
		b.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		b.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("the request of the benchmark is answered %s: %v\n%s", answer.Status, err, text)
	}
	return string(text)
}

// BenchmarkRelayLatency sends a thousand requests a second, whether or not the ones before have been answered, and
// measures what the gateway adds to a direct call, as a ratio to what the bare proxy adds. The three take turns; the
// median of the rounds counts.
func BenchmarkRelayLatency(b *testing.B) {
	load := relayLoads()[0]
	ours, theirs, origin := load.sides(b, identified, benchHeader)
	direct := &side{address: origin, body: load.body, header: benchHeader}
	sides := []*side{direct, ours, theirs}
	for range b.N {
		for _, s := range sides {
			s.openLoop(b, openRate/2) // warm
		}
		p50, p99 := make([][]float64, len(sides)), make([][]float64, len(sides))
		var ratios []float64
		for round := range relayRounds {
			for i := range sides {
				at := (i + round) % len(sides) // none always comes first
				times := sides[at].openLoop(b, openRate*openLength)
				p50[at], p99[at] = append(p50[at], micros(times, 50)), append(p99[at], micros(times, 99))
			}
			ratios = append(ratios, (p50[1][round]-p50[0][round])/(p50[2][round]-p50[0][round]))
		}
		b.Logf("ratios of the rounds: %.2f", ratios)
		for i, name := range []string{"direct", "ours", "bare"} {
			b.ReportMetric(median(p50[i]), name+"-p50-us")
			b.ReportMetric(median(p99[i]), name+"-p99-us")
		}
		b.ReportMetric(median(ratios), "added-p50-ratio")
		b.ReportMetric(0, "ns/op") // the time of all rounds together says nothing
	}
}

// micros is a percentile of times that are in order, in microseconds.
func micros(times []time.Duration, percent int) float64 {
	return float64(times[len(times)*percent/100].Nanoseconds()) / 1000
}

// openLoop sends requests at an even pace, spread over connections, and gives the times to the end of their answers, in order.
func (s *side) openLoop(b *testing.B, requests int) []time.Duration {
	b.Helper()
	begin := time.Now().Add(100 * time.Millisecond)
	times, errs := make([][]time.Duration, openConns), make([]error, openConns)
	var wait sync.WaitGroup
	for i := range openConns {
		wait.Go(func() {
			times[i], errs[i] = s.keepPace(begin.Add(time.Duration(i)*time.Second/openRate), requests/openConns)
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return all
}

// keepPace sends the requests of one connection. One that is late because the answer before it was late counts from when
// it was due; how late a timer wakes the test is nobody's delay.
func (s *side) keepPace(due time.Time, requests int) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(roundLimit)); err != nil {
		return nil, fmt.Errorf("set a deadline: %w", err)
	}
	message, answers := s.message(), bufio.NewReader(conn)
	times := make([]time.Duration, 0, requests)
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for range requests {
		began := due
		if early := time.Until(due); early > 0 {
			timer.Reset(early)
			<-timer.C
			began = time.Now()
		}
		if _, err := conn.Write(message); err != nil {
			return nil, fmt.Errorf("send a request: %w", err)
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return nil, fmt.Errorf("read an answer: %w", err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		times = append(times, time.Since(began))
		if err != nil || answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("answered %s: %w", answer.Status, err)
		}
		due = due.Add(openConns * time.Second / openRate)
	}
	return times, nil
}
