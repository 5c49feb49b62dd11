package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nexus/gateway/gatewaytest"
)

// canary stands where a secret stands, or might: it must never be shown.
const canary = "c4nary"

// storyFile is a valid file in its turn; the turn is all that differs.
func storyFile(address string, turn int) string {
	return fmt.Sprintf(`# turn %d
[server]
listen_address = "%s"
[server.client_identification]
client_id.http_header = "x-client-id"
group_id.http_header = "x-user-tier"
trusted_sources = ["127.0.0.0/8"]
[server.client_identification.validation]
group_values = ["free", "pro", "turn-%d"]
[llm.providers.demo]
type = "demo"
[admin]
token = "%s-of-the-admin"
[telemetry.prometheus]
token = "%s-of-the-admin"
`, turn, address, turn, canary, canary)
}

// slip is one way to break a file.
type slip struct {
	name     string
	old, now string // what is replaced, and by what; no old: now comes last
	line     int    // where the mistake is told; 0: nowhere in the file
	key      string // as it is told, the first if there are many; empty: none
	// unseen says that a check cannot know of it: whether it is a mistake depends on what runs.
	unseen bool
	damage func(path string) error // instead of a replacement
}

var slips = []slip{
	{name: "an unknown key", old: "trusted_sources =", now: "trusted_source =", line: 7, key: "server.client_identification.trusted_source"},
	{name: "a wrong type", old: "[server]\n", now: "[server]\nshutdown_timeout = 5\n", line: 3, key: "server.shutdown_timeout"},
	{name: "a contradiction", old: `"x-user-tier"`, now: `"X-Client-Id"`, line: 6, key: "server.client_identification.group_id.http_header"},
	{name: "a string that does not end, on the line of a secret", old: `of-the-admin"` + "\n[telemetry", now: "of-the-admin\n[telemetry", line: 13, key: "admin.token"},
	{name: "a secret under a misspelt key", old: "[admin]\ntoken =", now: "[admin]\ntokn =", line: 13, key: "admin.tokn"},
	{name: "a secret with nothing around it", old: "[admin]\ntoken = \"" + canary + "-of-the-admin\"", now: "[admin]\n" + canary, line: 13, key: "admin"},
	{name: "a secret without quotes", old: "[admin]\ntoken = \"" + canary + "-of-the-admin\"", now: "[admin]\ntoken = " + canary, line: 13, key: "admin.token"},
	{name: "a secret of a wrong type", old: "[admin]\ntoken = \"" + canary + "-of-the-admin\"", now: "[admin]\ntoken = [\"" + canary + "\"]", line: 13, key: "admin.token"},
	{name: "a secret where it does not belong", old: "type = \"demo\"", now: "type = \"demo\"\napi_key = \"" + canary + "\"", line: 12, key: "llm.providers.demo.api_key"},
	{name: "a guard that is gone", old: "trusted_sources = [\"127.0.0.0/8\"]\n", line: 4, key: "server.client_identification.trusted_sources", unseen: true},
	{name: "a token that is gone", old: "[admin]\ntoken = \"" + canary + "-of-the-admin\"\n", now: "[admin]\n", line: 12, key: "admin.token", unseen: true},
	{name: "a token that is gone with its table", old: "[admin]\ntoken = \"" + canary + "-of-the-admin\"\n", key: "admin", unseen: true},
	{name: "another listen address", old: "listen_address = \"127.0.0.1:", now: "listen_address = \"127.0.0.2:", line: 3, key: "server.listen_address", unseen: true},
	{name: "an empty file", damage: func(path string) error { return replace(path, "") }},
	{name: "no file", damage: os.Remove},
	{name: "half a file", damage: func(path string) error { return replace(path, storyFile("127.0.0.1:0", 0)[:100]) }, line: 5, key: "server.client_identification"},
	{name: "a variable that is not set", old: `"` + canary + `-of-the-admin"` + "\n[tele", now: "\"{{ env.NEXUS_TEST_UNSET }}\"\n[tele", line: 13, key: "admin.token"},
	{name: "a group named twice", old: `"free", "pro"`, now: `"pro", "pro"`, line: 9, key: "server.client_identification.validation.group_values[1]"},
	{name: "a table that comes twice", now: "[admin]\n", line: 16, key: "admin"},
	{name: "a network that is none", old: "127.0.0.0/8", now: "127.0.0.0/88", line: 7, key: "server.client_identification.trusted_sources[0]"},
	{name: "no provider", old: "[llm.providers.demo]\ntype = \"demo\"\n", key: "llm.providers"},
	{name: "a provider of no known type", old: `type = "demo"`, now: `type = "dmo"`, line: 11, key: "llm.providers.demo.type"},
	{name: "two endpoints on one path", now: "path = \"/admin\"\n", line: 16, key: "telemetry.prometheus.path"},
	{name: "several mistakes", old: "[server]\n", now: "[server]\nshutdown_timeout = 5\nmax_body_size = 7\n", line: 3, key: "server.shutdown_timeout"},
	{name: "a file that is too large", now: "# " + strings.Repeat("x", 1<<20) + "\n"},
}

