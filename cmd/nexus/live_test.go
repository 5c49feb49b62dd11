package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// What section 7 of the contract promises: how soon a change is live.
const (
	byEvent = 500 * time.Millisecond
	byPoll  = 6 * time.Second
)

// liveLimit is when a test stops waiting for what should have come long ago.
const liveLimit = 20 * time.Second

// revision is a nexus.toml that differs from others by a group named after its number, and in nothing else.
func revision(n int) string {
	return strings.Replace(identified, `"free"`, fmt.Sprintf(`"free", "rev-%d"`, n), 1)
}

// live is a gateway whose file is changed while it runs.
type live struct {
	*gatewaytest.Nexus
	token string // of the admin and of the metrics; empty: none is needed
	clock *clock
}

// watchFile starts a gateway with a file that is there already.
func watchFile(t testing.TB, path string, wrapper ...string) *live {
	t.Helper()
	return &live{Nexus: gatewaytest.Setup{Path: path, Wrapper: wrapper}.Start(t), clock: startClock(t)}
}

// liveStatus is what the tests need of the admin's status.
type liveStatus struct {
	Generation      int
	LiveGenerations int `json:"live_generations"`
	Hash            string
	LastReloadError *string `json:"last_reload_error"`
	Warnings        []struct{ Text string }
}

// reload is one row of the history.
type reload struct {
	Generation int
	Time       time.Time
	Cause      string
	Result     string
	Hash       *string
	Diff       *string
	Errors     []mistake
}

// mistake is one error of a file, as the admin tells it.
type mistake struct {
	Line, Column  int
	Key           *string
	Message, Hint string
}

// page gets a page of the operator's.
func (l *live) page(t testing.TB, path string) string {
	t.Helper()
	call, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.token != "" {
		call.Header.Set("Authorization", "Bearer "+l.token)
	}
	answer, err := http.DefaultClient.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %v\n%s", path, answer.Status, err, text)
	}
	return string(text)
}

// api reads one of the admin's answers.
func (l *live) api(t testing.TB, name string, into any) {
	t.Helper()
	text := l.page(t, "/admin/api/"+name)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("read the %s: %v\n%s", name, err, text)
	}
}

func (l *live) status(t testing.TB) (s liveStatus) {
	t.Helper()
	l.api(t, "status", &s)
	return s
}

// reloads are the history, newest first.
func (l *live) reloads(t testing.TB) []reload {
	t.Helper()
	var all struct{ Reloads []reload }
	l.api(t, "reloads", &all)
	return all.Reloads
}

// gauge is one sample of the metrics, by its name with its labels.
func (l *live) gauge(t testing.TB, name string) float64 {
	t.Helper()
	text := l.page(t, "/metrics")
	sample := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	if sample == nil {
		t.Fatalf("no sample of %s", name)
	}
	value, err := strconv.ParseFloat(sample[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// await looks until done says so; the test fails with what was waited for if it takes too long.
func (l *live) await(t testing.TB, what string, done func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(liveLimit); !done(); <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("after %v: not %s; the history: %+v", liveLimit, what, l.reloads(t))
		}
	}
}

// answers is the status of a request of somebody in the group of a revision.
func (l *live) answers(t testing.TB, n int) int {
	t.Helper()
	call, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.URL+chatPath, strings.NewReader(hello))
	if err != nil {
		t.Fatal(err)
	}
	call.Header = from("alice", fmt.Sprintf("rev-%d", n))
	answer, err := http.DefaultClient.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

// awaitAfter waits until the history has a row with this result and cause "file" that was not there at the time
// of known, and gives the newest such row.
func (l *live) awaitAfter(t testing.TB, known time.Time, result string) (row reload) {
	t.Helper()
	l.await(t, "in the history: "+result, func() bool {
		all := l.reloads(t)
		i := slices.IndexFunc(all, func(r reload) bool { return r.Result == result && r.Cause == "file" && r.Time.After(known) })
		if i >= 0 {
			row = all[i]
		}
		return i >= 0
	})
	return row
}

// newest is when the newest row of the history was written.
func (l *live) newest(t testing.TB) time.Time {
	t.Helper()
	return l.reloads(t)[0].Time
}

// awaitLive waits until a revision that was just saved is live, and gives the time of that. Everything that tells of it
// must tell the same.
func (l *live) awaitLive(t testing.TB, n int, known time.Time) time.Time {
	t.Helper()
	row := l.awaitAfter(t, known, "success")
	if got := l.answers(t, n); got != http.StatusOK {
		t.Errorf("generation %d is live, and a request in the group of revision %d is answered %d", row.Generation, n, got)
	}
	if got := l.answers(t, n-1); got != http.StatusBadRequest {
		t.Errorf("a request in the group of revision %d, which is gone, is answered %d", n-1, got)
	}
	s := l.status(t)
	if row.Hash == nil || s.Generation != row.Generation || s.Hash != *row.Hash || s.LastReloadError != nil {
		t.Errorf("the history says %+v and the status %+v", row, s)
	}
	return row.Time
}

// clock notices when the machine stands still: a promise in milliseconds says nothing then.
type clock struct {
	mu    sync.Mutex
	stops []pause
}

// pause is a time in which a timer came much too late.
type pause struct{ from, to time.Time }

const (
	clockTick  = 5 * time.Millisecond
	clockNotes = 10 * time.Millisecond // how late the timer must come for that to be noted
	clockStops = 10_000

	// standstill is how long a machine stands still for promises in hundreds of milliseconds to be off.
	standstill = 50 * time.Millisecond
)

// startClock watches the machine until the test ends.
func startClock(t testing.TB) *clock {
	c := &clock{}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	t.Cleanup(func() { cancel(); wait.Wait() })
	wait.Go(func() {
		tick := time.NewTimer(clockTick)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := time.Now()
			c.mu.Lock()
			if now.Sub(last) > clockTick+clockNotes && len(c.stops) < clockStops {
				c.stops = append(c.stops, pause{last, now})
			}
			c.mu.Unlock()
			last = now
			tick.Reset(clockTick)
		}
	})
	return c
}

// stood reports whether the machine stood still at some time between two.
func (c *clock) stood(from, to time.Time) bool { return c.paused(from, to, standstill) }

// paused reports whether a timer came that late at some time between two.
func (c *clock) paused(from, to time.Time, late time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.stops, func(p pause) bool {
		return p.from.Before(to) && p.to.After(from) && p.to.Sub(p.from) >= clockTick+late
	})
}

// isSoak says whether the long variants are asked for.
func isSoak() bool { return os.Getenv(soakVariable) != "" }

// replace puts a text in a file's place, as most editors do: all at once.
func replace(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// write overwrites a file where it is.
func write(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }
