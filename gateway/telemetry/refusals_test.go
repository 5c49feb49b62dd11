package telemetry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"nexus/gateway/telemetry"
	"nexus/gateway/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a log in memory that may be read while it is written.
type sink struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *sink) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Len()
}

// lines are the records of a JSON log.
func lines(t *testing.T, out *sink) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(out.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, record)
	}
	return all
}

// tally counts the refusals that were written and those that summaries tell, by reason.
func tally(records []map[string]any) (written, suppressed, summaries map[string]int) {
	written, suppressed, summaries = map[string]int{}, map[string]int{}, map[string]int{}
	for _, r := range records {
		reason := r["reason"].(string)
		if n, ok := r["suppressed"].(float64); ok {
			suppressed[reason] += int(n)
			summaries[reason]++
		} else {
			written[reason]++
		}
	}
	return written, suppressed, summaries
}

func refusal(reason trace.Reason) *trace.Trace {
	return &trace.Trace{ID: "id", Outcome: trace.Rejected, Reason: reason, Status: 400}
}

func TestARefusalSaysWhatIsKnown(t *testing.T) {
	var out sink
	refusals := telemetry.NewRefusals(newLogger(t, &out, "warn", "text"))
	refusals.Log(&trace.Trace{
		ID: "req-1", Outcome: trace.Rejected, Reason: trace.GroupInvalid, ClientID: "alice smith", Group: "", Model: "gpt-4",
		Status: 400, Method: "POST", Path: "/llm/v1/chat/completions", Remote: netip.MustParseAddr("192.0.2.1"),
		Generation: 3, Message: "The specified group is not valid",
	})
	refusals.Close()
	want := `level=WARN msg="request refused" request_id=req-1 reason=group_invalid client="alice smith" group="" model=gpt-4 ` +
		`status=400 method=POST path=/llm/v1/chat/completions remote_address=192.0.2.1 generation=3 ` +
		`message="The specified group is not valid"` + "\n"
	if _, got, _ := strings.Cut(out.String(), " "); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestTenLinesASecondThenACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sink
		refusals := telemetry.NewRefusals(newLogger(t, &out, "warn", "json"))
		for range 25 {
			refusals.Log(refusal(trace.GroupInvalid))
		}
		refusals.Log(refusal(trace.ModelUnknown))
		written, suppressed, _ := tally(lines(t, &out))
		if written["group_invalid"] != 10 || written["model_unknown"] != 1 || len(suppressed) != 0 {
			t.Errorf("at once: %v written, %v suppressed", written, suppressed)
		}

		time.Sleep(time.Second) // a virtual one
		synctest.Wait()
		_, suppressed, summaries := tally(lines(t, &out))
		if suppressed["group_invalid"] != 15 || summaries["group_invalid"] != 1 || len(summaries) != 1 {
			t.Errorf("when the second is over: %v suppressed in %v lines, though the flood has stopped", suppressed, summaries)
		}

		refusals.Log(refusal(trace.GroupInvalid))
		if written, _, _ := tally(lines(t, &out)); written["group_invalid"] != 11 {
			t.Errorf("in the next second: %v written", written)
		}
		before := out.Len()
		refusals.Close()
		refusals.Close()
		if out.Len() != before {
			t.Error("closing writes a line though nothing was left out")
		}
	})
}

func TestNoSecondHasMoreThanTenLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sink
		refusals := telemetry.NewRefusals(newLogger(t, &out, "warn", "json"))
		start := time.Now()
		var written []time.Duration
		for range 400 { // 40 a second, so that windows begin anywhere
			synctest.Wait() // a summary that is due at this moment is no line of a refusal
			before := out.Len()
			refusals.Log(refusal(trace.GroupInvalid))
			if out.Len() > before {
				written = append(written, time.Since(start))
			}
			time.Sleep(25 * time.Millisecond)
		}
		refusals.Close()
		if len(written) < 90 {
			t.Errorf("only %d lines in 10 s", len(written))
		}
		for i := 10; i < len(written); i++ {
			if written[i]-written[i-10] < time.Second {
				t.Fatalf("eleven lines between %v and %v", written[i-10], written[i])
			}
		}
	})
}

func TestAFloodIsBoundedAndCountedExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sink
		refusals := telemetry.NewRefusals(newLogger(t, &out, "warn", "json"))
		const flood = 100_000
		for i := range flood {
			refusals.Log(refusal([]trace.Reason{trace.ClientIDMissing, trace.GroupInvalid}[i%2]))
			time.Sleep(10 * time.Second / flood)
		}
		refusals.Close()
		written, suppressed, summaries := tally(lines(t, &out))
		for _, reason := range []string{"client_id_missing", "group_invalid"} {
			if written[reason] > 110 || summaries[reason] > 11 || written[reason] < 100 {
				t.Errorf("%s: %d lines and %d summaries in 10 s", reason, written[reason], summaries[reason])
			}
			if total := written[reason] + suppressed[reason]; total != flood/2 {
				t.Errorf("%s: %d refusals are told of, want %d", reason, total, flood/2)
			}
		}
	})
}

func TestCloseTellsWhatWasLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sink
		refusals := telemetry.NewRefusals(newLogger(t, &out, "warn", "json"))
		start := time.Now()
		for range 12 {
			refusals.Log(refusal(trace.GroupInvalid))
			refusals.Log(refusal("no_reason_of_ours"))
			refusals.Log(refusal("nor_this"))
		}
		refusals.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("closing took %v", took)
		}
		written, suppressed, _ := tally(lines(t, &out))
		if suppressed["group_invalid"] != 2 || suppressed["__other__"] != 14 {
			t.Errorf("written %v, suppressed %v", written, suppressed)
		}
		refusals.Log(refusal(trace.ModelUnknown))
		if again, _, _ := tally(lines(t, &out)); again["model_unknown"] != 0 {
			t.Error("a line is written after the end")
		}
	})
}

func TestRefusalsAreSafeForConcurrentUse(t *testing.T) {
	var out sink
	refusals := telemetry.NewRefusals(newLogger(t, &out, "warn", "json"))
	var group sync.WaitGroup
	const each = 2000
	for range 4 {
		group.Go(func() {
			for range each {
				refusals.Log(refusal(trace.GroupInvalid))
			}
		})
	}
	group.Wait()
	group.Go(refusals.Close)
	group.Go(refusals.Close)
	group.Wait()
	written, suppressed, _ := tally(lines(t, &out))
	if total := written["group_invalid"] + suppressed["group_invalid"]; total != 4*each {
		t.Errorf("%d refusals are told of, want %d", total, 4*each)
	}
}

func TestClosingAmidAFlood(t *testing.T) {
	var out sink
	refusals := telemetry.NewRefusals(newLogger(t, &out, "warn", "json"))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 500 {
				refusals.Log(refusal(trace.GroupInvalid))
			}
		})
	}
	group.Go(refusals.Close)
	group.Wait()
	lines(t, &out) // whole lines, however it ended
}

func TestWhereWarningsAreOffRefusalsAreNotCounted(t *testing.T) {
	var out sink
	refusals := telemetry.NewRefusals(newLogger(t, &out, "error", "json"))
	for range 100 {
		refusals.Log(refusal(trace.GroupInvalid))
	}
	refusals.Close()
	if out.Len() != 0 {
		t.Errorf("written: %s", out.String())
	}
}

func TestTheLineOfARequest(t *testing.T) {
	var out sink
	refusals := telemetry.NewRefusals(newLogger(t, &out, "debug", "json"))
	defer refusals.Close()
	refusals.Request(&trace.Trace{
		ID: "req-1", ClientID: "alice", Group: "pro", Model: "demo/echo", Provider: "demo", Status: 200, Method: "POST",
		Path: "/llm/v1/chat/completions", Generation: 2, Duration: 1500 * time.Microsecond, Upstream: time.Millisecond, Input: 8, Output: -1,
	})
	got := lines(t, &out)[0]
	delete(got, "time")
	want := map[string]any{
		"level": "DEBUG", "msg": "request", "request_id": "req-1", "outcome": "allowed", "reason": "", "client": "alice",
		"group": "pro", "model": "demo/echo", "provider": "demo", "status": 200, "method": "POST",
		"path": "/llm/v1/chat/completions", "remote_address": "", "generation": 2, "duration_ms": 1.5, "upstream_ms": 1,
		"input_tokens": 8,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestTheLineOfARequestCostsNothingWhenOff(t *testing.T) {
	for _, level := range []string{"off", "info"} {
		log, err := telemetry.NewLogger(io.Discard, level, "json")
		if err != nil {
			t.Fatal(err)
		}
		refusals := telemetry.NewRefusals(log)
		tr := &trace.Trace{ID: "req-1", Remote: netip.MustParseAddr("192.0.2.1")}
		if n := testing.AllocsPerRun(1000, func() { refusals.Request(tr) }); n != 0 {
			t.Errorf("at %s a request allocates %v times", level, n)
		}
		refusals.Close()
	}
}

func BenchmarkLogUnderAFlood(b *testing.B) {
	refusals := telemetry.NewRefusals(slog.New(slog.NewTextHandler(io.Discard, nil)))
	defer refusals.Close()
	tr := refusal(trace.GroupInvalid)
	b.ReportAllocs()
	for b.Loop() {
		refusals.Log(tr)
	}
}

func BenchmarkRequestLineOff(b *testing.B) {
	refusals := telemetry.NewRefusals(slog.New(slog.NewTextHandler(io.Discard, nil)))
	defer refusals.Close()
	tr := refusal(trace.GroupInvalid)
	b.ReportAllocs()
	for b.Loop() {
		refusals.Request(tr)
	}
}
