package gateway

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// health says that the process lives.
func (s *Snapshot) health(c echo.Context) error {
	return c.JSONBlob(http.StatusOK, []byte(`{"status":"healthy"}`))
}

// degraded is an instance that serves, but not as it should.
type degraded struct {
	Status  string   `json:"status"`
	Reasons []string `json:"reasons"`
}

// ready says whether requests are welcome. It waits for the first key set of a process: what comes later, a reload to an issuer
// that does not answer or a set that is too old, is no reason to take all instances out at once. Requests are told.
func (s *Snapshot) ready(c echo.Context) error {
	switch s.gateway.state.Load() {
	case ready:
		if !s.gateway.hadKeys.Load() && !s.hasKeys() {
			return c.JSONBlob(http.StatusServiceUnavailable, []byte(`{"status":"starting","reason":"keys_unavailable"}`))
		}
		if reason := s.limits.status().Error; reason != "" {
			return c.JSON(http.StatusOK, degraded{Status: "degraded", Reasons: []string{reason}})
		}
		return c.JSONBlob(http.StatusOK, []byte(`{"status":"ready"}`))
	case draining:
		return c.JSONBlob(http.StatusServiceUnavailable, []byte(`{"status":"draining"}`))
	}
	return c.JSONBlob(http.StatusServiceUnavailable, []byte(`{"status":"starting"}`))
}
