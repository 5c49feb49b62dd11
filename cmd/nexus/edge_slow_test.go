package main_test

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

const (
	headerEnd  = 5 * time.Second // after which a header that is not complete is given up
	stallEnd   = 30 * time.Second
	endSlack   = 3 * time.Second
	dripEvery  = 100 * time.Millisecond
	slowMemory = 256 << 10 // bytes that one slow peer may cost, besides slowBase for all
	slowBase   = 64 << 20
)

// slowPeers is how many slow peers there are at once, and for how long.
func slowPeers() (peers int, length time.Duration) {
	if isSoak() {
		return 1000, time.Minute
	}
	return 100, 8 * time.Second
}

// TestSoakSlowPeersHarmNobody has peers who send headers byte by byte, bodies byte by byte or not at all, and peers who read no
// answer, while others work: all of those are answered, the slow ones are given up in time, and nothing of them stays.
func TestSoakSlowPeersHarmNobody(t *testing.T) {
	peers, length := slowPeers()
	needDescriptors(t, 4*peers)
	r := startRelay(t, identified)
	// Warm: the connections to the provider that are kept are those of a crowd.
	r.inParallel(t, 64, 640, func(client *http.Client, _ int) error { return r.stream(client, "", "") })
	before, memory := r.footprint(t), r.Memory(t)

	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	s := &slow{address: strings.TrimPrefix(r.URL, "http://")}
	var wait sync.WaitGroup
	for i := range peers {
		wait.Go(func() { s.peer(ctx, i) })
	}
	normal := r.work(t, ctx)
	peak := r.Memory(t)
	wait.Wait()

	t.Logf("%d slow peers for %v: %s", peers, length, s)
	t.Logf("%d others were answered, in %v in the median, %v 99 times of 100; %d MiB at first, %d MiB at the end",
		len(normal), percentile(normal, 50), percentile(normal, 99), memory>>20, peak>>20)
	s.check(t, length)
	if most := int64(slowBase + peers*slowMemory); peak-memory > most && !raced() {
		t.Errorf("they cost %d MiB, want %d at most", (peak-memory)>>20, most>>20)
	}
	r.awaitNone(t)
	checkFootprint(t, r.live, before)
}

// work has others ask, each on kept connections and on new ones, until ctx ends, and gives how long they waited. The test fails
// with the first that is not answered.
func (r *relay) work(t *testing.T, ctx context.Context) (times []time.Duration) {
	t.Helper()
	const workers = 4
	var mu sync.Mutex
	var wait sync.WaitGroup
	for worker := range workers {
		wait.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: worker%2 == 0}, Timeout: relayLimit}
			defer client.CloseIdleConnections()
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for ctx.Err() == nil {
				began := time.Now()
				if err := r.stream(client, "", ""); err != nil {
					t.Errorf("somebody else was harmed: %v", err)
					return
				}
				mu.Lock()
				times = append(times, time.Since(began))
				mu.Unlock()
				<-pace.C
			}
		})
	}
	wait.Wait()
	return times
}

// slow is what the slow peers have seen.
type slow struct {
	address string
	mu      sync.Mutex
	manners [4]manner
}

// manner is one way to be slow.
type manner struct {
	connections, ended int             // that were opened, and that the gateway has ended
	lasted             []time.Duration // of those
	odd                error           // what should not have come
}

const (
	slowHeader = iota
	slowBody
	stalledBody
	unreadAnswer
)

func (s *slow) String() string {
	var b strings.Builder
	for i, name := range []string{"headers by drops", "bodies by drops", "bodies that stop", "answers not read"} {
		m := &s.manners[i]
		fmt.Fprintf(&b, "%s: %d connections, %d ended", name, m.connections, m.ended)
		if m.ended > 0 {
			fmt.Fprintf(&b, " after %v to %v", percentile(m.lasted, 0).Round(time.Millisecond), percentile(m.lasted, 100).Round(time.Millisecond))
		}
		b.WriteString("; ")
	}
	return b.String()
}

// check holds the ends against the deadlines, as far as the time was long enough to see them.
func (s *slow) check(t *testing.T, length time.Duration) {
	t.Helper()
	for i, m := range s.manners {
		if m.odd != nil {
			t.Error(m.odd)
		}
		var end time.Duration
		switch i {
		case slowHeader:
			end = headerEnd
		case stalledBody:
			end = stallEnd
		default:
			continue // a body by drops has five minutes, and of an answer the system takes some, too
		}
		if length < end+endSlack {
			continue
		}
		if m.ended == 0 {
			t.Errorf("manner %d: none was given up in %v", i, length)
		}
		for _, lasted := range m.lasted {
			if lasted < end-endSlack || lasted > end+endSlack {
				t.Errorf("manner %d: one was given up after %v, want %v", i, lasted, end)
			}
		}
	}
}

