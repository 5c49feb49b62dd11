package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// floodRequests is how many refused requests a flood sends; under soak, ten seconds of ten thousand.
func floodRequests() int {
	if os.Getenv(soakVariable) != "" {
		return 100_000
	}
	return 20_000
}

// TestSoakAFloodOfRefusalsHidesNothing refuses many requests, half of nobody, half of one client with a wrong tier: what
// others did before is still explained, the log stays short, and every refusal is counted.
func TestSoakAFloodOfRefusalsHidesNothing(t *testing.T) {
	nexus := gatewaytest.Start(t, identified)
	for i := range 50 {
		named(t, nexus.URL, fmt.Sprintf("accepted-%d", i), from("alice", "pro"), 200)
	}
	for i := range 5 {
		named(t, nexus.URL, fmt.Sprintf("refused-%d", i), from("bob", "gold"), 400)
	}
	total := floodRequests()
	logged := len(nexus.Output())
	began := time.Now()
	var wait sync.WaitGroup
	for worker := range 8 {
		header := "X-Client-ID: mallory\r\nX-User-Tier: gold\r\n"
		if worker%2 == 0 {
			header = ""
		}
		wait.Go(func() {
			if err := flood(strings.TrimPrefix(nexus.URL, "http://"), header, total/8); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	took := time.Since(began)
	t.Logf("%d refusals in %v, %.0f a second", total, took.Round(time.Millisecond), float64(total)/took.Seconds())

	for i := range 50 {
		if status, _ := fetch(t, nexus.URL+fmt.Sprintf("/admin/api/traces/accepted-%d", i)); status != 200 {
			t.Errorf("the trace of accepted request %d is gone", i)
		}
	}
	_, page := fetch(t, nexus.URL+"/admin/api/rejections?client=bob")
	if n := strings.Count(page, `"id":"refused-`); n != 5 {
		t.Errorf("%d of bob's 5 refusals are left: %s", n, page)
	}
	_, recent := fetch(t, nexus.URL+"/admin/api/traces")
	if n := strings.Count(recent, `"id":"accepted-`); n != 50 {
		t.Errorf("%d of 50 accepted requests are left among the recent ones", n)
	}
	// The count of those that were left out comes a second after the first of them.
	nexus.Await(t, "reason=client_id_missing suppressed=")
	nexus.Await(t, "reason=group_invalid suppressed=")
	took = time.Since(began)
	checkFloodLog(t, nexus.Output()[min(logged, len(nexus.Output())):], took)
	checkFloodCounts(t, nexus.URL, total)
}

// flood sends refused requests over one connection, twenty at a time, and reads every answer.
func flood(address, header string, n int) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	const batch = 20
	one := "POST /llm/v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + header + "Content-Length: " + strconv.Itoa(len(hello)) + "\r\n\r\n" + hello
	answers := bufio.NewReader(conn)
	for sent := 0; sent < n; sent += batch {
		if _, err := io.WriteString(conn, strings.Repeat(one, min(batch, n-sent))); err != nil {
			return err
		}
		for range min(batch, n-sent) {
			response, err := http.ReadResponse(answers, nil)
			if err != nil {
				return fmt.Errorf("after %d: %w", sent, err)
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				return err
			}
			if response.StatusCode != http.StatusBadRequest {
				return fmt.Errorf("answered %s", response.Status)
			}
		}
	}
	return nil
}

// checkFloodLog holds the log against its bound: ten lines a second for each of two reasons, and what says how many
// were left out.
func checkFloodLog(t *testing.T, log string, took time.Duration) {
	t.Helper()
	for _, reason := range []string{"client_id_missing", "group_invalid"} {
		if !regexp.MustCompile(`reason=` + reason + ` suppressed=\d+`).MatchString(log) {
			t.Errorf("nothing is said of the suppressed refusals for %s", reason)
		}
	}
	lines := strings.Count(log, "\n")
	if most := int(took.Seconds()+2) * 2 * 12; lines > most {
		t.Errorf("%d lines in %v, want at most %d", lines, took, most)
	}
}

// checkFloodCounts holds the counters against what was sent: the flood and bob's five.
func checkFloodCounts(t *testing.T, url string, total int) {
	t.Helper()
	_, metrics := fetch(t, url+"/metrics")
	for reason, want := range map[string]int{"client_id_missing": total / 2, "group_invalid": total/2 + 5} {
		line := regexp.MustCompile(`(?m)^nexus_rejections_total\{group="",reason="` + reason + `"\} (\d+)$`).FindStringSubmatch(metrics)
		if line == nil || line[1] != strconv.Itoa(want) {
			t.Errorf("%s: %v, want %d", reason, line, want)
		}
	}
	var groups struct {
		Groups []struct {
			Group                *string
			Requests, Rejections int
		}
	}
	_, text := fetch(t, url+"/admin/api/groups")
	if err := json.Unmarshal([]byte(text), &groups); err != nil {
		t.Fatal(err)
	}
	for _, g := range groups.Groups {
		switch {
		case g.Group == nil && (g.Requests != total+5 || g.Rejections != total+5):
			t.Errorf("without a group: %d requests, %d refused, want %d", g.Requests, g.Rejections, total+5)
		case g.Group != nil && *g.Group == "pro" && (g.Requests != 50 || g.Rejections != 0):
			t.Errorf("pro: %d requests, %d refused", g.Requests, g.Rejections)
		}
	}
}

// named sends a request with an id of its own and checks its status.
func named(t *testing.T, url, id string, header map[string][]string, status int) {
	t.Helper()
	header["X-Request-ID"] = []string{id}
	if got, _ := send(t, url, request{method: http.MethodPost, path: chatPath, body: hello, header: header}); got != status {
		t.Fatalf("%s: answered %d", id, got)
	}
}

// fetch gets a page.
func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
