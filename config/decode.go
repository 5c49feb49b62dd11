package config

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// decoder fills table types from a parsed tree and reports every mistake on the way. It leaves alone
// what the tree does not say, or says wrongly: the defaults that were there before stay.
type decoder struct {
	*report
	order map[string][]string // the names in each table, in the order of the file
	env   func(string) (string, bool)
	used  map[string]string // the environment variables that the file names
}

// orderOf is the order of the names in every table.
func orderOf(keys []toml.Key) map[string][]string {
	order := map[string][]string{}
	seen := map[string]bool{}
	for _, names := range keys {
		key := ""
		for _, name := range names {
			child := join(key, name)
			if !seen[child] {
				seen[child] = true
				order[key] = append(order[key], name)
			}
			key = child
		}
	}
	return order
}

// value decodes one raw value of the tree into a field.
func (d *decoder) value(key string, raw any, into reflect.Value) {
	t := into.Type()
	switch {
	case t.Kind() == reflect.Pointer:
		v := reflect.New(t.Elem())
		errors := len(d.problems)
		d.value(key, raw, v.Elem())
		if !d.problems[errors:].HasErrors() {
			into.Set(v)
		}
	case isScalar(t):
		d.scalar(key, raw, into)
	case isNamed(t):
		if tree, ok := d.tree(key, raw, t); ok {
			d.entries(key, tree, into.Addr().Interface().(entries))
		}
	case t.Kind() == reflect.Struct:
		if tree, ok := d.tree(key, raw, t); ok {
			d.table(key, tree, into, "")
		}
	case isArray(t):
		d.rows(key, raw, into)
	case t.Kind() == reflect.Slice:
		d.list(key, raw, into)
	default:
		d.plain(key, raw, into)
	}
}

// table decodes a table of fixed keys; entry is its name where the user chose that, else "".
func (d *decoder) table(key string, tree map[string]any, into reflect.Value, entry string) {
	fields := fieldsOf(into.Type())
	for _, f := range fields {
		field := into.Field(f.index)
		if raw, ok := tree[f.name]; ok {
			d.value(join(key, f.name), raw, field)
		} else if f.name == "enabled" {
			// A table that is there is on, unless it says otherwise.
			field.SetBool(true)
		}
	}
	known := namesOf(fields)
	for name, raw := range tree {
		if slices.Contains(known, name) {
			continue
		}
		if entry == "" || !d.unquoted(key, entry, name, raw, into.Type()) {
			d.unknown(key, name, fields)
		}
	}
}

// entries decodes a table whose names the user chose.
func (d *decoder) entries(key string, tree map[string]any, into entries) {
	names := d.order[key]
	if len(names) != len(tree) {
		names = slices.Sorted(maps.Keys(tree))
	}
	for _, name := range names {
		child := join(key, name)
		if sub, ok := d.tree(child, tree[name], into.entryType()); ok {
			into.decode(name, func(v reflect.Value) { d.table(child, sub, v, name) })
		}
	}
}

// tree is raw as a table of type t, or a problem.
func (d *decoder) tree(key string, raw any, t reflect.Type) (map[string]any, bool) {
	if tree, ok := raw.(map[string]any); ok {
		return tree, true
	}
	what := fmt.Sprintf("is %s, not a table", kindOf(raw))
	switch {
	case isNamed(t):
		d.fail(key, what, fmt.Sprintf("write [%s.NAME], a table for each name", key))
	case kindOf(raw) == kindTables:
		d.fail(key, what, fmt.Sprintf("write [%s] once, in single brackets", key))
	default:
		d.fail(key, what, belowIt(key, t))
	}
	return nil, false
}

// belowIt tells to write a table of type t.
func belowIt(key string, t reflect.Type) string {
	return fmt.Sprintf("write %s and its keys below it: %s", bracketed(key), strings.Join(namesOf(fieldsOf(t)), ", "))
}

// rows decodes an array of tables: [[key]] above each of them, or inline tables in a list.
func (d *decoder) rows(key string, raw any, into reflect.Value) {
	var items []any
	row := into.Type().Elem()
	switch raw := raw.(type) {
	case []any:
		items = raw
	case []map[string]any:
		for _, tree := range raw {
			items = append(items, tree)
		}
	case map[string]any:
		d.fail(key, "is a table, not "+kindTables, fmt.Sprintf("write [[%s]], in double brackets, above each entry", key))
		return
	default:
		d.fail(key, fmt.Sprintf("is %s, not %s", kindOf(raw), kindTables), belowIt(element(key, 0), row))
		return
	}
	out := reflect.MakeSlice(into.Type(), len(items), len(items))
	for i, item := range items {
		if tree, ok := d.tree(element(key, i), item, row); ok {
			d.table(element(key, i), tree, out.Index(i), "")
		}
	}
	into.Set(out)
}