// storyteller is one gateway whose file is broken and mended, and how far it has come.
type storyteller struct {
	*live
	address            string
	generation, failed int
	told               strings.Builder // what `nexus check` said
}

// TestAllTellTheSameStory breaks and mends a file in many ways: each time the generation, the metrics, the log, the admin and
// `nexus check` say the same, and none ever shows the secret that the offending line held.
func TestAllTellTheSameStory(t *testing.T) {
	if len(slips) < 20 {
		t.Fatalf("only %d ways to break a file", len(slips))
	}
	// A program with the race detector waits a second before it ends well, which the checks do.
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	address := gatewaytest.FreeAddress(t)
	path := file(t, storyFile(address, 0))
	l := &live{Nexus: gatewaytest.Setup{Path: path, Address: address, Args: []string{"--log-style", "json"}}.Start(t), token: canary + "-of-the-admin"}
	s := &storyteller{live: l, address: address, generation: 1}
	for turn, slip := range slips {
		known := l.newest(t)
		broken := s.breakFile(t, slip, turn)
		row := l.awaitAfter(t, known, "failed")
		s.failed++
		s.tellsFailure(t, slip, row, broken)

		logged := len(l.Output())
		if err := replace(path, storyFile(address, turn+1)); err != nil {
			t.Fatal(err)
		}
		row = l.awaitAfter(t, row.Time, "success")
		s.generation++
		s.tellsSuccess(t, slip, row, logged)
	}
	s.keepsTheSecret(t, "the end")
}

// breakFile breaks the file and gives what was logged until then.
func (s *storyteller) breakFile(t *testing.T, slip slip, turn int) (logged int) {
	t.Helper()
	logged = len(s.Output())
	if slip.damage != nil {
		if err := slip.damage(s.ConfigPath); err != nil {
			t.Fatal(err)
		}
		return logged
	}
	text := storyFile(s.address, turn)
	if slip.old == "" {
		text += slip.now
	} else {
		if !strings.Contains(text, slip.old) {
			t.Fatalf("%s: the file has no %q", slip.name, slip.old)
		}
		text = strings.Replace(text, slip.old, slip.now, 1)
	}
	if err := replace(s.ConfigPath, text); err != nil {
		t.Fatal(err)
	}
	return logged
}

func (s *storyteller) tellsFailure(t *testing.T, slip slip, row reload, logged int) {
	t.Helper()
	if row.Generation != s.generation || len(row.Errors) == 0 {
		t.Fatalf("%s: the history says %+v while generation %d runs", slip.name, row, s.generation)
	}
	first := row.Errors[0]
	if key := said(first.Key); first.Line != slip.line || key != slip.key || first.Message == "" || first.Hint == "" {
		t.Errorf("%s: told at line %d, key %q, want line %d, key %q: %+v", slip.name, first.Line, key, slip.line, slip.key, first)
	}
	status := s.live.status(t)
	if status.Generation != s.generation || status.LastReloadError == nil {
		t.Errorf("%s: the status says %+v", slip.name, status)
	} else {
		for _, m := range row.Errors {
			if !strings.Contains(*status.LastReloadError, m.Message) || !strings.Contains(*status.LastReloadError, m.Hint) {
				t.Errorf("%s: the status says %q and not %+v", slip.name, *status.LastReloadError, m)
			}
		}
	}
	s.metricsTell(t, slip, 0)
	s.logTells(t, slip, row, logged)
	s.checkTells(t, slip, row)
	s.keepsTheSecret(t, slip.name)
}

// said is what a text of the JSON says; "" for null.
func said(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func (s *storyteller) metricsTell(t *testing.T, slip slip, successful float64) {
	t.Helper()
	for name, want := range map[string]float64{
		"nexus_config_last_reload_successful":          successful,
		"nexus_config_generation":                      float64(s.generation),
		`nexus_config_reloads_total{result="failed"}`:  float64(s.failed),
		`nexus_config_reloads_total{result="success"}`: float64(s.generation),
	} {
		// The history is written before the metrics are.
		s.await(t, fmt.Sprintf("%s: %s %v", slip.name, name, want), func() bool { return s.gauge(t, name) == want })
	}
}

// logLine is a line of the log.
type logLine struct {
	Level, Msg, Cause, Result, Key, Problem, Fix string
	Line, Generation                             int
}

// log is what was logged since an earlier length of the output.
func (s *storyteller) log(t *testing.T, since int) (lines []logLine) {
	t.Helper()
	for text := range strings.Lines(s.Output()[since:]) {
		var line logLine
		if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &line) == nil {
			lines = append(lines, line)
		}
	}
	return lines
}

