package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nexus/config"
	"nexus/gateway"
	"nexus/gateway/journal"
)

// desk is a nexus.toml that lies in memory.
type desk struct {
	mu   sync.Mutex
	text string
}

func (d *desk) save(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = text
}

func (d *desk) load() config.Draft {
	d.mu.Lock()
	defer d.mu.Unlock()
	return config.ParseDraft("nexus.toml", []byte(d.text), config.Overlay{}, func(string) (string, bool) { return "", false })
}

// startAt runs a gateway with a file in memory.
func startAt(t *testing.T, text string) (*running, *desk) {
	t.Helper()
	d := &desk{text: text}
	return startWith(t, d.load), d
}

// metrics is what a scraper reads.
func (r *running) metrics(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func (r *running) wantMetrics(t *testing.T, want ...string) {
	t.Helper()
	text := r.metrics(t)
	for _, line := range want {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the metrics lack %q; they have\n%s", line, grep(text, strings.FieldsFunc(line, func(c rune) bool { return c == '{' || c == ' ' })[0]))
		}
	}
}

func grep(text, word string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestAReloadTellsTheSameStoryEverywhere(t *testing.T) {
	g, d := startAt(t, tiered)
	g.wantMetrics(t, "nexus_config_generation 1", "nexus_config_last_reload_successful 1")

	d.save(strings.Replace(tiered, `"free", "pro"`, `"free", "pro", "team"`, 1))
	r := g.Reload(journal.CauseFile)
	if r.Result != journal.ResultSuccess || r.Generation != 2 || len(r.Hash) != 64 || len(r.Errors) != 0 {
		t.Fatalf("a good file: %+v", r)
	}
	if !strings.Contains(r.Diff, "-group_values = [\"free\", \"pro\"]\n+group_values = [\"free\", \"pro\", \"team\"]\n") {
		t.Errorf("the diff is %q", r.Diff)
	}
	g.wantMetrics(t, "nexus_config_generation 2", `nexus_config_reloads_total{result="success"} 2`)

	d.save(strings.Replace(tiered, `rename = "demo-1"`, `renam = "demo-1"`, 1) + "[admin]\ntraces = -1\n")
	r = g.Reload(journal.CauseSIGHUP)
	if r.Result != journal.ResultFailed || r.Generation != 2 || len(r.Hash) != 64 || len(r.Errors) != 2 {
		t.Fatalf("a bad file: %+v", r)
	}
	if e := r.Errors[0]; e.Line != 12 || e.Key != "llm.providers.demo.models.assistant.renam" || !strings.Contains(e.Fix, "rename") {
		t.Errorf("the error is %+v", e)
	}
	if !strings.Contains(r.Diff, "+traces = -1\n") {
		t.Errorf("the diff of a bad file is %q", r.Diff)
	}
	g.wantMetrics(t, "nexus_config_generation 2", "nexus_config_last_reload_successful 0", `nexus_config_reloads_total{result="failed"} 1`)
	for _, want := range []string{"reload refused", "cause=sighup", "line=12", "key=llm.providers.demo.models.assistant.renam", "line=14", "key=admin.traces"} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if s := g.Status(); s.Generation != 2 || !strings.Contains(s.LastReloadError, "nexus.toml:12:1") {
		t.Errorf("status %+v", s)
	}

	d.save(strings.Replace(tiered, `"free", "pro"`, `"free", "pro", "team"`, 1))
	if r = g.Reload(journal.CauseFile); r.Result != journal.ResultUnchanged || r.Generation != 2 {
		t.Fatalf("what ran before again: %+v", r)
	}
	g.wantMetrics(t, "nexus_config_last_reload_successful 1", `nexus_config_reloads_total{result="unchanged"} 1`)
	if s := g.Status(); s.LastReloadError != "" {
		t.Errorf("the error stands after the file was mended: %s", s.LastReloadError)
	}
	var story []string
	for _, r := range g.Journal().Reloads() {
		story = append(story, string(r.Cause)+" "+string(r.Result))
	}
	if got := strings.Join(story, ", "); got != "file unchanged, sighup failed, file success, start success" {
		t.Errorf("the history is: %s", got)
	}
}

func TestAFileThatSaysTheSameIsNoReload(t *testing.T) {
	g, d := startAt(t, tiered)
	reload := func(cause journal.Cause) journal.Result { return g.Reload(cause).Result }
	if got := reload(journal.CauseFile); got != journal.ResultUnchanged || len(g.Journal().Reloads()) != 1 {
		t.Errorf("the same content: %s, %d reloads", got, len(g.Journal().Reloads()))
	}
	d.save("[")
	for range 3 {
		if got := reload(journal.CauseFile); got != journal.ResultFailed || len(g.Journal().Reloads()) != 2 {
			t.Errorf("the same mistake: %s, %d reloads", got, len(g.Journal().Reloads()))
		}
	}
	d.save("")
	if got := reload(journal.CauseFile); got != journal.ResultFailed || len(g.Journal().Reloads()) != 3 {
		t.Errorf("another mistake: %s, %d reloads", got, len(g.Journal().Reloads()))
	}
	d.save("# still empty")
	if got := reload(journal.CauseFile); got != journal.ResultFailed || len(g.Journal().Reloads()) != 4 {
		t.Errorf("the same mistake in another text: %s, %d reloads", got, len(g.Journal().Reloads()))
	}
	// Who asks by hand is answered each time.
	reload(journal.CauseSIGHUP)
	reload(journal.CauseAdmin)
	if n := len(g.Journal().Reloads()); n != 6 {
		t.Errorf("%d reloads", n)
	}
}

func TestAGuardedKeyIsNotLostBySilence(t *testing.T) {
	g, d := startAt(t, tiered)
	d.save("[server]\nlisten_address = \"127.0.0.1:0\"\n[llm.providers.demo]\ntype = \"demo\"\n")
	r := g.Reload(journal.CauseFile)
	if r.Result != journal.ResultFailed || len(r.Errors) == 0 || !strings.HasPrefix(r.Errors[0].Key, "server.client_identification") {
		t.Fatalf("%s: %v", r.Result, r.Errors)
	}
	if a := g.do(t, chat(hello)); a.status != 400 {
		t.Errorf("a caller without an id is answered %d", a.status)
	}
	d.save("[server]\nlisten_address = \"127.0.0.1:0\"\n[server.client_identification]\nenabled = false\n[llm.providers.demo]\ntype = \"demo\"\n")
	if r = g.Reload(journal.CauseFile); r.Result != journal.ResultSuccess {
		t.Fatalf("what the file says outright: %v", r.Errors)
	}
	if a := g.do(t, chat(hello)); a.status != 200 {
		t.Errorf("after that a caller without an id is answered %d", a.status)
	}
}

func TestWhatAnEditLeavesAloneStaysWarm(t *testing.T) {
	text := relaying(startVendor(t, always(whole(`{}`))))
	g, d := startAt(t, text)
	before := g.Provider("openai")
	d.save(strings.Replace(text, "[llm.providers.openai.models.gpt-4o]", "[llm.providers.openai.models.best]", 1))
	if r := g.Reload(journal.CauseFile); r.Result != journal.ResultSuccess {
		t.Fatal(r.Errors)
	}
	// Its connections, and what is known of the account.
	if g.Provider("openai") != before || g.Shared() != 2 {
		t.Errorf("a provider whose settings are the same was opened anew; %d are held", g.Shared())
	}
	// A reload that fails gives back what it had borrowed.
	d.save(strings.Replace(strings.Replace(text, `listen_address = "127.0.0.1:0"`, `listen_address = "127.0.0.1:1"`, 1), "sk-", "other-", 1))
	if r := g.Reload(journal.CauseFile); r.Result != journal.ResultFailed {
		t.Fatal(r.Result)
	}
	if g.Provider("openai") != before || g.Shared() != 2 || g.Status().LiveGenerations != 1 {
		t.Errorf("after a failed reload: %d shared, %d generations", g.Shared(), g.Status().LiveGenerations)
	}
	g.stop()
	if err := <-g.done; err != nil {
		t.Fatal(err)
	}
	g.done <- nil
	if g.Shared() != 0 {
		t.Errorf("%d are held after the end", g.Shared())
	}
	if r := g.Reload(journal.CauseAdmin); r.Result != journal.ResultFailed || !strings.Contains(r.Errors.Error(), "stopping") || g.Shared() != 0 {
		t.Errorf("a reload after the end: %s, %v", r.Result, r.Errors)
	}
}

func TestAnOldGenerationLivesAsLongAsItsLastRequest(t *testing.T) {
	g, d := startAt(t, tiered)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	g.open(t, ctx, "slow:500ms Hello")
	for i, letter := range []string{"A", "B"} {
		d.save(strings.Replace(tiered, "demo-1", letter, 1))
		if r := g.Reload(journal.CauseFile); r.Result != journal.ResultSuccess {
			t.Fatal(r.Errors)
		}
		// Between the stream's generation and the live one none stays.
		if n := g.Status().LiveGenerations; n != 2 {
			t.Errorf("after reload %d: %d generations are live", i+1, n)
		}
	}
	g.wantMetrics(t, "nexus_config_live_generations 2", "nexus_config_generation 3")
	cancel()
	for deadline := time.Now().Add(5 * time.Second); g.Status().LiveGenerations != 1; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d generations are live after the last request of the old one", g.Status().LiveGenerations)
		}
	}
	g.wantMetrics(t, "nexus_config_live_generations 1")
}

