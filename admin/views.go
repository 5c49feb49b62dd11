package admin

import (
	"encoding/json"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"nexus/config"
	"nexus/gateway"
	"nexus/gateway/identity/jwks"
	"nexus/gateway/journal"
	"nexus/gateway/trace"
	"nexus/web"
)

// statusView says what runs.
func statusView(s gateway.Status, now time.Time) web.Status {
	return web.Status{
		Generation:      s.Generation,
		LiveGenerations: s.LiveGenerations,
		Hash:            s.Config.Hash(),
		File:            s.Config.File(),
		LoadedAt:        moment(s.LoadedAt),
		StartedAt:       moment(s.StartedAt),
		UptimeSeconds:   int64(now.Sub(s.StartedAt) / time.Second),
		Version:         s.Version,
		Identification:  identificationView(s.Config.Server.ClientIdentification),
		Warnings:        warningViews(s),
		LastReloadError: present(s.LastReloadError),
		Limiter:         limiterView(s.Limiter),
		KeySet:          keySetView(s.KeySet),
	}
}

func keySetView(s *jwks.Status) *web.KeySet {
	if s == nil {
		return nil
	}
	return &web.KeySet{Keys: s.Count, FetchedAt: s.FetchedAt}
}

func identificationView(id config.ClientIdentification) *web.Identification {
	if !id.Enabled {
		return nil
	}
	return &web.Identification{ClientID: clientSourceView(id.ClientID), GroupID: sourceView(id.GroupID)}
}

func clientSourceView(s config.ClientSource) *web.Source {
	if s.ClientCertificate != "" {
		return &web.Source{Source: "client_certificate", Name: string(s.ClientCertificate)}
	}
	return sourceView(config.Source{JWTClaim: s.JWTClaim, HTTPHeader: s.HTTPHeader})
}

func sourceView(s config.Source) *web.Source {
	if s.JWTClaim != "" {
		return &web.Source{Source: "jwt_claim", Name: string(s.JWTClaim)}
	}
	if s.HTTPHeader == "" {
		return nil
	}
	return &web.Source{Source: "http_header", Name: string(s.HTTPHeader)}
}

// warningViews are those of the running file, the providers that cannot be reached, that the store of the limits is out, and that changes are noticed late.
func warningViews(s gateway.Status) []web.Warning {
	problems := s.Config.Warnings()
	warnings := make([]web.Warning, 0, len(problems)+2)
	for _, p := range problems {
		text := p.What
		if p.Fix != "" {
			text += "; " + p.Fix
		}
		warnings = append(warnings, web.Warning{Key: present(p.Key), Line: line(p.Line), Text: text})
	}
	if s.Keys != "" {
		const key = "server.oauth.url"
		warnings = append(warnings, web.Warning{Key: present(key), Line: line(s.Config.Line(key)), Text: s.Keys})
	}
	warnings = append(warnings, providerWarnings(s)...)
	warnings = append(warnings, limiterWarnings(s)...)
	if s.Watching != "" {
		warnings = append(warnings, web.Warning{Text: s.Watching})
	}
	return warnings
}

// groupViews are the groups in the order they come in; the one without a name is "no group".
func groupViews(counts []journal.Count) []web.Group {
	groups := make([]web.Group, 0, len(counts))
	for _, c := range counts {
		g := web.Group{
			Group:        present(c.Group),
			Requests:     c.Requests,
			Rejections:   c.Rejections,
			InputTokens:  c.InputTokens,
			OutputTokens: c.OutputTokens,
			Minutes:      make([]web.Minute, len(c.Minutes)),
		}
		for i, m := range c.Minutes {
			g.Minutes[i] = web.Minute{Requests: m.Requests, Rejections: m.Rejections, Tokens: m.Tokens}
		}
		groups = append(groups, g)
	}
	return groups
}

// rows are traces for a list, without their steps.
func rows(traces []trace.Trace) []web.Trace {
	list := make([]web.Trace, len(traces))
	for i := range traces {
		list[i] = traceView(&traces[i], false)
	}
	return list
}

