package identity

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"nexus/config"
	"nexus/gateway/trace"
)

// maxValue is the longest client id or group, in bytes.
const maxValue = 256

// maxNames is how many of a request's header names, or of the ids of the keys, a failed step remembers.
const maxNames = 20

// source is one place where an identity is found, with the refusals that it can lead to.
type source struct {
	step   trace.Name
	name   string // the header or claim as the file spells it, for the trace
	header string // in canonical form; empty: not a header
	claim  string // a path; empty: not a claim
	// certificate is one more than the index of a field; 0: not a certificate.
	certificate int

	missing, invalid, untrusted *Refusal
}

func compileSource(step trace.Name, cfg config.Source, key string, invalid trace.Reason) source {
	s := source{step: step}
	if cfg.JWTClaim != "" {
		s.name, s.claim, key = string(cfg.JWTClaim), string(cfg.JWTClaim), key+".jwt_claim"
	} else {
		s.name, s.header, key = string(cfg.HTTPHeader), cfg.HTTPHeader.Canonical(), key+".http_header"
	}
	s.missing = &Refusal{Reason: trace.ClientIDMissing, Key: key}
	s.invalid = &Refusal{Reason: invalid, Key: key}
	s.untrusted = &Refusal{Reason: trace.ClientIDUntrusted, Key: keys + "trusted_sources"}
	return s
}

func compileClientSource(cfg config.ClientSource) source {
	s := compileSource(trace.ClientID, config.Source{JWTClaim: cfg.JWTClaim, HTTPHeader: cfg.HTTPHeader}, keys+"client_id", trace.ClientIDInvalid)
	if field := slices.Index(fields[:], cfg.ClientCertificate); field >= 0 {
		const key = keys + "client_id.client_certificate"
		s.name, s.certificate = string(cfg.ClientCertificate), field+1
		s.missing, s.invalid = &Refusal{Reason: trace.ClientIDMissing, Key: key}, &Refusal{Reason: trace.ClientIDInvalid, Key: key}
	}
	return s
}

func (s *source) configured() bool { return s.name != "" }

// find gives the value of the source, or "" where there is none, and notes the step. A list is looked at before.
func (s *source) find(ev Evidence, trusted []netip.Prefix, tr *trace.Trace) (string, *Refusal) {
	switch {
	case s.claim != "":
		return s.findClaim(ev, tr)
	case s.certificate > 0:
		return s.findCertified(ev.Proof, tr)
	}
	values := ev.Header[s.header]
	value := ""
	if len(values) > 0 {
		value = trimmed(values[0])
	}
	switch {
	case len(values) == 0:
		s.noteNone(trace.Absent, ev, tr)
		return "", nil
	case len(values) == 1 && value == "":
		s.noteNone(trace.Empty, ev, tr)
		return "", nil
	}
	if !believed(ev.Peer, trusted) {
		s.fail(tr, trace.Untrusted).Detail = ev.Peer.String()
		return "", s.untrusted
	}
	if finding := examine(values, value); finding != trace.Found {
		s.fail(tr, finding)
		return "", s.invalid
	}
	s.note(tr, trace.Passed, trace.Found).Value = value
	return value, nil
}

// trimmed cuts surrounding white space. What is cut goes: a short id must not keep a long header in memory for as
// long as its trace is.
func trimmed(value string) string {
	if cut := strings.TrimSpace(value); len(cut) < len(value) {
		return strings.Clone(cut[:min(len(cut), maxValue+1)])
	}
	return value
}

// examine tells what speaks against a value. A repeated header is refused also where its values are
// equal: whoever stands in front of us may have believed another one than we would.
func examine(values []string, value string) trace.Finding {
	if len(values) > 1 {
		return trace.Repeated
	}
	return examineText(value)
}

// examineText tells what speaks against a text as a client id or a group.
func examineText(value string) trace.Finding {
	switch {
	case len(value) > maxValue:
		return trace.TooLong
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		return trace.Unprintable
	}
	return trace.Found
}

// believed is whether identity headers of this peer count. The list is empty where every peer is believed.
func believed(peer netip.Addr, trusted []netip.Prefix) bool {
	if len(trusted) == 0 {
		return true
	}
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(peer) })
}

func (s *source) fail(tr *trace.Trace, finding trace.Finding) *trace.Step {
	return s.note(tr, trace.Failed, finding)
}

// note notes what the step of this source came upon.
func (s *source) note(tr *trace.Trace, verdict trace.Verdict, finding trace.Finding) *trace.Step {
	step := tr.Note(s.step, verdict, finding)
	step.Source, step.Key = trace.Header, s.name
	switch {
	case s.claim != "":
		step.Source = trace.Claim
	case s.certificate > 0:
		step.Source = trace.Certificate
	}
	return step
}

// noteNone notes that the header says nothing. For a client id that is the end, so the names of what is there
// are kept with it; a group may be missing.
func (s *source) noteNone(finding trace.Finding, ev Evidence, tr *trace.Trace) {
	if s.step != trace.ClientID {
		s.note(tr, trace.Passed, finding)
		return
	}
	step := s.fail(tr, finding)
	step.Near = headerNames(ev)
	if finding == trace.Absent {
		step.Detail = config.Nearest(s.header, step.Near)
	}
}

// common is whether a header is on every other request and no place for an identity.
func common(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Language", "Connection", "Content-Length", "Content-Type", "User-Agent", "X-Request-Id":
		return true
	}
	return false
}

// headerNames are the names of the request's uncommon headers, sorted, as many and as long as a sentence can bear.
func headerNames(ev Evidence) []string {
	names := make([]string, 0, maxNames)
	for _, name := range slices.Sorted(maps.Keys(ev.Header)) {
		if len(names) == maxNames {
			break
		}
		if len(name) <= 64 && !common(name) {
			names = append(names, name)
		}
	}
	return names
}
