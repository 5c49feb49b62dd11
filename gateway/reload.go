package gateway

import (
	"errors"
	"fmt"
	"time"

	"nexus/config"
	"nexus/gateway/journal"
)

// Start loads the configuration for the first time and opens the door. After an error nothing is left
// open; [config.Problems] are the file's.
func (g *Gateway) Start() error {
	r := g.Reload(journal.CauseStart)
	if r.Result == journal.ResultFailed {
		return r.Errors
	}
	return nil
}

// Reload loads the configuration and, if it has no mistake, makes it the live one. Whatever is wrong leaves
// the running one alone and is told in the journal, the log and the metrics, and given back. Reloads run one at a time.
//
// A file that changed into what was read last is no reload: nothing is told, and the result is
// [journal.ResultUnchanged].
func (g *Gateway) Reload(cause journal.Cause) journal.Reload {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.Load() == draining {
		// What would be opened now, nobody would close.
		return journal.Reload{Generation: g.generation, Time: time.Now(), Cause: cause, Result: journal.ResultFailed, Errors: config.Problems{stopping}}
	}
	draft := g.options.Load()
	r := journal.Reload{Generation: g.generation, Cause: cause, Hash: draft.Hash}
	running := g.running()
	if running != nil {
		r.Diff = config.Diff(running.Text(), draft.Text)
	}
	switch next, err := g.next(running, draft); {
	case err != nil:
		r.Result, r.Errors = journal.ResultFailed, asProblems(draft, err)
	case next == nil:
		r.Result = journal.ResultUnchanged
	default:
		g.swap(next)
		r.Result, r.Generation = journal.ResultSuccess, next.Generation
	}
	r.Time = time.Now()
	if cause == journal.CauseFile && g.isRepetition(r) {
		return r
	}
	r = g.journal.AddReload(r)
	g.meters.Reloaded(string(r.Result), r.Generation, r.Time)
	g.logReload(r, draft)
	return r
}

var stopping = config.Problem{What: "nexus is stopping and takes no other configuration", Fix: "start it again"}

// running is the live configuration; nil: there is none yet. Only a reload replaces it, so whoever holds the
// lock of reloads may use it without a lease.
func (g *Gateway) running() *config.Config {
	if s := g.live.current.Load(); s != nil {
		return s.config
	}
	return nil
}

// next opens the snapshot that a draft asks for; nil where it asks for what runs already. All that can fail
// happens here, before anything has changed.
func (g *Gateway) next(running *config.Config, draft config.Draft) (*Snapshot, error) {
	if draft.Config == nil {
		return nil, draft.Problems.Errors()
	}
	if running != nil {
		if running.Hash() == draft.Hash {
			return nil, nil
		}
		if lost := config.Lost(running, draft.Config); lost.HasErrors() {
			return nil, lost
		}
	}
	return g.open(Compile(draft.Config))
}

// asProblems is an error as the list that a reload is told by.
func asProblems(draft config.Draft, err error) config.Problems {
	var problems config.Problems
	if errors.As(err, &problems) {
		return problems
	}
	return config.Problems{{File: draft.Config.File(), What: err.Error(), Fix: "mend that, and reload"}}
}

// isRepetition reports whether a reload tells nothing that the one before has not told.
func (g *Gateway) isRepetition(r journal.Reload) bool {
	last := g.journal.LastReload()
	if r.Result == journal.ResultUnchanged {
		return last.Result != journal.ResultFailed
	}
	return r.Result == journal.ResultFailed && last.Result == journal.ResultFailed && r.Hash == last.Hash &&
		r.Errors.Error() == last.Errors.Error()
}

// swap makes a snapshot the live one. Nothing in it can fail, and nothing after it.
func (g *Gateway) swap(next *Snapshot) {
	admin := &next.config.Admin
	g.journal.Resize(admin.Traces, admin.Rejections)
	g.generation = next.Generation
	if old := g.live.current.Swap(next); old != nil {
		old.release()
	}
}

// logReload tells the log how a reload ended. That of the start is told by whoever starts the process.
func (g *Gateway) logReload(r journal.Reload, draft config.Draft) {
	if r.Result == journal.ResultFailed {
		if r.Cause == journal.CauseStart {
			return
		}
		for _, p := range r.Errors {
			g.logger.Warn("reload refused; what ran before runs on", "cause", string(r.Cause), "generation", r.Generation,
				"file", p.File, "line", p.Line, "key", p.Key, "problem", p.What, "fix", p.Fix)
		}
		return
	}
	g.logger.Info("configuration loaded", "result", string(r.Result), "cause", string(r.Cause), "generation", r.Generation,
		"file", draft.Config.File(), "hash", r.Hash[:12])
	for _, w := range draft.Config.Warnings() {
		g.logger.Warn("configuration warning", "file", w.File, "line", w.Line, "key", w.Key, "problem", w.What, "fix", w.Fix)
	}
}

// watching is how changes of the file are noticed.
type watching struct {
	mode config.WatchMode
	why  error
}

// Watching is told how changes of the file are noticed: at first, and when that changes. The error is why that is
// polling.
func (g *Gateway) Watching(mode config.WatchMode, why error) {
	g.watching.Store(&watching{mode, why})
	g.meters.WatchMode(string(mode))
	if mode == config.WatchPoll {
		g.logger.Warn("changes of the configuration are noticed by looking at the file every few seconds", "watch_mode", string(mode), "err", why)
		return
	}
	g.logger.Info("watching the configuration", "watch_mode", string(mode))
}

// watchProblem is why changes of the file are noticed late; empty: they are not.
func (g *Gateway) watchProblem() string {
	w := g.watching.Load()
	if w == nil || w.mode != config.WatchPoll {
		return ""
	}
	return fmt.Sprintf("changes of the file are noticed by looking at it every few seconds: %v", w.why)
}
