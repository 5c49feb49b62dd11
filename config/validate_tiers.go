package config

import (
	"fmt"
	"iter"
	"strings"
)

// tier is one table of limits of each client id: what everyone has, and which groups have something of their own.
type tier struct {
	key string
	// One of the two.
	requests *UserLimit
	tokens   *TokenLimit
}

// tiers are the tables that hold, in the order of the reference.
func (r *reading) tiers() iter.Seq[tier] {
	return func(yield func(tier) bool) {
		limits := &r.cfg.Server.RateLimits
		if limits.Enabled && !yield(tier{key: rateLimits + ".per_user", requests: &limits.PerUser}) {
			return
		}
		for name, p := range r.cfg.LLM.Providers.All() {
			key := join("llm.providers", name)
			if p.RateLimits.some() && !yield(tier{key: key + ".rate_limits.per_user", tokens: &p.RateLimits.PerUser}) {
				return
			}
			for model, m := range p.Models.All() {
				if m.RateLimits.some() && !yield(tier{key: join(key+".models", model) + ".rate_limits.per_user", tokens: &m.RateLimits.PerUser}) {
					return
				}
			}
		}
	}
}

// everyone is the limit of callers whose group has none of its own, in words; empty: there is none.
func (t tier) everyone() string {
	if t.requests != nil {
		return t.requests.words()
	}
	return t.tokens.Budget().words()
}

// groups are the names of the groups that have a limit of their own.
func (t tier) groups() iter.Seq[string] {
	return func(yield func(string) bool) {
		if t.requests != nil {
			for name := range t.requests.Groups.All() {
				if !yield(name) {
					return
				}
			}
			return
		}
		for name := range t.tokens.Groups.All() {
			if !yield(name) {
				return
			}
		}
	}
}

// some reports whether anybody has a limit.
func (t tier) some() bool { return t.hasGroups() || t.everyone() != "" }

func (t tier) hasGroups() bool {
	for range t.groups() {
		return true
	}
	return false
}

func (l *UserLimit) words() string {
	var all []string
	if l.Limit > 0 {
		all = append(all, RequestLimit{l.Limit, l.Interval}.words())
	}
	if l.Concurrent > 0 {
		all = append(all, fmt.Sprintf("%d requests at once", l.Concurrent))
	}
	return strings.Join(all, " and ")
}

func (l RequestLimit) words() string { return fmt.Sprintf("%d requests in %s", l.Limit, l.Interval) }

func (b TokenBudget) words() string {
	var all []string
	for _, of := range []struct {
		n    int64
		kind string
	}{{b.Input, "input"}, {b.Output, "output"}, {b.Total, "total"}} {
		if of.n > 0 {
			all = append(all, fmt.Sprintf("%d %s tokens", of.n, of.kind))
		}
	}
	if len(all) == 0 {
		return ""
	}
	words := strings.Join(all, ", ") + " in " + b.Interval.String()
	if !b.Enforced() {
		words += " (only measured)"
	}
	return words
}

// checkTiers holds the limits against what is known of the callers.
func (r *reading) checkTiers() {
	id := r.cfg.Server.ClientIdentification
	if !id.Enabled && !r.within[identification] {
		r.checkNobody()
		return
	}
	if !id.GroupID.isSet() {
		r.checkNoGroups()
		return
	}
	if !r.sound(groupValues) || !r.sound(groupID) {
		return
	}
	named := map[string]bool{}
	for _, value := range id.Validation.GroupValues {
		named[value] = false
	}
	for t := range r.tiers() {
		for name := range t.groups() {
			if _, exists := named[name]; exists {
				named[name] = true
			} else {
				r.failGroup(join(t.key+".groups", name), name)
			}
		}
	}
	if r.limitsAreSound() {
		r.warnGroups(named)
	}
	r.checkSwitch()
}

// limitsAreSound reports whether no limit has a mistake, so that it is certain who has which.
func (r *reading) limitsAreSound() bool {
	if r.within[rateLimits] {
		return false
	}
	for name, p := range r.cfg.LLM.Providers.All() {
		key := join("llm.providers", name)
		if r.within[key+".rate_limits"] {
			return false
		}
		for model := range p.Models.All() {
			if r.within[join(key+".models", model)+".rate_limits"] {
				return false
			}
		}
	}
	return true
}

