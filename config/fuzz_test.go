package config_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"nexus/config"
)

// FuzzParse states what holds for any text: there is a configuration or an error, never a panic; every
// problem is one printable line that says what to do; and no secret is in any of them.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(section(archive, "nexus.toml"))
	}
	shipped, err := os.ReadFile("../nexus.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(shipped)
	f.Add([]byte("[server.oauth]\nurl = \"https://{{ env.SECRET }}@host/\"\nexpected_issuer = \" {{ env.SECRET }}\"\nalgorithms = [\"{{ env.SECRET }}\"]\nprotected_resource.resource = \"http://{{ env.SECRET }}\""))
	f.Add([]byte("[llm.providers.x]\ntype = \"openai\"\napi_key = \"{{ env.SECRET }}\"\nbase_url = \"https://{{ env.SECRET }}?\"\nmodel_filter = \"({{ env.SECRET }}\"\n[[llm.providers.x.headers]]\nrule = \"insert\"\nname = \"{{ env.SECRET }}:\"\nvalue = \" {{ env.SECRET }}\"\n"))
	f.Add([]byte("[server.client_identification]\nclient_id.http_header = \"a\"\ngroup_id.http_header = \"b\"\nvalidation.group_values = [\"{{ env.SECRET }}\", \"a{{ env.SECRET }}\"]\n[server.rate_limits.per_user]\nlimit = 5\ninterval = \"1m\"\ngroups.s3cre = { limit = 5, interval = \"1m\" }\n"))
	f.Add([]byte("[server.rate_limits.storage]\ntype = \"redis\"\nurl = \"rediss://{{ env.SECRET }}@host/{{ env.SECRET }}\"\nkey_prefix = \"{{ env.SECRET }}{\"\ntls.ca_cert_path = \"{{ env.SECRET }}\"\ntls.client_cert_path = \"{{ env.SECRET }}\"\ntls.client_key_path = \"{{ env.SECRET }}\"\n"))
	f.Add([]byte("[llm.providers.x]\ntype = \"openai\"\napi_key = \"k\"\nmodel_filter = \"^a\"\nrate_limits.per_user = { input_token_limit = 9, total_token_limit = 5, interval = \"{{ env.SECRET }}\" }\n[llm.providers.x.models]\na.fallback = [\"{{ env.SECRET }}\", \"x/{{ env.SECRET }}\", \"{{ env.SECRET }}/x\", \"x/b\"]\nb.fallback = [\"x/a\"]\n"))
	f.Add([]byte("admin.token = \"{{ env.SECRET }}\"\nserver.listen_address = \"{{ env.SECRET }}\""))
	env := func(name string) (string, bool) { return canary, len(name)%2 == 0 }
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte("s3cret")) {
			t.Skip("the text knows the secret")
		}
		cfg, problems := config.Parse("nexus.toml", text, config.Overlay{}, env)
		if (cfg == nil) != problems.HasErrors() {
			t.Fatalf("a configuration: %v, problems: %v", cfg != nil, problems)
		}
		for i, p := range problems {
			line := p.String()
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) || p.What == "" || p.Fix == "" {
				t.Fatalf("not a readable line: %q", line)
			}
			if strings.Contains(line, canary) {
				t.Fatalf("the secret is in %s", line)
			}
			if i > 0 && problems[i-1].Line > p.Line {
				t.Fatalf("line %d comes after %d", p.Line, problems[i-1].Line)
			}
		}
	})
}

// FuzzSecret cuts and mangles a file around a secret that stands in it: whatever becomes of the file, its
// problems do not show the secret.
func FuzzSecret(f *testing.F) {
	f.Add("[admin]\ntoken = \"", "\"\n")
	f.Add("[admin]\ntoken = ", "\n")
	f.Add("[admin]\ntoken = \"x", "\ntraces = 1\n")
	f.Add("[admin]\ntoken = [\"", "\", 1")
	f.Add("[admin]\ntoken = \"\"\"\\u", "\"\"\"x")
	f.Add("[telemetry.prometheus]\npath = 1\ntoken = '", "\\' # x\n[admin")
	f.Fuzz(func(t *testing.T, before, after string) {
		text := before + canary + after
		// As a name the secret would be one of the user's own; as another key's value, no secret.
		if !strings.Contains(before, "token = ") || strings.Count(text, "\n") > strings.Count(before[:strings.LastIndex(before, "token = ")], "\n")+4 {
			t.Skip("not in a token")
		}
		if line := before[strings.LastIndex(before, "token = "):]; strings.ContainsAny(line, "\n{#,") {
			t.Skip("the token ends before the secret")
		}
		tree, ok := parseTOML(text)
		if ok && tree["admin"] == nil && tree["telemetry"] == nil {
			t.Skip("not in a token")
		}
		_, problems := config.Parse("nexus.toml", []byte(text), config.Overlay{}, nil)
		for _, p := range problems {
			if strings.Contains(p.String(), "s3cret") {
				t.Fatalf("the secret is in %s", p)
			}
		}
	})
}

// BenchmarkParse parses the shipped file, and one of many providers.
func BenchmarkParse(b *testing.B) {
	shipped, err := os.ReadFile("../nexus.toml")
	if err != nil {
		b.Fatal(err)
	}
	var large bytes.Buffer
	for i := range 1000 {
		name := string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		large.WriteString("[llm.providers." + name + "]\ntype = \"demo\"\nmodels.m.rename = \"demo-1\"\n")
	}
	limits := bytes.NewBufferString("[server.client_identification]\nclient_id.http_header = 'a'\ngroup_id.http_header = 'b'\nvalidation.group_values = ['free', 'pro']\n[llm.providers.demo]\ntype = 'demo'\n")
	for i := range 1000 {
		fmt.Fprintf(limits, "[llm.providers.demo.models.m%d]\nfallback = ['demo/m%d', 'demo/demo-1']\nrate_limits.per_user = { input_token_limit = 9, total_token_limit = 10, interval = '1m', groups.free = { input_token_limit = 5, interval = '1m' } }\n", i, i+1)
	}
	for name, text := range map[string][]byte{"shipped": shipped, "1000 providers": large.Bytes(), "1000 limits": limits.Bytes()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if cfg, problems := config.Parse("nexus.toml", text, config.Overlay{}, nil); cfg == nil {
					b.Fatal(problems)
				}
			}
		})
	}
}
