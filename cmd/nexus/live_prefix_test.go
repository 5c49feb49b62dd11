package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

const (
	prefixes      = 60
	prefixSeed    = 7
	strangerPause = 2 * time.Millisecond
)

const (
	adminToken   = "the-token-of-the-admin"
	metricsToken = "the-token-of-the-metrics"
)

// wholeFile is the shipped nexus.toml with everything said that it only mentions, and all that guards it on.
func wholeFile(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "nexus.toml"))
	if err != nil {
		t.Fatal(err)
	}
	// What asks for tokens in the place of headers is tried in the package gateway, with every prefix.
	whole := regexp.MustCompile(`(?ms)^# \[server\.oauth.*?\n\n`).ReplaceAllString(string(text), "\n")
	// A provider far away would be asked for its models by some beginnings of the file.
	whole = regexp.MustCompile(`(?m)^# \[llm\.providers\.openai\]\n(#.*\n)+`).ReplaceAllString(whole, "")
	whole = regexp.MustCompile(`(?m)^# \[server\.(?:tls|cors|csrf)\]\n(#.*\n)+`).ReplaceAllString(whole, "")
	whole = regexp.MustCompile(`(?m)^# url = "redis:.*\n(#.*\n)+`).ReplaceAllString(whole, "")
	whole = regexp.MustCompile(`(?m)^# (\[(server\.rate_limits|llm\.providers\.demo)\.)`).ReplaceAllString(whole, "$1")
	whole = regexp.MustCompile(`(?m)^# (\w+ = )`).ReplaceAllString(whole, "$1")
	whole = regexp.MustCompile(`(?m)^limit = \d+$`).ReplaceAllString(whole, "limit = 1000000") // strangers call often
	for old, now := range map[string]string{
		"{{ env.NEXUS_ADMIN_TOKEN }}":      adminToken,
		"{{ env.NEXUS_METRICS_TOKEN }}":    metricsToken,
		`trusted_sources = ["10.0.0.0/8"]`: `trusted_sources = ["127.0.0.1/32"]`,
	} {
		if !strings.Contains(whole, old) {
			t.Fatalf("the shipped file does not mention %s", old)
		}
		whole = strings.Replace(whole, old, now, 1)
	}
	if !strings.Contains(whole, "\ntrusted_proxies =") || !strings.Contains(whole, "\nx_forwarded_for_trusted_hops =") {
		t.Fatal("the shipped file does not mention trusted proxies")
	}
	return whole
}

// cuts are the lengths of the prefixes: half of them end with a line, and all are spread over the file.
func cuts(text string) []int {
	random := rand.New(rand.NewPCG(prefixSeed, 0))
	var ends, others []int
	for i := range len(text) - 1 {
		if text[i] == '\n' {
			ends = append(ends, i+1)
		} else {
			others = append(others, i+1)
		}
	}
	var all []int
	for _, places := range [][]int{ends, others} {
		for i := range prefixes / 2 {
			from, to := i*len(places)/(prefixes/2), (i+1)*len(places)/(prefixes/2)
			all = append(all, places[from+random.IntN(to-from)])
		}
	}
	all[0] = 0 // the empty file is one, too
	slices.Sort(all)
	return all
}

// TestNoPrefixOfAFileLetsAnybodyIn saves what a copy that breaks off would leave, one after the other, while strangers try
// everything that needs credentials: none is let in, and nothing that guards is lost.
func TestNoPrefixOfAFileLetsAnybodyIn(t *testing.T) {
	whole := wholeFile(t)
	path := file(t, whole)
	l := &live{Nexus: gatewaytest.Setup{Path: path}.Start(t), token: adminToken, clock: startClock(t)}
	guarded := l.guarded(t)
	crowd := startStrangers(t, l.URL)
	results := map[string]int{}
	random := rand.New(rand.NewPCG(prefixSeed, 1))
	for i, cut := range cuts(whole) {
		known := l.newest(t)
		save := write
		if random.IntN(2) == 0 {
			save = replace
		}
		if err := save(path, whole[:cut]); err != nil {
			t.Fatal(err)
		}
		var row reload
		l.await(t, fmt.Sprintf("read after %d bytes", cut), func() bool {
			row = l.reloads(t)[0]
			return row.Time.After(known) && row.Cause == "file"
		})
		results[row.Result]++
		if got := l.guarded(t); got != guarded {
			t.Errorf("after %d bytes (save %d, %s) the guarded keys are\n%s\nand were\n%s", cut, i, row.Result, got, guarded)
		}
	}
	l.restore(t, path, whole)
	if tries := crowd.end(t); slices.Min(tries) < prefixes {
		t.Errorf("the strangers tried only %d times", tries)
	} else {
		t.Logf("%d prefixes: %v; %d tries of strangers, none let in", prefixes, results, tries)
	}
	if got := l.guarded(t); got != guarded {
		t.Errorf("with the whole file again the guarded keys are\n%s\nand were\n%s", got, guarded)
	}
	named(t, l.URL, "known", from("alice", "pro"), http.StatusOK)
}

