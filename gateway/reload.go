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
	_, err := g.reload(journal.CauseStart)
	return err
}

// Reload loads the configuration and, if it has no mistake, makes it the live one. Whatever is wrong leaves
// the running one alone and is told in the journal, the log and the metrics, and given back whole. Reloads run one at a
// time.
//
// A file that changed into what was read last is no reload: nothing is told, and the result is
// [journal.ResultUnchanged].
func (g *Gateway) Reload(cause journal.Cause) journal.Reload {
	r, _ := g.reload(cause) // what is wrong is told, and in r
	return r
}

func (g *Gateway) reload(cause journal.Cause) (journal.Reload, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.live.current.Load() // before the state is asked for: see swap
	if g.state.Load() == draining {
		return g.tooLate(cause)
	}
	draft := g.load()
	r := journal.Reload{Generation: g.generation, Cause: cause, Hash: draft.Hash}
	var running *config.Config
	if old != nil {
		running = old.config
		r.Diff = config.Diff(running.Text(), draft.Text)
	}
	next, err := g.next(running, draft)
	switch {
	case err != nil:
		r.Result, r.Errors = journal.ResultFailed, asProblems(draft, err)
	case next == nil:
		r.Result = journal.ResultUnchanged
	case !g.swap(old, next):
		return g.tooLate(cause)
	default:
		r.Result, r.Generation = journal.ResultSuccess, next.Generation
	}
	r.Time = time.Now()
	if cause != journal.CauseFile || !isRepetition(g.journal.LastReload(), r) {
		g.journal.AddReload(r)
		g.meters.Reloaded(string(r.Result), r.Generation, r.Time)
		g.logReload(r.Bounded(), draft)
	}
	return r, err
}

// load reads the configuration. A bug in reading costs no more than the reload, either.
func (g *Gateway) load() (draft config.Draft) {
	defer func() {
		if thrown := recover(); thrown != nil {
			g.logPanic("reading the configuration panicked", thrown)
			draft = config.Draft{Problems: config.Problems{{What: errBug.Error(), Fix: "undo the last change of the file"}}}
		}
	}()
	return g.options.Load()
}

// tooLate is the answer of a process that is stopping: what it opened now, nobody would close.
func (g *Gateway) tooLate(cause journal.Cause) (journal.Reload, error) {
	stopping := config.Problems{{What: "nexus is stopping and takes no other configuration", Fix: "start it again"}}
	g.logger.Warn("reload refused: nexus is stopping", "cause", string(cause))
	return journal.Reload{
		Generation: g.generation, Time: time.Now(), Cause: cause, Result: journal.ResultFailed, Errors: stopping,
	}, stopping
}

// next opens the snapshot that a draft asks for; nil where it asks for what runs already. All that can fail
// happens here, before anything has changed; a bug, too, costs no more than the reload.
func (g *Gateway) next(running *config.Config, draft config.Draft) (next *Snapshot, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			g.logPanic("a reload panicked", thrown)
			next, err = nil, errBug
		}
	}()
	if draft.Config == nil {
		return nil, draft.Problems.Errors()
	}
	if running != nil {
		if draft.SameAs(running) {
			return nil, nil
		}
		refused := append(config.Lost(running, draft.Config), config.NeedRestart(running, draft.Config)...)
		if refused.HasErrors() {
			return nil, refused
		}
	}
	return g.open(Compile(draft.Config))
}

var errBug = errors.New("nexus has a bug, which the log tells of")

// asProblems is an error as the list that a reload is told by.
func asProblems(draft config.Draft, err error) config.Problems {
	var problems config.Problems
	if errors.As(err, &problems) {
		return problems
	}
	return config.Problems{{File: draft.Config.File(), What: err.Error(), Fix: "mend that, and try again"}}
}

// isRepetition reports whether a reload tells nothing that the one before has not told.
func isRepetition(last, r journal.Reload) bool {
	if r.Result == journal.ResultUnchanged {
		return last.Result != journal.ResultFailed
	}
	return r.Result == journal.ResultFailed && last.Result == journal.ResultFailed && r.Hash == last.Hash &&
		r.Bounded().Errors.Error() == last.Errors.Error()
}

// swap makes next the live snapshot in the place of old. Nothing in it can fail, and nothing after it, unless the
// process came to its end meanwhile: then old is not live any more, and next is closed.
func (g *Gateway) swap(old, next *Snapshot) bool {
	if !g.live.current.CompareAndSwap(old, next) {
		next.release()
		return false
	}
	g.generation = next.Generation
	admin := &next.config.Admin
	g.journal.Resize(admin.Traces, admin.Rejections)
	if old != nil {
		if old.hasKeys() {
			g.hadKeys.Store(true)
		}
		old.release()
	}
	return true
}

// logReload tells the log how a reload ended. That of the start is told by whoever starts the process.
func (g *Gateway) logReload(r journal.Reload, draft config.Draft) {
	if r.Result == journal.ResultFailed {
		if r.Cause == journal.CauseStart {
			return
		}
		for _, p := range r.Errors {
			g.logger.Warn("reload refused; what ran before runs on",
				append([]any{"cause", string(r.Cause), "generation", r.Generation}, about(p)...)...)
		}
		if r.More > 0 {
			g.logger.Warn("the file has more mistakes", "cause", string(r.Cause), "more", r.More)
		}
		return
	}
	g.logger.Info("configuration loaded", "result", string(r.Result), "cause", string(r.Cause), "generation", r.Generation,
		"file", draft.Config.File(), "hash", r.Hash[:12])
	for _, w := range draft.Config.Warnings() {
		g.logger.Warn("configuration warning", about(w)...)
	}
}

// about is a problem in the words of the log; what it does not have is left out.
func about(p config.Problem) []any {
	words := []any{"file", p.File}
	if p.Line > 0 {
		words = append(words, "line", p.Line)
	}
	if p.Column > 0 {
		words = append(words, "column", p.Column)
	}
	if p.Key != "" {
		words = append(words, "key", p.Key)
	}
	return append(words, "problem", p.What, "fix", p.Fix)
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
