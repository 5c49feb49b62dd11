package config

import (
	"reflect"
	"sync"
)

// field is one key of a table type.
type field struct {
	name  string
	index int
	typ   reflect.Type
	guard string // see Lost; empty: not guarded
	none  bool   // the zero value says that there is none
}

// shape is what a Go type is in the file.
type shape struct {
	scalar bool         // a value that is written as a string and checks itself
	entry  reflect.Type // of a table whose names the user chooses; nil: it is none
	table  bool         // a table of fixed keys
	row    reflect.Type // of an array of such tables; nil: it is none
	fields []field      // of that, in the order of its declaration
}

// shapes remembers the shape of each type: asking by reflection again and again cost more than all else that is
// done to a file. A shape follows from its type alone, and there are only so many types.
var shapes sync.Map // reflect.Type to *shape

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{scalar: t == prefixType || reflect.PointerTo(t).Implements(scalarType)}
	if e, ok := reflect.New(t).Interface().(entries); ok {
		s.entry = e.entryType()
	}
	// Value types are structs, too.
	s.table = t.Kind() == reflect.Struct && !s.scalar && s.entry == nil
	if t.Kind() == reflect.Slice && isTable(t.Elem()) {
		s.row = t.Elem()
	}
	if s.table {
		for i := range t.NumField() {
			f := t.Field(i)
			if name := f.Tag.Get("toml"); name != "" && f.IsExported() {
				s.fields = append(s.fields, field{name: name, index: i, typ: f.Type, guard: f.Tag.Get("guard"), none: f.Tag.Get("none") != ""})
			}
		}
	}
	shapes.Store(t, s)
	return s
}

// fieldsOf are the keys of a table type, for reading.
func fieldsOf(t reflect.Type) []field { return shapeOf(t).fields }

func isTable(t reflect.Type) bool  { return shapeOf(t).table }
func isScalar(t reflect.Type) bool { return shapeOf(t).scalar }
func isNamed(t reflect.Type) bool  { return shapeOf(t).entry != nil }

func isArray(t reflect.Type) bool { return shapeOf(t).row != nil }

// entryType is the T of a Table[T].
func entryType(t reflect.Type) reflect.Type { return shapeOf(t).entry }

func namesOf(fields []field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

func fieldNamed(t reflect.Type, name string) reflect.Type {
	for _, f := range fieldsOf(t) {
		if f.name == name {
			return f.typ
		}
	}
	return nil
}
