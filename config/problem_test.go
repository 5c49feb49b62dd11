package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"nexus/config"
)

var update = flag.Bool("update", false, "rewrite the problems in testdata")

// TestProblems reads pairs of a file and its problems.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pairs: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cfg, problems := config.Parse("nexus.toml", section(archive, "nexus.toml"), config.Overlay{}, variables(section(archive, "env")))
			if (cfg == nil) != problems.HasErrors() {
				t.Errorf("a configuration: %v, errors: %v", cfg != nil, problems.HasErrors())
			}
			got := problems.Error() + "\n"
			if *update {
				for i := range archive.Files {
					if archive.Files[i].Name == "problems" {
						archive.Files[i].Data = []byte(got)
					}
				}
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(section(archive, "problems")), got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// variables is an environment of NAME=value lines.
func variables(lines []byte) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for line := range strings.Lines(string(lines)) {
			if n, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "="); n == name {
				return value, true
			}
		}
		return "", false
	}
}

func TestTenMistakesAreTenProblems(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/problems/ten_mistakes.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, problems := config.Parse("nexus.toml", section(archive, "nexus.toml"), config.Overlay{}, nil)
	if len(problems) != 10 {
		t.Errorf("%d problems", len(problems))
	}
	if !slices.IsSortedFunc(problems, func(a, b config.Problem) int { return a.Line - b.Line }) {
		t.Error("the problems are not in the order of the file")
	}
	for _, p := range problems {
		if p.File != "nexus.toml" || p.Line == 0 || p.Column == 0 || p.Key == "" || p.What == "" || p.Fix == "" || p.Warning {
			t.Errorf("incomplete: %+v", p)
		}
	}
}

func TestSyntaxErrorsSayNothingOfTheLine(t *testing.T) {
	const secret = "sk-s3cret"
	tests := []struct{ name, text, want string }{
		{"an unquoted value", "[admin]\ntoken = sk-s3cret\n", "nexus.toml:2:9: admin.token: the value is missing or has no quotes;"},
		{"a value without its last quote", "[admin]\ntoken = \"sk-s3cret\npath = '/x'\n", "a string is not closed on its line;"},
		{"a value without its first quote", "[admin]\ntoken = sk-s3cret\"\n", "the value is missing or has no quotes;"},
		{"a string in several lines that is never closed", "[admin]\ntoken = \"\"\"sk-s3cret\npath = '/x'\n", "nexus.toml:2:1: admin.token: a string is never closed;"},
		{"a list that is never closed", "a = [\n\"sk-s3cret\"\n", "nexus.toml:1:1: the file ends too early;"},
		{"text behind a value", "[admin]\ntoken = \"x\" sk-s3cret\n", "something follows that does not belong here;"},
		{"a colon for the equals sign", "[admin]\ntoken: \"sk-s3cret\"\n", "nexus.toml:2:6: admin: a key without a value;"},
		{"a value on a line of its own", "[admin]\ntoken = \"\"\nsk-s3cret==\n", "nexus.toml:3:11: admin: the value is missing or has no quotes;"},
		{"a value on a line of its own, among names that the user chooses", "[llm.providers.demo.models]\nsk-s3cret==\n", "llm.providers.demo.models: the value is missing"},
		{"a key twice", "[admin]\ntoken = 'sk-s3cret'\ntoken = 'sk-s3cret'\n", "nexus.toml:3:1: admin.token: is said twice;"},
		{"a table twice", "[admin]\n[server]\n[admin]\n", "nexus.toml:3:2: admin: is said twice;"},
		{"a bad escape", "[admin]\ntoken = \"\\sk-s3cret\"\n", "a backslash in a string begins an escape"},
		{"a bad Unicode escape", "[admin]\ntoken = \"\\usk-s3cret\"\n", "a backslash in a string begins an escape"},
		{"a bad number", "[admin]\ntraces = 0123\n", "a number or date is not written as TOML wants it;"},
		{"a bad date", "[admin]\ntraces = 2020-99-99\n", "a number or date is not written as TOML wants it;"},
		{"an unfinished header", "[admin\ntoken = 'sk-s3cret'\n", "nexus.toml:1:7: admin: a table name is not complete;"},
		{"an unfinished header behind a whole table", "[llm.providers.demo]\ntype = 'demo'\n[llm.providers.sk-s3cret", "nexus.toml:3:24: llm.providers: a table name is not complete;"},
		{"a file cut inside a key", "[server]\n[admin]\ntraces = 1\nsk-s3cret", "nexus.toml:4:1: admin: "},
		{"an unquoted value of a header rule", "[[llm.providers.x.headers]]\nvalue = sk-s3cret\n", "nexus.toml:2:9: llm.providers.x.headers: the value is missing or has no quotes;"},
		{"an unquoted value of a header rule in a list", "[llm.providers.x]\nheaders = [{value = sk-s3cret}]\n", "llm.providers.x.headers: the value is missing or has no quotes;"},
		{"an array of tables that is a list already", "[llm.providers.x]\nheaders = [{value = 'sk-s3cret'}]\n[[llm.providers.x.headers]]\nvalue = 'sk-s3cret'\n", "llm.providers.x.headers: is said twice;"},
		{"an array of tables that is a table already", "[llm.providers.x.headers]\nvalue = 'sk-s3cret'\n[[llm.providers.x.headers]]\nvalue = 'sk-s3cret'\n", "llm.providers.x.headers: is said twice;"},
		{"two commas", "a = ['sk-s3cret',,]\n", "a comma or a closing bracket is missing"},
		{"bytes that are not UTF-8", "[admin]\ntoken = \"sk-s3cret\xff\"\n", "the file is not UTF-8;"},
		{"a control character", "[admin]\ntoken = \"sk-s3cret\x01\"\n", "the file has a control character;"},
		{"UTF-16", "\xff\xfe[\x00a\x00", "the file has a control character;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, problems := config.Parse("nexus.toml", []byte(tt.text), config.Overlay{}, nil)
			got := problems.Error()
			if cfg != nil || len(problems) != 1 || !strings.Contains(got, tt.want) {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
			if !strings.HasSuffix(got, "; the rest of the file could not be checked") {
				t.Errorf("does not say that it is not all: %s", got)
			}
			if strings.Contains(got, secret) || strings.Contains(got, "s3cret") {
				t.Errorf("the secret is in %s", got)
			}
		})
	}
}

