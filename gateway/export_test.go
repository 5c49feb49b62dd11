package gateway

import "net/http"

// Handler is what stands behind the door.
func (g *Gateway) Handler() http.Handler { return g.door.server.Handler }
