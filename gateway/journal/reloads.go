package journal

import (
	"slices"
	"strings"
	"time"
)

const (
	maxReloads     = 100     // how many reloads are remembered
	maxReloadError = 1 << 16 // bytes of one error that are kept
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
	Err        string // of a failed one: what is wrong, without secrets; what is over 64 KiB is cut off
}

// AddReload notes a reload that has ended. The last 100 are kept.
func (j *Journal) AddReload(r Reload) {
	if len(r.Err) > maxReloadError {
		r.Err = strings.ToValidUTF8(r.Err[:maxReloadError], "") + " …"
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.reloads) >= maxReloads {
		j.reloads = slices.Delete(j.reloads, 0, 1)
	}
	j.reloads = append(j.reloads, r)
}

// Reloads lists the last reloads, newest first.
func (j *Journal) Reloads() []Reload {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := slices.Clone(j.reloads)
	slices.Reverse(all)
	return all
}

// LastReloadError says why the file is not what runs: the error of the newest reload if that failed,
// else nothing.
func (j *Journal) LastReloadError() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.reloads) == 0 {
		return ""
	}
	last := j.reloads[len(j.reloads)-1]
	if last.Result != ResultFailed {
		return ""
	}
	return last.Err
}
