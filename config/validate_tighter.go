package config

import "fmt"

// checkTighter warns of limits that can never act, since another one is always reached before.
func (r *reading) checkTighter() {
	for t := range r.tiers() {
		switch {
		case !r.sound(t.key):
		case t.requests != nil:
			r.checkUnderGlobal(t.key, RequestLimit{t.requests.Limit, t.requests.Interval})
			for name, group := range t.requests.Groups.All() {
				r.checkUnderGlobal(join(t.key+".groups", name), group)
			}
		default:
			r.checkUnderTotal(t.key, t.tokens.Budget())
			for name, group := range t.tokens.Groups.All() {
				r.checkUnderTotal(join(t.key+".groups", name), group)
			}
		}
	}
}

// checkUnderTotal holds the kinds of one budget against each other: what counts as input or output counts in the total.
func (r *reading) checkUnderTotal(table string, b TokenBudget) {
	for _, of := range []amount{{"input_token_limit", b.Input}, {"output_token_limit", b.Output}} {
		if b.Total > 0 && of.n >= b.Total {
			r.warn(join(table, of.name), fmt.Sprintf("can never act: total_token_limit is %d, and is always reached before", b.Total), "lower it below that, or take it out")
		}
	}
}

// checkUnderGlobal holds a limit of each client id against that of all together. The limit of an address is not below
// that one: it counts requests that were refused, too.
func (r *reading) checkUnderGlobal(table string, l RequestLimit) {
	global := r.cfg.Server.RateLimits.Global
	if l.Limit > 0 && global.Limit > 0 && r.sound(rateLimits+".global") && global.isTighter(l) {
		r.warn(table+".limit", "can never act: "+global.words()+" of "+rateLimits+".global are always reached before", "lower it, or raise the limit of all requests together")
	}
}

// isTighter reports whether l, which counts all that other counts, has no room whenever other has none. It is so where
// the windows of one always lie whole in those of the other; elsewhere nothing is certain.
func (l RequestLimit) isTighter(other RequestLimit) bool {
	short, long := other.Interval.Milliseconds(), l.Interval.Milliseconds()
	switch {
	case short <= 0 || long <= 0:
		return false
	case long%short == 0:
		// Each request that other's two windows hold is held by l's, with at least the same weight.
		return other.Limit >= l.Limit
	case short%long == 0:
		// Each window of l has l.Limit requests at most. Of the other's windows, the one before counts for the rest of its
		// time, and the current one has begun one of l's more than is over.
		return other.Limit/l.Limit > short/long
	}
	return false
}
