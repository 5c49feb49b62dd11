package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	loadPlain     = 16                     // connections with plain requests
	loadStreams   = 8                      // connections with slow streams
	loadPause     = 20 * time.Millisecond  // between the requests of a connection
	saveEvery     = 100 * time.Millisecond // 300 saves within 30 s
	brokenEvery   = 15                     // every so many a save is a broken one
	loadHeap      = 32 << 20               // bytes that the heap may have gained afterwards
	loadLeftovers = 10                     // goroutines and descriptors that may be there for other reasons
)

// TestSoakSavesUnderLoad saves again and again, in place, by rename and by a swap of links, now and then something
// broken, while requests and slow streams come in: no request fails and no stream breaks, each valid save is live or overtaken
// in time, and afterwards nothing of it is left.
func TestSoakSavesUnderLoad(t *testing.T) {
	saves := 60
	if isSoak() {
		saves = 300
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "nexus.toml")
	if err := os.Symlink("current.toml", path); err != nil {
		t.Fatal(err)
	}
	s := &saver{dir: dir}
	if err := s.save(0); err != nil {
		t.Fatal(err)
	}
	l := watchFile(t, path)
	warm := startLoad(t, l)
	l.warmUp(t, s)
	warm.end(t)
	before := l.footprint(t)

	load := startLoad(t, l)
	rows := l.saveAll(t, s, saves)
	load.end(t)
	s.check(t, l, rows)
	t.Logf("meanwhile %d requests and %d streams, none failed", load.requests.Load(), load.streams.Load())
	checkFootprint(t, l, before)
}

// warmUp saves a few times, so that all that a reload ever needs is there.
func (l *live) warmUp(t *testing.T, s *saver) {
	for n := 1; n <= 5; n++ {
		known := l.newest(t)
		if err := s.save(0 - n); err != nil {
			t.Fatal(err)
		}
		l.awaitAfter(t, known, "success")
	}
	*s = saver{dir: s.dir}
}

// saver saves revision after revision and notes when.
type saver struct {
	dir   string
	at    map[int]time.Time // when a revision was saved
	tried int               // how often something was saved
}

// isBroken says which saves are.
func isBroken(n int) bool { return n > 0 && n%brokenEvery == 0 }

// save saves revision n, or something broken in its place.
func (s *saver) save(n int) error {
	text := revision(n)
	if isBroken(n) {
		if n%(2*brokenEvery) == 0 {
			text = text[:len(text)/2]
		} else {
			text += "[llm.providers.demo\n"
		}
	}
	current := filepath.Join(s.dir, "current.toml")
	var err error
	switch s.tried++; s.tried % 3 {
	case 0:
		// A link, that points to a new file.
		target := fmt.Sprintf("revision%d.toml", n)
		err = errors.Join(write(filepath.Join(s.dir, target), text), os.Symlink(target, current+".new"), os.Rename(current+".new", current))
	case 1:
		err = replace(current, text)
	default:
		err = write(current, text)
	}
	if s.at == nil {
		s.at = make(map[int]time.Time)
	}
	s.at[n] = time.Now()
	return err
}

// saveAll saves at an even pace and gives all rows that the history got, oldest first. The history forgets, so it is read
// all the time.
func (l *live) saveAll(t *testing.T, s *saver, saves int) []reload {
	t.Helper()
	seen := make(map[time.Time]reload)
	note := func() {
		for _, r := range l.reloads(t) {
			seen[r.Time] = r
		}
	}
	note()
	known := slices.MaxFunc(slices.Collect(maps.Keys(seen)), time.Time.Compare)
	began := time.Now()
	pace := time.NewTicker(saveEvery)
	defer pace.Stop()
	for n := 1; n <= saves; n++ {
		if err := s.save(n); err != nil {
			t.Fatal(err)
		}
		if n%50 == 0 {
			note()
		}
		<-pace.C
	}
	t.Logf("%d saves in %v, %d of them broken", saves, time.Since(began).Round(time.Millisecond), saves/brokenEvery)
	// The last one is valid, and comes after what the loop has saved.
	if err := s.save(saves + 1); err != nil {
		t.Fatal(err)
	}
	l.awaitRevision(t, saves+1)
	note()
	var rows []reload
	for _, r := range seen {
		if r.Time.After(known) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b reload) int { return a.Time.Compare(b.Time) })
	return rows
}

// awaitRevision waits until the newest row of the history is a revision that went live.
func (l *live) awaitRevision(t *testing.T, n int) {
	t.Helper()
	l.await(t, fmt.Sprintf("revision %d live", n), func() bool {
		newest := l.reloads(t)[0]
		return newest.Result == "success" && revisionOf(newest) == n
	})
}

var addedRevision = regexp.MustCompile(`(?m)^\+.*"rev-(-?\d+)"`)

