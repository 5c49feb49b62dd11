package main_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

const (
	reloadRounds      = 15
	reloadConnections = 2
	reloadRequests    = 3000                   // of each round
	reloadPace        = 2 * time.Millisecond   // between two requests of a connection: a thousand a second in all
	reloadEvery       = 100 * time.Millisecond // ten reloads a second
)

// BenchmarkReload measures how long a caller waits for a plain answer while the file changes ten times a second,
// against how long without. Both take turns, so that a busy machine slows both, and in both a file is saved at that pace, but
// only in one it is the gateway's: what the test does itself is no difference. The median of the rounds counts.
func BenchmarkReload(b *testing.B) {
	path, elsewhere := filepath.Join(b.TempDir(), "nexus.toml"), filepath.Join(b.TempDir(), "nexus.toml")
	if err := write(path, revision(0)); err != nil {
		b.Fatal(err)
	}
	l := &live{Nexus: gatewaytest.Setup{Path: path}.Start(b)}
	side := func(path string, round int) (p99 float64, cpu time.Duration) {
		stop, before := keepSaving(b, path, round), l.CPU(b)
		defer stop()
		p99 = l.measureRound(b)
		return p99, l.CPU(b) - before
	}
	for range b.N {
		l.measureRound(b) // warm: caches, the heap's size
		var calm, busy, ratios []float64
		var spent time.Duration
		first := l.status(b).Generation
		for round := range reloadRounds {
			var c, m float64
			var cpuCalm, cpuBusy time.Duration
			one, other := func() { c, cpuCalm = side(elsewhere, round) }, func() { m, cpuBusy = side(path, round) }
			if round%2 == 1 { // neither side always comes first
				one, other = other, one
			}
			one()
			other()
			spent += cpuBusy - cpuCalm
			calm, busy, ratios = append(calm, c), append(busy, m), append(ratios, m/c)
		}
		reloads := l.status(b).Generation - first
		b.Logf("ratios of the rounds: %.2f", ratios)
		b.ReportMetric(median(calm), "calm-p99-us")
		b.ReportMetric(median(busy), "reloading-p99-us")
		b.ReportMetric(median(ratios), "p99-ratio")
		b.ReportMetric(float64(reloads)/reloadRounds/(reloadRequests/reloadConnections*reloadPace.Seconds()), "reloads/s")
		b.ReportMetric(float64(spent.Microseconds())/float64(reloads), "us/reload") // of time on a processor
		b.ReportMetric(0, "ns/op")                                                  // the time of all rounds together says nothing
	}
}

// keepSaving changes a file again and again until it is told to stop.
func keepSaving(b *testing.B, path string, round int) (stop func()) {
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		pace := time.NewTicker(reloadEvery)
		defer pace.Stop()
		for n := 1; ; n++ {
			if err := replace(path, revision(n%2+2*round)); err != nil {
				b.Error(err)
				return
			}
			select {
			case <-done:
				return
			case <-pace.C:
			}
		}
	})
	return func() { close(done); wait.Wait() }
}

// measureRound sends plain requests at a steady pace and gives the 99th percentile of their times, in microseconds.
func (l *live) measureRound(b *testing.B) float64 {
	b.Helper()
	times, errs := make([][]time.Duration, reloadConnections), make([]error, reloadConnections)
	var wait sync.WaitGroup
	for i := range reloadConnections {
		// They take turns, so that they do not wait for each other.
		first := time.After(time.Duration(i) * reloadPace / reloadConnections)
		wait.Go(func() { times[i], errs[i] = l.pace(first, reloadRequests/reloadConnections) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return float64(all[len(all)*99/100].Nanoseconds()) / 1000
}

// pace sends requests over one connection, from a first moment on, and gives the time of each.
func (l *live) pace(first <-chan time.Time, requests int) ([]time.Duration, error) {
	address := strings.TrimPrefix(l.URL, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(roundLimit)); err != nil {
		return nil, err
	}
	message := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"X-Client-ID: bench\r\nX-User-Tier: pro\r\nContent-Length: %d\r\n\r\n%s", chatPath, address, len(hello), hello)
	answers := bufio.NewReader(conn)
	<-first
	pace := time.NewTicker(reloadPace)
	defer pace.Stop()
	times := make([]time.Duration, 0, requests)
	for range requests {
		<-pace.C
		began := time.Now()
		if _, err := conn.Write(message); err != nil {
			return nil, err
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		times = append(times, time.Since(began))
		if err != nil || answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("answered %s: %w", answer.Status, err)
		}
	}
	return times, nil
}
