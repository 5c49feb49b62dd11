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
		d.fail(key, what, fmt.Sprintf("write [%s] and its keys below it: %s", key, strings.Join(namesOf(fieldsOf(t)), ", ")))
	}
	return nil, false
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

// list decodes a list of strings, or of values that are written as strings.
func (d *decoder) list(key string, raw any, into reflect.Value) {
	items, ok := raw.([]any)
	if !ok {
		example := fmt.Sprintf("[%s]", exampleOf(into.Type().Elem()))
		d.wrongType(key, raw, "a list", example)
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
		name, in = key[len(parent)+1:], fmt.Sprintf(" in [%s]", parent)
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
	return map[reflect.Kind]string{reflect.String: `"name"`, reflect.Int: "1", reflect.Bool: "true"}[t.Kind()]
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

// maxGuesses bounds the work for a file in which hardly any key is known: no configuration at all.
const maxGuesses = 1000

// unknown reports a key that does not exist, with the likeliest remedy.
func (d *decoder) unknown(table, name string, fields []field) {
	key, names := join(table, name), namesOf(fields)
	if len(d.problems) >= maxGuesses {
		d.fail(key, "unknown key", "see docs/configuration.md for the keys")
		return
	}
	if guess := Nearest(name, names); guess != "" {
		d.spoil(join(table, guess))
		d.fail(key, "unknown key", fmt.Sprintf("did you mean %s?", guess))
		return
	}
	if len(fields) == 1 {
		// The table has one purpose, and this was the attempt at it.
		d.spoil(join(table, names[0]))
	}
	if places := tablesWith(name); len(places) > 0 && len(places) <= 3 {
		for i, place := range places {
			places[i] = placeOf(place)
		}
		d.fail(key, "unknown key "+placeOf(table), name+" belongs "+strings.Join(places, " or "))
		return
	}
	list := "the keys %s are %s"
	if len(names) == 1 {
		list = "the only key %s is %s"
	}
	d.fail(key, "unknown key", fmt.Sprintf(list, placeOf(table), strings.Join(names, ", ")))
}

func placeOf(table string) string {
	if table == "" {
		return "at the top of the file"
	}
	return fmt.Sprintf("in [%s]", table)
}

// unquoted reports a name with dots that was written without quotes, which TOML reads as tables in tables:
// models.gpt-4.1 is a table 1 in gpt-4. It returns false where that is not what happened.
func (d *decoder) unquoted(key, entry, name string, raw any, t reflect.Type) bool {
	sub, ok := raw.(map[string]any)
	if !ok {
		return false
	}
	whole, child := entry+"."+name, join(key, name)
	for !d.isEntry(sub, t) {
		inner, tree := onlyTable(sub)
		if tree == nil {
			break
		}
		whole, child, sub = whole+"."+inner, join(child, inner), tree
	}
	if !d.isEntry(sub, t) && (name[0] < '0' || name[0] > '9') {
		return false
	}
	d.spoil(key)
	d.fail(child, fmt.Sprintf("the name %s has dots and no quotes, so that TOML reads tables in tables", quoteName(whole)),
		fmt.Sprintf("write [%s]", join(parentKey(key), whole)))
	// What it says is wrong or right whatever its name is.
	d.table(child, sub, reflect.New(t).Elem(), whole)
	return true
}

// isEntry reports whether tree looks like an entry of type t: it says one of its keys, or nothing.
func (d *decoder) isEntry(tree map[string]any, t reflect.Type) bool {
	for _, f := range fieldsOf(t) {
		if _, ok := tree[f.name]; ok {
			return true
		}
	}
	return len(tree) == 0
}

// onlyTable is the one table that tree holds, if it holds nothing else.
func onlyTable(tree map[string]any) (string, map[string]any) {
	if len(tree) == 1 {
		for name, raw := range tree {
			if sub, ok := raw.(map[string]any); ok {
				return name, sub
			}
		}
	}
	return "", nil
}