// restore saves the whole file again and waits until it is what runs, with nothing to complain of.
func (l *live) restore(t *testing.T, path, whole string) {
	t.Helper()
	if err := replace(path, whole); err != nil {
		t.Fatal(err)
	}
	l.await(t, "without a complaint", func() bool { return l.status(t).LastReloadError == nil })
}

// guarded is what holds of the keys that a file must not lose, as JSON.
func (l *live) guarded(t *testing.T) string {
	t.Helper()
	var answer struct {
		Config struct {
			Server struct {
				ClientIdentification map[string]any `json:"client_identification"`
				ClientIP             struct {
					TrustedProxies any `json:"trusted_proxies"`
				} `json:"client_ip"`
			}
			Admin, Telemetry json.RawMessage
		}
	}
	l.api(t, "config", &answer)
	c := answer.Config
	text, err := json.Marshal([]any{c.Server.ClientIdentification, c.Server.ClientIP.TrustedProxies})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"x-client-id", "x-user-tier", "127.0.0.1/32", "enterprise", "10.0.0.0/8"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the effective configuration has no %s: %s", want, text)
		}
	}
	var admin struct {
		Enabled bool
		Token   string
	}
	var telemetry struct {
		Prometheus struct {
			Enabled bool
			Token   string
		}
	}
	if err := errors.Join(json.Unmarshal(c.Admin, &admin), json.Unmarshal(c.Telemetry, &telemetry)); err != nil {
		t.Fatal(err)
	}
	if admin.Token != "***" || telemetry.Prometheus.Token != "***" {
		t.Errorf("the tokens are shown as %q and %q", admin.Token, telemetry.Prometheus.Token)
	}
	return string(text) + fmt.Sprint(admin, telemetry)
}

// stranger is a request that must never be answered with 200.
type stranger struct {
	name, method, path, body, host string
	header                         http.Header
	elsewhere                      bool // comes from an address that is trusted with no header
}

var strangers = []stranger{
	{name: "a nameless caller", method: http.MethodPost, path: chatPath, body: hello, header: from("", "")},
	{name: "a caller in a group that does not exist", method: http.MethodPost, path: chatPath, body: hello, header: from("mallory", "gold")},
	{name: "a caller whose address may not say who it is", method: http.MethodPost, path: chatPath, body: hello, header: from("mallory", "pro"), elsewhere: true},
	{name: "a caller without the admin's token", method: http.MethodGet, path: "/admin/api/status", header: http.Header{}},
	{name: "a page under another name", method: http.MethodGet, path: "/admin/api/status", host: "nexus.example.com", header: http.Header{}},
	{name: "a scraper without a token", method: http.MethodGet, path: "/metrics", header: http.Header{}},
}

// crowd is strangers who try all the time.
type crowd struct {
	stop  context.CancelFunc
	wait  sync.WaitGroup
	tries []atomic.Int64
	errs  []error
}

func startStrangers(t *testing.T, url string) *crowd {
	ctx, stop := context.WithCancel(context.Background())
	c := &crowd{stop: stop, tries: make([]atomic.Int64, len(strangers)), errs: make([]error, len(strangers))}
	t.Cleanup(func() { stop(); c.wait.Wait() })
	for i, s := range strangers {
		c.wait.Go(func() { c.errs[i] = s.knock(ctx, url, &c.tries[i]) })
	}
	return c
}

// knock tries until ctx ends, or until it was let in.
func (s stranger) knock(ctx context.Context, url string, tries *atomic.Int64) error {
	dialer := &net.Dialer{}
	if s.elsewhere {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	pace := time.NewTicker(strangerPause)
	defer pace.Stop()
	for ; ctx.Err() == nil; <-pace.C {
		call, err := http.NewRequest(s.method, url+s.path, strings.NewReader(s.body))
		if err != nil {
			return err
		}
		call.Header = s.header.Clone()
		call.Host = s.host
		answer, err := client.Do(call)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if answer.StatusCode < 400 || answer.StatusCode >= 500 {
			return fmt.Errorf("%s is answered %s", s.name, answer.Status)
		}
		tries.Add(1)
	}
	return nil
}

// end sends the strangers away and gives how often each has tried. The test fails if one was let in.
func (c *crowd) end(t *testing.T) (tries []int64) {
	t.Helper()
	c.stop()
	c.wait.Wait()
	if err := errors.Join(c.errs...); err != nil {
		t.Error(err)
	}
	for i := range c.tries {
		tries = append(tries, c.tries[i].Load())
	}
	return tries
}
