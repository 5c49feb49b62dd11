package config

import (
	"iter"
	"reflect"
)

// Table is a table whose keys the user names, in the order of the file. The zero Table is empty.
type Table[T any] struct {
	list  []Entry[T]
	index map[string]int
}

// Entry is one named member of a [Table].
type Entry[T any] struct {
	Name  string
	Value T
}

// TableOf is a table of the given entries in their order. Of two entries with one name the later value
// holds, at the earlier place.
func TableOf[T any](entries ...Entry[T]) Table[T] {
	var t Table[T]
	for _, e := range entries {
		t.put(e.Name, e.Value)
	}
	return t
}

// All yields the names and values in the order of the file.
func (t Table[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, e := range t.list {
			if !yield(e.Name, e.Value) {
				return
			}
		}
	}
}

// Get is the value called name, and whether there is one.
func (t Table[T]) Get(name string) (T, bool) {
	if i, ok := t.index[name]; ok {
		return t.list[i].Value, true
	}
	var none T
	return none, false
}

// Len is the number of entries.
func (t Table[T]) Len() int { return len(t.list) }

func (t *Table[T]) put(name string, value T) {
	if i, ok := t.index[name]; ok {
		t.list[i].Value = value
		return
	}
	if t.index == nil {
		t.index = map[string]int{}
	}
	t.index[name] = len(t.list)
	t.list = append(t.list, Entry[T]{name, value})
}

// entries is how the decoder sees any Table.
type entries interface {
	entryType() reflect.Type
	// decode adds the entry called name after fill has set its value.
	decode(name string, fill func(reflect.Value))
}

func (t *Table[T]) entryType() reflect.Type { return reflect.TypeFor[T]() }

func (t *Table[T]) decode(name string, fill func(reflect.Value)) {
	var value T
	if v, ok := any(&value).(defaulted); ok {
		v.setDefaults()
	}
	fill(reflect.ValueOf(&value).Elem())
	if v, ok := any(&value).(completed); ok {
		v.complete(name)
	}
	t.put(name, value)
}

// defaulted is an entry with defaults, which are there before it is decoded.
type defaulted interface{ setDefaults() }

// completed is an entry with defaults that follow from its name, or from what it says.
type completed interface{ complete(name string) }
