package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"nexus/gateway/llm"
)

// endpoint is one thing that a protocol offers.
type endpoint struct {
	method string
	path   string // below the prefix, without the version: "/chat/completions"
	asks   string // what a small body has beside the model: `"input":"Hello"`
	rest   bool   // path ends in a slash and takes whatever follows it, as an id
	serve  func(x *Exchange, id string) error

	route   string // the template, for the metrics
	example string // the path as users are told it
	allow   string // the header Allow
}

// protocol is one way for callers to speak, below one prefix.
type protocol struct {
	prefix    string // without a slash at the end; empty at the root
	dialect   llm.Dialect
	endpoints []endpoint
	exact     map[string]match // whole path, as callers write it → endpoint
}

// match is where a path leads.
type match struct {
	endpoint *endpoint // nil: nowhere
	path     string    // in a string that the protocol owns, or a copy
	id       string    // what follows a path that takes an id
}

// newProtocol prepares the endpoints. Each answers with and without "/v1", and with a slash at the end.
func newProtocol(prefix string, dialect llm.Dialect, endpoints []endpoint) *protocol {
	p := &protocol{prefix: strings.TrimSuffix(prefix, "/"), dialect: dialect, endpoints: endpoints, exact: make(map[string]match)}
	for i := range p.endpoints {
		e := &p.endpoints[i]
		e.route, e.example = p.prefix+e.path, p.prefix+"/v1"+e.path
		e.allow = e.method
		if e.method == http.MethodGet {
			e.allow = "GET, HEAD"
		}
		if e.rest {
			e.route, e.example = e.route+"{id}", e.example+"{id}"
			continue
		}
		for _, path := range [...]string{p.prefix + e.path, p.prefix + "/v1" + e.path} {
			p.exact[path] = match{endpoint: e, path: path}
			p.exact[path+"/"] = match{endpoint: e, path: path + "/"}
		}
	}
	return p
}

// find gives the endpoint at a URL. Paths are compared as they came, undecoded: nothing that means the same to a
// looser reader is let through as something else.
func (p *protocol) find(u *url.URL) match {
	path := u.EscapedPath()
	if m, ok := p.exact[path]; ok {
		return m
	}
	below := strings.TrimPrefix(path, p.prefix)
	if cut, ok := strings.CutPrefix(below, "/v1/"); ok {
		below = "/" + cut
	}
	for i := range p.endpoints {
		e := &p.endpoints[i]
		rest, ok := strings.CutPrefix(below, e.path)
		if !e.rest || !ok || !plainPath(below) {
			continue
		}
		id, err := url.PathUnescape(strings.TrimSuffix(rest, "/"))
		if err == nil && id != "" {
			return match{endpoint: e, path: keep(path, maxPath), id: id}
		}
	}
	return match{path: keep(path, maxPath)}
}

// plainPath is whether a path has no empty segment, and none that leads elsewhere.
func plainPath(path string) bool {
	for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// names lists the endpoints for a message: "POST /chat/completions".
func (p *protocol) names() []string {
	names := make([]string, len(p.endpoints))
	for i := range p.endpoints {
		names[i] = p.endpoints[i].method + " " + p.endpoints[i].route
	}
	return names
}

// allows is whether the endpoint takes this method. Whoever answers GET answers HEAD.
func (e *endpoint) allows(method string) bool {
	return method == e.method || method == http.MethodHead && e.method == http.MethodGet
}