func TestHowChangesAreNoticedIsTold(t *testing.T) {
	g := start(t, tiered)
	g.Watching(config.WatchPoll, io.ErrUnexpectedEOF)
	g.wantMetrics(t, `nexus_config_watch_mode{mode="poll"} 1`, `nexus_config_watch_mode{mode="inotify"} 0`)
	if s := g.Status(); !strings.Contains(s.Watching, "unexpected EOF") || !strings.Contains(g.log.String(), "level=WARN msg=\"changes of the configuration are noticed by looking") {
		t.Errorf("status %q, log %s", s.Watching, g.log.String())
	}
	g.Watching(config.WatchEvents, nil)
	g.wantMetrics(t, `nexus_config_watch_mode{mode="poll"} 0`, `nexus_config_watch_mode{mode="inotify"} 1`)
	if s := g.Status(); s.Watching != "" {
		t.Errorf("status %q", s.Watching)
	}
}

func TestEveryMistakeIsTold(t *testing.T) {
	g, d := startAt(t, tiered)
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "zz%d = 1\n", i)
	}
	d.save(b.String() + tiered)
	if r := g.Reload(journal.CauseAdmin); len(r.Errors) != 60 {
		t.Errorf("%d of 60 mistakes are given back", len(r.Errors))
	}
	if n := len(g.Journal().LastReload().Errors); n != 50 {
		t.Errorf("%d are kept", n)
	}
	if g.Reload(journal.CauseFile); len(g.Journal().Reloads()) != 2 {
		t.Errorf("the same mistakes again are another reload")
	}
	bad, err := gateway.New(gateway.Options{Load: d.load, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var problems config.Problems
	if err := bad.Start(); !errors.As(err, &problems) || len(problems) != 60 {
		t.Errorf("a start is told %d of 60 mistakes", len(problems))
	}
}

func TestWhatCannotChangeIsToldWithWhatIsLost(t *testing.T) {
	g, d := startAt(t, tiered)
	d.save("[server]\nlisten_address = \"127.0.0.1:1\"\n[llm.providers.demo]\ntype = \"demo\"\n")
	r := g.Reload(journal.CauseFile)
	said := r.Errors.Error()
	if !strings.Contains(said, `nexus.toml:2:1: server.listen_address: "127.0.0.1:1" is another address than the one in use, and a change of it needs a restart`) ||
		!strings.Contains(said, "server.client_identification: is missing") {
		t.Errorf("told: %s", said)
	}
}

func TestAnAddressFromTheEnvironmentIsNotShown(t *testing.T) {
	text := "[server]\nlisten_address = \"{{ env.ADDRESS }}\"\n[llm.providers.demo]\ntype = \"demo\"\n"
	address := "127.0.0.1:0"
	g := startWith(t, func() config.Draft {
		return config.ParseDraft("nexus.toml", []byte(text), config.Overlay{}, func(string) (string, bool) { return address, true })
	})
	text, address = text+"# edited\n", "127.0.0.99:4711"
	r := g.Reload(journal.CauseFile)
	if r.Result != journal.ResultFailed || !strings.Contains(r.Errors.Error(), "the value from the environment is another address") {
		t.Errorf("%s: %v", r.Result, r.Errors)
	}
	if strings.Contains(r.Errors.Error()+g.log.String(), "127.0.0.99") {
		t.Errorf("the address is in %v, %s", r.Errors, g.log)
	}
	other, err := gateway.New(gateway.Options{Logger: slog.New(slog.DiscardHandler), Load: func() config.Draft {
		return config.ParseDraft("nexus.toml", []byte(text), config.Overlay{}, func(string) (string, bool) { return strings.TrimPrefix(g.url, "http://"), true })
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err == nil || strings.Contains(err.Error(), "127.0.0.1") || !strings.Contains(err.Error(), "server.listen_address ***") {
		t.Errorf("a start at an address that is taken: %v", err)
	}
}

// TestAReloadThatMeetsTheEndLeavesNothing has a configuration that is read while the process comes to its end.
func TestAReloadThatMeetsTheEndLeavesNothing(t *testing.T) {
	var late atomic.Bool
	reading, ended := make(chan struct{}), make(chan struct{})
	configs := [2]*config.Config{parse(t, tiered), parse(t, tiered+"[admin]\ntraces = 3\n")}
	g := startWith(t, func() config.Draft {
		if !late.Load() {
			return drafted(configs[0])
		}
		close(reading)
		<-ended
		return drafted(configs[1])
	})
	late.Store(true)
	result := make(chan journal.Reload)
	go func() { result <- g.Reload(journal.CauseSIGHUP) }()
	<-reading
	g.stop()
	err := <-g.done
	g.done <- err
	close(ended)
	if r := <-result; r.Result != journal.ResultFailed || !strings.Contains(r.Errors.Error(), "stopping") {
		t.Errorf("%s: %v", r.Result, r.Errors)
	}
	if s := g.Status(); g.Shared() != 0 || s.LiveGenerations != 0 || s.Config != nil {
		t.Errorf("%d shared, %d generations", g.Shared(), s.LiveGenerations)
	}
	if traces, _ := g.Journal().Kept(); traces == 3 {
		t.Error("the journal follows a configuration that never ran")
	}
}

func TestABugInReadingCostsNoMoreThanTheReload(t *testing.T) {
	var broken atomic.Bool
	cfg := parse(t, tiered)
	g := startWith(t, func() config.Draft {
		if broken.Load() {
			panic("c4nary")
		}
		return drafted(cfg)
	})
	broken.Store(true)
	r := g.Reload(journal.CauseFile)
	if said := r.Errors.Error() + g.log.String(); r.Result != journal.ResultFailed || !strings.Contains(said, "bug") || strings.Contains(said, "c4nary") {
		t.Errorf("%s: %s", r.Result, said)
	}
	if a := g.do(t, alice(hello)); a.status != 200 || g.Status().Generation != 1 {
		t.Errorf("after it: %d, generation %d", a.status, g.Status().Generation)
	}
}

func TestABugInAReloadCostsNoMoreThanTheReload(t *testing.T) {
	d := &desk{text: tiered}
	g := startWith(t, d.load)
	g.broken.Store(true)
	d.save(tiered + "[admin]\ntraces = 3\n")
	r := g.Reload(journal.CauseFile)
	if r.Result != journal.ResultFailed || !strings.Contains(r.Errors.Error(), "bug") || !strings.Contains(g.log.String(), "a reload panicked") {
		t.Errorf("%s: %v", r.Result, r.Errors)
	}
	if strings.Contains(g.log.String()+r.Errors.Error(), "c4nary") {
		t.Error("what was thrown is shown")
	}
	if a := g.do(t, alice(hello)); a.status != 200 || g.Shared() != 0 || g.Status().LiveGenerations != 1 {
		t.Errorf("after it: %d, %d shared, %d generations", a.status, g.Shared(), g.Status().LiveGenerations)
	}
	g.broken.Store(false)
	if r := g.Reload(journal.CauseSIGHUP); r.Result != journal.ResultSuccess {
		t.Errorf("when the bug is gone: %v", r.Errors)
	}
	g.stop()
	err := <-g.done
	g.done <- err
	if g.Shared() != 0 {
		t.Errorf("%d are held after the end", g.Shared())
	}
}
