package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"nexus/config"
)

func TestLocate(t *testing.T) {
	tests := []struct {
		name string
		text string
		want map[string]string // key → line:column
	}{
		{
			"a table and a key stand where they are written",
			"# first\n\n[admin]\n  path = \"/x\"\n",
			map[string]string{"admin": "3:1", "admin.path": "4:3"},
		},
		{
			"a table that is only implied stands where its first child does",
			"[llm.providers.demo]\ntype = 'demo'\n",
			map[string]string{"llm": "1:1", "llm.providers": "1:1", "llm.providers.demo": "1:1", "llm.providers.demo.type": "2:1"},
		},
		{
			"a table that is written after it was implied stands where it is written",
			"[llm.providers]\n[llm]\nenabled = true\n",
			map[string]string{"llm": "2:1", "llm.providers": "1:1", "llm.enabled": "3:1"},
		},
		{
			"dotted keys, with space around their dots",
			"a . b.c = 1\na.b.d = 2\n",
			map[string]string{"a": "1:1", "a.b": "1:1", "a.b.c": "1:1", "a.b.d": "2:1"},
		},
		{
			"a name with a dot is quoted in the path, however it was quoted in the file",
			"[models.'gpt-4.1']\n[models.\"gpt-\\u0035\"]\n[models.\"\"]\n[models.\"a\\\"b\"]\n",
			map[string]string{"models": "1:1", `models."gpt-4.1"`: "1:1", "models.gpt-5": "2:1", `models.""`: "3:1", `models."a\"b"`: "4:1"},
		},
		{
			"inline tables, over several lines too",
			"a = { b = 1, c = { d = 2 },\n  e = 3, # why\n}\nf = {}\n",
			map[string]string{"a": "1:1", "a.b": "1:7", "a.c": "1:14", "a.c.d": "1:20", "a.e": "2:3", "f": "4:1"},
		},
		{
			"elements of a list",
			"a = [\n  \"x\", # first ]\n  \"y\",\n]\nb = [[1, 2], {c = 3}]",
			map[string]string{"a": "1:1", "a[0]": "2:3", "a[1]": "3:3", "b": "5:1", "b[0]": "5:6", "b[0][0]": "5:7", "b[0][1]": "5:10", "b[1]": "5:14", "b[1].c": "5:15"},
		},
		{
			"arrays of tables, and tables in their last element",
			"[[a]]\nx = 1\n[[ a ]]\n[a.b]\ny = 2\n[[a.c]]\nz = 3\n",
			map[string]string{"a": "1:1", "a[0]": "1:1", "a[0].x": "2:1", "a[1]": "3:1", "a[1].b": "4:1", "a[1].b.y": "5:1", "a[1].c": "6:1", "a[1].c[0]": "6:1", "a[1].c[0].z": "7:1"},
		},
		{
			"what looks like a key in a string of several lines is none",
			"a = \"\"\"\n[b]\nc = \\\"\"\" d\n\"\"\"\"\"\ne = '''\nf = 1'''''\ng = 1\n",
			map[string]string{"a": "1:1", "e": "5:1", "g": "7:1"},
		},
		{
			"carriage returns, a byte order mark, and columns that count characters",
			"\ufeffa = 1\r\n\"é\" = { é.b = 1 }\r\n",
			map[string]string{"a": "1:1", `"é"`: "2:1"},
		},
		{
			"a comment and dates with a space in them",
			"a = 1979-05-27 07:32:00 # b = 1\nc = 07:32:00\n",
			map[string]string{"a": "1:1", "c": "2:1"},
		},
		{
			"keys before the first mistake are found",
			"a = 1\nb\nc = 2\n",
			map[string]string{"a": "1:1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, ok := config.Locate(tt.text)
			got := map[string]string{}
			for key, at := range keys {
				got[key] = fmt.Sprintf("%d:%d", at.Line, at.Column)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || !ok {
				t.Errorf("within bounds: %v, places (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestLocateRefusesWhatGrowsFasterThanItsSize(t *testing.T) {
	tests := []struct{ name, text, what string }{
		{"lists in lists", "a = " + strings.Repeat("[", 400_000), "nests deeper than 32 tables"},
		{"inline tables in inline tables", strings.Repeat("a={", 100_000), "nests deeper than 32 tables"},
		{"a key of many names", strings.Repeat("a.", 200_000) + "a = 1", "nests deeper than 32 tables"},
		{"a header of many names", "[" + strings.Repeat("a.", 200_000) + "a]", "nests deeper than 32 tables"},
		{"a long name", strings.Repeat("a", 1000) + " = 1", "has a key whose path is longer than 512 bytes"},
		{"a long list", "a = [" + strings.Repeat("1,", 200_000) + "]", "has more than 50000 keys and list elements"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := config.Parse("nexus.toml", []byte(tt.text), config.Overlay{}, nil)
			if len(problems) != 1 || problems[0].What != "the file "+tt.what || problems[0].Line != 1 {
				t.Errorf("problems:\n%v", problems)
			}
		})
	}
}

// FuzzLocate holds the scanner against the parser: of a text that is TOML, every value has a place.
func FuzzLocate(f *testing.F) {
	for _, seed := range []string{
		"a = 1\n[b.c]\nd = \"x\"", "[[a]]\nb = {c = [1, {d = 2}]}\n[a.e]\n", "a = \"\"\"x\\\n\"\" \"\"\"\"\"\nb.'c.d'.\"e\\u0041\" = 1979-05-27 07:32:00 # c\r\n",
		"\ufeffa = { # c\n b = '''\n''', }\n", "a = [1, [2, ], # ]\n 3]", "a=\"\\\"\"\n\"\\e\\x41\\U0001F600\"=inf", "[a]\n[a.b]\n[[a.b.c]]\n[[a.b.c]]\n[a.b.c.d]\n",
		"a = \"\"\"\\\"\"\"\"\"\"", "a.b.c = 1\n[d.a]\nb=nan", "[[a.b]]\n[a]\nb.y = 2\n", "[\"a\\tb\".'']\n\"\"={}",
		"[[a.b.headers]]\nc = 1\n[[a.b.headers]]\nc = {d = 2}\n[a.b.models.'m.1']\nheaders = [{c = 1}, {c = [{d = 2}]}]\n[[a.b.models.n.headers]]\nc.d = 3\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, within := config.Locate(text)
		if !within {
			return
		}
		tree, ok := parseTOML(text)
		if !ok {
			return
		}
		for _, key := range leaves("", tree) {
			at, ok := keys[key]
			if !ok {
				t.Fatalf("no place for %s", key)
			}
			if lines := strings.Count(text, "\n") + 1; at.Line < 1 || at.Line > lines || at.Column < 1 {
				t.Fatalf("%s stands at %v of %d lines", key, at, lines)
			}
		}
	})
}

// parseTOML is the library's own reading; assertions of the library count as "not TOML".
func parseTOML(text string) (tree map[string]any, ok bool) {
	defer func() {
		if recover() != nil {
			tree, ok = nil, false
		}
	}()
	_, err := toml.Decode(text, &tree)
	return tree, err == nil
}

// leaves are the paths of all values in a tree, and of its empty tables and lists.
func leaves(key string, value any) []string {
	var all []string
	switch v := value.(type) {
	case map[string]any:
		for name, child := range v {
			path := config.JoinKey(name)
			if key != "" {
				path = key + "." + path
			}
			all = append(all, leaves(path, child)...)
		}
	case []map[string]any:
		for i, child := range v {
			all = append(all, leaves(fmt.Sprintf("%s[%d]", key, i), child)...)
		}
	case []any:
		for i, child := range v {
			all = append(all, leaves(fmt.Sprintf("%s[%d]", key, i), child)...)
		}
	}
	if len(all) == 0 && key != "" {
		return []string{key}
	}
	return all
}