func TestProblemsPrintAsACompilerWould(t *testing.T) {
	tests := []struct {
		name string
		p    config.Problem
		want string
	}{
		{"an error with a place", config.Problem{File: "nexus.toml", Line: 42, Column: 1, Key: "llm.providers.x", What: "what", Fix: "fix"}, "nexus.toml:42:1: llm.providers.x: what; fix"},
		{"a warning", config.Problem{File: "nexus.toml", Line: 42, Column: 1, Key: "k", What: "what", Fix: "fix", Warning: true}, "nexus.toml:42:1: warning: k: what; fix"},
		{"without a column", config.Problem{File: "nexus.toml", Line: 42, Key: "k", What: "what"}, "nexus.toml:42: k: what"},
		{"of the file as a whole", config.Problem{File: "nexus.toml", What: "what", Fix: "fix"}, "nexus.toml: what; fix"},
		{"of a flag", config.Problem{Key: "--listen-address", What: "what", Fix: "fix"}, "--listen-address: what; fix"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.String(); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestProblemsAreSplitByWeight(t *testing.T) {
	ps := config.Problems{{What: "a"}, {What: "b", Warning: true}, {What: "c"}}
	if got := len(ps.Errors()); got != 2 || !ps.HasErrors() {
		t.Errorf("%d errors", got)
	}
	if w := ps.Warnings(); len(w) != 1 || w.HasErrors() || w[0].What != "b" {
		t.Errorf("warnings: %v", w)
	}
	var err error = ps
	if got := err.Error(); got != "a\nwarning: b\nc" {
		t.Errorf("as an error: %q", got)
	}
}

func TestNoMessageRepeatsThePasswordOfAURL(t *testing.T) {
	for _, line := range []string{
		`server.listen_address = "https://user:s3cret@host:8000"`,
		`server.health.path = "https://user:s3cret@host/health"`,
		`server.client_ip.trusted_proxies = ["redis://:s3cret@h"]`,
		`server.client_identification = {client_id.http_header = "x", group_id.http_header = "y", validation.group_values = ["https://u:s3cret@h", "https://u:s3cret@h"]}`,
		`server.oauth.url = "http://user:s3cret@host/jwks"`,
		`server.oauth.url = "https:/user:s3cret@host/jwks"`,
		`server.oauth.url = "user:s3cret@host/jwks"`,
		`server.oauth.url = "https://user:s3cret:443/jwks"`,
		`server.oauth.url = "https://user:s3 cret@host/jwks"`,
		`server.oauth.expected_issuer = " https://user:s3cret@host/"`,
		`server.oauth = {url = "https://host", protected_resource.resource = "https://user:s3cret@host"}`,
		`server.oauth = {url = "https://host", protected_resource.resource = "https://host", protected_resource.authorization_servers = ["https://user:s3cret@host"]}`,
		`llm.providers."https://user:s3cret@host".type = "demo"`,
		`llm.providers.demo.type = "https://user:s3cret@host"`,
		`llm.providers.x = {type = "openai", api_key = "s3cret", base_url = "https://user:s3cret@host/v1"}`,
		`llm.providers.x = {type = "openai", api_key = "s3cret", base_url = "https://user:s3cret@host/v1/../x?y"}`,
		`llm.providers.x = {type = "openai", api_key = "s3cret ", base_url = "https:/user:s3cret@host"}`,
		`llm.providers.x = {type = "openai", api_key = "k", model_filter = "(https://user:s3cret@host"}`,
		`llm.providers.x = {type = "openai", api_key = ["s3cret"]}`,
		`server.rate_limits.storage = {type = "redis", url = "redis://s3cret@host"}`,
		`server.rate_limits.storage = {type = "redis", url = "redis:/:s3cret@host"}`,
		`server.rate_limits.storage = {type = "redis", url = "redis://:s3 cret@host/s3cret?s3cret#s3cret"}`,
		`server.rate_limits.storage = {type = "redis", url = "redis://:s3cret@host/s3cret"}`,
		`server.rate_limits.storage = {type = "redis", url = "redis://:s3cret@host:s3cret"}`,
		`server.rate_limits.storage = {type = "redis", url = "https://:s3cret@host"}`,
		`server.rate_limits.storage = {type = "https://:s3cret@host", url = "redis://:s3cret@host"}`,
		`server.rate_limits.storage = {type = "redis", url = ["redis://:s3cret@host"]}`,
		`server.rate_limits.storage = {url = "redis://:s3cret@host"}`,
		`server.rate_limits.storage = {type = "redis", url = "rediss://:s3cret@host", tls.ca_cert_path = "https://:s3cret@host", tls.client_cert_path = "https://:s3cret@host"}`,
		`llm.providers."https://user:s3cret@host" = {type = "demo", rate_limits.per_user = {input_token_limit = 1, interval = "0s"}, models."https://user:s3cret@host".fallback = ["https://user:s3cret@host", "https://user:s3cret@host/https://user:s3cret@host"]}`,
		`llm.providers.x = {type = "openai", api_key = "k", headers = [{rule = "insert", name = "Host", value = "s3cret"}]}`,
		`llm.providers.x = {type = "openai", api_key = "k", headers = [{rule = "insert", name = "a", value = " s3cret"}, {rule = "insert", name = "a", vlaue = "s3cret"}]}`,
		`llm.providers.x = {type = "openai", api_key = "k", headers = [{rule = "remove", name = "a", value = "s3cret"}, "s3cret"]}`,
		`llm.providers.x = {type = "openai", api_key = "k", headers = [{rule = "forward", name = "https://user:s3cret@host"}]}`,
	} {
		_, problems := config.Parse("nexus.toml", []byte(line+"\n"), config.Overlay{}, nil)
		text := problems.Error()
		for _, p := range problems {
			text += p.What + p.Fix
		}
		if !problems.HasErrors() || strings.Contains(text, "s3cret") {
			t.Errorf("%s:\n%s", line, text)
		}
	}
}
