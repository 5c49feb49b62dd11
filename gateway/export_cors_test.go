package gateway

import (
	"net/http"

	"nexus/config"
	"nexus/gateway/trace"
)

// CrossOrigin is what a request meets before it is asked who sends it.
func CrossOrigin(cfg *config.Server) func(request, answer http.Header, tr *trace.Trace) error {
	cors, csrf := compileCORS(&cfg.CORS), compileCSRF(&cfg.CSRF)
	return func(request, answer http.Header, tr *trace.Trace) error {
		cors.visit(request, answer, tr)
		return csrf.check(http.MethodPost, request, tr)
	}
}
