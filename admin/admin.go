// Package admin is the operator's side of the gateway: who may look, and what they see.
//
// Each configuration generation gets its own pair of handlers from [Admin.Surfaces], one for the pages
// with their JSON twins and one for the metrics, each behind the rule that the generation's file states.
// What must outlive a reload (who is signed in, who has sent wrong tokens) is in the [Admin] itself.
// A request reads the journal and the status when it arrives, fills a view model of package web, and
// answers with the page drawn from it or with the same value as JSON.
//
// The package opens no socket, calls no provider, changes nothing in the gateway but by asking it to reload or to forget a client, keeps no
// view model after its answer, and believes no header about where a request comes from.
package admin

import (
	"context"
	"log/slog"
	"net/http"

	"nexus/config"
	"nexus/gateway"
	"nexus/gateway/journal"
	"nexus/web"
)

// Gateway is what the admin reads of the running gateway, anew for each request, and the two things that it asks of it.
type Gateway interface {
	Status() gateway.Status
	Journal() *journal.Journal
	Metrics() http.Handler
	// Tiers are the limits in force, Limits how they stand for one client. The error is that their store cannot be asked.
	Tiers() []gateway.TierRow
	Limits(ctx context.Context, client, group string) ([]gateway.LimitRow, error)
	// Forget drops a client and what it has used, and reports whether it was known.
	Forget(ctx context.Context, client string) (known bool, err error)
	// Reload puts the file in force if it has no mistake, and says how that ended.
	Reload(cause journal.Cause) journal.Reload
}

// Options are what an [Admin] is made with.
type Options struct {
	// Logger hears of sign-ins, of who asked for a reload, of addresses that sent too many wrong tokens, and of
	// pages that could not be drawn. Nil: nobody does.
	Logger *slog.Logger
}

// Admin lives as long as the process: it holds the sessions and the counts of wrong tokens. It starts
// nothing and need not be closed; its methods may be called by many goroutines.
type Admin struct {
	logger   *slog.Logger
	sessions *sessions
	attempts *attempts
	origin   *http.CrossOriginProtection
	assets   http.Handler
}

// New makes an Admin that nobody is signed in to.
func New(opts Options) *Admin {
	logger := opts.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Admin{
		logger:   logger,
		sessions: newSessions(),
		attempts: newAttempts(),
		origin:   http.NewCrossOriginProtection(),
		assets:   web.NewAssets(),
	}
}

// Surfaces makes the handlers of one configuration generation, both behind the rules of cfg: pages
// answers every path that begins with cfg.Admin.Path, metrics the one of cfg.Telemetry.Prometheus. A session
// is good as long as the admin token with which it was opened.
func (a *Admin) Surfaces(gw Gateway, cfg *config.Config) (pages, metrics http.Handler) {
	// cfg may still fail to go live, and must end nobody's session before it does: what ends for good
	// here is what the running token did not open, so that no session comes back with its old token.
	if running := gw.Status().Config; running != nil {
		a.sessions.keep(newToken(running.Admin.Token))
	}
	pages = &pageServer{
		Admin: a,
		gw:    gw,
		base:  trimSlash(string(cfg.Admin.Path)),
		guard: a.newGuard("admin.token", cfg.Admin.Token),
	}
	scrapers := a.newGuard("telemetry.prometheus.token", cfg.Telemetry.Prometheus.Token)
	scrapers.sessions = nil
	return pages, &metricServer{gw: gw, guard: scrapers}
}

func (a *Admin) newGuard(key string, secret config.Secret) guard {
	return guard{key: key, token: newToken(secret), attempts: a.attempts, sessions: a.sessions, logger: a.logger}
}
