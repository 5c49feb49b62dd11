package gateway

import (
	"errors"
	"net/http"

	"nexus/config"
	"nexus/gateway/trace"
)

// errNoCSRFHeader is a request without the header of server.csrf.header_name.
var errNoCSRFHeader = errors.New("the header against cross-site requests is missing")

// csrf asks for a header that no page of another origin can set without being allowed to. Nil: it is not asked for.
type csrf struct {
	name   string // as the file spells it
	header string // in canonical form
}

func compileCSRF(cfg *config.CSRF) *csrf {
	if !cfg.Enabled {
		return nil
	}
	return &csrf{name: string(cfg.HeaderName), header: cfg.HeaderName.Canonical()}
}

// check notes the step csrf and refuses a request without the header. Its value does not count: that it could be set is
// the proof.
func (c *csrf) check(method string, h http.Header, tr *trace.Trace) error {
	if c == nil || method == http.MethodOptions {
		tr.Note(trace.CSRF, trace.Skipped, trace.NotConfigured)
		return nil
	}
	if h[c.header] != nil {
		tr.Note(trace.CSRF, trace.Passed, trace.Found).Key = c.name
		return nil
	}
	tr.Note(trace.CSRF, trace.Failed, trace.Absent).Key = c.name
	return errNoCSRFHeader
}
