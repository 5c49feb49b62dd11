package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// soakVariable is how long the tests under load go on ("5m"); `make soak` sets it. Without it they
// take a moment, so that they are never out of order.
const soakVariable = "NEXUS_SOAK"

const (
	soakWorkers = 16
	soakMost    = 2_000_000 // requests, whatever the time
	soakGrowth  = 64 << 20  // bytes that the process may gain after it has warmed up
)

// soakRequests are what the workers send in turn, with the status that each must have. A leaver goes
// away after the first bytes of its answer.
var soakRequests = []struct {
	header map[string][]string
	body   string
	status int
	leaver bool
}{
	{header: from("alice", "pro"), body: hello, status: 200},
	{header: from("bob", "free"), body: strings.Replace(hello, "{", `{"stream":true,`, 1), status: 200},
	{header: from("", ""), body: hello, status: 400},
	{header: from("carol", "enterprise"), body: strings.Replace(hello, "demo-1", "demo-99", 1), status: 404},
	{header: from("dave", "pro"), body: strings.Replace(hello, "Hello", strings.Repeat("Hello ", 20_000), 1), status: 200},
	{header: from("erin", ""), body: strings.Replace(strings.Replace(hello, "{", `{"stream":true,`, 1), "Hello", "slow:20ms Hello", 1), status: 200, leaver: true},
	{header: from("frank", "free"), body: strings.Replace(hello, "Hello", "error:503", 1), status: 502},
}

// TestSoak sends answered, refused, failed and abandoned requests at once and for as long as it is
// told: each has the status that it should, each is counted once, the memory stays bounded, and at the
// end the process drains as if nothing had happened.
func TestSoak(t *testing.T) {
	length := time.Second
	if text := os.Getenv(soakVariable); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", soakVariable, err)
		}
	}
	nexus := gatewaytest.Start(t, identified)
	sent := soak(t, nexus, length/4)
	warm := nexus.Memory(t)
	sent += soak(t, nexus, length-length/4)
	t.Logf("%d requests in %v; %d MiB when warm, %d MiB at the end", sent, length, warm>>20, nexus.Memory(t)>>20)
	if grown := nexus.Memory(t) - warm; grown > soakGrowth {
		t.Errorf("the process grew by %d MiB", grown>>20)
	}
	awaitCount(t, nexus, sent)
	if code := nexus.Stop(t); code != 0 {
		t.Errorf("the drain ended with exit code %d", code)
	}
}

// soak sends requests for a while and gives their number.
func soak(t *testing.T, nexus *gatewaytest.Nexus, length time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: soakWorkers}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	var sent atomic.Int64
	failures := make([]error, soakWorkers)
	var wait sync.WaitGroup
	for worker := range soakWorkers {
		wait.Go(func() {
			for i := worker; ctx.Err() == nil && failures[worker] == nil && sent.Add(1) <= soakMost; i++ {
				failures[worker] = soakOnce(client, nexus.URL, i%len(soakRequests))
			}
		})
	}
	wait.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	return min(sent.Load(), soakMost)
}

func soakOnce(client *http.Client, base string, which int) error {
	r := soakRequests[which]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, base+chatPath, strings.NewReader(r.body))
	if err != nil {
		return fmt.Errorf("make request %d: %w", which, err)
	}
	call.Header = http.Header(r.header).Clone()
	answer, err := client.Do(call)
	if err != nil {
		return fmt.Errorf("send request %d: %w", which, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != r.status {
		return fmt.Errorf("request %d is answered %d, want %d", which, answer.StatusCode, r.status)
	}
	if r.leaver {
		_, err = answer.Body.Read(make([]byte, 1))
	} else {
		_, err = io.Copy(io.Discard, answer.Body)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer to request %d: %w", which, err)
	}
	return nil
}

// awaitCount waits until the admin has counted every request: one that was abandoned ends a moment later.
func awaitCount(t *testing.T, nexus *gatewaytest.Nexus, want int64) {
	t.Helper()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-poll.C {
		_, text := status(t, nexus.URL+"/admin/api/groups", "")
		var groups struct{ Groups []struct{ Requests int64 } }
		if err := json.Unmarshal([]byte(text), &groups); err != nil {
			t.Fatalf("read the groups: %v\n%s", err, text)
		}
		var counted int64
		for _, g := range groups.Groups {
			counted += g.Requests
		}
		if counted == want {
			return
		}
		if counted > want || time.Now().After(deadline) {
			t.Errorf("%d requests were sent and %d counted", want, counted)
			return
		}
	}
}
