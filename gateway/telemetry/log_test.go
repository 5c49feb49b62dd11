package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nexus/gateway/telemetry"
	"nexus/gateway/trace"
)

var styles = []string{"color", "text", "json"}

func newLogger(t testing.TB, w io.Writer, level, style string) *slog.Logger {
	t.Helper()
	log, err := telemetry.NewLogger(w, level, style)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestLevels(t *testing.T) {
	want := map[string]string{"off": "", "error": "e", "warn": "we", "info": "iwe", "debug": "diwe"}
	for _, style := range styles {
		for level, letters := range want {
			var out bytes.Buffer
			log := newLogger(t, &out, level, style)
			log.Debug("said", "what", "letter-d")
			log.Info("said", "what", "letter-i")
			log.Warn("said", "what", "letter-w")
			log.Error("said", "what", "letter-e")
			got := ""
			for line := range strings.Lines(out.String()) {
				_, after, _ := strings.Cut(line, "letter-")
				got += after[:1]
			}
			if got != letters {
				t.Errorf("%s at %s writes %q, want %q", style, level, got, letters)
			}
		}
	}
}

func TestUnknownWordsAreErrors(t *testing.T) {
	tests := map[string]struct{ level, style, says string }{
		"an unknown level":           {"loud", "text", `unknown log level "loud": use off, error, warn, info or debug`},
		"a level in capitals":        {"INFO", "text", `unknown log level "INFO"`},
		"an unknown style":           {"info", "xml", `unknown log style "xml": use color, text or json`},
		"an unknown style while off": {"off", "xml", `unknown log style "xml"`},
		"no style":                   {"info", "", `unknown log style ""`},
	}
	for name, test := range tests {
		log, err := telemetry.NewLogger(new(bytes.Buffer), test.level, test.style)
		if log != nil || err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", name, err, test.says)
		}
	}
}

func TestTimesAreInUTC(t *testing.T) {
	local := time.Local
	time.Local = time.FixedZone("east", 5*3600)
	defer func() { time.Local = local }()
	for _, style := range styles {
		synctest.Test(t, func(t *testing.T) { // at midnight UTC of the year 2000
			var out bytes.Buffer
			newLogger(t, &out, "info", style).Info("said", "since", time.Now())
			if n := strings.Count(out.String(), "2000-01-01T00:00:00"); n != 2 {
				t.Errorf("%s says the times as %s", style, out.String())
			}
			if strings.Contains(out.String(), "+05:00") || !strings.Contains(out.String(), "Z") {
				t.Errorf("%s says no zone, or another: %s", style, out.String())
			}
		})
	}
}

func TestJSONLinesAreJSON(t *testing.T) {
	var out bytes.Buffer
	newLogger(t, &out, "info", "json").Info("said", "err", errors.New("broke"))
	var record map[string]any
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	if record["level"] != "INFO" || record["msg"] != "said" || record["err"] != "broke" {
		t.Errorf("got %v", record)
	}
}

type secret struct{}

func (secret) LogValue() slog.Value         { return slog.StringValue("***") }
func (secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

func TestColorLinesSayWhatTextLinesSay(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(t, &out, "info", "color")
	log.With("file", "a b").WithGroup("reload").Warn("config reload refused",
		"err", errors.New("no such key"), "token", secret{}, "from", netip.MustParseAddr("192.0.2.1"), "n", 3)
	got := plain(out.String())
	if want := `WRN config reload refused file="a b" reload.err="no such key" reload.token=*** reload.from=192.0.2.1 reload.n=3`; !strings.Contains(got, want) {
		t.Errorf("got %s\nwant …%s", got, want)
	}
}

// plain is s without the colours that the handler itself writes.
func plain(s string) string {
	for _, code := range []string{"\x1b[2m", "\x1b[0m", "\x1b[91m", "\x1b[92m", "\x1b[93m"} {
		s = strings.ReplaceAll(s, code, "")
	}
	return s
}

func TestHostileTextStaysOnItsLine(t *testing.T) {
	hostile := []string{
		"a\nlevel=ERROR msg=forged", "a\r\nb", "\x1b[2J\x1b[31m", `spelled \x1b[2J out`, "quote \" and \\",
		"\u2028 and \u0085", "\u202e reversed", "\x9b31m", "\xff\xfe", "nul\x00", "bell\a and back\b",
	}
	for _, style := range styles {
		for _, text := range hostile {
			var out bytes.Buffer
			log := newLogger(t, &out, "debug", style)
			tr := &trace.Trace{
				ID: "id", ClientID: text, Group: text, Model: text, Method: text, Path: text, Message: text,
				Outcome: trace.Rejected, Reason: trace.ClientIDInvalid, Provider: text,
			}
			refusals := telemetry.NewRefusals(log)
			refusals.Log(tr)
			refusals.Request(tr)
			refusals.Close()
			log.Info(text)
			log.Error("said", "err", errors.New(text))

			got := out.String()
			if style == "color" {
				got = plain(got)
			}
			if n := strings.Count(got, "\n"); n != 4 {
				t.Errorf("%s writes four records with %q in %d lines:\n%s", style, text, n, got)
			}
			if at := strings.IndexFunc(got, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == 0x9b }); at >= 0 {
				t.Errorf("%s writes the control character %q of %q", style, got[at], text)
			}
		}
	}
}
