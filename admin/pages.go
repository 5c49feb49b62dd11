package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"nexus/gateway/journal"
	"nexus/gateway/trace"
	"nexus/web"
)

const (
	assetsPath = "/assets/"
	latestRows = 10   // refusals on the overview
	pageRows   = 1000 // rows of a list at most; the JSON twin gives all that is kept
)

// pageServer is the pages of one generation, with their JSON twins and assets.
type pageServer struct {
	*Admin
	gw    Gateway
	base  string // the admin's path without a slash at its end
	guard guard
}

// ServeHTTP lets a request in, or says why not.
func (p *pageServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w, r)
	rest, ok := below(p.base, r.URL.Path)
	v := &visit{pageServer: p, w: w, r: r, path: rest}
	if p.origin.Check(r) != nil {
		v.refuse(refusal{
			status: http.StatusForbidden, code: "cross_origin", headline: "Sent from elsewhere",
			text: "The request was sent by a page of another origin; only the admin's own pages may do that.",
		})
		return
	}
	switch {
	case !ok:
		v.refuse(noPage())
	case strings.HasPrefix(r.URL.Path, p.base+assetsPath):
		v.asset()
	case p.guard.token.isSet() && v.path == signInPath:
		v.signIn()
	case p.guard.token.isSet() && v.path == signOutPath:
		v.signOut()
	case v.enter():
		v.serve()
	}
}

// asset serves a file that the pages need. There is nothing of an instance in those, and the pages
// that keep people out need them as well.
func (v *visit) asset() {
	if f, no := wrongMethod(v.w, v.r, http.MethodGet, http.MethodHead); no {
		v.refuse(f)
		return
	}
	http.StripPrefix(v.base+assetsPath, v.assets).ServeHTTP(v.w, v.r)
}

// enter asks the guard. Where it says no, enter has answered.
func (v *visit) enter() bool {
	verdict, why, wait := v.guard.judge(v.r)
	switch verdict {
	case passed, signedIn:
		v.status, v.signedIn = v.gw.Status(), verdict == signedIn
		return true
	case denied:
		v.refuse(refusal{
			status: http.StatusForbidden, code: "forbidden", headline: "Only for this machine",
			text: why + " Without admin.token these pages are for direct callers on this machine alone.", ways: v.guard.ways(),
		})
	case mustWait:
		v.refuse(tooMany(v.w, wait))
	default:
		v.unauthorized(verdict)
	}
	return false
}

// unauthorized asks for the token: a program by JSON, a person by a form.
func (v *visit) unauthorized(verdict entry) {
	text := challenge(v.w, verdict)
	if v.wantsJSON() {
		v.refuse(refusal{status: http.StatusUnauthorized, code: "unauthorized", text: text, ways: []string{"Send admin.token as a bearer token, or sign in."}})
		return
	}
	if verdict == unknown {
		text = "" // the form asks by itself
	}
	v.askForToken(http.StatusUnauthorized, v.next(v.r.URL.RequestURI()), text)
}

