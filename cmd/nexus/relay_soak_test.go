package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

const (
	relayEvents = 100             // of each streamed answer
	relayLimit  = 2 * time.Minute // for one answer
	relayMemory = 110 << 20       // bytes that a thousand open streams may cost
	knownWithin = time.Second     // after which a provider knows that a caller has left
)

// relay is a gateway in front of a provider that does what each request says.
type relay struct {
	*live
	origin string // the provider's address
}

// startRelay starts both, from what stands before the providers in a nexus.toml.
func startRelay(t testing.TB, file string) *relay {
	t.Helper()
	origin := gatewaytest.FreeAddress(t)
	gatewaytest.Run(t, gatewaytest.Build(t, "./testdata/bare"), "script", origin, "gpt-4o-2024-08-06").Await(t, "listening")
	nexus := gatewaytest.Start(t, relayed(file, origin, `headers = [{ rule = "forward", name = "X-Script" }]`))
	return &relay{live: &live{Nexus: nexus}, origin: origin}
}

// scripted is a small chat request that the provider answers as the script says.
func scripted(url, script string, stream bool) (*http.Request, error) {
	body := fmt.Sprintf(`{"model":"gpt-4o","stream":%t,"messages":[{"role":"user","content":"Hello"}]}`, stream)
	call, err := http.NewRequest(http.MethodPost, url+chatPath, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	call.Header = from("soak", "pro")
	call.Header.Set("X-Script", script)
	return call, nil
}

// wholeStream is the answer to a stream with an id, byte by byte, as a caller must see it.
func wholeStream(id string) []byte {
	var b bytes.Buffer
	for i := range relayEvents {
		fmt.Fprintf(&b, `data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"%d "},"finish_reason":null}]}`+"\n\n", id, i)
	}
	b.WriteString("data: [DONE]\n\n")
	return b.Bytes()
}

// TestSoakStreamsComeWhole has many streams at once, their events as fast as they go, and a moment apart: each is what the
// provider sent, to the byte, but for the model's name.
func TestSoakStreamsComeWhole(t *testing.T) {
	streams := 500
	if isSoak() {
		streams = 50_000
	}
	r := startRelay(t, identified)
	for _, kind := range []struct {
		name    string
		workers int
		script  func(i int) string
	}{
		{"burst", 32, func(int) string { return "" }},
		{"paced", 200, func(i int) string { return fmt.Sprintf("&pace=%dms", i%2+1) }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			began := time.Now()
			failed := r.inParallel(t, kind.workers, streams/2, func(client *http.Client, i int) error {
				return r.stream(client, fmt.Sprint(kind.name, i), kind.script(i))
			})
			took := time.Since(began)
			t.Logf("%d streams of %d events in %v, %.0f events a second; %d not whole", streams/2, relayEvents,
				took.Round(time.Millisecond), float64(streams/2*relayEvents)/took.Seconds(), failed)
		})
	}
}

