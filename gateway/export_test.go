package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
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
