package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"nexus/config"
	"nexus/gateway/identity"
	"nexus/gateway/llm/openai"
	"nexus/gateway/trace"
)

// routes is the whole HTTP surface of one generation. Echo finds the part that a path belongs to; each part
// looks at the method by itself, since it has more to say to a wrong one than Echo.
func (s *Snapshot) routes(pages, metrics http.Handler) http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	// Only targets that are no path ("OPTIONS *") lead past every route.
	e.HTTPErrorHandler = func(_ error, c echo.Context) { _ = s.exchange(s.nowhere)(c) }
	cfg := s.config

	s.mount(e, "/*", "", s.nowhere) // first, so that a protocol at the root takes its place
	if health := &cfg.Server.Health; health.Enabled {
		s.get(e, string(health.Path), s.health)
		s.get(e, string(health.ReadyPath), s.ready)
	}
	if cfg.LLM.Enabled && cfg.LLM.Protocols.OpenAI.Enabled {
		s.mountProtocol(e, s.openAI())
	}
	if cfg.Server.OAuth.Enabled {
		s.mountMetadata(e, &cfg.Server.OAuth.ProtectedResource)
	}
	if cfg.Admin.Enabled && pages != nil {
		s.mountTree(e, string(cfg.Admin.Path), echo.WrapHandler(pages))
	}
	if p := &cfg.Telemetry.Prometheus; p.Enabled && metrics != nil {
		s.mount(e, string(p.Path), string(p.Path), echo.WrapHandler(metrics))
		s.mount(e, string(p.Path)+"/", string(p.Path), echo.WrapHandler(metrics))
	}
	return e
}

// openAI is what callers of the OpenAI protocol find.
func (s *Snapshot) openAI() *protocol {
	return newProtocol(string(s.config.LLM.Protocols.OpenAI.Path), openai.Dialect{}, []endpoint{
		{method: http.MethodPost, path: "/chat/completions", asks: `"messages":[{"role":"user","content":"Hello"}]`, serve: s.converse(openai.Chat)},
		{method: http.MethodGet, path: "/models", serve: s.listModels},
		{method: http.MethodGet, path: limitsPath, serve: s.ownLimits},
		{method: http.MethodGet, path: "/models/", rest: true, serve: s.oneModel},
		{method: http.MethodPost, path: "/embeddings", asks: `"input":"Hello"`, serve: s.converse(openai.Embeddings)},
		{method: http.MethodPost, path: "/responses", asks: `"input":"Hello"`, serve: s.converse(openai.Responses)},
		{method: http.MethodPost, path: "/completions", asks: `"prompt":"Hello"`, serve: s.converse(openai.Completions)},
		{method: http.MethodPost, path: "/moderations", asks: `"input":"Hello"`, serve: s.converse(openai.Moderations)},
		{method: http.MethodPost, path: "/images/generations", asks: `"prompt":"A hedgehog"`, serve: s.converse(openai.Images)},
		{method: http.MethodPost, path: "/audio/speech", asks: `"input":"Hello","voice":"alloy"`, serve: s.converse(openai.Speech)},
	})
}

// enter is the order in which a request on an LLM path meets the steps. Nothing is served before all have passed.
func (s *Snapshot) enter(p *protocol) echo.HandlerFunc {
	return func(c echo.Context) error {
		x := c.(*Exchange)
		m := s.arrive(x, p)
		if s.cors.isPreflight(x.Request()) {
			return s.preflight(x)
		}
		if err := s.identify(x, m); err != nil {
			if exceeded := (*exceededError)(nil); !errors.As(err, &exceeded) {
				s.limits.chargeAddress(x.trace.Remote)
			}
			return err
		}
		// A request that asks for a model pays when it is known which one.
		if m.endpoint == nil || !m.endpoint.allows(x.trace.Method) || m.endpoint.asks == "" {
			if err := s.payRequests(x, s.payer(x, m)); err != nil {
				return err
			}
		}
		if err := s.locate(x, p, m); err != nil {
			return err
		}
		return m.endpoint.serve(x, m.id)
	}
}

