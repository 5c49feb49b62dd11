package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	stalledGone = 35 * time.Second       // after which a caller who takes nothing more is gone
	unharmed    = 250 * time.Millisecond // that others wait for an answer meanwhile, 99 times of 100
)

// TestSoakCallersWhoNeverReadAreGivenUp has callers ask for a stream without end and read nothing of it. A caller's time
// counts from when the system took the last bytes for their connection: it takes megabytes, which is no stall yet. Giving
// one up takes half a minute, so it is for the long run alone.
func TestSoakCallersWhoNeverReadAreGivenUp(t *testing.T) {
	if !isSoak() {
		t.Skip("takes half a minute; set " + soakVariable)
	}
	const readers = 200
	r := startRelay(t, identified)
	before := r.footprint(t)
	callers := map[string]*unread{}
	for i := range readers {
		conn, err := r.stay(t, fmt.Sprintf("id=%d&events=1000000&pad=60000", i), 0, 4096)
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := strings.Cut(conn.LocalAddr().String(), ":")
		callers[port] = &unread{queued: -1, since: time.Now()}
	}
	asked := time.Now()
	var times []time.Duration
	client := &http.Client{Timeout: relayLimit}
	defer client.CloseIdleConnections()
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	peak, left := int64(0), readers
	for left > 0 && time.Since(asked) < 5*stalledGone {
		began := time.Now()
		if err := r.stream(client, "", ""); err != nil {
			t.Error(err)
		}
		times = append(times, time.Since(began))
		peak = max(peak, r.Memory(t))
		left = r.queues(t, callers)
		<-pace.C
	}
	gone := time.Since(asked)
	r.awaitNone(t)
	var longest time.Duration
	for _, s := range callers {
		longest = max(longest, s.lasted)
	}
	p99 := percentile(times, 99)
	t.Logf("%d callers who never read were gone after %v, each at most %v after the last bytes; %d others meanwhile waited %v in the median, %v 99 times of 100; %d MiB at most",
		readers, gone.Round(time.Millisecond), longest.Round(time.Millisecond), len(times), percentile(times, 50), p99, peak>>20)
	if left > 0 || longest > stalledGone {
		t.Errorf("%d are still there, and others were gone after %v, want %v", left, longest, stalledGone)
	}
	if p99 > unharmed {
		t.Errorf("others waited %v", p99)
	}
	checkFootprint(t, r.live, before)
}

// unread is the gateway's side of a connection that nobody reads from.
type unread struct {
	queued int64         // bytes that the system has taken and could not send
	since  time.Time     // when that was last another number
	lasted time.Duration // from then on until the gateway gave it up; 0: it has not
}

// queues brings the connections up to date, by the ports of the callers, and says how many are still open: proc(5) has for
// each the address, the peer's, the state (01 is open), and what waits to be sent, in hexadecimal.
func (r *relay) queues(t *testing.T, callers map[string]*unread) (open int) {
	t.Helper()
	address, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := strconv.Atoi(address.Port())
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	here := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[3] != "01" || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", gateway)) {
			continue
		}
		port, err := strconv.ParseUint(fields[2][strings.IndexByte(fields[2], ':')+1:], 16, 16)
		waiting, _, _ := strings.Cut(fields[4], ":")
		queued, err2 := strconv.ParseInt(waiting, 16, 64)
		s := callers[strconv.FormatUint(port, 10)]
		if err != nil || err2 != nil || s == nil {
			continue
		}
		here[strconv.FormatUint(port, 10)] = true
		if s.queued != queued {
			s.queued, s.since = queued, time.Now()
		}
	}
	for port, s := range callers {
		switch {
		case here[port]:
			open++
		case s.lasted == 0:
			s.lasted = time.Since(s.since)
		}
	}
	return open
}
