package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"nexus/config"
	"nexus/gateway/llm"
	"nexus/gateway/llm/openai"
)

// Snapshot is one generation of the configuration, open and frozen: no setters, nothing written after open returns.
type Snapshot struct {
	*Plan
	// Generation counts the configurations that went live in this process, from 1.
	Generation uint64

	gateway  *Gateway
	loadedAt time.Time
	router   *llm.Router
	dialect  llm.Dialect // of errors outside any protocol
	handler  http.Handler
	shares   []func()     // give back what generations share
	refs     atomic.Int64 // born at 1: the gateway's own reference
}

// open turns a plan into a snapshot: the one place of assembly. After an error nothing is left open.
func (g *Gateway) open(plan *Plan) (*Snapshot, error) {
	s := &Snapshot{
		Plan:       plan,
		Generation: g.generation + 1,
		gateway:    g,
		loadedAt:   time.Now(),
		dialect:    openai.Dialect{},
	}
	s.refs.Store(1)
	s.router = llm.NewRouter(s.borrowProviders(&g.pool))
	var pages, metrics http.Handler
	if g.options.Surfaces != nil {
		pages, metrics = g.options.Surfaces(g, plan.config)
	}
	s.handler = s.routes(pages, metrics)
	if err := g.openDoor(plan.config); err != nil {
		s.giveBack()
		return nil, err
	}
	g.generations.Add(1)
	return s, nil
}

// openDoor opens the door at the start. Later the address must be the same.
func (g *Gateway) openDoor(cfg *config.Config) error {
	address := cfg.Server.ListenAddress.String()
	if g.door == nil {
		d, err := listen(address, &g.live, g.logger)
		if err != nil {
			return fmt.Errorf("listen on server.listen_address %s: %w", address, err)
		}
		g.door = d
		return nil
	}
	if address != g.door.configured {
		return config.Problems{{
			File: cfg.File(), Key: "server.listen_address", Line: cfg.Line("server.listen_address"),
			What: fmt.Sprintf("%q is another address than the one in use, %q, and a change of it needs a restart", address, g.door.configured),
			Fix:  "write the old address back, or restart nexus",
		}}
	}
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
