package gateway

import (
	"context"
	"fmt"
	"net/http"
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
	refs     atomic.Int64 // born at 1: the gateway's own reference
}

// discoverTime is how long a provider may take to list its models while a snapshot opens.
const discoverTime = 5 * time.Second

// open turns a plan into a snapshot: the one place of assembly. After an error nothing is left open.
func (g *Gateway) open(plan *Plan) (*Snapshot, error) {
	s := &Snapshot{
		Plan:       plan,
		Generation: g.generation + 1,
		gateway:    g,
		loadedAt:   time.Now(),
		router:     openRouter(plan.providers),
		dialect:    openai.Dialect{},
	}
	s.refs.Store(1)
	var pages, metrics http.Handler
	if g.options.Surfaces != nil {
		pages, metrics = g.options.Surfaces(g, plan.config)
	}
	s.handler = s.routes(pages, metrics)
	if err := g.openDoor(plan.config); err != nil {
		return nil, err
	}
	g.generations.Add(1)
	return s, nil
}

// openRouter asks each provider for its models. One that does not answer has none; it never keeps a snapshot from opening.
func openRouter(plan []llm.Upstream) *llm.Router {
	ctx, cancel := context.WithTimeout(context.Background(), discoverTime)
	defer cancel()
	upstreams := make([]llm.Upstream, len(plan))
	for i, u := range plan {
		u.Discovered, _ = u.Provider.Models(ctx)
		upstreams[i] = u
	}
	return llm.NewRouter(upstreams)
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
func (s *Snapshot) close() { s.gateway.generations.Add(-1) }
