package config

import (
	"iter"
	"reflect"
)

// node is one table or key of a configuration, said in the file or not.
type node struct {
	key   string // the full path; "" is the file itself
	name  string // the last name of it
	guard string // the mark of the field, see Lost; "": not guarded
	value reflect.Value
	isRow bool // an entry of an array of tables, named by its number: "[0]"
	none  bool // the zero value says that there is none
}

// root is the configuration itself, the outermost table.
func (c *Config) root() node { return node{value: reflect.ValueOf(c).Elem()} }

// walk yields every table and every key with a value, a table before what is in it: fields in the order of
// their declaration, chosen names in the order of the file. The entries of an array of tables are tables; the elements of a list are no nodes.
func (c *Config) walk() iter.Seq[node] {
	return func(yield func(node) bool) {
		var walk func(n node) bool
		walk = func(n node) bool {
			for _, inner := range n.inside() {
				if !yield(inner) || !walk(inner) {
					return false
				}
			}
			return true
		}
		walk(c.root())
	}
}

// isTable reports whether n is a table, of fixed keys or of chosen names, or an array of tables.
func (n node) isTable() bool {
	t := n.value.Type()
	return isTable(t) || isNamed(t) || isArray(t)
}

// sparse is a table that has some of its keys only in some cases.
type sparse interface{ has(name string) bool }

// inside is what stands directly in a table, without the keys that it does not have; nothing stands in a key with a
// value. An entry of an array has the keys that say something.
func (n node) inside() []node {
	switch t := n.value.Type(); {
	case isNamed(t):
		var all []node
		for name, value := range n.value.Addr().Interface().(members).members() {
			all = append(all, node{key: join(n.key, name), name: name, value: value})
		}
		return all
	case isArray(t):
		all := make([]node, n.value.Len())
		for i := range all {
			key := element(n.key, i)
			all[i] = node{key: key, name: key[len(n.key):], value: n.value.Index(i), isRow: true}
		}
		return all
	case isTable(t):
		return n.fields()
	}
	return nil
}

// fields are the keys of a table of fixed keys.
func (n node) fields() []node {
	fields := fieldsOf(n.value.Type())
	only, isSparse := n.value.Addr().Interface().(sparse)
	all := make([]node, 0, len(fields))
	for _, f := range fields {
		value := n.value.Field(f.index)
		if isSparse && !only.has(f.name) || n.isRow && value.IsZero() {
			continue
		}
		all = append(all, node{key: join(n.key, f.name), name: f.name, guard: f.guard, value: value, none: f.none})
	}
	return all
}

// members is how a walk sees any Table.
type members interface {
	members() iter.Seq2[string, reflect.Value]
}

func (t *Table[T]) members() iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		for i := range t.list {
			if !yield(t.list[i].Name, reflect.ValueOf(&t.list[i].Value).Elem()) {
				return
			}
		}
	}
}
