package journal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nexus/config"
)

const (
	maxReloads      = 100     // how many reloads are remembered
	maxReloadErrors = 50      // problems of one of them that are kept
	maxReloadText   = 1 << 16 // bytes of one diff that are kept
)

// Cause is what started a reload.
type Cause string

// The causes of a reload.
const (
	CauseStart  Cause = "start"  // the process began
	CauseFile   Cause = "file"   // the file changed
	CauseSIGHUP Cause = "sighup" // a signal asked for it
	CauseAdmin  Cause = "admin"  // the button, or POST reload
)

// Result is how a reload ended.
type Result string

// The results of a reload.
const (
	ResultSuccess   Result = "success"   // a new generation runs
	ResultUnchanged Result = "unchanged" // what was read is what runs already
	ResultFailed    Result = "failed"    // what was read has a mistake; the old generation runs on
)

// Reload is one try to put a configuration in force.
type Reload struct {
	Generation uint64    // the one that runs after it
	Time       time.Time // when it ended
	Cause      Cause
	Result     Result
	Hash       string // of what was read; empty if it could not be read
	// Diff is what was read against what ran before, without secrets; empty: nothing changed, or there was
	// nothing before. What is over 64 KiB is cut off.
	Diff string
	// Errors are the mistakes of a failed one, in the order of the file: at least one. The first 50 are kept.
	Errors config.Problems
	// More is how many mistakes there were besides Errors.
	More int
}

// Bounded is as much of r as is kept.
func (r Reload) Bounded() Reload {
	if n := len(r.Errors) - maxReloadErrors; n > 0 {
		r.Errors, r.More = slices.Clone(r.Errors[:maxReloadErrors]), r.More+n
	}
	r.Diff = cut(r.Diff)
	return r
}

// AddReload notes a reload that has ended, within its bounds. The last 100 are kept.
func (j *Journal) AddReload(r Reload) {
	r = r.Bounded()
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.reloads) >= maxReloads {
		j.reloads = slices.Delete(j.reloads, 0, 1)
	}
	j.reloads = append(j.reloads, r)
}

// cut bounds a diff, between two lines.
func cut(diff string) string {
	if len(diff) <= maxReloadText {
		return diff
	}
	end := strings.LastIndexByte(diff[:maxReloadText], '\n') + 1
	return strings.Clone(diff[:end]) + "… the rest is not kept\n"
}

// Reloads lists the last reloads, newest first.
func (j *Journal) Reloads() []Reload {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := slices.Clone(j.reloads)
	slices.Reverse(all)
	return all
}

// LastReload is the newest reload; the zero Reload if there was none.
func (j *Journal) LastReload() Reload {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.reloads) == 0 {
		return Reload{}
	}
	return j.reloads[len(j.reloads)-1]
}

// LastReloadError says why the file is not what runs: the errors of the newest reload if that failed,
// else nothing.
func (j *Journal) LastReloadError() string {
	last := j.LastReload()
	if last.Result != ResultFailed {
		return ""
	}
	if last.More > 0 {
		return fmt.Sprintf("%s\nand %d more", last.Errors.Error(), last.More)
	}
	return last.Errors.Error()
}
