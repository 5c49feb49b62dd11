package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"nexus/config"
	"nexus/gateway/trace"
)

// cors are the rules for pages of other origins. Nil: there are none, and no such page may read an answer. All values of
// headers are shared by the answers that have them.
type cors struct {
	anyOrigin, anyMethod, anyHeader bool

	origins, methods []string
	headers          []string // in lower case
	private          bool

	vary, varyPreflight []string
	everyone            []string // "*"
	credentials         []string // nil: not allowed
	exposed             []string // nil: none
	allowedMethods      []string
	allowedHeaders      []string
	maxAge              []string
}

func compileCORS(cfg *config.CORS) *cors {
	if !cfg.Enabled {
		return nil
	}
	c := &cors{
		anyOrigin: cfg.AllowOrigins.All(), anyMethod: cfg.AllowMethods.All(), anyHeader: cfg.AllowHeaders.All(),
		origins: cfg.AllowOrigins, methods: cfg.AllowMethods, private: cfg.AllowPrivateNetwork,
		everyone:       []string{"*"},
		allowedMethods: joined(cfg.AllowMethods), allowedHeaders: joined(cfg.AllowHeaders), exposed: joined(cfg.ExposeHeaders),
		maxAge:        []string{strconv.Itoa(int(cfg.MaxAge.Duration().Seconds()))},
		varyPreflight: []string{"Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"},
	}
	if !c.anyOrigin {
		// An answer without these headers is another one, too: a cache must not give it to a page that may read it.
		c.vary = []string{"Origin"}
		c.varyPreflight = []string{"Origin, " + c.varyPreflight[0]}
	}
	if cfg.AllowCredentials {
		c.credentials = []string{"true"}
	}
	for _, name := range cfg.AllowHeaders {
		c.headers = append(c.headers, strings.ToLower(name))
	}
	return c
}

// joined is a list as one value; nil for an empty one.
func joined(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return []string{strings.Join(list, ", ")}
}

// isPreflight is whether a request is a browser's question before the real one, of a page of another origin (Fetch
// standard, "CORS-preflight request"), and there are rules to answer it by.
func (c *cors) isPreflight(r *http.Request) bool {
	return c != nil && r.Method == http.MethodOptions && r.Header["Origin"] != nil && r.Header["Access-Control-Request-Method"] != nil
}

// visit notes the step cors, and adds to the answer what the browser of a page of another origin must know. It refuses
// nothing: what may not be read is kept from the page by its browser.
func (c *cors) visit(request, answer http.Header, tr *trace.Trace) {
	if c == nil {
		tr.Note(trace.CORS, trace.Skipped, trace.NotConfigured)
		return
	}
	if c.vary != nil {
		answer["Vary"] = c.vary
	}
	origins := request["Origin"]
	if len(origins) == 0 {
		tr.Note(trace.CORS, trace.Skipped, trace.SameOrigin)
		return
	}
	origin, allowed := c.allows(origins)
	if !allowed {
		tr.Note(trace.CORS, trace.Failed, whyNot(origins)).Value = keep(origins[0], maxOrigin)
		return
	}
	tr.Note(trace.CORS, trace.Passed, trace.OriginAllowed).Value = keep(origins[0], maxOrigin)
	c.grant(answer, origin)
	if c.exposed != nil {
		answer["Access-Control-Expose-Headers"] = c.exposed
	}
}

const (
	maxOrigin = 128  // how much of an origin a trace keeps, in bytes
	maxAsked  = 4096 // how much a preflight may ask for, in bytes: with "*" the answer repeats it
)

// allows is whether the page of an origin may call, and as whom it is answered. Two origins are two opinions, and "null" is
// the origin of any page that wants it.
func (c *cors) allows(origins []string) (as []string, allowed bool) {
	switch {
	case len(origins) != 1 || origins[0] == "null" || origins[0] == "":
		return nil, false
	case c.anyOrigin:
		return c.everyone, true
	}
	i := slices.Index(c.origins, origins[0])
	if i < 0 {
		return nil, false
	}
	return c.origins[i : i+1 : i+1], true
}

// whyNot says why the page of an origin may not call.
func whyNot(origins []string) trace.Finding {
	if len(origins) > 1 {
		return trace.Repeated
	}
	return trace.OriginRefused
}

// grant lets a page read the answer.
func (c *cors) grant(answer http.Header, origin []string) {
	answer["Access-Control-Allow-Origin"] = origin
	if c.credentials != nil {
		answer["Access-Control-Allow-Credentials"] = c.credentials
	}
}

// preflight answers a browser's question, and notes the step cors. Either all that it asks for is allowed, or nothing.
func (c *cors) preflight(request, answer http.Header, tr *trace.Trace) {
	answer["Vary"] = c.varyPreflight
	origin, allowed := c.allows(request["Origin"])
	finding, detail := whyNot(request["Origin"]), ""
	if allowed {
		finding, detail = c.judge(request)
	}
	verdict := trace.Failed
	if finding == trace.Preflight {
		verdict = trace.Passed
	}
	step := tr.Note(trace.CORS, verdict, finding)
	step.Value, step.Detail = keep(request["Origin"][0], maxOrigin), keep(detail, maxOrigin)
	if finding != trace.Preflight {
		return
	}
	c.grant(answer, origin)
	answer["Access-Control-Allow-Methods"] = c.allowedMethods
	if c.anyMethod {
		answer["Access-Control-Allow-Methods"] = request["Access-Control-Request-Method"]
	}
	switch asked := request["Access-Control-Request-Headers"]; {
	case c.anyHeader && len(asked) > 0:
		answer["Access-Control-Allow-Headers"] = asked
	case !c.anyHeader && c.allowedHeaders != nil:
		answer["Access-Control-Allow-Headers"] = c.allowedHeaders
	}
	if asksForPrivate(request) {
		answer["Access-Control-Allow-Private-Network"] = yes
	}
	answer["Access-Control-Max-Age"] = c.maxAge
}

// yes is shared by all answers; see jsonContent.
var yes = []string{"true"}

// asksForPrivate is whether a page of a public network asks to call into a private one (Private Network Access).
func asksForPrivate(request http.Header) bool {
	return request["Access-Control-Request-Private-Network"] != nil
}

// judge says whether what the page of an allowed origin asks for is allowed, and what is not.
func (c *cors) judge(request http.Header) (trace.Finding, string) {
	methods := request["Access-Control-Request-Method"]
	if len(methods) != 1 || len(methods[0]) > maxOrigin || !isToken(methods[0]) || !c.anyMethod && !slices.Contains(c.methods, methods[0]) {
		return trace.MethodRefused, methods[0]
	}
	asked := 0
	for _, line := range request["Access-Control-Request-Headers"] {
		if asked += len(line); asked > maxAsked {
			return trace.HeaderRefused, ""
		}
		for name := range strings.SplitSeq(line, ",") {
			name = strings.ToLower(strings.Trim(name, " \t"))
			if name != "" && (!isToken(name) || !c.anyHeader && !slices.Contains(c.headers, name)) {
				return trace.HeaderRefused, name
			}
		}
	}
	if asksForPrivate(request) && !c.private {
		return trace.PrivateRefused, ""
	}
	return trace.Preflight, ""
}

// isToken is whether a text can be the name of a method or a header (RFC 9110, section 5.6.2).
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}