// logTells holds the log against the history: a line for each error.
func (s *storyteller) logTells(t *testing.T, slip slip, row reload, since int) {
	t.Helper()
	var got []logLine
	s.await(t, slip.name+": in the log", func() bool {
		got = slices.DeleteFunc(s.log(t, since), func(l logLine) bool { return l.Msg != "reload refused; what ran before runs on" })
		return len(got) >= len(row.Errors)
	})
	for i, m := range row.Errors {
		want := logLine{Level: "WARN", Msg: got[i].Msg, Cause: "file", Key: said(m.Key), Problem: m.Message, Fix: m.Hint, Line: m.Line, Generation: s.generation}
		if got[i] != want {
			t.Errorf("%s: the log says\n%+v and the history\n%+v", slip.name, got[i], want)
		}
	}
	if len(got) != len(row.Errors) {
		t.Errorf("%s: %d lines in the log for %d errors", slip.name, len(got), len(row.Errors))
	}
}

var checkedLine = regexp.MustCompile(`(?m)^(?::(\d+):\d+)?: (.*)$`)

// checkTells holds `nexus check` of the same file against the history.
func (s *storyteller) checkTells(t *testing.T, slip slip, row reload) {
	t.Helper()
	code, out, errs := nexus(t, "check", "-c", s.ConfigPath)
	s.told.WriteString(out + errs)
	if slip.unseen {
		if code != 0 || !strings.Contains(out, ": ok") {
			t.Errorf("%s: a check that cannot know of it says %d: %s", slip.name, code, out)
		}
		return
	}
	if code != 1 {
		t.Errorf("%s: the check ends with %d: %s", slip.name, code, out)
	}
	told := checkedLine.FindAllStringSubmatch(strings.ReplaceAll(out, s.ConfigPath, ""), -1)
	if len(told) != len(row.Errors)+1 { // and the summary
		t.Fatalf("%s: the check says\n%s\nand the history %+v", slip.name, out, row.Errors)
	}
	for i, m := range row.Errors {
		line, _ := strconv.Atoi(told[i][1])
		want := m.Message + "; " + m.Hint
		if m.Key != nil {
			want = *m.Key + ": " + want
		}
		if line != m.Line || told[i][2] != want {
			t.Errorf("%s: the check says %q and the history %+v", slip.name, told[i][0], m)
		}
	}
}

func (s *storyteller) tellsSuccess(t *testing.T, slip slip, row reload, logged int) {
	t.Helper()
	status := s.live.status(t)
	if row.Generation != s.generation || status.Generation != s.generation || status.LastReloadError != nil || said(row.Hash) != status.Hash || len(row.Errors) > 0 {
		t.Errorf("after %s: the history says %+v and the status %+v while generation %d should run", slip.name, row, status, s.generation)
	}
	s.metricsTell(t, slip, 1)
	s.await(t, "after "+slip.name+": in the log", func() bool {
		return slices.ContainsFunc(s.log(t, logged), func(l logLine) bool {
			return l.Msg == "configuration loaded" && l.Level == "INFO" && l.Result == "success" && l.Cause == "file" && l.Generation == s.generation
		})
	})
	code, out, errs := nexus(t, "check", "-c", s.ConfigPath)
	s.told.WriteString(out + errs)
	if code != 0 {
		t.Errorf("after %s: the check ends with %d: %s", slip.name, code, out)
	}
	call := request{method: http.MethodPost, path: chatPath, body: hello, header: from("alice", "turn-"+strconv.Itoa(s.generation-1))}
	if got, _ := send(t, s.URL, call); got != http.StatusOK {
		t.Errorf("after %s: a request in the newest group is answered %d", slip.name, got)
	}
}

// keepsTheSecret looks for the canary wherever anything is told.
func (s *storyteller) keepsTheSecret(t *testing.T, when string) {
	t.Helper()
	places := map[string]string{"the log": s.Output(), "the check": s.told.String()}
	for _, path := range []string{"/admin", "/admin/config", "/admin/api/config", "/admin/api/reloads", "/admin/api/status", "/metrics"} {
		places[path] = s.page(t, path)
	}
	for place, text := range places {
		if at := strings.Index(strings.ToLower(text), canary); at >= 0 {
			t.Errorf("%s: %s shows a secret: …%s…", when, place, text[max(0, at-200):min(len(text), at+50)])
		}
	}
}
