package config

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
)

// Lost are the guarded keys that the running configuration has and the next one merely lacks, each as an error
// with its remedy. Half a file is often a whole one, and access must not be weakened by silence.
//
// A field is guarded by its tag guard: the TOML that says that none is meant, for a key its value, for a table a line
// of it. Limits have no such TOML of their own: their mark is "limit", and lostLimits and lostTokens know the rest. In a
// table that is on without being written, enabled is guarded, too, with the value that then holds.
//
// A key that says another value is not lost, nor is one whose value holds without it; a table with a
// switch is lost whatever it says. Of a table that is
// lost whole, nothing else is reported, and nothing in a table that the next file switches off, or leaves off.
func Lost(running, next *Config) Problems {
	c := comparison{running, next}
	r := newReport(next.File(), next.origin.lines)
	for _, l := range c.losses(running.root(), next.root()) {
		again := "write it again"
		if l.limit {
			again = "write it again, with any number that you want"
		}
		r.fail(l.key, "is missing, but what runs has it: without it access could be weaker",
			fmt.Sprintf("%s, or say that you mean it: %s %s; a restart takes the file as it is", again, l.remedy, placeOf(maskUserinfo(l.table))))
	}
	r.problems.sort()
	return r.problems
}

// loss is a guarded key that is lost, and what to write into which table where that is meant.
type loss struct {
	key, remedy, table string
	limit              bool // another value of the key is as good
}

type comparison struct{ running, next *Config }

// losses are what is lost of a table or key, and in it. The two nodes are one place in both configurations.
func (c comparison) losses(was, is node) []loss {
	isOn, has := is.enabled()
	if !isOn && c.next.Has(join(is.key, "enabled")) {
		return c.lostBehindSwitch(was, is)
	}
	if limits, ok := c.lostLimits(was, is); ok {
		return limits
	}
	var inner []loss
	for w, i := range pairs(was, is) {
		inner = append(inner, c.losses(w, i)...)
	}
	inner = append(inner, c.lostTokensOf(was, is)...)
	gone := was.guard != "" && c.running.says(was) && !c.answers(was, is)
	switch {
	case !gone:
		return inner
	case !has && !differ(was, is):
		// A table with a switch is a promise even where it repeats the defaults; anything else that goes away
		// without a change is tidied up.
		return inner
	case !was.isTable():
		return []loss{{key: was.key, remedy: was.name + " = " + was.guard, table: parentKey(was.key)}}
	case has:
		return []loss{{key: was.key, remedy: c.remedy(was, is, inner), table: was.key}}
	case c.next.hasHeader(is):
		return []loss{{key: was.key, remedy: was.guard, table: was.key}}
	}
	return []loss{{key: was.key, remedy: was.name + "." + was.guard, table: parentKey(was.key)}}
}

// remedy is what says that a table with a switch is lost on purpose: that it is off, or, if it is on without
// being written, that nothing else is meant.
func (c comparison) remedy(was, is node, inner []loss) string {
	if on, _ := is.enabled(); !on {
		return was.guard
	}
	var all []string
	for _, l := range inner {
		if l.table == was.key {
			all = append(all, l.remedy)
		}
	}
	if len(all) == 0 {
		all = []string{"enabled = true"}
	}
	return strings.Join(all, " and ") + " or " + was.guard
}

// answers reports whether the next file says what becomes of a guarded key or table. Of a table without a switch it must
// say another value, that what was there is none any more, or the guard: one of its keys that was empty all along, and
// is still, says nothing about another that is lost.
func (c comparison) answers(was, is node) bool {
	if _, has := is.enabled(); has || !is.isTable() {
		return c.next.Has(is.key)
	}
	for w, i := range pairs(was, is) {
		meant := !i.value.IsZero() || !w.value.IsZero() || strings.HasPrefix(was.guard, i.name+" = ")
		if meant && c.answers(w, i) {
			return true
		}
	}
	return false
}

// hasHeader reports whether the file has a header for a table, so that a key of it can be written below. A dotted key
// of the table stands where the table itself seems to begin.
func (c *Config) hasHeader(table node) bool {
	for _, n := range table.inside() {
		if c.Line(n.key) == c.Line(table.key) {
			return false
		}
	}
	return c.Has(table.key)
}

// says reports whether the file has a key, or a table: one with a switch is on as soon as it is written, any
// other says nothing without a key in it.
func (c *Config) says(n node) bool {
	_, has := n.enabled()
	if has || !n.isTable() {
		return c.Has(n.key)
	}
	for _, inner := range n.inside() {
		if c.says(inner) {
			return true
		}
	}
	return false
}

// enabled is whether a table is on, and whether it has a switch for that; what has none is on.
func (n node) enabled() (on, has bool) {
	for _, inner := range n.inside() {
		if inner.name == "enabled" && inner.value.Kind() == reflect.Bool { // anything else was named by the user
			return inner.value.Bool(), true
		}
	}
	return true, false
}

// pairs are the nodes inside of two tables that have the same name.
func pairs(a, b node) iter.Seq2[node, node] {
	return func(yield func(node, node) bool) {
		others := map[string]node{}
		for _, n := range b.inside() {
			others[n.name] = n
		}
		for _, n := range a.inside() {
			if other, ok := others[n.name]; ok && !yield(n, other) {
				return
			}
		}
	}
}

// differ reports whether other values hold in two nodes.
func differ(a, b node) bool {
	if p, ok := a.value.Interface().(Pattern); ok {
		q, _ := b.value.Interface().(Pattern)
		return p.leavesOut() != q.leavesOut()
	}
	if !a.isTable() {
		isNone := a.value.Kind() == reflect.Slice && a.value.Len() == 0 && b.value.Len() == 0
		return !isNone && !reflect.DeepEqual(a.value.Interface(), b.value.Interface())
	}
	if len(a.inside()) != len(b.inside()) {
		return true
	}
	for x, y := range pairs(a, b) {
		if differ(x, y) {
			return true
		}
	}
	return false
}
