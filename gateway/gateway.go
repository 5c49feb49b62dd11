// Package gateway is the running thing: it compiles a configuration, makes it live in one atomic
// store, listens, and answers. A [Gateway] owns all that outlives a reload; each generation of the
// configuration is a [Snapshot], frozen once it is open; a request borrows exactly one snapshot at the door and
// meets nothing that another one built. What happened is kept as facts in the journal.
//
// The package knows nothing of the operator's pages: they are mounted through [Options].
package gateway

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"nexus/config"
	"nexus/gateway/journal"
	"nexus/gateway/limit"
	"nexus/gateway/llm/cl100k"
	"nexus/gateway/shared"
	"nexus/gateway/telemetry"
	"nexus/gateway/trace"
)

// Options are what a Gateway is made from.
type Options struct {
	// Load reads the configuration, whole, each time one is wanted. Needed.
	Load func() config.Draft
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
	pool     shared.Pool
	bodies   bodies
	brake    brake
	memory   *limit.Memory // counters, which belong to no generation
	forecast limit.Forecast
	memo     *cl100k.Memo  // counts of texts that were counted before
	behind   chan struct{} // see limiter
	hadKeys  atomic.Bool   // some generation had all that it verifies tokens with
	door     *door
	started  time.Time
	state    atomic.Int32

	exchanges   sync.Pool
	generations atomic.Int64 // snapshots that have not closed

	mu         sync.Mutex // one reload at a time
	generation uint64     // of the newest snapshot

	watching atomic.Pointer[watching]
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
		brake:    newBrake(),
		memory:   limit.NewMemory(0, nil),
		memo:     cl100k.NewMemo(),
		behind:   make(chan struct{}, maxBehind),
		started:  time.Now(),
	}
	meters.Limiter(g.limiterFigures)
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
		Watching:        g.watchProblem(),
	}
	if s := g.live.acquire(); s != nil {
		defer s.release()
		status.Config, status.Generation, status.LoadedAt = s.config, s.Generation, s.loadedAt
		if s.keys != nil {
			keys := s.keys.Status()
			status.Keys, status.KeySet = s.keysProblem(time.Now()), &keys
		}
		if cards := s.router().Cards(); len(cards) > 0 {
			status.Model = cards[0].ID
		}
		status.Providers = s.providerStatus()
		status.Limiter = s.limits.status()
	}
	return status
}

// record keeps what happened to a request that has ended.
func (g *Gateway) record(x *Exchange) {
	t := &x.trace
	g.meters.Request(telemetry.Request{Method: t.Method, Route: x.route, Status: t.Status, Group: t.Tier(), Duration: t.Duration})
	if !x.traced {
		return
	}
	g.journal.Add(t)
	if t.Would.Kinds != 0 {
		g.meters.WouldReject(t.Would.Reason, t.Tier())
	}
	if t.Outcome == trace.Rejected {
		g.meters.Rejected(t.Reason, t.Tier())
		g.refusals.Log(t)
	}
	g.refusals.Request(t)
}

// logPanic is [logPanic] with the log of the process.
func (g *Gateway) logPanic(what string, thrown any, about ...any) {
	logPanic(g.logger, what, thrown, about...)
}

// logPanic logs a bug. The value that was thrown may hold what a caller sent, so only its type is told.
func logPanic(log *slog.Logger, what string, thrown any, about ...any) {
	stack := make([]byte, 8<<10)
	about = append(about, "type", fmt.Sprintf("%T", thrown), "stack", string(stack[:runtime.Stack(stack, false)]))
	log.Error(what, about...)
}