// checkNobody refuses limits of each client id where there are none. One message is enough: one remedy is.
func (r *reading) checkNobody() {
	for t := range r.tiers() {
		if !t.some() {
			continue
		}
		fix := "add [" + identification + `] with client_id.http_header = "x-client-id", or, with [server.oauth], client_id.jwt_claim = "sub"`
		if r.said(identification + ".enabled") {
			fix = "write enabled = true " + placeOf(identification) + ", or take out the limits of each client id"
		}
		r.fail(t.key, "limits each client id, but nobody is identified", fix)
		return
	}
	r.checkSwitch()
}

// checkNoGroups refuses limits of groups where callers are in none.
func (r *reading) checkNoGroups() {
	if !r.sound(groupID) {
		return
	}
	for t := range r.tiers() {
		if t.hasGroups() {
			r.fail(t.key+".groups", "limits groups, but nothing says which group a caller is in",
				`write group_id.http_header = "x-user-tier", or group_id.jwt_claim = "plan", `+placeOf(identification)+", and validation.group_values")
			return
		}
	}
	r.checkSwitch()
}

// failGroup refuses a limit of a group that does not exist.
func (r *reading) failGroup(key, name string) {
	var shown []string // what came from the environment is not
	values := r.cfg.Server.ClientIdentification.Validation.GroupValues
	if len(r.problems) >= maxGuesses {
		values = nil
	}
	for i, value := range values {
		if !r.hidden[element(groupValues, i)] {
			shown = append(shown, value)
		}
		if len(shown) == mostGuesses {
			break
		}
	}
	fix := "add it to group_values, or name a group that is in it"
	if guess := Nearest(name, shown); guess != "" {
		fix = fmt.Sprintf("did you mean %s?", quote(guess))
	}
	r.fail(key, "group "+quote(name)+" is not in group_values", fix)
}

// shownTiers is how many of the limits that a group falls back to are told.
const shownTiers = 3

// warnGroups tells of the groups that no limit names, and which limits they have instead.
func (r *reading) warnGroups(named map[string]bool) {
	has, at := r.fallback()
	if has == "" {
		return // nobody has any
	}
	for i, value := range r.cfg.Server.ClientIdentification.Validation.GroupValues {
		if key := element(groupValues, i); !named[value] {
			r.warn(key, "group "+r.show(key, value)+" is named by no limit"+has, "name it "+placeOf(at+".groups")+", or leave it if that is meant")
		}
	}
}

// fallback is what holds for groups that no limit names, in words, and a table that could name them. Empty: there is no
// limit at all.
func (r *reading) fallback() (has, at string) {
	var all []string
	some, more := false, 0
	for t := range r.tiers() {
		if at == "" && t.some() {
			at = maskUserinfo(t.key)
		}
		some = some || t.some()
		switch words := t.everyone(); {
		case words == "":
		case len(all) < shownTiers:
			all = append(all, words+" of "+maskUserinfo(t.key))
		default:
			more++
		}
	}
	if at == "" {
		at = rateLimits + ".per_user"
	}
	common := r.commonLimits()
	switch {
	case more > 0:
		return fmt.Sprintf(": it has the limits of everyone: %s; and %d more", strings.Join(all, "; "), more), at
	case len(all) > 0:
		return ": it has the limits of everyone: " + strings.Join(all, "; "), at
	case len(common) > 0:
		return " and has none of its own: it shares " + strings.Join(common, " and "), at
	case some:
		return ", and there is none for everyone: it has no limit at all", at
	}
	return "", at
}

// commonLimits are the limits that do not tell callers apart, in words.
func (r *reading) commonLimits() []string {
	l := &r.cfg.Server.RateLimits
	var all []string
	if l.Enabled && l.Global.Limit > 0 {
		all = append(all, l.Global.words()+" of "+rateLimits+".global")
	}
	if l.Enabled && l.PerIP.Limit > 0 {
		all = append(all, l.PerIP.words()+" of "+rateLimits+".per_ip")
	}
	return all
}

// checkSwitch tells that token limits have no part in the switch of the request limits.
func (r *reading) checkSwitch() {
	const enabled = rateLimits + ".enabled"
	if r.cfg.Server.RateLimits.Enabled || !r.says(enabled) {
		return
	}
	for t := range r.tiers() {
		if t.some() {
			r.warn(enabled, "switches the limits of requests off, and those of tokens hold all the same", "write enforce = false "+placeOf(maskUserinfo(t.key))+" where tokens are not to be limited either, or leave it if that is meant")
			return
		}
	}
}