// text is raw as a string with its placeholders replaced, or a problem.
func (d *decoder) text(key string, raw any, example string) (expansion, bool) {
	text, ok := raw.(string)
	if !ok {
		d.wrongType(key, raw, "a string", example)
		return expansion{}, false
	}
	out, m := d.expand(text)
	if m != nil {
		d.fail(key, m.what, m.fix)
		return expansion{}, false
	}
	if out.replaced {
		d.hidden[key] = true
	}
	if out.replaced && out.text == "" {
		d.emptyVariable(key, out.empty)
		return expansion{}, false
	}
	return out, true
}

func (d *decoder) emptyVariable(key, name string) {
	d.fail(key, fmt.Sprintf("the environment variable %s is set but empty", name), fmt.Sprintf("give %s a value", name))
}

func (d *decoder) scalar(key string, raw any, into reflect.Value) {
	target := into.Addr().Interface()
	if p, ok := target.(*netip.Prefix); ok {
		target = (*prefix)(p)
	}
	s := target.(scalar)
	text, ok := d.text(key, raw, exampleFor(into))
	if !ok {
		return
	}
	_, secret := target.(*Secret)
	if secret && text.empty != "" {
		d.emptyVariable(key, text.empty)
		return
	}
	m := s.parse(text.text)
	if m == nil {
		return
	}
	what, fix := m.describe(text.text, !secret && !text.replaced)
	if m.warning {
		d.warn(key, what, fix)
	} else {
		d.fail(key, what, fix)
	}
}

var choiceType = reflect.TypeFor[Choice]()

// list decodes a list of strings, or of values that are written as strings.
func (d *decoder) list(key string, raw any, into reflect.Value) {
	isChoice := into.Type() == choiceType
	if isChoice && raw == anything {
		raw = []any{raw}
	}
	items, ok := raw.([]any)
	if !ok {
		example, want := fmt.Sprintf("[%s]", exampleOf(into.Type().Elem())), "a list"
		if isChoice {
			want = `a list, or "*" for all`
		}
		if v := into.Interface(); isChoice && into.Len() > 0 {
			example = `["` + strings.Join(v.(Choice), `", "`) + `"]`
		}
		d.wrongType(key, raw, want, example)
		return
	}
	out := reflect.MakeSlice(into.Type(), len(items), len(items))
	for i, item := range items {
		d.value(element(key, i), item, out.Index(i))
	}
	into.Set(out)
}

// plain decodes strings, whole numbers and booleans.
func (d *decoder) plain(key string, raw any, into reflect.Value) {
	switch into.Kind() {
	case reflect.String:
		if text, ok := d.text(key, raw, exampleOf(into.Type())); ok {
			into.SetString(text.text)
		}
	case reflect.Int:
		n, ok := raw.(int64)
		switch {
		case !ok:
			d.wrongType(key, raw, "a whole number", exampleFor(into))
		case n < math.MinInt32 || n > math.MaxInt32:
			d.fail(key, fmt.Sprintf("%d is out of range", n), "write a smaller number")
		default:
			into.SetInt(n)
		}
	case reflect.Int64:
		if n, ok := raw.(int64); ok {
			into.SetInt(n)
		} else {
			d.wrongType(key, raw, "a whole number", exampleOf(into.Type()))
		}
	case reflect.Bool:
		if on, ok := raw.(bool); ok {
			into.SetBool(on)
		} else {
			d.wrongType(key, raw, "a boolean", exampleOf(into.Type()))
		}
	default:
		panic("config: no decoding for " + into.Type().String())
	}
}

// wrongType says what kind of value key has and which it needs, never the value.
func (d *decoder) wrongType(key string, raw any, want, example string) {
	name, in := key, ""
	if parent := parentKey(key); parent != "" && !strings.HasSuffix(key, "]") {
		name, in = key[len(parent)+1:], " "+placeOf(parent)
	}
	fix := fmt.Sprintf("write %s = %s%s", name, example, in)
	switch {
	case strings.HasSuffix(key, "]"):
		fix = "write " + example
	case want == "a boolean":
		fix = "write true or false, without quotes"
	}
	d.fail(key, fmt.Sprintf("is %s, but must be %s", kindOf(raw), want), fix)
}

// exampleFor is how the value of a key is written: its default where it has one, so that whoever takes the example
// literally changes nothing.
func exampleFor(into reflect.Value) string {
	switch v := into.Addr().Interface().(type) {
	case *Secret:
	case *int:
		if *v != 0 {
			return strconv.Itoa(*v)
		}
	case fmt.Stringer:
		if !into.IsZero() {
			return quote(v.String())
		}
	case *Path:
		if *v != "" {
			return quote(string(*v))
		}
	case *URL:
		if *v != "" {
			return quote(string(*v))
		}
	}
	return exampleOf(into.Type())
}

func exampleOf(t reflect.Type) string {
	if t == prefixType {
		return (&prefix{}).example()
	}
	if s, ok := reflect.New(t).Interface().(scalar); ok {
		return s.example()
	}
	return map[reflect.Kind]string{reflect.String: `"name"`, reflect.Int: "1", reflect.Int64: "100", reflect.Bool: "true"}[t.Kind()]
}

const kindTables = "an array of tables"

// kindOf names the TOML type of a parsed value.
func kindOf(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return kindTables
	}
	return "a list"
}
