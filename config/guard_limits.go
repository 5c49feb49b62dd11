package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// lostLimits is what is lost of a limit of requests, or of the storage; ok is false for any other table, and for a
// storage whose keys say themselves what becomes of them.
func (c comparison) lostLimits(was, is node) (lost []loss, ok bool) {
	switch w := was.value.Addr().Interface().(type) {
	case *RequestLimit:
		if i := is.value.Addr().Interface().(*RequestLimit); w.Limit > 0 && i.Limit == 0 {
			lost = []loss{c.lostRequests(was.key)}
		}
		return lost, true
	case *UserLimit:
		return c.lostUserLimit(was.key, w, is.value.Addr().Interface().(*UserLimit)), true
	case *LimitStorage:
		if is.value.Addr().Interface().(*LimitStorage).Type == StorageRedis {
			return nil, false
		}
		// Without a type all else has no use, and nothing of it is lost.
		if w.Type == StorageRedis && !c.next.Has(join(is.key, "type")) {
			lost = []loss{c.place(loss{key: was.key, remedy: was.guard}, is)}
		}
		return lost, true
	case *TokenLimits:
		return nil, true // see lostTokensOf
	}
	return nil, false
}

// lostBehindSwitch is what is lost of a table that the next file says is off: nothing but the storage of limits that were
// off before, where tokens are counted all the same.
func (c comparison) lostBehindSwitch(was, is node) []loss {
	if w, ok := was.value.Addr().Interface().(*RateLimits); !ok || w.Enabled {
		return nil
	}
	for w, i := range pairs(was, is) {
		if w.key == storage {
			return c.losses(w, i)
		}
	}
	return nil
}

// lostRequests is the loss of a limit of requests. No number says that there is none; the switch of all of them does.
func (c comparison) lostRequests(key string) loss {
	table := node{key: rateLimits, name: "rate_limits", value: reflect.ValueOf(&c.next.Server.RateLimits).Elem()}
	return c.place(loss{key: key, remedy: "enabled = false", limit: true}, table)
}

func (c comparison) lostUserLimit(key string, was, is *UserLimit) []loss {
	if !c.next.Server.ClientIdentification.Enabled {
		return nil // which is told, or meant; no limit of a client id can hold then
	}
	var lost []loss
	if was.Limit > 0 && is.Limit == 0 {
		lost = append(lost, c.lostRequests(key+".limit"))
	}
	if was.Concurrent > 0 && is.Concurrent == 0 {
		lost = append(lost, c.lostRequests(key+".concurrent"))
	}
	for name := range was.Groups.All() {
		if _, has := is.Groups.Get(name); !has && c.nextHasGroup(name) {
			lost = append(lost, c.lostRequests(join(key+".groups", name)))
		}
	}
	if len(lost) > 0 && is.Limit == 0 && is.Concurrent == 0 && is.Groups.Len() == 0 {
		return []loss{c.lostRequests(key)}
	}
	return lost
}

// nextHasGroup reports whether a group still exists; the limits of one that does not go with it.
func (c comparison) nextHasGroup(name string) bool {
	return slices.Contains(c.next.Server.ClientIdentification.Validation.GroupValues, name)
}

// lostTokensOf is what is lost of the token limits of a provider or a model, which the walk leaves out where there are none.
func (c comparison) lostTokensOf(was, is node) []loss {
	switch w := was.value.Addr().Interface().(type) {
	case *Provider:
		return c.lostTokens(was.key+".rate_limits", &w.RateLimits, &is.value.Addr().Interface().(*Provider).RateLimits)
	case *Model:
		return c.lostTokens(was.key+".rate_limits", &w.RateLimits, &is.value.Addr().Interface().(*Model).RateLimits)
	}
	return nil
}

// enforceOff says of a limit of tokens that it refuses nothing.
const enforceOff = "enforce = false"

// lostTokens is what is lost of limits of tokens that refused something: one that only measured is no protection. What is
// switched off by enforce = false is meant, if the file did not say that before: then the line says nothing new.
func (c comparison) lostTokens(key string, was, is *TokenLimits) []loss {
	w, i := &was.PerUser, &is.PerUser
	if !was.some() || !c.next.Server.ClientIdentification.Enabled || isOff(i.Enforce) && !isOff(w.Enforce) {
		return nil
	}
	limits := node{key: key, name: "rate_limits", value: reflect.ValueOf(is).Elem()}
	table := node{key: key + ".per_user", name: "per_user", value: reflect.ValueOf(i).Elem()}
	var lost []loss
	if !isOff(w.Enforce) {
		for _, name := range lacking(w.Budget(), i.Budget()) {
			lost = append(lost, c.place(loss{key: join(table.key, name), remedy: enforceOff, limit: true}, table, limits))
		}
	}
	for name := range w.Groups.All() {
		lost = append(lost, c.lostGroup(join(table.key+".groups", name), name, w, i)...)
	}
	if len(lost) > 0 && !is.some() && !isOff(w.Enforce) {
		return []loss{c.place(loss{key: key, remedy: enforceOff, limit: true}, table, limits)}
	}
	return lost
}

// lostGroup is what is lost of the limit of one group.
func (c comparison) lostGroup(key, name string, was, is *TokenLimit) []loss {
	w, _ := was.Of(name)
	i, own := is.Of(name)
	switch {
	case !w.Enforced() || !own && !c.nextHasGroup(name):
		return nil
	case !own:
		return []loss{{key: key, remedy: w.measured(), table: key, limit: true}}
	}
	said, _ := is.Groups.Get(name)
	if isOff(said.Enforce) {
		return nil
	}
	table := node{key: key, name: JoinKey(name), value: reflect.ValueOf(&said).Elem()}
	var lost []loss
	for _, kind := range lacking(w, i) {
		lost = append(lost, c.place(loss{key: join(key, kind), remedy: enforceOff, limit: true}, table))
	}
	if len(lost) == 0 && !i.Enforced() {
		lost = []loss{c.place(loss{key: key + ".enforce", remedy: enforceOff}, table)}
	}
	return lost
}

// measured are the lines of a limit that refuses nothing.
func (b TokenBudget) measured() string {
	lines := []string{enforceOff, fmt.Sprintf("interval = %q", b.Interval)}
	for _, of := range b.amounts() {
		if of.n > 0 {
			lines = append(lines, fmt.Sprintf("%s = %d", of.name, of.n))
		}
	}
	return strings.Join(lines, " and ")
}

// lacking are the kinds of tokens that one budget limits and the next does not.
func lacking(was, is TokenBudget) (names []string) {
	next := is.amounts()
	for at, of := range was.amounts() {
		if of.n > 0 && next[at].n == 0 {
			names = append(names, of.name)
		}
	}
	return names
}

func isOff(enforce *bool) bool { return enforce != nil && !*enforce }

// place says where the remedy of a loss is to be written: in the first of the tables, each inside of the next, that is
// written with a header or not at all, with a dotted key for what lies between.
func (c comparison) place(l loss, tables ...node) loss {
	for _, t := range tables {
		if !c.next.Has(t.key) || !c.next.isDotted(t) {
			l.table = t.key
			return l
		}
		l.remedy = t.name + "." + l.remedy
		l.table = parentKey(t.key)
	}
	return l
}

// isDotted reports whether a table has no header, but dotted keys that say what is in it: then one of them stands where
// the table seems to begin.
func (c *Config) isDotted(table node) bool {
	for _, n := range table.inside() {
		if c.Has(n.key) && c.Line(n.key) == c.Line(table.key) && (!n.isTable() || c.isDotted(n)) {
			return true
		}
	}
	return false
}
