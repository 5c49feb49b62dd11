package config

import (
	"net/textproto"
	"slices"
	"strings"
)

// HeaderRule is one entry of an array headers, of a provider or a model: one thing that is done to the headers of a call.
type HeaderRule struct {
	// Rule is what is done. Needed.
	Rule HeaderRuleKind `toml:"rule"`
	// Name is the header that the rule is about, in any case (RFC 9110, section 5.1). Empty: those of Pattern.
	Name string `toml:"name"`
	// Pattern stands for all headers whose names it matches anywhere, in any case; with forward and remove, in the place of
	// Name.
	Pattern Pattern `toml:"pattern"`
	// Default is what is sent where the caller has no such header; with forward and rename_duplicate, and Name. Empty: nothing.
	Default string `toml:"default"`
	// Rename is the name that is sent instead (forward, with Name), or as well (rename_duplicate, which needs it). Empty:
	// the name stays.
	Rename string `toml:"rename"`
	// Value is what insert sends, and needs. It is masked wherever it would show.
	Value Secret `toml:"value"`
}

// HeaderRuleKind is what a [HeaderRule] does.
type HeaderRuleKind string

// The kinds of header rules: to pass a caller's header on, to send one of our own, to take one out of what is sent so
// far, and to pass one on under two names.
const (
	RuleForward         HeaderRuleKind = "forward"
	RuleInsert          HeaderRuleKind = "insert"
	RuleRemove          HeaderRuleKind = "remove"
	RuleRenameDuplicate HeaderRuleKind = "rename_duplicate"
)

// ruleKinds are the kinds of header rules that exist.
var ruleKinds = []string{string(RuleForward), string(RuleInsert), string(RuleRemove), string(RuleRenameDuplicate)}

func (k *HeaderRuleKind) example() string { return `"forward"` }

func (k *HeaderRuleKind) parse(text string) *mistake {
	m := oneOf(text, ruleKinds, "is not a header rule")
	if m == nil {
		*k = HeaderRuleKind(text)
	}
	return m
}

// hopByHop are the headers of one connection (RFC 9110, section 7.6.1), as net/http spells them.
var hopByHop = []string{
	"Connection", "Expect", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

// NeverForwarded reports whether a header of this name, in any case, goes from a caller to no provider, whatever a rule
// says, nor is sent under such a name: it is the caller's credential for Nexus, or about the caller's exchange with Nexus
// alone. A name with underscores counts like the one with dashes, which many servers take it for.
func NeverForwarded(name string) bool {
	name = dashed(name)
	switch name {
	case "Authorization", "Host", "Origin", "Content-Length", "Content-Type", "Content-Encoding":
		return true
	}
	return strings.HasPrefix(name, "Accept") || slices.Contains(hopByHop, name)
}

// breaksMessage reports whether a header of this name, in any case, is written by the transport alone: another one would
// contradict it.
func breaksMessage(name string) bool {
	name = dashed(name)
	switch name {
	case "Host", "Content-Length", "Content-Type", "Content-Encoding", "Accept-Encoding":
		return true
	}
	return slices.Contains(hopByHop, name)
}

// dashed is a name as net/http spells it, with dashes for underscores.
func dashed(name string) string {
	return textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
}
