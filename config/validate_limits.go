package config

import (
	"fmt"
	"time"
)

const rateLimits = "server.rate_limits"

const (
	requestForm = `limit = 100 and interval = "60s"`
	tokenForm   = `input_token_limit = 100000 and interval = "1m"`
)

// checkLimits looks at what each table of limits says by itself.
func (r *reading) checkLimits() {
	l := &r.cfg.Server.RateLimits
	r.checkRequestLimit(rateLimits+".global", l.Global)
	r.checkRequestLimit(rateLimits+".per_ip", l.PerIP)
	r.checkUserLimit(&l.PerUser)
	for name, p := range r.cfg.LLM.Providers.All() {
		key := join("llm.providers", name)
		r.checkTokenLimits(key+".rate_limits", &p.RateLimits)
		for model, m := range p.Models.All() {
			r.checkTokenLimits(join(key+".models", model)+".rate_limits", &m.RateLimits)
		}
	}
}

// said reports whether the file says key, right or wrong.
func (r *reading) said(key string) bool {
	_, ok := r.at[key]
	return ok
}

// amount is one number of a table of limits.
type amount struct {
	name string
	n    int64
}

// checkRequestLimit looks at a table that has no meaning without a limit.
func (r *reading) checkRequestLimit(table string, l RequestLimit) {
	if r.said(table) && !r.checkWindow(table, l.Interval, amount{"limit", l.Limit}) && r.sound(table) {
		r.limitsNothing(table, requestForm)
	}
}

func (r *reading) checkUserLimit(l *UserLimit) {
	const table = rateLimits + ".per_user"
	if !r.said(table) {
		return
	}
	some := r.checkWindow(table, l.Interval, amount{"limit", l.Limit})
	some = r.checkAmount(table, amount{"concurrent", l.Concurrent}) || some
	for name, group := range l.Groups.All() {
		r.checkRequestLimit(join(table+".groups", name), group)
	}
	if !some && l.Groups.Len() == 0 && r.sound(table) {
		r.limitsNothing(table, requestForm+`, concurrent = 8, or groups.pro = { limit = 600, interval = "60s" }`)
	}
}

// checkTokenLimits looks at the table rate_limits of a provider or a model.
func (r *reading) checkTokenLimits(key string, l *TokenLimits) {
	if !r.said(key) {
		return
	}
	table, p := key+".per_user", &l.PerUser
	if !r.said(table) {
		if r.sound(key) {
			r.fail(key, "limits nothing", "write "+tokenForm+" "+placeOf(table)+", or take the table out")
		}
		return
	}
	some := r.checkBudget(table, p.Budget())
	for name, group := range p.Groups.All() {
		at := join(table+".groups", name)
		if !r.checkBudget(at, group) && r.sound(at) {
			r.limitsNothing(at, tokenForm)
		}
	}
	switch enforce := table + ".enforce"; {
	case some || p.Groups.Len() > 0 || !r.sound(table):
	case p.Enforce == nil:
		r.limitsNothing(table, tokenForm+", or groups with limits of their own")
	case *p.Enforce:
		r.fail(enforce, "is true, but the table has no limit that could refuse anything", "write "+tokenForm+" beside it, or take it out")
	}
}

// checkBudget is checkWindow for numbers of tokens.
func (r *reading) checkBudget(table string, b TokenBudget) bool {
	return r.checkWindow(table, b.Interval, b.amounts()...)
}

func (b TokenBudget) amounts() []amount {
	return []amount{{"input_token_limit", b.Input}, {"output_token_limit", b.Output}, {"total_token_limit", b.Total}}
}

func (r *reading) limitsNothing(table, form string) {
	r.fail(table, "limits nothing", "write "+form+" in it, or take it out")
}

// checkWindow looks at the numbers of a table and at the interval in which they hold. It reports whether the table says a
// number, right or wrong, or has a mistake that is told already.
func (r *reading) checkWindow(table string, interval Interval, amounts ...amount) (some bool) {
	isKnown := true // that the table has no other number
	for _, a := range amounts {
		some = r.checkAmount(table, a) || some
		isKnown = isKnown && r.sound(join(table, a.name))
	}
	key := table + ".interval"
	switch d := interval.Duration(); {
	case !r.sound(key):
	case !r.said(key):
		if some {
			r.fail(key, "is missing: nothing says in which time the limit holds", `write interval = "60s" `+placeOf(table))
		}
	case d < time.Millisecond:
		r.fail(key, r.show(key, interval.String())+" is no time in which anything could be counted", `write a duration from "1ms" to "365d", such as "60s"`)
	case d%time.Millisecond != 0:
		r.fail(key, r.show(key, interval.String())+" is no whole number of milliseconds", `write a duration from "1ms" to "365d", such as "60s"`)
	case !some && isKnown:
		name := join(table, amounts[0].name)
		r.fail(name, "is missing: the interval alone limits nothing", fmt.Sprintf("write %s = %s %s", amounts[0].name, usualAmount(amounts[0].name), placeOf(table)))
	}
	return some || !isKnown || r.said(key)
}

// checkAmount looks at one number, and reports whether the file says it.
func (r *reading) checkAmount(table string, a amount) bool {
	key := join(table, a.name)
	if !r.said(key) {
		return false
	}
	const form = "write a whole number from 1 to 1000000000000000, such as "
	switch {
	case !r.sound(key):
	case a.n <= 0:
		r.fail(key, fmt.Sprintf("%d is not positive, and would let nobody through", a.n), form+usualAmount(a.name))
	case a.n > maxLimit:
		r.fail(key, fmt.Sprintf("%d is more than can be counted exactly", a.n), form+usualAmount(a.name))
	}
	return true
}

// usualAmount is a number that a key of this name could have.
func usualAmount(name string) string {
	switch name {
	case "limit":
		return "100"
	case "concurrent":
		return "8"
	}
	return "100000"
}
