// Package identity knows who is calling and how we know. An [Identifier] is compiled once from the
// configuration and then only read; it looks at the [Evidence] that a caller shows, notes every step
// in the trace, and gives a [Client] or a [*Refusal]. A passing look allocates nothing, a failing one
// may. It knows nothing of status codes or of how a refusal is told.
package identity

import (
	"net/http"
	"net/netip"
	"slices"

	"nexus/config"
	"nexus/gateway/trace"
)

// Evidence is what a caller shows us, wherever it comes from.
type Evidence struct {
	// Header are the request's headers, with canonical names.
	Header http.Header
	// Peer is the other end of the socket, never an address that a header says.
	Peer netip.Addr
}

// Client is who calls. The zero Client is nobody in particular: identification is off.
type Client struct {
	ID    string
	Group string // one of the configured groups, unless it came with a Refusal; empty: none
}

// Refusal is why a caller could not be identified. Refusals are made when the Identifier is compiled and shared by
// every request that meets them.
type Refusal struct {
	Reason trace.Reason
	// Key is the configuration key that decided.
	Key string
}

func (r *Refusal) Error() string { return "identify the caller: " + r.Reason.Words() }

// Identifier finds the client id and the group of a request. The zero Identifier identifies nobody and refuses nobody.
type Identifier struct {
	enabled bool
	client  source
	group   source
	groups  []string
	trusted []netip.Prefix

	groupUnlisted *Refusal
}

const keys = "server.client_identification."

// Compile makes the Identifier that the configuration asks for. Groups are compared exactly.
func Compile(cfg *config.ClientIdentification) *Identifier {
	if !cfg.Enabled {
		return &Identifier{}
	}
	return &Identifier{
		enabled:       true,
		client:        compileSource(trace.ClientID, cfg.ClientID, keys+"client_id", trace.ClientIDInvalid),
		group:         compileSource(trace.Group, cfg.GroupID, keys+"group_id", trace.GroupInvalid),
		groups:        slices.Clone(cfg.Validation.GroupValues),
		trusted:       slices.Clone(cfg.TrustedSources),
		groupUnlisted: &Refusal{Reason: trace.GroupInvalid, Key: keys + "validation.group_values"},
	}
}

// Identify says who shows this evidence, and notes the steps it took: client_id, group, group_validation, up to
// the one that failed. The error is a [*Refusal]; the Client then holds what was found so far.
func (id *Identifier) Identify(ev Evidence, tr *trace.Trace) (Client, error) {
	if !id.enabled {
		tr.Note(trace.ClientID, trace.Skipped, trace.NotConfigured)
		tr.Note(trace.Group, trace.Skipped, trace.NotConfigured)
		tr.Note(trace.GroupValidation, trace.Skipped, trace.NotConfigured)
		return Client{}, nil
	}
	client, refusal := id.client.find(ev, id.trusted, tr)
	if refusal != nil {
		return Client{}, refusal
	}
	if client == "" {
		return Client{}, id.client.missing
	}
	group, refusal := id.findGroup(ev, tr)
	if refusal != nil {
		return Client{ID: client, Group: group}, refusal
	}
	return Client{ID: client, Group: group}, nil
}

// findGroup looks for the group and holds it against the list. No group at all is fine.
func (id *Identifier) findGroup(ev Evidence, tr *trace.Trace) (string, *Refusal) {
	if id.group.header == "" {
		tr.Note(trace.Group, trace.Skipped, trace.NotConfigured)
		tr.Note(trace.GroupValidation, trace.Skipped, trace.NotConfigured)
		return "", nil
	}
	group, refusal := id.group.find(ev, id.trusted, tr)
	if refusal != nil {
		return "", refusal
	}
	if group == "" {
		tr.Note(trace.GroupValidation, trace.Skipped, trace.NoGroup)
		return "", nil
	}
	// The configured string stands in for the caller's from here on: it belongs to the plan.
	if i := slices.Index(id.groups, group); i >= 0 {
		step := tr.Note(trace.GroupValidation, trace.Passed, trace.Found)
		step.Value, step.Near = id.groups[i], id.groups
		return id.groups[i], nil
	}
	step := tr.Note(trace.GroupValidation, trace.Failed, trace.NotAllowed)
	step.Value, step.Near = group, id.groups
	step.Detail = config.Nearest(group, id.groups)
	return group, id.groupUnlisted
}