// traceView is one trace; for a page of its own, with the steps in words.
func traceView(t *trace.Trace, whole bool) web.Trace {
	v := web.Trace{
		ID:           t.ID,
		Time:         moment(t.Time),
		Generation:   t.Generation,
		Method:       t.Method,
		Path:         t.Path,
		ClientID:     present(t.ClientID),
		Group:        present(t.Group),
		Model:        present(t.Model),
		Provider:     present(t.Provider),
		Fallback:     present(t.Fallback),
		Outcome:      t.Outcome.String(),
		Reason:       present(string(t.Reason)),
		ReasonWords:  t.Reason.Words(),
		Message:      present(t.Message),
		Status:       t.Status,
		DurationMS:   ms(t.Duration),
		UpstreamMS:   measured(t.Upstream),
		FirstTokenMS: measured(t.FirstToken),
		InputTokens:  counted(t.Input),
		OutputTokens: counted(t.Output),
		DecidedBy:    decisionView(t.DecidedBy),
		Would:        wouldViews(&t.Would),
	}
	if t.Remote.IsValid() {
		v.RemoteAddress = present(t.Remote.Unmap().String())
	}
	if whole {
		v.Steps = stepViews(t.Steps())
		v.NotReached = notReached(t)
	}
	return v
}

func stepViews(steps []trace.Step) []web.Step {
	views := make([]web.Step, len(steps))
	for i := range steps {
		s := &steps[i]
		views[i] = web.Step{Name: s.Name.String(), Verdict: s.Verdict.String(), Text: s.Sentence(), MS: ms(s.Took)}
	}
	return views
}

// notReached are the names of the steps that a refusal spared the request.
func notReached(t *trace.Trace) []string {
	if t.Outcome != trace.Rejected {
		return nil
	}
	next := trace.CORS
	if steps := t.Steps(); len(steps) > 0 {
		next = steps[len(steps)-1].Name + 1
	}
	var names []string
	for n := next; n <= trace.Provider; n++ {
		names = append(names, n.String())
	}
	return names
}

// decisionView is the key that a refusal goes back to. A key that the file does not say has no place in it.
func decisionView(d trace.Decision) *web.DecidedBy {
	if d.Key == "" {
		return nil
	}
	v := &web.DecidedBy{Key: d.Key}
	if d.Line > 0 {
		v.File, v.Line = present(d.File), line(d.Line)
	}
	return v
}

// reasonChoices are the reasons that a refusal can have.
func reasonChoices() []web.Choice {
	choices := make([]web.Choice, 0, len(trace.Reasons))
	for _, r := range trace.Reasons {
		choices = append(choices, web.Choice{Value: string(r), Label: r.Words()})
	}
	return choices
}

func groupChoices(names []string) []web.Choice {
	choices := make([]web.Choice, 0, len(names))
	for _, name := range names {
		choices = append(choices, web.Choice{Value: name, Label: name})
	}
	return choices
}

// example is a curl command that would get an answer; empty where nobody could get one.
func example(cfg *config.Config, model string, r *http.Request) string {
	if model == "" || !cfg.LLM.Enabled || !cfg.LLM.Protocols.OpenAI.Enabled {
		return ""
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	url := scheme + "://" + reachable(cfg.Server.ListenAddress, r) + trimSlash(string(cfg.LLM.Protocols.OpenAI.Path)) + "/v1/chat/completions"
	parts := []string{"curl " + quote(url), "-H 'Content-Type: application/json'"}
	if cfg.Server.OAuth.Enabled {
		parts = append(parts, `-H "Authorization: Bearer $TOKEN"`)
	}
	if id := cfg.Server.ClientIdentification; id.Enabled {
		if name := string(id.ClientID.HTTPHeader); name != "" {
			parts = append(parts, "-H "+quote(name+": alice"))
		}
		if name := string(id.GroupID.HTTPHeader); name != "" && len(id.Validation.GroupValues) > 0 {
			parts = append(parts, "-H "+quote(name+": "+id.Validation.GroupValues[0]))
		}
	}
	named, err := json.Marshal(model)
	if err != nil {
		return ""
	}
	parts = append(parts, "-d "+quote(`{"model":`+string(named)+`,"messages":[{"role":"user","content":"Hello"}]}`))
	return strings.Join(parts, " \\\n  ")
}

// reachable is an address that a caller can put into a command. A listener on every interface or on any
// free port does not name one; then it is the one at which this request arrived.
func reachable(listen config.Address, r *http.Request) string {
	ip, err := netip.ParseAddr(listen.Host())
	named := listen.Host() != "" && (err != nil || !ip.IsUnspecified())
	if named && listen.Port() != 0 {
		return listen.String()
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return local.String()
	}
	return listen.String()
}

// quote makes text one word for a shell.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// present is nil for an empty text.
func present(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// line is nil for a key that is not in the file.
func line(n int) *int {
	if n <= 0 {
		return nil
	}
	return &n
}

// counted is nil for a number of tokens that nobody knows.
func counted(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

// measured is nil for what did not take place.
func measured(d time.Duration) *float64 {
	if d <= 0 {
		return nil
	}
	f := ms(d)
	return &f
}

// ms is a duration in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }

// moment is a time as the admin says it: UTC, to the millisecond.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
