package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
)

// Setting is one key of the effective configuration: what holds, and where that comes from.
type Setting struct {
	// Key is the full path. Entries of an array of tables count from 0: "llm.providers.openai.headers[0].name".
	Key string
	// Value is a string, a whole number, a boolean, a list of strings, or nil for none. What nobody may see
	// is ***.
	Value any
	From  From
	// Line is the line that says the value, or takes it from the environment; 0 where a default, a flag or a variable
	// in the file's place holds.
	Line int
}

// Settings are all keys of the effective configuration in the order of the reference, chosen names in the
// order of the file. Keys that a provider of its type does not have are left out, and so are limits and fallbacks where a
// provider or model has none, and what an entry of an array of tables does not say.
func (c *Config) Settings() []Setting {
	var all []Setting
	for n := range c.walk() {
		if !n.isTable() {
			s := Setting{Key: maskUserinfo(n.key), Value: c.shownOf(n), From: c.from(n), Line: c.Line(n.key)}
			if _, other := c.origin.overridden[n.key]; other {
				s.Line = 0 // what stands there is not what holds
			}
			all = append(all, s)
		}
	}
	return all
}

// Shown is the value of a key as anybody may see it: see [Setting]. Nil also for a key that does not exist.
func (c *Config) Shown(key string) any {
	for n := range c.walk() {
		if n.key == key && !n.isTable() {
			return c.shownOf(n)
		}
	}
	return nil
}

// from is where the value of a key comes from.
func (c *Config) from(n node) From {
	if from, ok := c.origin.overridden[n.key]; ok {
		return from
	}
	hidden := c.origin.hidden[n.key]
	if n.value.Kind() == reflect.Slice {
		for i := range n.value.Len() {
			hidden = hidden || c.origin.hidden[element(n.key, i)]
		}
	}
	switch {
	case hidden:
		return FromEnvironment
	case c.Has(n.key):
		return FromFile
	}
	return FromDefault
}

// shownOf is the value of a key as anybody may see it.
func (c *Config) shownOf(n node) any {
	if n.none && n.value.IsZero() {
		return nil
	}
	return c.shown(n.key, n.value)
}

// shown is the value of a key, or of an element of its list, as anybody may see it.
func (c *Config) shown(key string, v reflect.Value) any {
	if c.origin.hidden[key] {
		return masked
	}
	switch x := v.Interface().(type) {
	case Pattern:
		if !x.IsSet() {
			return nil
		}
		return maskUserinfo(x.String())
	case Secret:
		if !x.IsSet() {
			return nil
		}
		return masked
	case fmt.Stringer:
		return maskUserinfo(x.String())
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return c.shown(key, v.Elem())
	case reflect.Slice:
		list := make([]string, v.Len())
		for i := range list {
			list[i], _ = c.shown(element(key, i), v.Index(i)).(string)
		}
		return list
	case reflect.String:
		if v.Len() == 0 {
			return nil
		}
		return maskUserinfo(v.String())
	case reflect.Int, reflect.Int64:
		return v.Int()
	case reflect.Bool:
		return v.Bool()
	}
	panic("config: no way to show " + v.Type().String())
}

// MarshalJSON is the effective configuration as the tables of the file, with secrets masked. Keys have
// the order of [Config.Settings].
func (c *Config) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := c.writeJSON(&b, c.root()); err != nil {
		return nil, fmt.Errorf("write the configuration as JSON: %w", err)
	}
	return b.Bytes(), nil
}

func (c *Config) writeJSON(b *bytes.Buffer, n node) error {
	if !n.isTable() {
		return appendJSON(b, c.shownOf(n))
	}
	brackets := "{}"
	if isArray(n.value.Type()) {
		brackets = "[]"
	}
	between := brackets[0]
	for _, inner := range n.inside() {
		if isArray(inner.value.Type()) && inner.value.Len() == 0 {
			continue // it has no setting either
		}
		b.WriteByte(between)
		between = ','
		if !inner.isRow {
			if err := appendJSON(b, maskUserinfo(inner.name)); err != nil {
				return err
			}
			b.WriteByte(':')
		}
		if err := c.writeJSON(b, inner); err != nil {
			return err
		}
	}
	if between != ',' {
		b.WriteByte(between)
	}
	b.WriteByte(brackets[1])
	return nil
}

func appendJSON(b *bytes.Buffer, value any) error {
	text, err := json.Marshal(value)
	b.Write(text)
	return err
}

// userinfo is what stands between the slashes of a URL and the last @ of the same word. A password may hold
// slashes, although it should not; hiding a piece of a path is the lesser harm.
var userinfo = regexp.MustCompile(`//\S*@`)

// maskUserinfo hides the user information of every URL in s.
func maskUserinfo(s string) string { return userinfo.ReplaceAllString(s, "//"+masked+"@") }
