package journal_test

import (
	"slices"
	"strings"
	"testing"

	"nexus/config"
	"nexus/gateway/journal"
)

func TestReloadHistory(t *testing.T) {
	j := journal.New(1, 1)
	if len(j.Reloads()) != 0 || j.LastReloadError() != "" {
		t.Error("a new journal remembers a reload")
	}
	for i := range 250 {
		j.AddReload(journal.Reload{Generation: uint64(i), Cause: journal.CauseFile, Result: journal.ResultSuccess})
	}
	got := j.Reloads()
	if len(got) != 100 || got[0].Generation != 249 || got[99].Generation != 150 {
		t.Fatalf("%d reloads from %d to %d, want the last 100, newest first", len(got), got[0].Generation, got[len(got)-1].Generation)
	}
	got[0].Generation = 0
	if j.Reloads()[0].Generation != 249 {
		t.Error("a reader's list is the journal's own")
	}
}

func TestLastReloadError(t *testing.T) {
	steps := []struct {
		name   string
		reload journal.Reload
		want   string
	}{
		{"a start says nothing", journal.Reload{Cause: journal.CauseStart, Result: journal.ResultSuccess}, ""},
		{"a failed reload says why", journal.Reload{Cause: journal.CauseFile, Result: journal.ResultFailed, Errors: wrong("no such key")}, "no such key"},
		{"the next failure says its own", journal.Reload{Cause: journal.CauseSIGHUP, Result: journal.ResultFailed, Errors: wrong("empty")}, "empty"},
		{"the old content again clears it", journal.Reload{Cause: journal.CauseFile, Result: journal.ResultUnchanged}, ""},
		{"failed again", journal.Reload{Cause: journal.CauseAdmin, Result: journal.ResultFailed, Errors: wrong("still")}, "still"},
		{"a success clears it", journal.Reload{Cause: journal.CauseFile, Result: journal.ResultSuccess}, ""},
	}
	j := journal.New(1, 1)
	for _, step := range steps {
		j.AddReload(step.reload)
		if got := j.LastReloadError(); got != step.want {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
	}
}

func TestWhatOneReloadKeepsIsBounded(t *testing.T) {
	j := journal.New(1, 1)
	errors := slices.Repeat(wrong("one"), 1000)
	j.AddReload(journal.Reload{Result: journal.ResultFailed, Errors: errors, Diff: strings.Repeat("+ a line\n", 1<<16)})
	got := j.LastReload()
	if len(got.Errors) != 50 || got.More != 950 || len(errors) != 1000 || !strings.HasSuffix(j.LastReloadError(), "one\nand 950 more") {
		t.Errorf("%d errors are kept, %d more are counted", len(got.Errors), got.More)
	}
	if len(got.Diff) > 1<<16+64 || !strings.HasSuffix(got.Diff, "+ a line\n… the rest is not kept\n") {
		t.Errorf("%d bytes of the diff are kept, up to %q", len(got.Diff), got.Diff[len(got.Diff)-40:])
	}
}

func wrong(what string) config.Problems { return config.Problems{{What: what}} }
