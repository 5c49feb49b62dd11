package demo_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"nexus/gateway/llm"
)

// shaped is the demo's answer to a schema.
func shaped(t *testing.T, schema string) string {
	t.Helper()
	return complete(t, asking("x", func(r *llm.Request) {
		r.Format = llm.Format{Kind: llm.FormatSchema, Name: "n", Schema: []byte(schema)}
	})).Text
}

// called is what the demo calls a tool of these parameters with.
func called(t *testing.T, parameters string) string {
	t.Helper()
	return complete(t, asking("tool:", func(r *llm.Request) {
		r.Tools = []llm.Tool{{Name: "f", Parameters: []byte(parameters)}}
	})).ToolCalls[0].Arguments
}

func TestInstancesOfSchemas(t *testing.T) {
	tests := map[string]struct{ schema, want string }{
		"a text":                       {`{"type":"string"}`, `"demo"`},
		"a number":                     {`{"type":"number"}`, `0`},
		"an integer":                   {`{"type":"integer"}`, `0`},
		"a boolean":                    {`{"type":"boolean"}`, `false`},
		"null":                         {`{"type":"null"}`, `null`},
		"an array":                     {`{"type":"array","items":{"type":"string"}}`, `[]`},
		"a type or null":               {`{"type":["null","integer"]}`, `0`},
		"null alone in a list":         {`{"type":["null"]}`, `null`},
		"anything":                     {`{}`, `{}`},
		"a constant":                   {`{"type":"string","const":"c","enum":["e"]}`, `"c"`},
		"an exact number":              {`{"const":12345678901234567890}`, `12345678901234567890`},
		"the first of some":            {`{"enum":["e","f"],"default":"d"}`, `"e"`},
		"the default":                  {`{"type":"array","default":[1,{"b":2,"a":null}],"examples":[3]}`, `[1,{"a":null,"b":2}]`},
		"an example":                   {`{"type":"integer","examples":[7,8]}`, `7`},
		"required properties":          {`{"type":"object","properties":{"b":{"type":"null"},"a":{},"c":{}},"required":["b","a"]}`, `{"a":"demo","b":null}`},
		"all where none is required":   {`{"properties":{"b":{"type":"boolean"},"a":{"type":"integer"}}}`, `{"a":0,"b":false}`},
		"required without a schema":    {`{"type":"object","required":["x"]}`, `{"x":"demo"}`},
		"required twice":               {`{"type":"object","required":["x","x"]}`, `{"x":"demo"}`},
		"a name that needs escapes":    {`{"type":"object","required":["\"\n"]}`, `{"\"\n":"demo"}`},
		"objects in objects":           {`{"properties":{"a":{"properties":{"b":{"properties":{"c":{"type":"string"}}}}}}}`, `{"a":{"b":{"c":"demo"}}}`},
		"an array of two":              {`{"type":"array","items":{"type":"integer"},"minItems":2}`, `[0,0]`},
		"a tuple":                      {`{"type":"array","prefixItems":[{"type":"boolean"}],"items":{"type":"null"},"minItems":2}`, `[false,null]`},
		"a reference":                  {`{"properties":{"a":{"$ref":"#/$defs/x~1y"}},"$defs":{"x/y":{"type":"integer","minimum":3}}}`, `{"a":3}`},
		"a reference with percents":    {`{"properties":{"a":{"$ref":"#/$defs/x%20y"}},"$defs":{"x y":{"type":"boolean"}}}`, `{"a":false}`},
		"a reference to nowhere":       {`{"properties":{"a":{"$ref":"#/$defs/x"},"b":{"$ref":"https://example.com/"}}}`, `{"a":"demo","b":"demo"}`},
		"a type or null, as Pydantic":  {`{"properties":{"a":{"anyOf":[{"type":"integer"},{"type":"null"}],"title":"A"}}}`, `{"a":0}`},
		"the first alternative":        {`{"properties":{"a":{"oneOf":[{"$ref":"#/$defs/b"},{"type":"string"}]}},"$defs":{"b":{"type":"boolean"}}}`, `{"a":false}`},
		"all of some":                  {`{"allOf":[{"properties":{"a":{"type":"null"}},"required":["a"]},{"properties":{"b":{"type":"null"},"a":{"type":"string"}},"required":["b"]}]}`, `{"a":null,"b":null}`},
		"a minimum":                    {`{"type":"integer","minimum":3}`, `3`},
		"a minimum between integers":   {`{"type":"integer","minimum":2.5}`, `3`},
		"an exclusive minimum":         {`{"type":"integer","exclusiveMinimum":3}`, `4`},
		"a maximum":                    {`{"type":"integer","maximum":-2.5}`, `-3`},
		"an exclusive maximum":         {`{"type":"number","exclusiveMaximum":0}`, `-1`},
		"a narrow range":               {`{"type":"number","exclusiveMinimum":0,"maximum":0.5}`, `0.5`},
		"a narrower range":             {`{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":0.5}`, `0.25`},
		"a multiple":                   {`{"type":"integer","multipleOf":5,"minimum":7}`, `10`},
		"an impossible number":         {`{"type":"integer","minimum":2,"maximum":1}`, `0`},
		"a short text":                 {`{"type":"string","maxLength":2}`, `"de"`},
		"a longer text":                {`{"type":"string","minLength":6}`, `"demo--"`},
		"a date and time":              {`{"type":"string","format":"date-time"}`, `"2026-01-01T00:00:00Z"`},
		"an unknown format":            {`{"type":"string","format":"x"}`, `"demo"`},
		"a type by its words":          {`{"properties":{"a":{"items":{}},"b":{"minimum":1},"c":{"pattern":"x"}}}`, `{"a":[],"b":1,"c":"demo"}`},
		"words of a wrong kind":        {`{"type":"object","properties":[],"required":{},"allOf":1,"anyOf":{},"enum":{},"$ref":5}`, `{}`},
		"properties of a wrong kind":   {`{"properties":{"a":true,"b":false,"c":[1]}}`, `{"a":"demo","b":"demo","c":"demo"}`},
		"a list that may be very long": {`{"type":"array","minItems":1e300,"items":{"type":"null"}}`, `[` + strings.Repeat("null,", 15) + `null]`},
		"a list of a negative length":  {`{"type":"array","minItems":-5}`, `[]`},
		"a tree":                       {`{"type":"object","properties":{"v":{"type":"integer"},"next":{"type":"array","items":{"$ref":"#"}}}}`, `{"next":[],"v":0}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := shaped(t, tt.schema); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestArgumentsAreAlwaysAnObject(t *testing.T) {
	for schema, want := range map[string]string{
		"":                        `{}`,
		`{}`:                      `{}`,
		`{"type":"string"}`:       `{}`,
		`{"default":[1]}`:         `{}`,
		`{"properties":{"a":{}}}`: `{"a":"demo"}`,
		`{"type":"object"}`:       `{}`,
		`{"$ref":"#/$defs/a"}`:    `{}`,
		`{"x":"` + strings.Repeat("x", 1<<20) + `","required":["a"]}`: `{}`,
	} {
		if got := called(t, schema); got != want {
			t.Errorf("%.40s: called with %s, want %s", schema, got, want)
		}
	}
}

func TestHostileSchemasCostLittle(t *testing.T) {
	many := func(n int, entry string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.ReplaceAll(entry, "@", strconv.Itoa(i)))
		}
		return b.String()
	}
	for name, schema := range map[string]string{
		"a reference to itself":           `{"$ref":"#"}`,
		"two in a circle":                 `{"$ref":"#/a","a":{"$ref":"#/b"},"b":{"$ref":"#/a"}}`,
		"itself in itself, required":      `{"type":"object","properties":{"a":{"$ref":"#"},"b":{"$ref":"#"}},"required":["a","b"]}`,
		"itself in itself, optional":      `{"type":"object","properties":{` + many(50, `"a@":{"$ref":"#"}`) + `}}`,
		"itself in arrays":                `{"type":"array","minItems":16,"items":{"$ref":"#"}}`,
		"all of itself many times":        `{"allOf":[` + many(5000, `{"$ref":"#","x":@}`) + `]}`,
		"all of a large one many times":   `{"allOf":[` + many(3000, `{"$ref":"#/$defs/a"}`) + `],"$defs":{"a":{"properties":{` + many(5000, `"p@":{}`) + `}}}}`,
		"a large constant many times":     `{"type":"array","minItems":16,"items":{"type":"array","minItems":16,"items":{"$ref":"#/$defs/a"}},"$defs":{"a":{"const":"` + strings.Repeat("x", 100_000) + `"}}}`,
		"many properties":                 `{"properties":{` + many(8000, `"p@":{"type":"string"}`) + `}}`,
		"long numbers":                    `{"type":"integer","minimum":` + strings.Repeat("9", 200_000) + `}`,
		"a long reference, over and over": `{"allOf":[` + many(3, `{"$ref":"#`+strings.Repeat("/a", 30_000)+`"}`) + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if !jsontext.Value(schema).IsValid() {
				t.Fatal("the schema itself is no JSON")
			}
			began := time.Now()
			got := shaped(t, schema)
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			if !jsontext.Value(got).IsValid() || len(got) > 512<<10 {
				t.Errorf("got %d bytes: %.100s", len(got), got)
			}
		})
	}
}

// FuzzSchema holds that whatever the schema, the answer is JSON, bounded, and the same again.
func FuzzSchema(f *testing.F) {
	for _, schema := range []string{
		`{}`, `{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, `{"allOf":[{"anyOf":[{"type":["null","array"]}]}],"minItems":3}`,
		`{"type":"number","multipleOf":0.1,"exclusiveMinimum":1e308}`, `{"type":"string","minLength":9,"maxLength":-1,"format":"uuid"}`,
		`{"enum":[{"a":[1.50,"\u0000"]}]}`, `{"type":"integer","multipleOf":1e-320,"minimum":5}`, `{"const":1e999}`, `{"$ref":"#/%zz/~2"}`,
	} {
		f.Add(schema)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		first := shaped(t, schema)
		if !jsontext.Value(first).IsValid() {
			t.Fatalf("no JSON: %s", first)
		}
		if second := shaped(t, schema); first != second {
			t.Fatalf("first %s, then %s", first, second)
		}
		if len(first) > 512<<10 {
			t.Fatalf("%d bytes", len(first))
		}
	})
}
