// Package gateway is the running thing: it compiles a configuration, makes it live in one atomic
// store, listens, and answers. A [Gateway] owns all that outlives a reload; each generation of the
// configuration is a [Snapshot], frozen once it is open; a request borrows exactly one snapshot at the door and
// meets nothing that another one built. What happened is kept as facts in the journal.
//
// The package knows nothing of the operator's pages: they are mounted through [Options].
package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"nexus/config"
	"nexus/gateway/journal"
	"nexus/gateway/telemetry"
	"nexus/gateway/trace"
)

// Options are what a Gateway is made from.
type Options struct {
	// Load reads the configuration, whole, each time one is wanted. Needed.
	Load func() (*config.Config, config.Problems)
	// Logger takes the log. Needed.
	Logger *slog.Logger
	// Version is what the admin shows.
	Version string
	// Surfaces makes the operator's handlers for one configuration: the pages of the admin and the metrics, each
	// behind its guard. Needed while the configuration has either of them on.
	Surfaces func(g *Gateway, cfg *config.Config) (pages, metrics http.Handler)
	// Grace is the time between not being ready and closing the door, for whoever sends traffic to notice. Default
	// 2 s; negative: none.
	Grace time.Duration
}

// Gateway is what outlives a reload. Before the first [Gateway.Start] it answers nothing.
type Gateway struct {
	options  Options
	logger   *slog.Logger
	live     live
	journal  *journal.Journal
	meters   *telemetry.Meters
	refusals *telemetry.Refusals
	bodies   bodies
	door     *door
	started  time.Time
	state    atomic.Int32

	exchanges   sync.Pool
	generations atomic.Int64 // snapshots that have not closed

	mu         sync.Mutex // one reload at a time
	generation uint64     // of the newest snapshot
}

// The states of a process, as /ready tells them.
const (
	starting int32 = iota
	ready
	draining
)

// New makes a gateway that does not listen yet. The error is the metrics'.
func New(options Options) (*Gateway, error) {
	if options.Grace == 0 {
		options.Grace = 2 * time.Second
	}
	meters, err := telemetry.NewMeters()
	if err != nil {
		return nil, fmt.Errorf("set up metrics: %w", err)
	}
	g := &Gateway{
		options:  options,
		logger:   options.Logger,
		journal:  journal.New(0, 0),
		meters:   meters,
		refusals: telemetry.NewRefusals(options.Logger),
		started:  time.Now(),
	}
	meters.Build(options.Version)
	meters.LiveGenerations(func() int { return int(g.generations.Load()) })
	return g, nil
}

// Journal is what happened.
func (g *Gateway) Journal() *journal.Journal { return g.journal }

// Metrics serves the metrics, to whoever asks: the guard stands before it.
func (g *Gateway) Metrics() http.Handler { return g.meters.Handler() }

// Status is what runs now. Before the start it is almost empty.
func (g *Gateway) Status() Status {
	status := Status{
		LiveGenerations: int(g.generations.Load()),
		StartedAt:       g.started,
		Version:         g.options.Version,
		LastReloadError: g.journal.LastReloadError(),
	}
	if s := g.live.acquire(); s != nil {
		defer s.release()
		status.Config, status.Generation, status.LoadedAt = s.config, s.Generation, s.loadedAt
		if cards := s.router.Cards(); len(cards) > 0 {
			status.Model = cards[0].ID
		}
	}
	return status
}

// Start loads the configuration for the first time and opens the door. After an error nothing is left
// open; [config.Problems] are the file's.
func (g *Gateway) Start() error { return g.Reload(journal.CauseStart) }

// Reload loads the configuration and, if it has no mistake, makes it the live one. Whatever is wrong leaves
// the running one alone and is told in the journal, the log and the metrics, and returned. Reloads run one at a time.
func (g *Gateway) Reload(cause journal.Cause) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	cfg, problems := g.options.Load()
	if problems.HasErrors() {
		return g.reloadFailed(cause, "", problems.Errors())
	}
	if s := g.live.current.Load(); s != nil && s.config.Hash() == cfg.Hash() {
		g.reloaded(cause, journal.ResultUnchanged, cfg)
		return nil
	}
	next, err := g.open(Compile(cfg))
	if err != nil {
		return g.reloadFailed(cause, cfg.Hash(), err)
	}
	g.swap(next)
	g.reloaded(cause, journal.ResultSuccess, cfg)
	return nil
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

func (g *Gateway) reloaded(cause journal.Cause, result journal.Result, cfg *config.Config) {
	now := time.Now()
	g.journal.AddReload(journal.Reload{Generation: g.generation, Time: now, Cause: cause, Result: result, Hash: cfg.Hash()})
	g.meters.Reloaded(string(result), g.generation, now)
	g.logger.Info("configuration loaded", "result", string(result), "cause", string(cause), "generation", g.generation,
		"file", cfg.File(), "hash", cfg.Hash()[:12])
	for _, w := range cfg.Warnings() {
		g.logger.Warn("configuration warning", "file", w.File, "line", w.Line, "key", w.Key, "problem", w.What, "fix", w.Fix)
	}
}

func (g *Gateway) reloadFailed(cause journal.Cause, hash string, err error) error {
	now := time.Now()
	g.journal.AddReload(journal.Reload{
		Generation: g.generation, Time: now, Cause: cause, Result: journal.ResultFailed, Hash: hash, Err: err.Error(),
	})
	g.meters.Reloaded(string(journal.ResultFailed), g.generation, now)
	if cause == journal.CauseStart {
		return err // whoever starts the process tells it, and ends
	}
	var problems config.Problems
	if !errors.As(err, &problems) {
		g.logger.Warn("reload refused; what ran before runs on", "cause", string(cause), "generation", g.generation, "err", err)
	}
	for _, p := range problems {
		g.logger.Warn("reload refused; what ran before runs on", "cause", string(cause), "generation", g.generation,
			"file", p.File, "line", p.Line, "key", p.Key, "problem", p.What, "fix", p.Fix)
	}
	return err
}

// record keeps what happened to a request that has ended.
func (g *Gateway) record(x *Exchange) {
	t := &x.trace
	g.meters.Request(telemetry.Request{Method: t.Method, Route: x.route, Status: t.Status, Group: t.Tier(), Duration: t.Duration})
	if !x.traced {
		return
	}
	g.journal.Add(t)
	if t.Outcome == trace.Rejected {
		g.meters.Rejected(t.Reason, t.Tier())
		g.refusals.Log(t)
	}
	g.refusals.Request(t)
}

// logPanic logs a bug. The value that was thrown may hold what a caller sent, so only its type is told.
func (g *Gateway) logPanic(id string, thrown any) {
	stack := make([]byte, 8<<10)
	g.logger.Error("a request panicked", "request_id", id, "type", fmt.Sprintf("%T", thrown), "stack", string(stack[:runtime.Stack(stack, false)]))
}
