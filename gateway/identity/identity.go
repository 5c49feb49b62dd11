// Package identity knows who is calling and how we know. A [Verifier] holds the bearer token of a request against the
// issuer's keys and the rules of the configuration, in one function and in a fixed order, and remembers what it found.
// An [Identifier] is compiled once from the configuration and then only read; it looks at the [Evidence] that a caller
// shows, a header or a claim of the verified token, and gives a [Client]. Both note every step in the trace, and refuse
// with a [*Refusal]. A passing look allocates nothing unless a token is seen for the first time; a failing one may. The
// package knows nothing of status codes or of how a refusal is told, and no trace or error of it repeats a token.
package identity

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"nexus/config"
	"nexus/gateway/trace"
)

// Evidence is what a caller shows us, wherever it comes from.
type Evidence struct {
	// Header are the request's headers, with canonical names.
	Header http.Header
	// Peer is the other end of the socket, never an address that a header says.
	Peer netip.Addr
	// Claims are those of the request's verified token; nil where no token is asked for.
	Claims *Claims
	// Proof is what came of the certificate that the connection showed; nil where there is none.
	Proof *Proof
}

// Client is who calls. The zero Client is nobody in particular: identification is off.
type Client struct {
	ID    string
	Group string // one of the configured groups, unless it came with a Refusal; empty: none
}

// Refusal is why a caller could not be identified. Refusals are shared by every request that meets them, and only read.
type Refusal struct {
	Reason trace.Reason
	// Key is the configuration key that decided.
	Key string
	// Fault is what a caller without a valid token may be told. The zero Fault belongs to identification.
	Fault Fault
	// RetryAfter is when keys may be there, with [NoKeys]; 0: not known.
	RetryAfter time.Duration
}

// Fault is what is wrong with a token, as far as its sender may know.
type Fault uint8

// The faults of a token. Whatever would help a forger is [NotAccepted].
const (
	NoFault     Fault = iota
	NoToken           // nothing was sent
	NoScheme          // what was sent is not Bearer and a token
	NotAToken         // it is no JWT
	NotAccepted       // it is a JWT, and not one that is accepted
	HasExpired        // its signature holds, and it has expired
	NoKeys            // nobody can tell: there is no key set
)

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
		client:        compileClientSource(cfg.ClientID),
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
	if !id.group.configured() {
		tr.Note(trace.Group, trace.Skipped, trace.NotConfigured)
		tr.Note(trace.GroupValidation, trace.Skipped, trace.NotConfigured)
		return "", nil
	}
	if claim := id.group.claimed(ev); claim != nil && claim.kind == list {
		return id.findListed(claim, tr)
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
