package identity

import (
	"slices"
	"strings"

	"nexus/config"
	"nexus/gateway/trace"
)

// maxGuesses is how many entries of a list are held against the groups for a near miss.
const maxGuesses = 64

// claimed is the claim that the source names, or nil where there is none.
func (s *source) claimed(ev Evidence) *node {
	if s.claim == "" {
		return nil
	}
	return ev.Claims.find(s.claim)
}

// findClaim gives the text of the source's claim, or "" where there is none, and notes the step. trusted_sources are not
// asked: the issuer has signed what the token says, whoever brings it.
func (s *source) findClaim(ev Evidence, tr *trace.Trace) (string, *Refusal) {
	claim := s.claimed(ev)
	if claim == nil {
		s.noteNoClaim(trace.Absent, ev.Claims, tr)
		return "", nil
	}
	if !claim.scalar() {
		s.fail(tr, trace.WrongKind).Detail = kindWords[claim.kind]
		if s.step == trace.ClientID {
			return "", s.missing
		}
		return "", s.invalid
	}
	value := trimmed(claim.text)
	if value == "" {
		s.noteNoClaim(trace.Empty, ev.Claims, tr)
		return "", nil
	}
	if finding := examineText(value); finding != trace.Found {
		s.fail(tr, finding)
		return "", s.invalid
	}
	s.note(tr, trace.Passed, trace.Found).Value = value
	return value, nil
}

// noteNoClaim notes that the claim says nothing, with what the token has instead: for a group too, since a path with a slip
// in it would leave every caller without one.
func (s *source) noteNoClaim(finding trace.Finding, claims *Claims, tr *trace.Trace) {
	verdict := trace.Passed
	if s.step == trace.ClientID {
		verdict = trace.Failed
	}
	step, around := s.note(tr, verdict, finding), claims.around(s.claim)
	step.Near = around.names
	if finding == trace.Absent {
		step.Detail = around.nearest
	}
}

// findListed looks for the group in a claim that is a list: the first entry that is a configured group. A list without
// any is refused, also an empty one: to call that "no group" would let callers past the list of groups.
func (id *Identifier) findListed(claim *node, tr *trace.Trace) (string, *Refusal) {
	found := -1
	for i := range claim.nodes {
		entry := &claim.nodes[i]
		if !entry.scalar() {
			id.group.fail(tr, trace.WrongKind).Detail = "a list that holds " + kindWords[entry.kind]
			return "", id.group.invalid
		}
		if found < 0 {
			found = slices.Index(id.groups, strings.TrimSpace(entry.text))
		}
	}
	if found >= 0 {
		id.group.note(tr, trace.Passed, trace.Found).Value = id.groups[found]
		step := tr.Note(trace.GroupValidation, trace.Passed, trace.Found)
		step.Value, step.Near = id.groups[found], id.groups
		return id.groups[found], nil
	}
	all := claim.joined()
	id.group.note(tr, trace.Passed, trace.Found).Value = all
	step := tr.Note(trace.GroupValidation, trace.Failed, trace.NoneAllowed)
	step.Value, step.Near = all, id.groups
	for i := range claim.nodes[:min(len(claim.nodes), maxGuesses)] {
		if step.Detail == "" {
			step.Detail = config.Nearest(strings.TrimSpace(claim.nodes[i].text), id.groups)
		}
	}
	return "", id.groupUnlisted
}

// joined is the texts of a list for the trace, as many as a group's value has room for.
func (n *node) joined() string {
	var b strings.Builder
	for i := range n.nodes {
		if b.Len() > maxValue {
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strings.Map(printable, strings.TrimSpace(n.nodes[i].text)))
	}
	return cut(b.String(), maxValue)
}
