package config_test

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nexus/config"
)

const openai = "[llm.providers.openai]\ntype = \"openai\"\napi_key = \"k\"\n"

// providerOf is the provider called openai of a text.
func providerOf(t *testing.T, text string) config.Provider {
	t.Helper()
	p, ok := mustParse(t, text).LLM.Providers.Get("openai")
	if !ok {
		t.Fatal("there is no such provider")
	}
	return p
}

func TestAProviderHasItsDefaults(t *testing.T) {
	p := providerOf(t, openai)
	got := fmt.Sprint(p.Type, p.APIKey.Reveal(), p.BaseURL, p.Base(), p.ForwardToken, p.ModelFilter.IsSet(), p.ConnectTimeout, p.ResponseTimeout, p.IdleTimeout, len(p.Headers), p.Models.Len())
	if want := "openaikhttps://api.openai.com/v1https://api.openai.com/v1false false 5s 10m 5m0 0"; strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestADemoHasNothingOfACall(t *testing.T) {
	cfg := mustParse(t, "[llm.providers.demo]\ntype = 'demo'\nmodels.a = {}\n")
	demo, _ := cfg.LLM.Providers.Get("demo")
	if demo.BaseURL != "" || demo.ConnectTimeout != 0 || demo.ResponseTimeout != 0 || demo.IdleTimeout != 0 {
		t.Errorf("it is %+v", demo)
	}
	for _, s := range cfg.Settings() {
		if name, ok := strings.CutPrefix(s.Key, "llm.providers."); ok && name != "demo.type" && name != "demo.models.a.rename" {
			t.Errorf("%s is shown", s.Key)
		}
	}
}

func TestTheBaseEndsWithoutASlash(t *testing.T) {
	for _, tt := range []struct{ url, kept, base string }{
		{"", "https://api.openai.com/v1", "https://api.openai.com/v1"},
		{"https://llm.example/v1", "https://llm.example/v1", "https://llm.example/v1"},
		{"https://llm.example/v1/", "https://llm.example/v1/", "https://llm.example/v1"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"http://127.0.0.1:8080/", "http://127.0.0.1:8080/", "http://127.0.0.1:8080"},
		{"https://llm.example/a%20b/v1beta", "https://llm.example/a%20b/v1beta", "https://llm.example/a%20b/v1beta"},
	} {
		p := providerOf(t, openai+"base_url = \""+tt.url+"\"\n")
		if string(p.BaseURL) != tt.kept || p.Base() != tt.base {
			t.Errorf("%q: kept as %s, the base is %s", tt.url, p.BaseURL, p.Base())
		}
	}
	if got := (&config.Provider{}).Base(); got != "https://api.openai.com/v1" {
		t.Errorf("of no URL it is %q", got)
	}
}

// rules is what header rules say, a line for each.
func rules(list []config.HeaderRule) (lines []string) {
	for _, h := range list {
		lines = append(lines, fmt.Sprintf("%s %q %q %q %q %q", h.Rule, h.Name, h.Pattern, h.Default, h.Rename, h.Value.Reveal()))
	}
	return lines
}

// TestHeaderRulesKeepTheirOrder writes the same rules in each way that TOML has.
func TestHeaderRulesKeepTheirOrder(t *testing.T) {
	want := []string{
		`forward "X-Trace-ID" "" "none" "X-Request-Trace" ""`,
		`forward "" "^x-debug-" "" "" ""`,
		`insert "X-Project" "" "" "" "p"`,
		`remove "x-debug-secret" "" "" "" ""`,
		`rename_duplicate "X-A" "" "" "X-B" ""`,
		`rename_duplicate "X-A" "" "" "X-B" ""`,
	}
	const written = `[[llm.providers.openai.KEY]]
rule = "forward"
name = "X-Trace-ID"
default = "none"
rename = "X-Request-Trace"
[[llm.providers.openai.KEY]]
rule = "forward"
pattern = "^x-debug-"
[[llm.providers.openai.KEY]]
rule = "insert"
name = "X-Project"
value = "p"
[[llm.providers.openai.KEY]]
rule = "remove"
name = "x-debug-secret"
[[llm.providers.openai.KEY]]
rule = "rename_duplicate"
name = "X-A"
rename = "X-B"
[[llm.providers.openai.KEY]]
rule = "rename_duplicate"
name = "X-A"
rename = "X-B"
`
	const inline = `KEY = [
  { rule = "forward", name = "X-Trace-ID", default = "none", rename = "X-Request-Trace" },
  { rule = "forward", pattern = "^x-debug-" }, # a comment
  { rule = "insert", name = "X-Project", value = "p" }, { rule = "remove", name = "x-debug-secret" },
  { rule = "rename_duplicate", name = "X-A", rename = "X-B" },
  { rename = "X-B", name = "X-A", rule = "rename_duplicate" },
]
`
	for name, text := range map[string]string{"an array of tables": written, "a list of inline tables": inline} {
		p := providerOf(t, openai+strings.ReplaceAll(text, "KEY", "headers"))
		if diff := cmp.Diff(want, rules(p.Headers)); diff != "" {
			t.Errorf("%s, of the provider (-want +got):\n%s", name, diff)
		}
		p = providerOf(t, openai+strings.ReplaceAll(text, "KEY", `models."gpt-4.1".headers`))
		m, _ := p.Models.Get("gpt-4.1")
		if diff := cmp.Diff(want, rules(m.Headers)); diff != "" || m.Rename != "gpt-4.1" {
			t.Errorf("%s, of the model (-want +got):\n%s", name, diff)
		}
	}
}

func TestAHundredRulesAreNotTooMany(t *testing.T) {
	list := openai + "headers = [" + strings.Repeat("{rule = 'forward', name = 'X-A'},", 100) + "]\n"
	if p := providerOf(t, list); len(p.Headers) != 100 {
		t.Errorf("there are %d", len(p.Headers))
	}
}

func TestNeverForwarded(t *testing.T) {
	for _, name := range []string{
		"Authorization", "authorization", "Host", "ORIGIN", "Content-Length", "content-type", "Content-Encoding", "Accept", "accept-encoding",
		"Accept-Language", "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "te", "TE",
		"Trailer", "Transfer-Encoding", "Upgrade", "expect", "content_type", "ACCEPT_X",
	} {
		if !config.NeverForwarded(name) {
			t.Errorf("%s is", name)
		}
	}
	for _, name := range []string{"", "X-Trace-ID", "X-Provider-API-Key", "OpenAI-Beta", "traceparent", "Cookie", "X-Accept", "Content-Language", "User-Agent"} {
		if config.NeverForwarded(name) {
			t.Errorf("%s is not", name)
		}
	}
}

func TestPattern(t *testing.T) {
	tests := []struct {
		name, text string
		yes, no    []string
	}{
		{"anywhere", "gpt", []string{"gpt", "my-gpt-4"}, []string{"", "gp"}},
		{"in any case", "^GPT-", []string{"gpt-4", "GPT-4", "Gpt-4"}, []string{"a-gpt-4"}},
		{"in any case, also behind a bar", "^gpt-|^o[0-9]|^Claude$", []string{"GPT-4", "O1", "CLAUDE"}, []string{"claude-3"}},
		{"in its own case where it says so", "(?-i:GPT)", []string{"GPT"}, []string{"gpt"}},
		{"everything", ".*", []string{"", "x"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := providerOf(t, openai+"model_filter = '"+tt.text+"'\n").ModelFilter
			for _, text := range tt.yes {
				if !p.Matches(text) || !p.Regexp().MatchString(text) {
					t.Errorf("%q does not match", text)
				}
			}
			for _, text := range tt.no {
				if p.Matches(text) || p.Regexp().MatchString(text) {
					t.Errorf("%q matches", text)
				}
			}
			if p.String() != tt.text || !p.IsSet() {
				t.Errorf("it is %q", p)
			}
		})
	}
	if none := (config.Pattern{}); none.IsSet() || none.Matches("") || none.Regexp() != nil || none.String() != "" {
		t.Error("the zero pattern is set")
	}
}

// TestProvidersOfOneTextAreEqual compares what two readings make of one text, as whoever keeps connections to
// unchanged providers does.
func TestProvidersOfOneTextAreEqual(t *testing.T) {
	p, q := providerOf(t, strings.ReplaceAll(full, "NAME", "openai")), providerOf(t, strings.ReplaceAll(full, "NAME", "openai"))
	p.ModelFilter.Matches("gpt-4")
	if !reflect.DeepEqual(p, q) || !p.ModelFilter.Equal(q.ModelFilter) {
		t.Error("they differ")
	}
	other := providerOf(t, openai+"model_filter = '^o'\n")
	if reflect.DeepEqual(p.ModelFilter, other.ModelFilter) || p.ModelFilter.Equal(other.ModelFilter) || p.ModelFilter.Equal(config.Pattern{}) {
		t.Error("two patterns are equal")
	}
}

func TestAllOfAProviderChangesWithoutARestart(t *testing.T) {
	was := mustParse(t, full)
	changed := full
	for _, line := range []string{
		`api_key = "another"`, `base_url = "http://127.0.0.1:1"`, `forward_token = false`, `model_filter = "^o"`, `connect_timeout = "2s"`, `response_timeout = "2m"`, `idle_timeout = "2m"`,
	} {
		name, _, _ := strings.Cut(line, " = ")
		next := regexp.MustCompile(`(?m)^`+name+` = .*$`).ReplaceAllString(changed, line)
		if next == changed {
			t.Fatalf("%s is not in the file", name)
		}
		changed = next
	}
	changed = strings.NewReplacer("X-Trace-ID", "X-Other", "NAME/gpt-4.1-mini", "NAME/o4-mini").Replace(changed)
	is := mustParse(t, changed)
	if problems := append(config.NeedRestart(was, is), config.Lost(was, is)...); len(problems) > 0 {
		t.Errorf("refused:\n%v", problems)
	}
	if d := config.Diff(was.Text(), is.Text()); strings.Contains(d, "opens-the") || strings.Contains(d, "another") || !strings.Contains(d, `+model_filter = "^o"`) {
		t.Errorf("what changed:\n%s", d)
	}
}
