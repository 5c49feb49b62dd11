package journal_test

import (
	"strings"
	"testing"
	"unicode/utf8"

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
		{"a failed reload says why", journal.Reload{Cause: journal.CauseFile, Result: journal.ResultFailed, Err: "no such key"}, "no such key"},
		{"the next failure says its own", journal.Reload{Cause: journal.CauseSIGHUP, Result: journal.ResultFailed, Err: "empty"}, "empty"},
		{"the old content again clears it", journal.Reload{Cause: journal.CauseFile, Result: journal.ResultUnchanged}, ""},
		{"failed again", journal.Reload{Cause: journal.CauseAdmin, Result: journal.ResultFailed, Err: "still"}, "still"},
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

func TestALongErrorIsCutBetweenLetters(t *testing.T) {
	j := journal.New(1, 1)
	j.AddReload(journal.Reload{Result: journal.ResultFailed, Err: "x" + strings.Repeat("é", 1<<20)})
	got := j.LastReloadError()
	if len(got) > 1<<16+8 || !utf8.ValidString(got) || !strings.HasPrefix(got, "xéé") {
		t.Errorf("%d bytes are kept, valid: %v", len(got), utf8.ValidString(got))
	}
}
