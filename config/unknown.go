package config

import (
	"fmt"
	"reflect"
	"strings"
)

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
	return "in " + bracketed(table)
}

// bracketed is the header of a table in the file, that of an entry of an array in double brackets.
func bracketed(table string) string {
	if strings.HasSuffix(table, "]") {
		return fmt.Sprintf("[[%s]]", parentKey(table))
	}
	return fmt.Sprintf("[%s]", table)
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
