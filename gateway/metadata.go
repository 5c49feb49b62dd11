package gateway

import (
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"nexus/config"
)

// metadata is what callers may learn about who issues the tokens: RFC 9728, section 2.
type metadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
}

// mountMetadata serves the metadata of the protected resource, to anybody, where there is one.
func (s *Snapshot) mountMetadata(e *echo.Echo, p *config.ProtectedResource) {
	m := metadata{Resource: string(p.Resource), AuthorizationServers: make([]string, len(p.AuthorizationServers))}
	for i, server := range p.AuthorizationServers {
		m.AuthorizationServers[i] = string(server)
	}
	document, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings always marshal
	}
	for _, path := range p.Paths() {
		s.get(e, path, func(c echo.Context) error { return c.JSONBlob(http.StatusOK, document) })
	}
}
