package admin

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"time"

	"nexus/gateway"
	"nexus/gateway/journal"
	"nexus/gateway/limit"
	"nexus/gateway/trace"
	"nexus/web"
)

const (
	askedFor  = 100             // clients of a list whose limits are looked up
	askedRows = 10_000          // limits of a list at most
	askedTime = 2 * time.Second // for all limits of a list
)

// clients is the list of those who were seen, or the one that is asked for.
func (v *visit) clients() {
	if id := v.askedID(); id != "" {
		v.client(id)
		return
	}
	v.clientList(http.StatusOK, "")
}

// clientList is the page of the list; missing is an id that was asked for and is not known.
func (v *visit) clientList(status int, missing string) {
	list := v.gw.Journal().Clients(pageRows)
	v.page(status, web.ClientsView(web.ClientsPage{
		Frame:   v.frame("clients", "Clients"),
		Clients: v.clientViews(list),
		Known:   v.gw.Journal().KnownClients(),
		Most:    journal.MaxClients,
		Missing: clip(missing),
		Now:     time.Now(),
	}))
}

// client is the page of one client.
func (v *visit) client(id string) {
	c, ok := v.gw.Journal().Client(id)
	if !ok {
		v.clientList(http.StatusNotFound, id)
		return
	}
	page := web.ClientPage{
		Frame:  v.frame("clients", "Client "+c.ID),
		Client: clientView(&c),
		Latest: rows(v.gw.Journal().Rejections(journal.Filter{Client: c.ID}, latestRows)),
		File:   path.Base(v.status.Config.File()),
		Now:    time.Now(),
	}
	budgets, err := v.gw.Limits(v.r.Context(), c.ID, c.Group)
	if err != nil {
		page.NoLimits = "The store of the limits cannot be asked, so it is not known what is used and left."
	}
	page.Client.Limits = budgetViews(distinct(budgets))
	v.page(http.StatusOK, web.ClientView(page))
}

func (v *visit) apiClients() {
	if id := v.askedID(); id != "" {
		v.apiClient(id)
		return
	}
	if limit, ok := v.limit(); ok {
		v.json(http.StatusOK, web.Clients{Clients: v.clientViews(v.gw.Journal().Clients(limit))})
	}
}

func (v *visit) apiClient(id string) {
	c, ok := v.gw.Journal().Client(id)
	if !ok {
		v.refuse(goneClient(id))
		return
	}
	view := clientView(&c)
	if budgets, err := v.gw.Limits(v.r.Context(), c.ID, c.Group); err == nil {
		view.Limits = budgetViews(budgets)
	}
	v.json(http.StatusOK, web.Clients{Clients: []web.Client{view}})
}

// clientViews are clients with the limits of the first of them: each is a look into the store of the limits, which may be
// slow. If it cannot be asked for one, it is not asked again.
func (v *visit) clientViews(list []journal.Client) []web.Client {
	ctx, cancel := context.WithTimeout(v.r.Context(), askedTime)
	defer cancel()
	views := make([]web.Client, len(list))
	asking, room := true, askedRows
	for i := range list {
		c := &list[i]
		views[i] = clientView(c)
		if !asking || i >= askedFor {
			continue
		}
		budgets, err := v.gw.Limits(ctx, c.ID, c.Group)
		if room -= len(budgets); err != nil || room < 0 {
			asking = false
			continue
		}
		views[i].Limits = budgetViews(budgets)
	}
	return views
}

func clientView(c *journal.Client) web.Client {
	view := web.Client{
		ClientID: c.ID, Group: present(c.Group), LastSeen: moment(c.LastSeen), Requests: c.Requests, Rejections: c.Rejections,
		InputTokens: c.InputTokens, OutputTokens: c.OutputTokens,
	}
	for _, w := range slices.Backward(c.Would) {
		view.Would = append(view.Would, web.WouldRefuse{Name: budgetName(w.Provider, w.Model, ""), Kind: kindName(w.Kind), Requests: w.Requests})
	}
	return view
}