// peer is slow until ctx ends. Whoever is given up comes again.
func (s *slow) peer(ctx context.Context, i int) {
	for ctx.Err() == nil {
		began := time.Now()
		ended, err := s.visit(ctx, i%len(s.manners))
		s.mu.Lock()
		m := &s.manners[i%len(s.manners)]
		m.connections++
		if ended {
			m.ended++
			m.lasted = append(m.lasted, time.Since(began))
		}
		if err != nil {
			m.odd = err
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// visit is one connection. Ended: the gateway has ended it, and not we.
func (s *slow) visit(ctx context.Context, how int) (ended bool, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		if ctx.Err() != nil {
			return false, nil
		}
		return false, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	leave := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer leave()
	switch how {
	case slowHeader:
		_, err = io.WriteString(conn, "POST "+chatPath+" HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	case slowBody, stalledBody:
		_, err = io.WriteString(conn, scriptedHead("", 1<<20)+`{"model":"gpt-4o","messages":[{"role":"user","content":"`)
	case unreadAnswer:
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		body := conversation(500, `"stream":true,`, prose)
		if _, err = io.WriteString(conn, scriptedHead("events=1000000&pad=30000", len(body))+body); err == nil {
			<-ctx.Done()
			return false, nil
		}
	}
	if err != nil {
		return false, oddOf(ctx, err)
	}
	if how != stalledBody {
		dripping, stop := context.WithCancel(ctx)
		defer stop()
		go drip(dripping, conn)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 1<<16))
	switch {
	case ctx.Err() != nil:
		return false, nil
	case err != nil && !errors.Is(err, syscall.ECONNRESET):
		return false, fmt.Errorf("read: %w", err)
	case how == stalledBody && !strings.HasPrefix(string(answer), "HTTP/1.1 408 "):
		return true, fmt.Errorf("a body that stopped was answered %.80q", answer)
	}
	return true, nil
}

// drip sends one byte after the other until somebody ends it.
func drip(ctx context.Context, conn net.Conn) {
	pace := time.NewTicker(dripEvery)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		if _, err := io.WriteString(conn, "a"); err != nil {
			return
		}
	}
}

// oddOf is an error that is not our own leaving.
func oddOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("send: %w", err)
}

// needDescriptors skips the test where this process may not have so many sockets.
func needDescriptors(t *testing.T, n int) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatalf("how many files may be open: %v", err)
	}
	if limit.Cur < uint64(n)+256 {
		t.Skipf("%d files may be open, and %d are needed", limit.Cur, n+256)
	}
}

// TestSoakSlowHTTPTest has a tool for it do its worst, in three ways: slow headers, slow bodies, slow reading.
func TestSoakSlowHTTPTest(t *testing.T) {
	tool := gatewaytest.Need(t, "slowhttptest")
	for _, mode := range []struct {
		name string
		args []string
	}{
		{"headers", []string{"-H", "-i", "1", "-x", "24"}},
		{"bodies", []string{"-B", "-i", "1", "-x", "10", "-s", "65536", "-t", "POST"}},
		{"reading", []string{"-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32", "-k", "3"}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			trySlowHTTPTest(t, tool, mode.args)
		})
	}
}

// trySlowHTTPTest runs the tool in one of its modes: it never finds the gateway unavailable, nor does anybody else.
func trySlowHTTPTest(t *testing.T, tool string, mode []string) {
	connections, seconds := 200, 10
	if isSoak() {
		connections, seconds = 1000, 60
	}
	needDescriptors(t, 2*connections)
	p := gatewaytest.StartProvider(t)
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprintf("gpt-4o-with-a-long-name-so-that-the-list-is-long-%04d", i))
	}
	p.Offer(many...)
	nexus := gatewaytest.Start(t, p.Config()+"[llm.providers.demo]\ntype = \"demo\"\n") // nobody is asked for a name: the tool has none
	path := chatPath
	if mode[0] == "-X" {
		path = "/llm/v1/models" // a long answer
	}
	prefix := filepath.Join(t.TempDir(), "slow")
	args := append(mode, "-c", strconv.Itoa(connections), "-r", "200", "-l", strconv.Itoa(seconds), "-p", "5", "-g", "-o", prefix, "-u", nexus.URL+path)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second+time.Minute)
	defer cancel()

	var asked, refused atomic.Int64
	working, done := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() { askOthers(working, nexus.URL, &asked, &refused) })
	out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
	done()
	wait.Wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rows, unavailable := readSlowCSV(t, prefix+".csv")
	if unavailable > 0 {
		t.Errorf("the tool found the gateway unavailable in %d of %d seconds\n%s", unavailable, rows, out)
	}
	if asked.Load() == 0 || refused.Load() > 0 {
		t.Errorf("%d of %d others were not answered", refused.Load(), asked.Load())
	}
	t.Logf("%d connections, %d seconds, %d others answered; %d MiB in memory", connections, rows, asked.Load(), nexus.Memory(t)>>20)
}

// askOthers asks for what anybody may have until ctx ends, on a new connection each time.
func askOthers(ctx context.Context, url string, asked, refused *atomic.Int64) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		asked.Add(1)
		answer, err := client.Post(url+chatPath, "application/json", strings.NewReader(strings.Replace(hello, "demo-1", "demo/demo-1", 1)))
		if err != nil {
			refused.Add(1)
			continue
		}
		_, err = io.Copy(io.Discard, bufio.NewReader(answer.Body))
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			refused.Add(1)
		}
		<-pace.C
	}
}

// readSlowCSV reads the tool's report, a row for each second; its last column is 0 where its own probe was not answered. The
// first row is from before its first probe.
func readSlowCSV(t *testing.T, path string) (rows, unavailable int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all, err := csv.NewReader(file).ReadAll()
	if err != nil || len(all) < 3 {
		t.Fatalf("the tool's report has %d rows: %v", len(all), err)
	}
	for _, row := range all[2:] {
		if row[len(row)-1] == "0" {
			unavailable++
		}
	}
	return len(all) - 2, unavailable
}
