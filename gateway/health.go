package gateway

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// health says that the process lives.
func (s *Snapshot) health(c echo.Context) error {
	return c.JSONBlob(http.StatusOK, []byte(`{"status":"healthy"}`))
}

// ready says whether requests are welcome.
func (s *Snapshot) ready(c echo.Context) error {
	switch s.gateway.state.Load() {
	case ready:
		if !s.hasKeys() {
			return c.JSONBlob(http.StatusServiceUnavailable, []byte(`{"status":"starting","reason":"keys_unavailable"}`))
		}
		return c.JSONBlob(http.StatusOK, []byte(`{"status":"ready"}`))
	case draining:
		return c.JSONBlob(http.StatusServiceUnavailable, []byte(`{"status":"draining"}`))
	}
	return c.JSONBlob(http.StatusServiceUnavailable, []byte(`{"status":"starting"}`))
}
