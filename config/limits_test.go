package config_test

import (
	"fmt"
	"strings"
	"testing"

	"nexus/config"
)

const identified = "[server.client_identification]\nclient_id.http_header = 'x-client-id'\ngroup_id.http_header = 'x-user-tier'\nvalidation.group_values = ['free', 'pro', 'extra']\n"

// words are a budget, and whether it refuses.
func words(b config.TokenBudget) string {
	return fmt.Sprintf("%d %d %d in %dms, some: %v, enforced: %v", b.Input, b.Output, b.Total, b.Interval.Milliseconds(), b.Some(), b.Enforced())
}

func TestTokenLimits(t *testing.T) {
	cfg := mustParse(t, identified+`[llm.providers.x]
type = "demo"
[llm.providers.x.rate_limits.per_user]
input_token_limit = 100_000
interval = "1m"
enforce = false
groups.free = { output_token_limit = 10, total_token_limit = 20, interval = "90s" }
groups.pro = { input_token_limit = 30, interval = "1ms", enforce = true }
`)
	p, _ := cfg.LLM.Providers.Get("x")
	limits := p.RateLimits.PerUser
	if got, want := words(limits.Budget()), "100000 0 0 in 60000ms, some: true, enforced: false"; got != want {
		t.Errorf("everyone has %s, want %s", got, want)
	}
	for group, want := range map[string]string{
		"free":  "0 10 20 in 90000ms, some: true, enforced: false, own: true", // what the table says of enforce holds for it
		"pro":   "30 0 0 in 1ms, some: true, enforced: true, own: true",
		"extra": "0 0 0 in 0ms, some: false, enforced: true, own: false",
		"":      "0 0 0 in 0ms, some: false, enforced: true, own: false",
	} {
		b, own := limits.Of(group)
		if got := fmt.Sprintf("%s, own: %v", words(b), own); got != want {
			t.Errorf("group %q has %s, want %s", group, got, want)
		}
	}
	if none := (config.TokenLimit{}); none.Budget().Some() || !none.Budget().Enforced() {
		t.Error("no limit is some")
	}
}

func TestLimitsKeepTheirOrder(t *testing.T) {
	cfg := load(t, identified+"[server.rate_limits.per_user]\nconcurrent = 3\n[server.rate_limits.per_user.groups]\npro = { limit = 2, interval = '1h' }\nfree = { limit = 1, interval = '1s' }\nextra = { limit = 3, interval = '365d' }\n")
	var got []string
	for name, l := range cfg.Server.RateLimits.PerUser.Groups.All() {
		got = append(got, fmt.Sprint(name, " ", l.Limit, " ", l.Interval.Milliseconds()))
	}
	if s := strings.Join(got, ", "); s != "pro 2 3600000, free 1 1000, extra 3 31536000000" || cfg.Server.RateLimits.PerUser.Concurrent != 3 {
		t.Errorf("groups are %s", s)
	}
}

// TestAGroupOfTheEnvironmentIsNotTold has a group that is called by a secret.
func TestAGroupOfTheEnvironmentIsNotTold(t *testing.T) {
	text := strings.Replace(identified, "'pro'", "'{{ env.NAME }}'", 1) + provider + "rate_limits.per_user.groups = { free = { input_token_limit = 5, interval = '1m' }, s3crett = { input_token_limit = 5, interval = '1m' }, extra = { input_token_limit = 5, interval = '1m' } }\n"
	env := variables([]byte("NAME=s3cret"))
	_, problems := config.Parse("nexus.toml", []byte(text), config.Overlay{}, env)
	if s := problems.Error(); !strings.Contains(s, `group "s3crett" is not in group_values; add it`) || strings.Contains(strings.ReplaceAll(s, "s3crett", ""), "s3cret") {
		t.Errorf("problems: %s", s)
	}
	_, problems = config.Parse("nexus.toml", []byte(strings.Replace(text, "s3crett", "other", 1)), config.Overlay{}, env)
	if s := problems.Error(); strings.Contains(s, "s3cret") {
		t.Errorf("problems: %s", s)
	}
	_, problems = config.Parse("nexus.toml", []byte(strings.Replace(text, "s3crett = { input_token_limit = 5, interval = '1m' }, ", "", 1)), config.Overlay{}, env)
	if s := problems.Error(); problems.HasErrors() || !strings.Contains(s, "group the value from the environment is named by no limit, and there is none for everyone") || strings.Contains(s, "s3cret") {
		t.Errorf("problems: %s", s)
	}
}

// TestLongChainsAreNoCircle has each model lead to the next two, so that there are far more ways than models.
func TestLongChainsAreNoCircle(t *testing.T) {
	var text strings.Builder
	text.WriteString(provider + "[llm.providers.demo.models]\n")
	const n = 5000
	for i := range n {
		fmt.Fprintf(&text, "m%d.fallback = ['demo/m%d', 'demo/m%d']\n", i, i+1, i+2)
	}
	if cfg, problems := parse(text.String()); cfg == nil || len(problems) > 0 {
		t.Fatalf("problems:\n%v", problems)
	}
	_, problems := parse(text.String() + fmt.Sprintf("m%d.fallback = ['demo/m0']\n", n+1))
	if len(problems) != 1 || len(problems.Error()) > 500 || !strings.Contains(problems.Error(), "leads in a circle") {
		t.Errorf("%d problems: %.500s", len(problems), problems.Error())
	}
}

func TestModelsAreFoundByTheirName(t *testing.T) {
	cfg := mustParse(t, "[llm.providers.x]\ntype = 'demo'\nmodels.'a/b'.rename = 'c'\n")
	for name, want := range map[string]string{"x/a/b": "c", "x/a": "", "y/a/b": "", "x": "", "": ""} {
		if m, ok := cfg.LLM.Model(name); m.Rename != want || ok != (want != "") {
			t.Errorf("%q is %q, %v", name, m.Rename, ok)
		}
	}
	if got := config.Join("llm.providers", "a.b"); got != `llm.providers."a.b"` || config.Join("", "a") != "a" {
		t.Errorf("the key is %s", got)
	}
}
