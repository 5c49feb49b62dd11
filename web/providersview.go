package web

import "time"

// Providers is who answers, in file order: GET /admin/api/providers.
type Providers struct {
	Providers []Provider `json:"providers"`
}

// Provider is one provider of the running configuration.
type Provider struct {
	Name         string     `json:"name"`
	Type         string     `json:"type"`
	Reachable    *bool      `json:"reachable"` // nil: nothing was tried yet
	Models       []string   `json:"models"`    // those that it listed; never nil in the JSON
	LastError    *string    `json:"last_error"`
	LastErrorAt  *time.Time `json:"last_error_at"`
	LatencyMS    *float64   `json:"latency_ms"`    // to the head of an answer, smoothed
	DiscoveredAt *time.Time `json:"discovered_at"` // nil: it has never listed its models

	// MoreModels is how many names the page leaves out at the end of Models. Not part of the JSON.
	MoreModels int `json:"-"`
	// BuiltIn is set for a provider that is part of Nexus and needs no network. Not part of the JSON.
	BuiltIn bool `json:"-"`
}

// ProvidersPage is /admin/providers.
type ProvidersPage struct {
	Frame     Frame
	Providers []Provider
	Now       time.Time
}

// reachability is whether a provider can be reached, as the page says it.
func reachability(p Provider) outcome {
	switch {
	case p.Reachable == nil && p.BuiltIn:
		return outcome{"Ready", "good"}
	case p.Reachable == nil:
		return outcome{"Not tried yet", "idle"}
	case *p.Reachable:
		return outcome{"Reachable", "good"}
	default:
		return outcome{"Not reachable", "broken"}
	}
}

// failing says whether the last error of a provider is what keeps callers from their answers now.
func failing(p Provider) bool { return p.Reachable != nil && !*p.Reachable }

// listed counts all models that a provider has listed, those that the page leaves out included.
func listed(p Provider) int { return len(p.Models) + p.MoreModels }
