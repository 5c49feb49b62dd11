package gateway

import (
	"context"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"nexus/gateway/limit"
	"nexus/gateway/llm"
)

// Handler is what stands behind the door.
func (g *Gateway) Handler() http.Handler { return g.door.server.Handler }

// InFlight is how many bytes of bodies are counted at the moment.
func (g *Gateway) InFlight() int64 { return g.bodies.inFlight.Load() }

// CapListener is the listener of a door, with a cap that a test can reach.
func CapListener(l *net.TCPListener, most int) net.Listener { return capListener(l, most) }

// BoundedHandler is what net/http logs through.
func BoundedHandler(h slog.Handler) slog.Handler { return &boundedHandler{Handler: h} }

// Provider is what is open for the provider called name, of the live generation.
func (g *Gateway) Provider(name string) any {
	s := g.live.acquire()
	defer s.release()
	for i := range s.backends {
		if s.backends[i].name == name {
			return s.backends[i].client
		}
	}
	return nil
}

// Shared is how many resources generations hold together.
func (g *Gateway) Shared() int { return g.pool.Len() }

// Brake is what a gateway slows bad tokens down with.
func Brake() func(context.Context) { return newBrake().hold }

// BreakStore has the counters of the live generation throw something at a step: "over", "pay", "settle" (once), or "pay behind",
// which is pay where the store is far away. Nothing may be under way. It gives the function that mends them.
func (g *Gateway) BreakStore(thrown any, step string) (mend func()) {
	s := g.live.acquire()
	defer s.release()
	broken := &brokenStore{store: s.limits.store, thrown: thrown, step: strings.TrimSuffix(step, " behind")}
	s.limits.store = broken
	before := s.limits.redis
	if broken.step != step {
		s.limits.redis = new(limit.Redis)
	}
	return func() {
		broken.mended.Store(true)
		s.limits.redis = before
	}
}

// brokenStore throws something until it is mended.
type brokenStore struct {
	store
	thrown any
	step   string
	mended atomic.Bool
}

func (b *brokenStore) at(step string) {
	if step == b.step && !b.mended.Load() {
		b.mended.Store(step == "settle")
		panic(b.thrown)
	}
}

func (b *brokenStore) Pay(ctx context.Context, bill *limit.Bill, r *limit.Receipt) error {
	b.at("pay")
	return b.store.Pay(ctx, bill, r)
}

func (b *brokenStore) Settle(ctx context.Context, s *limit.Settlement) error {
	b.at("settle")
	return b.store.Settle(ctx, s)
}

func (b *brokenStore) Over(c *limit.Charge) (time.Duration, bool) {
	b.at("over")
	return b.store.Over(c)
}

// BreakProvider has a provider of the live generation throw something after so many events of a stream, and before any other
// answer. Nothing may be under way. It gives the function that mends it.
func (g *Gateway) BreakProvider(name string, thrown any, after int) (mend func()) {
	s := g.live.acquire()
	defer s.release()
	for i := range s.backends {
		if s.backends[i].name == name {
			whole := s.backends[i].answers
			s.backends[i].answers = &brokenProvider{Provider: whole, thrown: thrown, after: after}
			return func() { s.backends[i].answers = whole }
		}
	}
	panic("no such provider")
}

// brokenProvider throws something.
type brokenProvider struct {
	llm.Provider
	thrown any
	after  int
}

func (b *brokenProvider) Complete(context.Context, *llm.Call) (*llm.Reply, error) { panic(b.thrown) }

func (b *brokenProvider) Stream(ctx context.Context, call *llm.Call) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		left := b.after
		for event, err := range b.Provider.Stream(ctx, call) {
			if left == 0 {
				panic(b.thrown)
			}
			left--
			if !yield(event, err) {
				return
			}
		}
	}
}
