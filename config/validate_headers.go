package config

import (
	"fmt"
	"slices"
	"strings"
)

const (
	maxRules       = 100
	maxHeaderValue = 8192
)

// ruleKeys are the keys that a rule of each kind may have, beside the kind itself.
var ruleKeys = map[HeaderRuleKind][]string{
	RuleForward:         {"name", "pattern", "default", "rename"},
	RuleInsert:          {"name", "value"},
	RuleRemove:          {"name", "pattern"},
	RuleRenameDuplicate: {"name", "default", "rename"},
}

func (r *reading) checkHeaders(key string, rules []HeaderRule) {
	if len(rules) > maxRules {
		r.fail(key, fmt.Sprintf("has %d rules, and 100 are the most", len(rules)), "take some out; a pattern stands for many headers")
		return
	}
	for i, rule := range rules {
		at := element(key, i)
		switch {
		case rule.Rule != "":
			r.checkRuleKeys(at, rule)
			r.checkRuleSubject(at, rule)
			r.checkRuleName(at, rule)
			r.checkRuleRename(at, rule)
			r.checkRuleTexts(at, rule)
		case r.sound(at) && r.sound(at+".rule"):
			r.fail(at+".rule", "is missing: nothing says what the rule does", `write rule = "forward", "insert", "remove" or "rename_duplicate"`)
		}
	}
}

// checkRuleKeys refuses keys that would do nothing.
func (r *reading) checkRuleKeys(at string, h HeaderRule) {
	for _, name := range []string{"pattern", "default", "rename", "value"} {
		key := join(at, name)
		switch {
		case !r.says(key):
		case !slices.Contains(ruleKeys[h.Rule], name):
			fix := map[string]string{"pattern": "write name instead", "value": `take it out, or write rule = "insert"`}[name]
			if fix == "" {
				fix = "take it out"
			}
			r.fail(key, fmt.Sprintf("has no use with rule = %q", h.Rule), fix)
		case (name == "default" || name == "rename") && r.says(at+".pattern"):
			r.fail(key, "has no use beside pattern, which can stand for many headers", "take it out, or write name instead of pattern")
		}
	}
}

// checkRuleSubject wants the header that a rule is about, and a value for insert.
func (r *reading) checkRuleSubject(at string, h HeaderRule) {
	const example = `write name = "X-Trace-ID"`
	mayMatch := slices.Contains(ruleKeys[h.Rule], "pattern")
	_, matches := r.at[at+".pattern"]
	_, named := r.at[at+".name"]
	switch {
	case mayMatch && matches && named:
		r.fail(at+".pattern", "stands beside name, and a rule is about one of the two", "take one of them out")
	case h.Name != "" || !r.sound(at+".name") || mayMatch && matches:
	case mayMatch:
		r.fail(at+".name", "is missing or empty, and so is pattern: the rule is about no header", example+`, or pattern = "^X-Debug-"`)
	case !r.broken[at+".pattern"]: // else it is told there
		r.fail(at+".name", "is missing or empty: the rule is about no header", example)
	}
	if h.Rule == RuleInsert && !h.Value.IsSet() && r.sound(at+".value") {
		r.fail(at+".value", "is missing or empty, but it is what is sent", `write it, such as value = "{{ env.NAME }}"`)
	}
}

// checkRuleName looks at the name of the header that a rule is about.
func (r *reading) checkRuleName(at string, h HeaderRule) {
	key := at + ".name"
	if !r.checkHeaderName(key, h.Name) {
		return
	}
	switch shown := r.show(key, h.Name); {
	case h.Rule == RuleInsert:
		r.checkSendable(key, h.Name)
	case h.Rule == RuleRemove || !NeverForwarded(h.Name):
	case dashed(h.Name) == "Authorization":
		r.fail(key, shown+" is never forwarded: it is the caller's credential for Nexus",
			"take the rule out; the provider gets api_key, or with forward_token = true the caller's X-Provider-API-Key")
	default:
		r.fail(key, shown+" is never forwarded: it is about the caller's exchange with Nexus alone", "take the rule out")
	}
}

func (r *reading) checkRuleRename(at string, h HeaderRule) {
	key := at + ".rename"
	if h.Rule != RuleForward && h.Rule != RuleRenameDuplicate || !r.sound(key) {
		return
	}
	switch {
	case h.Rename == "" && h.Rule == RuleRenameDuplicate:
		r.fail(key, "is missing or empty, but it is the name that is sent as well", `write one, such as rename = "X-Request-Trace"`)
	case h.Rename == "" || !r.checkHeaderName(key, h.Rename):
	case h.Rule == RuleRenameDuplicate && strings.EqualFold(h.Rename, h.Name):
		r.fail(key, "is the same as name, and sends nothing as well", "write another name")
	case NeverForwarded(h.Rename) && !breaksMessage(h.Rename):
		r.fail(key, r.show(key, h.Rename)+" is a name under which nothing of a caller's is sent", `take the rule out; rule = "insert" sends a value of your own under it`)
	default:
		r.checkSendable(key, h.Rename)
	}
}

// checkHeaderName reports whether text can be a header's name, and is one.
func (r *reading) checkHeaderName(key, text string) bool {
	var name HeaderName
	if text == "" || !r.sound(key) {
		return false
	}
	if m := name.parse(text); m != nil {
		what, fix := m.describe(text, !r.hidden[key])
		r.fail(key, what, fix)
		return false
	}
	return true
}

// checkSendable refuses a name that a rule may not send.
func (r *reading) checkSendable(key, name string) {
	if breaksMessage(name) {
		r.fail(key, r.show(key, name)+" belongs to the connection or to the body: a rule that sends it would break the message", "take the rule out")
	}
}

// checkRuleTexts looks at what is sent as it is written.
func (r *reading) checkRuleTexts(at string, h HeaderRule) {
	value := at + ".value"
	if r.sound(value) && len(h.Value.Reveal()) > maxHeaderValue {
		r.fail(value, "is longer than 8192 bytes", "write a shorter one")
	}
	key := at + ".default"
	switch {
	case !r.sound(key):
	case len(h.Default) > maxHeaderValue:
		r.fail(key, "is longer than 8192 bytes", "write a shorter one")
	case strings.ContainsFunc(h.Default, isControl):
		r.fail(key, "has a line break or another control character, which no header can carry", "leave it out")
	case strings.TrimSpace(h.Default) != h.Default:
		r.fail(key, "begins or ends with a space, which no header can carry", "leave it out")
	}
}