// identify is what a request meets before its client is known.
func (s *Snapshot) identify(x *Exchange, m match) error {
	r := x.Request()
	if tooManyFields(r.Header) {
		x.trace.Note(trace.Route, trace.Failed, trace.BadBody).Detail = errTooManyFields.Error()
		return errTooManyFields
	}
	if err := s.crossOrigin(x, m); err != nil {
		return err
	}
	if err := s.csrf.check(x.trace.Method, r.Header, &x.trace); err != nil {
		return err
	}
	if err := s.limits.door(x); err != nil {
		return err
	}
	return s.whoCalls(s.verifier, identity.Evidence{Header: r.Header, Peer: PeerAddress(r), Proof: s.proofOf(r, x.trace.Time)}, x.trace.Time, &x.trace)
}

// payer is the client that pays for a request: nobody for asking what is left, so that it can be asked when nothing is.
func (s *Snapshot) payer(x *Exchange, m match) string {
	if m.endpoint != nil && m.endpoint.path == limitsPath {
		return ""
	}
	return x.trace.ClientID
}

// arrive notes what is known before anything is checked.
func (s *Snapshot) arrive(x *Exchange, p *protocol) match {
	r := x.Request()
	m := p.find(r.URL)
	x.traced, x.dialect, x.trace.Path = true, p.dialect, m.path
	x.trace.Remote = s.address.of(r, PeerAddress(r))
	x.route = p.prefix + "/*"
	if m.endpoint != nil {
		x.route = m.endpoint.route
	}
	return m
}

// crossOrigin says whose page may read the answer. A browser's question is no request for an endpoint, where it is
// answered at all.
func (s *Snapshot) crossOrigin(x *Exchange, m match) error {
	if x.trace.Method == http.MethodOptions && m.endpoint != nil {
		x.trace.Note(trace.CORS, trace.Failed, trace.WrongMethod)
		return s.wrongMethod(x, m.endpoint)
	}
	s.cors.visit(x.Request().Header, x.Response().Header(), &x.trace)
	return nil
}

// preflight answers a browser that asks whether the page of another origin may call. It needs no identity: the browser
// sends none with it.
func (s *Snapshot) preflight(x *Exchange) error {
	s.cors.preflight(x.Request().Header, x.Response().Header(), &x.trace)
	return x.NoContent(http.StatusNoContent)
}

// locate refuses what leads to no endpoint.
func (s *Snapshot) locate(x *Exchange, p *protocol, m match) error {
	if m.endpoint == nil {
		asked := x.trace.Method + " " + strings.Replace(m.path, "/v1/", "/", 1)
		err := &endpointError{near: config.Nearest(asked, p.names())}
		step := x.trace.Note(trace.Route, trace.Failed, trace.UnknownPath)
		step.Key, step.Near, step.Detail = p.prefix, p.names(), err.near
		return err
	}
	if !m.endpoint.allows(x.trace.Method) {
		step := x.trace.Note(trace.Route, trace.Failed, trace.WrongMethod)
		step.Key, step.Detail = m.endpoint.allow, x.trace.Method
		return s.wrongMethod(x, m.endpoint)
	}
	return nil
}

// wrongMethod shows the right call: the document that users begin with shows one that sends a GET.
func (s *Snapshot) wrongMethod(x *Exchange, e *endpoint) error {
	message := fmt.Sprintf("%s is not allowed here, %s is; for example: curl %s%s",
		x.trace.Method, e.method, s.url(x.Request()), strings.Replace(e.example, "{id}", s.exampleModel(), 1))
	if s.config.Server.OAuth.Enabled {
		message += " -H 'Authorization: Bearer YOUR_TOKEN'"
	}
	if who := &s.config.Server.ClientIdentification; who.Enabled && who.ClientID.HTTPHeader != "" {
		message += fmt.Sprintf(" -H '%s: you'", who.ClientID.HTTPHeader)
	}
	if e.method == http.MethodPost {
		message += fmt.Sprintf(` -H 'Content-Type: application/json' -d '{"model":"%s",%s}'`, s.exampleModel(), e.asks)
	}
	return &methodError{allow: e.allow, message: message}
}