// revisionOf is the revision that a reload brought, by its diff; 0: the diff does not say.
func revisionOf(r reload) int {
	if r.Diff == nil {
		return 0
	}
	found := addedRevision.FindStringSubmatch(*r.Diff)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// check holds what became of the saves against the promise.
func (s *saver) check(t *testing.T, l *live, rows []reload) {
	t.Helper()
	lived, failures := map[int]bool{}, 0
	for _, r := range rows {
		switch {
		case r.Cause != "file" || r.Result != "success" && r.Result != "failed":
			t.Errorf("the history has %+v", r)
		case r.Result == "failed":
			failures++
		case revisionOf(r) == 0:
			t.Errorf("the diff of generation %d names no revision: %+v", r.Generation, r)
		default:
			lived[revisionOf(r)] = true
		}
	}
	var times []time.Duration
	late, merged := 0, 0
	for n, saved := range s.at {
		if isBroken(n) {
			continue
		}
		took, ok := s.became(n, rows)
		switch {
		case ok && took <= byEvent:
			times = append(times, took)
		case l.clock.stood(saved, saved.Add(byEvent)):
			late++
		case !ok:
			t.Errorf("revision %d was neither live nor overtaken", n)
		default:
			t.Errorf("revision %d was live or overtaken only after %v", n, took)
		}
		// A save that is looked at a few milliseconds late meets the next one.
		if !lived[n] && l.clock.paused(saved, saved.Add(2*saveEvery), clockNotes) {
			merged++
		}
	}
	slices.Sort(times)
	if len(times) == 0 {
		t.Fatal("no save was seen")
	}
	t.Logf("%d saves, %d generations, %d failed reloads; live or overtaken after %v in the median, %v at most; the machine stood still for %d, and made %d meet the next one",
		len(s.at), len(lived), failures, times[len(times)/2].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond), late, merged)
	if least := len(s.at)*5/6 - merged; len(lived) < least {
		t.Errorf("%d generations of %d saves, want at least %d", len(lived), len(s.at), least)
	}
}

// became is how long after it was saved a revision was live, or a later save was read.
func (s *saver) became(n int, rows []reload) (time.Duration, bool) {
	saved := s.at[n]
	next, overtaken := s.at[n+1]
	for _, r := range rows {
		switch {
		case r.Time.Before(saved):
		case r.Result == "success" && revisionOf(r) >= n:
			return r.Time.Sub(saved), true
		case r.Result == "failed" && overtaken && isBroken(n+1) && r.Time.After(next):
			return r.Time.Sub(saved), true
		}
	}
	return 0, false
}

// load is callers who are known in every revision.
type load struct {
	stop              context.CancelFunc
	wait              sync.WaitGroup
	requests, streams atomic.Int64
	transport         *http.Transport

	mu   sync.Mutex
	errs []error
}

func startLoad(t *testing.T, l *live) *load {
	ctx, stop := context.WithCancel(context.Background())
	w := &load{stop: stop, transport: &http.Transport{MaxIdleConnsPerHost: loadPlain + loadStreams}}
	t.Cleanup(func() { stop(); w.wait.Wait() })
	stream := strings.Replace(strings.Replace(hello, "Hello", "slow:20ms Hello", 1), "{", `{"stream":true,`, 1)
	for range loadPlain {
		w.wait.Go(func() { w.keep(ctx, l.URL, hello, &w.requests, `"finish_reason":"stop"`) })
	}
	for range loadStreams {
		w.wait.Go(func() { w.keep(ctx, l.URL, stream, &w.streams, "data: [DONE]\n\n") })
	}
	return w
}

// keep sends one request after the other. What has begun is read to its end, also when the load ends.
func (w *load) keep(ctx context.Context, url, body string, count *atomic.Int64, ending string) {
	client := &http.Client{Transport: w.transport, Timeout: 30 * time.Second}
	pace := time.NewTicker(loadPause)
	defer pace.Stop()
	for ctx.Err() == nil {
		if err := sendWhole(client, url, body, ending); err != nil {
			w.mu.Lock()
			w.errs = append(w.errs, fmt.Errorf("after %d: %w", count.Load(), err))
			w.mu.Unlock()
			return
		}
		count.Add(1)
		<-pace.C
	}
}

func sendWhole(client *http.Client, url, body, ending string) error {
	call, err := http.NewRequest(http.MethodPost, url+chatPath, strings.NewReader(body))
	if err != nil {
		return err
	}
	call.Header = from("alice", "pro")
	answer, err := client.Do(call)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), ending) {
		return fmt.Errorf("answered %s: %w: %s", answer.Status, err, text)
	}
	return nil
}

// end ends the load. The test fails if any request has.
func (w *load) end(t *testing.T) {
	t.Helper()
	w.stop()
	w.wait.Wait()
	w.transport.CloseIdleConnections()
	if err := errors.Join(w.errs...); err != nil {
		t.Error(err)
	}
}

// footprint is what a process holds.
type footprint struct{ goroutines, descriptors, heap float64 }

func (l *live) look(t *testing.T) footprint {
	t.Helper()
	return footprint{l.gauge(t, "go_goroutines"), l.gauge(t, "process_open_fds"), l.gauge(t, "go_memstats_heap_alloc_bytes")}
}

// footprint is what is held when nothing happens: the least of a second, since garbage is not collected at once.
func (l *live) footprint(t *testing.T) footprint {
	t.Helper()
	least := l.look(t)
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		now := l.look(t)
		least = footprint{min(least.goroutines, now.goroutines), min(least.descriptors, now.descriptors), min(least.heap, now.heap)}
	}
	return least
}

// checkFootprint waits until the process holds no more than before. Looking makes garbage, so that some is collected.
func checkFootprint(t *testing.T, l *live, before footprint) {
	t.Helper()
	var now footprint
	back := func() bool {
		now = l.look(t)
		return now.goroutines <= before.goroutines+loadLeftovers && now.descriptors <= before.descriptors+loadLeftovers && now.heap <= before.heap+loadHeap
	}
	for end := time.Now().Add(liveLimit); !back(); {
		if time.Now().After(end) {
			t.Errorf("the process held %+v before, and now %+v", before, now)
			break
		}
	}
	t.Logf("goroutines %.0f, then %.0f; descriptors %.0f, then %.0f; heap %.1f MiB, then %.1f MiB",
		before.goroutines, now.goroutines, before.descriptors, now.descriptors, before.heap/(1<<20), now.heap/(1<<20))
	l.await(t, "one generation alone", func() bool { return l.status(t).LiveGenerations == 1 })
}