// stream reads one stream and holds it against what must come.
func (r *relay) stream(client *http.Client, id, script string) error {
	call, err := scripted(r.URL, fmt.Sprintf("id=%s&events=%d%s", id, relayEvents, script), true)
	if err != nil {
		return err
	}
	answer, err := client.Do(call)
	if err != nil {
		return fmt.Errorf("stream %s: %w", id, err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("stream %s: %s, after %d bytes: %w", id, answer.Status, len(got), err)
	}
	want := wholeStream(id)
	if bytes.Equal(got, want) {
		return nil
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Errorf("stream %s: %d bytes, want %d; from byte %d on they differ: %.200q", id, len(got), len(want), at, got[at:])
}

// inParallel does something many times with so many workers and gives how often it failed; the first few failures are told.
func (r *relay) inParallel(t *testing.T, workers, times int, do func(client *http.Client, i int) error) (failed int64) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}, Timeout: relayLimit}
	defer client.CloseIdleConnections()
	var next, failures atomic.Int64
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for i := next.Add(1); i <= int64(times); i = next.Add(1) {
				if err := do(client, int(i)); err != nil && failures.Add(1) <= 5 {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	return failures.Load()
}

// seen is what the provider remembers of a request.
type seen struct {
	Began, Gone, Ended time.Time
	Bytes              int64
	Calls              int
}

func (r *relay) seen(t testing.TB) map[string]seen {
	t.Helper()
	all := map[string]seen{}
	if err := json.Unmarshal([]byte(r.ask(t, "/requests")), &all); err != nil {
		t.Fatalf("read what the provider remembers: %v", err)
	}
	return all
}

// open is how many requests the provider is answering.
func (r *relay) open(t testing.TB) int {
	t.Helper()
	n, err := strconv.Atoi(r.ask(t, "/open"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ask asks the provider itself.
func (r *relay) ask(t testing.TB, path string) string {
	t.Helper()
	answer, err := http.Get("http://" + r.origin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// leaving is one way to go away: what is sent, and how much is read before that.
type leaving struct {
	script string
	after  time.Duration // that passes first
	events int           // that are read first
	cut    bool          // within the body of the request
	reset  bool          // and not in order
}

// leavingAt is a random point at which to leave.
func leavingAt(i int) leaving {
	reset := rand.IntN(2) == 0
	switch i % 3 {
	case 0:
		return leaving{script: "wait=1h", after: time.Duration(rand.IntN(50)) * time.Millisecond, reset: reset}
	case 1:
		return leaving{script: "events=1000000&pace=1ms", events: 1 + rand.IntN(50), reset: reset}
	default:
		return leaving{script: "wait=1h", cut: true, reset: reset}
	}
}

// TestSoakCallersWhoLeaveCancelTheirRequests has callers leave before the answer, between events, and within their own
// request: the provider knows at once, and nothing of it stays.
func TestSoakCallersWhoLeaveCancelTheirRequests(t *testing.T) {
	leavers := 150
	if isSoak() {
		leavers = 1000
	}
	r := startRelay(t, identified)
	const workers = 32
	r.inParallel(t, workers, 10*workers, func(client *http.Client, i int) error { return r.stream(client, "", "") }) // warm
	before := r.footprint(t)

	left := make([]time.Time, leavers+1)
	ways := make([]leaving, leavers+1)
	r.inParallel(t, workers, leavers, func(_ *http.Client, i int) (err error) {
		ways[i] = leavingAt(i)
		left[i], err = r.leave(ways[i], strconv.Itoa(i))
		return err
	})
	r.awaitNone(t)
	var late, longest time.Duration
	reached := 0
	all := r.seen(t)
	for i := 1; i <= leavers; i++ {
		known, asked := all[strconv.Itoa(i)]
		if !asked {
			if ways[i].events > 0 {
				t.Errorf("caller %d has read events that the provider knows nothing of", i)
			}
			continue // gone before the provider was asked
		}
		reached++
		if ways[i].cut || known.Calls != 1 || known.Gone.IsZero() {
			t.Errorf("caller %d left (%+v), and the provider saw %+v", i, ways[i], known)
			continue
		}
		since := left[i]
		if known.Began.After(since) {
			since = known.Began
		}
		late = known.Gone.Sub(since)
		longest = max(longest, late)
		if late > knownWithin {
			t.Errorf("the provider knew %v after caller %d had left (%+v)", late, i, ways[i])
		}
	}
	t.Logf("%d callers left, %d of their requests had reached the provider, which knew after %v at the latest", leavers, reached, longest)
	checkFootprint(t, r.live, before)
}

// leave sends a request and leaves at the given point; it gives the moment.
func (r *relay) leave(way leaving, id string) (time.Time, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
	if err != nil {
		return time.Time{}, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(relayLimit)); err != nil {
		return time.Time{}, fmt.Errorf("set a deadline: %w", err)
	}
	body := conversation(1000, fmt.Sprintf(`"stream":%t,`, way.events > 0), prose)
	sent := len(body)
	if way.cut {
		body = conversation(1<<20, "", prose)
		sent = rand.IntN(len(body))
	}
	if _, err := io.WriteString(conn, scriptedHead(way.script+"&id="+id, len(body))+body[:sent]); err != nil {
		return time.Time{}, fmt.Errorf("send: %w", err)
	}
	if way.events > 0 {
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return time.Time{}, fmt.Errorf("read the answer: %w", err)
		}
		events := bufio.NewReader(answer.Body)
		for range 2 * way.events { // with the empty line after each
			if _, err := events.ReadSlice('\n'); err != nil {
				return time.Time{}, fmt.Errorf("read an event: %w", err)
			}
		}
	}
	timer := time.NewTimer(way.after)
	defer timer.Stop()
	<-timer.C
	if tcp, ok := conn.(*net.TCPConn); ok && way.reset {
		_ = tcp.SetLinger(0)
	}
	return time.Now(), nil
}

// scriptedHead is the head of a chat request, for a body of so many bytes.
func scriptedHead(script string, length int) string {
	return "POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + benchHeader +
		"X-Script: " + script + "\r\nContent-Length: " + strconv.Itoa(length) + "\r\n\r\n"
}

// awaitNone waits until the provider is answering nobody.
func (r *relay) awaitNone(t testing.TB) {
	t.Helper()
	r.await(t, "the provider left alone", func() bool { return r.open(t) == 0 })
}

// stay sends a request for a stream, reads so many lines of it, and leaves the connection open for the test's life.
func (r *relay) stay(t testing.TB, script string, lines, buffer int) (net.Conn, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if tcp, ok := conn.(*net.TCPConn); ok && buffer > 0 {
		if err := tcp.SetReadBuffer(buffer); err != nil {
			return nil, fmt.Errorf("set the buffer: %w", err)
		}
	}
	body := conversation(500, `"stream":true,`, prose)
	if _, err := io.WriteString(conn, scriptedHead(script, len(body))+body); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	if lines == 0 {
		return conn, nil
	}
	if err := conn.SetReadDeadline(time.Now().Add(relayLimit)); err != nil {
		return nil, fmt.Errorf("set a deadline: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 2048), nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	events := bufio.NewReaderSize(answer.Body, 1024)
	for range lines {
		if _, err := events.ReadSlice('\n'); err != nil {
			return nil, fmt.Errorf("read an event: %w", err)
		}
	}
	return conn, nil
}

// TestSoakAThousandOpenStreamsAreSmall holds a thousand streams open at once.
func TestSoakAThousandOpenStreamsAreSmall(t *testing.T) {
	streams := 200
	if isSoak() {
		streams = 1000
	}
	r := startRelay(t, identified)
	before := r.footprint(t)
	closeAll := r.hold(t, streams)
	memory := r.Memory(t)
	t.Logf("%d open streams: %d MiB, %.0f goroutines", streams, memory>>20, r.gauge(t, "go_goroutines"))
	if memory > relayMemory && !raced() {
		t.Errorf("they cost %d MiB, want %d at most", memory>>20, relayMemory>>20)
	}
	closeAll()
	r.awaitNone(t)
	checkFootprint(t, r.live, before)
}

// hold opens streams, each of which has brought three events and goes on.
func (r *relay) hold(t testing.TB, streams int) (closeAll func()) {
	t.Helper()
	conns := make([]net.Conn, streams)
	errs := make([]error, streams)
	var wait sync.WaitGroup
	for i := range streams {
		wait.Go(func() { conns[i], errs[i] = r.stay(t, "events=3&hold=1", 6, 0) })
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := r.open(t); n != streams {
		t.Fatalf("%d streams are open, want %d", n, streams)
	}
	return func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
}

// BenchmarkMemoryOfOpenStreams measures what the gateway's process has in memory while a thousand streams are open.
func BenchmarkMemoryOfOpenStreams(b *testing.B) {
	for range b.N {
		r := startRelay(b, identified)
		idle := r.Memory(b)
		closeAll := r.hold(b, 1000)
		b.ReportMetric(float64(idle)/(1<<20), "idle-MiB")
		b.ReportMetric(float64(r.Memory(b))/(1<<20), "open-MiB")
		b.ReportMetric(0, "ns/op")
		closeAll()
	}
}

// raced says whether the tests, and so the program, run with the race detector, which needs memory of its own.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if ok && s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// TestSoakManyLargeUploads sends large bodies all at once: some are answered, the others refused because there is no memory
// left for them, each by its status; and no more is held than the bound says.
func TestSoakManyLargeUploads(t *testing.T) {
	uploads, bound := 60, int64(64<<20)
	if isSoak() {
		uploads, bound = 600, 512<<20
	}
	const size = 20_000_000
	r := startRelay(t, fmt.Sprintf("[server]\nmax_body_memory = \"%dMiB\"\n%s", bound>>20, identified))
	idle := r.Memory(t)
	body := largeBody(size, "gpt-4o")
	var statuses sync.Map
	count := func(what string) {
		n, _ := statuses.LoadOrStore(what, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}
	began := time.Now()
	r.inParallel(t, uploads, uploads, func(_ *http.Client, i int) error {
		status, code, err := r.upload(fmt.Sprintf("id=%d&wait=200ms", i), body)
		if err != nil {
			count("no answer")
			return fmt.Errorf("upload %d: %w", i, err)
		}
		count(fmt.Sprint(status, " ", code))
		return nil
	})
	told := map[any]int64{}
	statuses.Range(func(what, n any) bool { told[what] = n.(*atomic.Int64).Load(); return true })
	peak := peakMemory(t, r.PID())
	t.Logf("%d uploads of %d bytes in %v: %v; %d MiB when idle, %d MiB at the peak, max_body_memory %d MiB", uploads, size,
		time.Since(began).Round(time.Millisecond), told, idle>>20, peak>>20, bound>>20)
	if told["200 "] == 0 || told["200 "]+told["503 temporarily_unavailable"] != int64(uploads) {
		t.Errorf("they ended as %v", told)
	}
	if peak > idle+2*bound && !raced() {
		t.Errorf("%d MiB were in memory", peak>>20)
	}
	if status, _, err := r.upload("id=last", body); status != http.StatusOK {
		t.Errorf("an upload afterwards is answered %d: %v", status, err)
	}
	for id, known := range r.seen(t) {
		if known.Bytes < size-100 || known.Ended.IsZero() {
			t.Errorf("of upload %s the provider saw %+v", id, known)
		}
	}
}

// TestRefusalsOfLargeBodiesArrive sends all of a large body before it reads, as many clients do.
func TestRefusalsOfLargeBodiesArrive(t *testing.T) {
	r := startRelay(t, identified)
	for _, c := range []struct {
		name   string
		body   []byte
		status int
		code   string
	}{
		{"8 MB for a model that nobody has", largeBody(8_000_000, "no-such-model"), 404, "model_not_found"},
		{"25 MB", largeBody(25_000_000, "gpt-4o"), 413, "request_too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 5 {
				if status, code, err := r.upload("", c.body); err != nil || status != c.status || code != c.code {
					t.Errorf("answered %d %s: %v", status, code, err)
				}
			}
		})
	}
}

// largeBody is a chat request of about so many bytes.
func largeBody(size int, model string) []byte {
	return fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":"%s"}]}`, model, bytes.Repeat([]byte("Hello, you. "), size/12))
}

// upload sends all of a body, then reads, and gives the status of the answer and the code of its error.
func (r *relay) upload(script string, body []byte) (status int, code string, err error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
	if err != nil {
		return 0, "", fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(relayLimit)); err != nil {
		return 0, "", fmt.Errorf("set a deadline: %w", err)
	}
	_, sent := io.WriteString(conn, scriptedHead(script, len(body)))
	if sent == nil {
		_, sent = conn.Write(body)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "", fmt.Errorf("no answer: %w (sending: %w)", err, sent)
	}
	defer answer.Body.Close()
	var failure struct{ Error struct{ Code string } }
	if err := json.NewDecoder(answer.Body).Decode(&failure); err != nil {
		return answer.StatusCode, "", fmt.Errorf("%s: %w", answer.Status, err)
	}
	return answer.StatusCode, failure.Error.Code, nil
}

var mostResident = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory is the most that a process ever had in memory, in bytes.
func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("this system does not tell what a process had in memory")
	}
	found := mostResident.FindSubmatch(status)
	if found == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