// challenge sets the header that goes with a 401, and says what is wrong.
func challenge(w http.ResponseWriter, verdict entry) string {
	switch verdict {
	case wrong:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return "This is not the token."
	case ambiguous:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_request"`)
		return "The request has more than one Authorization header."
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	return "A token is needed."
}

// serve answers a request that was let in.
func (v *visit) serve() {
	if v.path == signInPath || v.path == signOutPath {
		v.goTo(v.next("")) // from a page of before: without a token there is nobody to sign in or out
		return
	}
	at, ok := v.address()
	if !ok {
		v.refuse(noPage())
		return
	}
	if f, no := wrongMethod(v.w, v.r, at.methods()...); no {
		v.refuse(f)
		return
	}
	switch v.r.Method {
	case http.MethodPost:
		at.post()
	case http.MethodDelete:
		at.del()
	default:
		at.get()
	}
}

// address is what there is at one of the admin's addresses: what answers GET and HEAD, what POST, and what DELETE. Nil:
// nothing does.
type address struct {
	get, post, del func()
}

func (a address) methods() []string {
	var methods []string
	if a.get != nil {
		methods = append(methods, http.MethodGet, http.MethodHead)
	}
	if a.post != nil {
		methods = append(methods, http.MethodPost)
	}
	if a.del != nil {
		methods = append(methods, http.MethodDelete)
	}
	return methods
}

// address is the table of the admin's addresses; false: there is nothing at this one.
func (v *visit) address() (address, bool) {
	switch v.path {
	case "":
		return address{get: v.overview}, true
	case "/rejections":
		return address{get: v.rejections}, true
	case "/traces":
		return address{get: v.traces}, true
	case "/providers":
		return address{get: v.providers}, true
	case "/tiers":
		return address{get: v.tiers}, true
	case "/clients":
		return address{get: v.clients, post: v.forgetClient}, true
	case "/config":
		return address{get: v.config, post: v.reloadNow}, true
	case "/api/status":
		return address{get: v.apiStatus}, true
	case "/api/groups":
		return address{get: v.apiGroups}, true
	case "/api/rejections":
		return address{get: v.apiRejections}, true
	case "/api/traces":
		return address{get: v.apiTraces}, true
	case "/api/providers":
		return address{get: v.apiProviders}, true
	case "/api/tiers":
		return address{get: v.apiTiers}, true
	case "/api/clients":
		at := address{get: v.apiClients}
		if id := v.askedID(); id != "" {
			at.del = func() { v.apiForget(id) }
		}
		return at, true
	case "/api/config":
		return address{get: v.apiConfig}, true
	case "/api/reloads":
		return address{get: v.apiReloads}, true
	case "/api/reload":
		return address{post: v.apiReload}, true
	}
	return v.addressOfOne()
}

// addressOfOne are the addresses that end in an id, which is decoded once: a slash at its end may be a part of it.
func (v *visit) addressOfOne() (address, bool) {
	path, ok := below(v.base, v.r.URL.EscapedPath())
	if !ok {
		return address{}, false
	}
	for list, one := range map[string]func(id string) address{
		"/traces/":     func(id string) address { return address{get: func() { v.trace(id) }} },
		"/api/traces/": func(id string) address { return address{get: func() { v.apiTrace(id) }} },
		"/clients/":    func(id string) address { return address{get: func() { v.client(id) }} },
		"/api/clients/": func(id string) address {
			return address{get: func() { v.apiClient(id) }, del: func() { v.apiForget(id) }}
		},
	} {
		escaped, ok := strings.CutPrefix(path, list)
		if id, err := url.PathUnescape(escaped); ok && err == nil && id != "" {
			return one(id), true
		}
	}
	return address{}, false
}

// askedID is the id of a query: an id of nothing but dots cannot stand in a path, where a browser takes it for a way up.
func (v *visit) askedID() string { return v.r.URL.Query().Get("id") }

func noPage() refusal {
	return refusal{
		status: http.StatusNotFound, code: "not_found", headline: "No such page",
		text: "The admin has nothing at this address.",
	}
}

// goneTrace says why a trace that once was may not be there.
func (v *visit) goneTrace(id string) refusal {
	traces, rejections := v.gw.Journal().Kept()
	return refusal{
		status: http.StatusNotFound, code: "not_found", headline: "No such trace",
		text: fmt.Sprintf("No trace of a request %q is kept.", clip(id)),
		ways: []string{
			fmt.Sprintf("The last %d requests and the last %d refusals are kept, in memory: older ones have made room, and a restart forgets all.", traces, rejections),
			"More are kept with larger numbers in admin.traces and admin.rejections.",
		},
	}
}

// overview is the first page: what runs, the traffic of each group, the latest refusals.
func (v *visit) overview() {
	now := time.Now()
	v.page(http.StatusOK, web.Overview(web.OverviewPage{
		Frame:   v.frame("overview", "Overview"),
		Status:  statusView(v.status, now),
		Groups:  v.groupRows(),
		Latest:  rows(v.gw.Journal().Rejections(journal.Filter{}, latestRows)),
		Known:   v.gw.Journal().KnownClients(),
		Now:     now,
		Example: example(v.status.Config, v.status.Model, v.r),
	}))
}

// rejections is the list of refusals, narrowed by the query.
func (v *visit) rejections() {
	f := v.filter()
	_, kept := v.gw.Journal().Kept()
	v.page(http.StatusOK, web.RejectionsView(web.RejectionsPage{
		Frame:      v.frame("rejections", "Refusals"),
		Filter:     web.Filter{Reason: string(f.Reason), Client: f.Client, Group: f.Group, Text: f.Text},
		Reasons:    reasonChoices(),
		Groups:     groupChoices(v.groupNames()),
		Rejections: rows(v.gw.Journal().Rejections(f, pageRows)),
		Kept:       kept,
		Now:        time.Now(),
	}))
}

// traces is the list of recent requests, or the one that is asked for.
func (v *visit) traces() {
	if id := v.askedID(); id != "" {
		v.trace(id)
		return
	}
	kept, _ := v.gw.Journal().Kept()
	v.page(http.StatusOK, web.TracesView(web.TracesPage{
		Frame:  v.frame("traces", "Traces"),
		Traces: rows(v.gw.Journal().Traces(pageRows)),
		Kept:   kept,
		Now:    time.Now(),
	}))
}

// trace is one request with its steps.
func (v *visit) trace(id string) {
	t, ok := v.gw.Journal().Trace(id)
	if !ok {
		v.refuse(v.goneTrace(id))
		return
	}
	v.page(http.StatusOK, web.TraceView(web.TracePage{
		Frame: v.frame("traces", "Trace "+t.ID),
		Trace: traceView(&t, true),
		Now:   time.Now(),
	}))
}

// filter is what the query narrows a list of refusals to. A reason that does not exist matches nothing.
func (v *visit) filter() journal.Filter {
	q := v.r.URL.Query()
	word := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return journal.Filter{Reason: trace.Reason(word("reason")), Client: word("client"), Group: word("group"), Text: word("text")}
}

// groupNames are the group_values that are live now, in file order.
func (v *visit) groupNames() []string {
	return v.status.Config.Server.ClientIdentification.Validation.GroupValues
}

// groupRows are the groups with their traffic, in file order, and "no group" at the end.
func (v *visit) groupRows() []web.Group {
	return groupViews(v.gw.Journal().Groups(v.groupNames()))
}