// distinct leaves out what is counted by a budget that has a row already: that of a provider is one for all models that have
// none of their own.
func distinct(list []gateway.LimitRow) []gateway.LimitRow {
	var some []gateway.LimitRow
	for i := range list {
		shared := list[i].Level == limit.ProviderOnly.String() || list[i].Level == limit.ProviderGroup.String()
		if !list[i].Discovered && (list[i].Model == "" || !shared) {
			some = append(some, list[i])
		}
	}
	return some
}

// budgetViews are the limits in the order they come in; never nil.
func budgetViews(list []gateway.LimitRow) []web.Budget {
	views := make([]web.Budget, len(list))
	for i := range list {
		r := &list[i]
		views[i] = web.Budget{
			Provider: present(r.Provider), Model: present(r.Model), Kind: present(r.Kind), Level: r.Level,
			Interval: present(r.Interval), Used: r.Used, Reset: happened(r.Reset), Enforce: r.Enforce, WouldRefuse: r.WouldRefuse,
			Key: present(r.Key), Line: line(r.Line), Name: budgetName(r.Provider, r.Model, r.Kind),
		}
		if r.Kind != "" {
			most, left := r.Limit, max(0, r.Remaining)
			views[i].Limit, views[i].Remaining = &most, &left
		}
	}
	return views
}

// budgetName says what a limit counts: a model, all others of a provider, or requests.
func budgetName(provider, model, kind string) string {
	switch {
	case kind == limit.Concurrent.String():
		return "Requests in flight"
	case provider == "":
		return "Requests"
	case model == "":
		return provider + ", models without limits of their own"
	default:
		return provider + "/" + model
	}
}

// kindName is a kind of limits as the JSON says it.
func kindName(kind uint8) string {
	if kind >= limit.Kinds {
		return ""
	}
	return limit.Kind(kind).String()
}

// wouldViews are the observed limits that would have refused a request.
func wouldViews(w *trace.Would) []web.WouldLimit {
	var views []web.WouldLimit
	for kind := range uint8(limit.Kinds) {
		if w.Kinds&(1<<kind) != 0 {
			views = append(views, web.WouldLimit{Name: budgetName(w.Provider, w.Model, ""), Kind: kindName(kind)})
		}
	}
	return views
}

// forgetClient is the button: the list is where it leads, with the client gone.
func (v *visit) forgetClient() {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, formSize)
	if err := v.r.ParseForm(); err != nil {
		v.refuse(refusal{status: http.StatusBadRequest, code: "bad_form", headline: "Unreadable form", text: "The form that was sent could not be read."})
		return
	}
	if v.forget(v.r.PostForm.Get("id")) {
		v.goTo(v.base + "/clients")
	}
}

func (v *visit) apiForget(id string) {
	if v.forget(id) {
		v.w.WriteHeader(http.StatusNoContent)
	}
}

// forget drops a client and what it has used. Where that is not possible, forget has answered.
func (v *visit) forget(id string) bool {
	known, err := v.gw.Forget(v.r.Context(), id)
	switch {
	case err != nil:
		v.refuse(refusal{
			status: http.StatusServiceUnavailable, code: "temporarily_unavailable", headline: "Not forgotten",
			text: "The store of the limits cannot be asked, so what the client has used is counted on.",
			ways: []string{"Try again when the store is back; the page of the tiers says how it is."},
		})
		return false
	case !known:
		v.refuse(goneClient(id))
		return false
	}
	v.logger.Info("client forgotten", "remote_address", gateway.PeerAddress(v.r).String())
	return true
}

func goneClient(id string) refusal {
	return refusal{
		status: http.StatusNotFound, code: "not_found", headline: "No such client",
		text: fmt.Sprintf("Nothing is known of a client %q.", clip(id)),
		ways: []string{fmt.Sprintf("The latest %d clients are remembered, in memory: those seen longest ago make room, and a restart forgets all.", journal.MaxClients)},
	}
}
