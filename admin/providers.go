package admin

import (
	"net/http"
	"time"

	"nexus/config"
	"nexus/gateway"
	"nexus/web"
)

// modelNames is how many models of one provider the page names; the JSON twin has all.
const modelNames = 1000

// providers is the page of those who answer: whether they can be reached, and what they have.
func (v *visit) providers() {
	list := providerViews(v.status.Providers)
	for i := range list {
		if p := &list[i]; len(p.Models) > modelNames {
			p.Models, p.MoreModels = p.Models[:modelNames], len(p.Models)-modelNames
		}
	}
	v.page(http.StatusOK, web.ProvidersView(web.ProvidersPage{
		Frame:     v.frame("providers", "Providers"),
		Providers: list,
		Now:       time.Now(),
	}))
}

func (v *visit) apiProviders() {
	v.json(http.StatusOK, web.Providers{Providers: providerViews(v.status.Providers)})
}

// providerViews are the providers in the order they come in.
func providerViews(list []gateway.ProviderStatus) []web.Provider {
	views := make([]web.Provider, len(list))
	for i := range list {
		p := &list[i]
		views[i] = web.Provider{
			Name:         p.Name,
			Type:         p.Type,
			Reachable:    p.Reachable,
			Models:       p.Models,
			LastError:    present(p.LastError),
			LastErrorAt:  happened(p.LastErrorAt),
			LatencyMS:    measured(p.Latency),
			DiscoveredAt: happened(p.DiscoveredAt),
			BuiltIn:      p.Type == string(config.ProviderDemo),
		}
		if p.Models == nil {
			views[i].Models = []string{} // none is a list, too
		}
	}
	return views
}

// providerWarnings are the providers that cannot be reached: callers of theirs are answered 502.
func providerWarnings(s gateway.Status) []web.Warning {
	var warnings []web.Warning
	for i := range s.Providers {
		p := &s.Providers[i]
		if p.Reachable == nil || *p.Reachable {
			continue
		}
		text := "the provider cannot be reached"
		if p.LastError != "" {
			text += ": " + p.LastError
		}
		key := config.JoinKey("llm", "providers", p.Name)
		warnings = append(warnings, web.Warning{Key: present(key), Line: line(s.Config.Line(key)), Text: text, Provider: true})
	}
	return warnings
}

// happened is nil for what never did.
func happened(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = moment(t)
	return &t
}
