package upstream

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// RuleKind is what a Rule does.
type RuleKind uint8

// The kinds of rules.
const (
	Forward RuleKind = iota
	Insert
	Remove
	RenameDuplicate
)

// Rule is one thing to do to the headers of a call.
type Rule struct {
	Kind    RuleKind
	Name    string         // canonical; empty: Pattern
	Pattern *regexp.Regexp // of names, with Forward and Remove
	Default string         // sent where the caller has no such header; with Forward and RenameDuplicate
	Rename  string         // canonical
	Value   string         // with Insert
}

// Rules are applied in their order. The zero Rules do nothing.
type Rules struct {
	list  []Rule
	never func(name string) bool
}

// CompileRules makes rules ready. Never tells the headers that no rule takes from a caller or overwrites with what a caller
// says, whatever their case; nil: there are none. Those that the caller's Connection names are among them always.
func CompileRules(rules []Rule, never func(name string) bool) Rules {
	if never == nil {
		never = func(string) bool { return false }
	}
	list := slices.Clone(rules)
	for i := range list {
		list[i].Name = http.CanonicalHeaderKey(list[i].Name)
		list[i].Rename = http.CanonicalHeaderKey(list[i].Rename)
	}
	return Rules{list: list, never: never}
}

// Apply adds to out, the headers of a call, what the rules take from in, the caller's, which stays as it is. The values of
// both may share memory.
func (rules Rules) Apply(out, in http.Header) {
	for i := range rules.list {
		switch r := &rules.list[i]; r.Kind {
		case Forward:
			if r.Name == "" {
				rules.forwardMatches(out, in, r.Pattern)
			} else if values := rules.values(in, r); values != nil {
				rules.set(out, firstName(r.Rename, r.Name), values)
			}
		case Insert:
			out[r.Name] = []string{r.Value}
		case Remove:
			remove(out, r)
		case RenameDuplicate:
			if values := rules.values(in, r); values != nil {
				rules.set(out, r.Name, values)
				rules.set(out, r.Rename, values)
			}
		}
	}
}

// providerKey is a caller's key for a provider. Like all credentials it is taken by its name alone, never by a pattern.
const providerKey = "X-Provider-Api-Key"

// forwardMatches takes all headers whose names match.
func (rules Rules) forwardMatches(out, in http.Header, pattern *regexp.Regexp) {
	if pattern == nil {
		return
	}
	for name, values := range in {
		if pattern.MatchString(name) && rules.mayTake(in, name) && !strings.EqualFold(dashed(name), providerKey) {
			rules.set(out, name, values)
		}
	}
}

// values are those that a rule takes of the caller's header, or its default; nil: nothing is to be sent.
func (rules Rules) values(in http.Header, r *Rule) []string {
	if rules.never(dashed(r.Name)) {
		return nil
	}
	if values := in[r.Name]; len(values) > 0 && !HopByHop(in, r.Name) {
		return values
	}
	if r.Default != "" {
		return []string{r.Default}
	}
	return nil
}

// mayTake is whether a header of the caller's is for others than us.
func (rules Rules) mayTake(in http.Header, name string) bool {
	return !rules.never(dashed(name)) && !HopByHop(in, name)
}

// set puts values under a name, unless a caller must not decide on it. Whoever adds to them later writes to new memory.
func (rules Rules) set(out http.Header, name string, values []string) {
	if name != "" && !rules.never(dashed(name)) {
		out[name] = slices.Clip(values)
	}
}

// dashed is a name with dashes, as many servers read the one with underscores.
func dashed(name string) string { return strings.ReplaceAll(name, "_", "-") }

// HopByHop is whether the Connection of a header says that the field of that name is for the next hop alone (RFC 9110,
// section 7.6.1).
func HopByHop(h http.Header, name string) bool {
	for _, value := range h["Connection"] {
		for option := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.Trim(option, " \t"), name) {
				return true
			}
		}
	}
	return false
}

// remove takes headers out again, those of earlier rules among them.
func remove(out http.Header, r *Rule) {
	if r.Name != "" {
		delete(out, r.Name)
		return
	}
	if r.Pattern == nil {
		return
	}
	for name := range out {
		if r.Pattern.MatchString(name) {
			delete(out, name)
		}
	}
}

func firstName(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
