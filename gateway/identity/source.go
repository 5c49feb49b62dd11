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

// maxNames is how many of a request's header names a failed step remembers.
const maxNames = 20

// source is one place where an identity is found, with the refusals that it can lead to.
type source struct {
	step   trace.Name
	name   string // the header as the file spells it, for the trace
	header string // in canonical form; empty: not configured

	missing, invalid, untrusted *Refusal
}

func compileSource(step trace.Name, cfg config.Source, key string, invalid trace.Reason) source {
	key += ".http_header"
	return source{
		step:      step,
		name:      string(cfg.HTTPHeader),
		header:    cfg.HTTPHeader.Canonical(),
		missing:   &Refusal{Reason: trace.ClientIDMissing, Key: key},
		invalid:   &Refusal{Reason: invalid, Key: key},
		untrusted: &Refusal{Reason: trace.ClientIDUntrusted, Key: keys + "trusted_sources"},
	}
}

// find gives the value of the source, or "" where there is none, and notes the step.
func (s *source) find(ev Evidence, trusted []netip.Prefix, tr *trace.Trace) (string, *Refusal) {
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
	step := tr.Note(s.step, trace.Passed, trace.Found)
	step.Source, step.Key, step.Value = trace.Header, s.name, value
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
	switch {
	case len(values) > 1:
		return trace.Repeated
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
	step := tr.Note(s.step, trace.Failed, finding)
	step.Source, step.Key = trace.Header, s.name
	return step
}

// noteNone notes that the header says nothing. For a client id that is the end, so the names of what is there
// are kept with it; a group may be missing.
func (s *source) noteNone(finding trace.Finding, ev Evidence, tr *trace.Trace) {
	if s.step != trace.ClientID {
		step := tr.Note(s.step, trace.Passed, finding)
		step.Source, step.Key = trace.Header, s.name
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