// url is how this caller reaches us, as far as it is safe to repeat.
func (s *Snapshot) url(r *http.Request) string {
	host := r.Host
	if host == "" || len(host) > 128 || strings.ContainsFunc(host, notInHost) {
		host = s.gateway.Address()
	}
	if r.TLS != nil {
		return "https://" + host
	}
	return "http://" + host
}

// notInHost is whether a character has no place in the host of a command that people copy into a shell.
func notInHost(c rune) bool {
	return c > 127 || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]", c)
}

func (s *Snapshot) exampleModel() string {
	if cards := s.router().Cards(); len(cards) > 0 {
		return cards[0].ID
	}
	return "provider/model"
}

// nowhere answers a path that belongs to nothing, and says where things are.
func (s *Snapshot) nowhere(c echo.Context) error {
	message := "There is nothing here"
	if p := s.config.LLM.Protocols.OpenAI; s.config.LLM.Enabled && p.Enabled {
		message += "; the OpenAI protocol is at " + strings.TrimSuffix(string(p.Path), "/") + "/v1"
	}
	return &nowhereError{message: message}
}

// mountProtocol gives everything below a protocol's prefix to it.
func (s *Snapshot) mountProtocol(e *echo.Echo, p *protocol) {
	h := s.exchange(s.enter(p))
	if p.prefix != "" {
		e.RouteNotFound(p.prefix, h)
	}
	e.RouteNotFound(p.prefix+"/*", h)
}

// admit refuses whoever comes without a certificate where one is required. A new connection without one has failed
// already; this one may be older than what the file says now. On the LLM paths it is a step of its own.
func (s *Snapshot) admit(x *Exchange) error {
	if settings := &s.config.Server.TLS; s.clients == nil || settings.ClientAuth != config.ClientAuthRequire {
		return nil
	}
	return s.clients.Admit(s.proofOf(x.Request(), x.trace.Time), x.trace.Time, &x.trace)
}

// mountTree gives a prefix and everything below it to one handler.
func (s *Snapshot) mountTree(e *echo.Echo, prefix string, h echo.HandlerFunc) {
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix != "" {
		s.mount(e, prefix, prefix, h)
	}
	s.mount(e, prefix+"/*", prefix+"/*", h)
}

// get mounts a handler of GET and HEAD, with and without a slash at the end.
func (s *Snapshot) get(e *echo.Echo, path string, h echo.HandlerFunc) {
	only := func(c echo.Context) error {
		if m := c.Request().Method; m != http.MethodGet && m != http.MethodHead {
			return &methodError{allow: "GET, HEAD", message: keep(m, 16) + " is not allowed here, GET is"}
		}
		return h(c)
	}
	s.mount(e, path, path, s.shared(only))
	if path != "/" {
		s.mount(e, path+"/", path, s.shared(only))
	}
}

// shared lets pages of other origins read what everybody may, as far as the file lets them.
func (s *Snapshot) shared(h echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		x := c.(*Exchange)
		if s.cors.isPreflight(x.Request()) {
			return s.preflight(x)
		}
		s.cors.visit(x.Request().Header, x.Response().Header(), &x.trace)
		return h(c)
	}
}

// mount registers a handler for every method there is, invented ones too: that is what Echo's RouteNotFound takes,
// at an exact path as well as at a tree. Everything is wrapped here, once, and not by Echo anew for each request.
func (s *Snapshot) mount(e *echo.Echo, path, route string, h echo.HandlerFunc) {
	e.RouteNotFound(path, s.exchange(func(c echo.Context) error {
		x := c.(*Exchange)
		x.route = route
		if err := s.admit(x); err != nil {
			return err
		}
		return h(c)
	}))
}
