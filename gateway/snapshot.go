package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
)

// Snapshot is one generation of the configuration, open and frozen: no setters, nothing written after open returns but the
// routes, which follow the models that providers list.
type Snapshot struct {
	*Plan
	// Generation counts the configurations that went live in this process, from 1.
	Generation uint64

	gateway  *Gateway
	loadedAt time.Time
	backends []backend // as the plan's providers
	limits   limiter
	routing  atomic.Pointer[routing]
	keys     *jwks.Keys         // nil: no token is asked for
	verifier *identity.Verifier // the same
	dialect  llm.Dialect        // of errors outside any protocol
	handler  http.Handler
	shares   []func()     // give back what generations share
	refs     atomic.Int64 // born at 1: the gateway's own reference
}

// open turns a plan into a snapshot: the one place of assembly. After an error nothing is left open.
func (g *Gateway) open(plan *Plan) (*Snapshot, error) {
	if running := g.live.current.Load(); running != nil && running.terms != nil && plan.terms != nil && running.terms.sum == plan.terms.sum {
		plan.terms = running.terms
	}
	s := &Snapshot{
		Plan:       plan,
		Generation: g.generation + 1,
		gateway:    g,
		loadedAt:   time.Now(),
		dialect:    openai.Dialect{},
	}
	s.refs.Store(1)
	opened := false
	defer func() {
		if !opened {
			s.giveBack()
		}
	}()
	s.borrowTokens(&g.pool)
	s.borrowProviders(&g.pool)
	s.borrowLimits(&g.pool)
	var pages, metrics http.Handler
	if g.options.Surfaces != nil {
		pages, metrics = g.options.Surfaces(g, plan.config)
	}
	s.handler = s.routes(pages, metrics)
	if err := g.openDoor(plan.config); err != nil {
		return nil, err
	}
	s.awaitFirst(g.live.current.Load())
	opened = true
	g.generations.Add(1)
	return s, nil
}

// openDoor opens the door, once: its address cannot change while the process runs.
func (g *Gateway) openDoor(cfg *config.Config) error {
	if g.door != nil {
		return nil
	}
	const key = "server.listen_address"
	d, err := listen(cfg.Server.ListenAddress.String(), &g.live, g.logger)
	if err != nil {
		// The error of the network repeats the address, which may have come from the environment.
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err
		}
		return fmt.Errorf("listen on %s %s: %w", key, cfg.Shown(key), err)
	}
	g.door = d
	return nil
}

// close ends what belongs to this generation alone. The last reference calls it, once.
func (s *Snapshot) close() {
	s.giveBack()
	s.gateway.generations.Add(-1)
}

// giveBack returns what the snapshot borrowed, the last first.
func (s *Snapshot) giveBack() {
	for _, share := range slices.Backward(s.shares) {
		share()
	}
}
