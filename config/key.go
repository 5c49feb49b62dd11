package config

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// JoinKey is the full path of a key as problems print it and [Config.Line] takes it: its names with dots
// between them, a name that is not a bare TOML key in double quotes.
func JoinKey(names ...string) string {
	key := ""
	for _, name := range names {
		key = join(key, name)
	}
	return key
}

func join(key, name string) string {
	if !isBare(name) {
		name = quoteName(name)
	}
	if key == "" {
		return name
	}
	return key + "." + name
}

// element is the path of one element of the list at key.
func element(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }

// parentKey is the path of what key stands in, or "" for the file itself.
func parentKey(key string) string {
	end, quoted := 0, false
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '.' || c == '['):
			end = i
		}
	}
	return key[:end]
}

func isBare(name string) bool {
	for i := range len(name) {
		if !isBareByte(name[i]) {
			return false
		}
	}
	return name != ""
}

func isBareByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// quoteName writes name as a TOML string that is safe on a terminal: one line, printable.
func quoteName(name string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range name {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// tablesWith are the tables that have a key called name, with the placeholder NAME where the user names one.
func tablesWith(name string) []string {
	var found []string
	var walk func(key string, t reflect.Type)
	walk = func(key string, t reflect.Type) {
		switch {
		case isNamed(t):
			walk(key+".NAME", entryType(t))
			return
		case isArray(t):
			walk(key+"[]", t.Elem())
			return
		}
		if !isTable(t) {
			return
		}
		for _, f := range fieldsOf(t) {
			if f.name == name {
				found = append(found, key)
			}
			walk(join(key, f.name), f.typ)
		}
	}
	walk("", reflect.TypeFor[Config]())
	return found
}

// knownPrefix is the path of the longest beginning of names that the configuration has. Names that the
// user is free to choose count only among the first named of them: what follows an unlucky line break is
// not a name that anybody chose.
func knownPrefix(names []string, named int) string {
	key, t := "", reflect.TypeFor[Config]()
	for i, name := range names {
		switch {
		case isNamed(t) && i < named:
			t = entryType(t)
		case isTable(t):
			next := fieldNamed(t, name)
			if next == nil {
				return key
			}
			t = next
		default:
			return key
		}
		key = join(key, name)
	}
	return key
}
