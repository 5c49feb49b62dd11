package demo

import (
	"errors"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What an instance may cost. Schemas come from callers: they may refer to themselves, or ask for a million
// entries.
const (
	maxSchema   = 256 << 10 // bytes of a schema that is looked at
	maxInstance = 64 << 10  // bytes after which every value is null
	maxSteps    = 10_000    // names in schemas that are looked at, counting again what is referred to again
	maxMerged   = 32        // schemas that demand one another of a single value
	maxRef      = 256       // bytes of a reference
	maxDigits   = 32        // bytes of a number
	maxLevels   = 24        // levels of values
	onlyNeeded  = 6         // levels from which on optional properties are left out
	maxText     = 1024      // bytes of a text that is to be long
	maxEntries  = 16        // of an array that is to be long
)

// instance is a small value that a JSON Schema allows, as JSON: what the schema names itself (a constant, a
// default, an example) where it does, else the plainest value of its type. Optional properties are left out
// where others are required. With forced the value is an object in any case. What it does not heed are
// patterns, conditions and negations.
func instance(schema []byte, forced bool) string {
	if len(schema) == 0 || len(schema) > maxSchema {
		return "{}"
	}
	var root any
	// Numbers stay text, since a float would change long ones.
	exact := json.UnmarshalFromFunc(func(d *jsontext.Decoder, v *any) error {
		if d.PeekKind() != '0' {
			return errors.ErrUnsupported // the usual way, then
		}
		number, err := d.ReadValue()
		*v = number.Clone()
		return err
	})
	if err := json.Unmarshal(schema, &root, json.WithUnmarshalers(exact)); err != nil {
		return "{}"
	}
	g := generator{root: root, steps: maxSteps}
	g.value(root, 0)
	if forced && g.out[0] != '{' {
		return "{}"
	}
	return string(g.out)
}

// generator writes one instance.
type generator struct {
	root  any
	steps int // left
	out   []byte
}

// value writes an instance of a schema, which stands at a level of the whole.
func (g *generator) value(schema any, level int) {
	if level > maxLevels || len(g.out) > maxInstance {
		g.out = append(g.out, "null"...)
		return
	}
	s := map[string]any{}
	g.merge(s, schema, 0)
	if v, ok := given(s); ok {
		g.literal(v)
		return
	}
	switch kind(s, level) {
	case "object":
		g.object(s, level)
	case "array":
		g.array(s, level)
	case "integer":
		g.number(s, true)
	case "number":
		g.number(s, false)
	case "boolean":
		g.out = append(g.out, "false"...)
	case "null":
		g.out = append(g.out, "null"...)
	default:
		g.text(s)
	}
}

// merge adds to s what a schema demands, with all that it refers to, all of "allOf" and the first of
// alternatives. What s has already stays, but for properties and their being required, which add up.
func (g *generator) merge(s map[string]any, schema any, depth int) {
	from, _ := schema.(map[string]any)
	if g.steps -= 1 + len(from); g.steps < 0 || depth > maxMerged {
		return
	}
	for name, v := range from {
		switch name {
		case "$ref", "allOf", "anyOf", "oneOf":
		case "properties":
			have, _ := s[name].(map[string]any)
			more, _ := v.(map[string]any)
			g.steps -= len(have) + len(more)
			both := make(map[string]any, len(have)+len(more))
			for _, properties := range []map[string]any{more, have} {
				for property, p := range properties {
					both[property] = p
				}
			}
			s[name] = both
		case "required":
			have, _ := s[name].([]any)
			more, _ := v.([]any)
			g.steps -= len(have) + len(more)
			s[name] = slices.Concat(have, more)
		default:
			if _, ok := s[name]; !ok {
				s[name] = v
			}
		}
	}
	if ref, ok := from["$ref"].(string); ok {
		g.merge(s, g.resolve(ref), depth+1)
	}
	all, _ := from["allOf"].([]any)
	for _, part := range all {
		g.merge(s, part, depth+1)
	}
	for _, name := range []string{"anyOf", "oneOf"} {
		if options, _ := from[name].([]any); len(options) > 0 {
			g.merge(s, options[0], depth+1)
		}
	}
}

// resolve finds what a reference within the schema leads to; nil, which demands nothing, where it leads
// nowhere.
func (g *generator) resolve(ref string) any {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok || len(ref) > maxRef {
		return nil
	}
	if plain, err := url.PathUnescape(pointer); err == nil {
		pointer = plain
	}
	at := g.root
	for token := range jsontext.Pointer(pointer).Tokens() {
		object, _ := at.(map[string]any)
		at = object[token]
	}
	return at
}

// given finds a value that the schema itself names.
func given(s map[string]any) (any, bool) {
	if v, ok := s["const"]; ok {
		return v, true
	}
	if enum, _ := s["enum"].([]any); len(enum) > 0 {
		return enum[0], true
	}
	if v, ok := s["default"]; ok {
		return v, true
	}
	if examples, _ := s["examples"].([]any); len(examples) > 0 {
		return examples[0], true
	}
	return nil, false
}

// kind is the type of the instance: the first that the schema allows and that is not null, else what its
// other words are about.
func kind(s map[string]any, level int) string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		for _, one := range t {
			if name, ok := one.(string); ok && name != "null" {
				return name
			}
		}
		if len(t) > 0 {
			return "null"
		}
	}
	for _, about := range [...]struct{ kind, words string }{
		{"object", "properties required additionalProperties minProperties"},
		{"array", "items prefixItems minItems"},
		{"number", "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"},
		{"string", "minLength maxLength format pattern"},
	} {
		for word := range strings.FieldsSeq(about.words) {
			if _, ok := s[word]; ok {
				return about.kind
			}
		}
	}
	if level == 0 {
		return "object"
	}
	return "string"
}

