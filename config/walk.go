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
}

// root is the configuration itself, the outermost table.
func (c *Config) root() node { return node{value: reflect.ValueOf(c).Elem()} }

// walk yields every table and every key with a value, a table before what is in it: fields in the order of
// their declaration, chosen names in the order of the file. The elements of a list are no nodes.
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

// isTable reports whether n is a table, of fixed keys or of chosen names.
func (n node) isTable() bool { return isTable(n.value.Type()) || isNamed(n.value.Type()) }

// inside is what stands directly in a table; nothing stands in a key with a value.
func (n node) inside() []node {
	switch t := n.value.Type(); {
	case isNamed(t):
		var all []node
		for name, value := range n.value.Addr().Interface().(members).members() {
			all = append(all, node{key: join(n.key, name), name: name, value: value})
		}
		return all
	case isTable(t):
		fields := fieldsOf(t)
		all := make([]node, len(fields))
		for i, f := range fields {
			all[i] = node{
				key: join(n.key, f.name), name: f.name,
				guard: f.guard, value: n.value.Field(f.index),
			}
		}
		return all
	}
	return nil
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
