package gateway

import (
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