func (g *generator) object(s map[string]any, level int) {
	properties, _ := s["properties"].(map[string]any)
	var names []string
	required, _ := s["required"].([]any)
	for _, v := range required {
		if name, ok := v.(string); ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 && level < onlyNeeded {
		for name := range properties {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	g.out = append(g.out, '{')
	for i, name := range slices.Compact(names) {
		if g.steps < 0 || len(g.out) > maxInstance {
			break
		}
		if i > 0 {
			g.out = append(g.out, ',')
		}
		g.out, _ = jsontext.AppendQuote(g.out, name)
		g.out = append(g.out, ':')
		g.value(properties[name], level+1)
	}
	g.out = append(g.out, '}')
}

func (g *generator) array(s map[string]any, level int) {
	fixed, _ := s["prefixItems"].([]any)
	least, _ := numeric(s["minItems"])
	g.out = append(g.out, '[')
	for i := range int(min(least, maxEntries)) {
		if i > 0 {
			g.out = append(g.out, ',')
		}
		if i < len(fixed) {
			g.value(fixed[i], level+1)
		} else {
			g.value(s["items"], level+1)
		}
	}
	g.out = append(g.out, ']')
}

// number writes zero, or another number that is within the bounds; zero, too, where none is found.
func (g *generator) number(s map[string]any, whole bool) {
	bound := func(name string, none float64) float64 {
		if n, ok := numeric(s[name]); ok {
			return n
		}
		return none
	}
	least, above := bound("minimum", math.Inf(-1)), bound("exclusiveMinimum", math.Inf(-1))
	most, below := bound("maximum", math.Inf(1)), bound("exclusiveMaximum", math.Inf(1))
	low, high := max(least, above), min(most, below)
	unit, stepped := numeric(s["multipleOf"])
	stepped = stepped && unit > 0
	if !stepped {
		unit = 1
	}
	for _, n := range [...]float64{
		0, low, high, (low + high) / 2,
		math.Ceil(low/unit) * unit, (math.Floor(low/unit) + 1) * unit,
		math.Floor(high/unit) * unit, (math.Ceil(high/unit) - 1) * unit,
	} {
		fits := n >= least && n > above && n <= most && n < below
		if fits && !math.IsInf(n, 0) && (!whole || n == math.Trunc(n)) && (!stepped || n == math.Trunc(n/unit)*unit) {
			g.literal(n)
			return
		}
	}
	g.out = append(g.out, '0')
}

// text writes a string of the format and about the length that the schema asks for.
func (g *generator) text(s map[string]any) {
	format, _ := s["format"].(string)
	text := example(format)
	if least, ok := numeric(s["minLength"]); ok && least > float64(len(text)) {
		text += strings.Repeat("-", int(min(least, maxText))-min(len(text), maxText))
	}
	if most, ok := numeric(s["maxLength"]); ok && most >= 0 && most < float64(len(text)) {
		text = text[:int(most)]
	}
	g.out, _ = jsontext.AppendQuote(g.out, text)
}

// example is a text of one of the formats that JSON Schema names, or of none.
func example(format string) string {
	switch format {
	case "date-time":
		return "2026-01-01T00:00:00Z"
	case "date":
		return "2026-01-01"
	case "time":
		return "00:00:00Z"
	case "duration":
		return "PT1S"
	case "email":
		return "demo@example.com"
	case "hostname":
		return "example.com"
	case "uri", "iri", "uri-reference":
		return "https://example.com/"
	case "ipv4":
		return "192.0.2.1"
	case "ipv6":
		return "2001:db8::1"
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	}
	return "demo"
}

// literal writes a value of the schema as it is.
func (g *generator) literal(v any) {
	out, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		out = []byte("null")
	}
	g.out = append(g.out, out...)
}

// numeric reads a number of the schema.
func numeric(v any) (float64, bool) {
	raw, ok := v.(jsontext.Value)
	if !ok || len(raw) > maxDigits {
		return 0, false
	}
	var n float64
	err := json.Unmarshal(raw, &n)
	return n, err == nil
}
