package config_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nexus/config"
)

func TestShippedFileHasNoProblem(t *testing.T) {
	cfg, problems := open("../nexus.toml")
	if cfg == nil || len(problems) > 0 {
		t.Fatalf("problems:\n%v", problems)
	}
	if !cfg.Server.ListenAddress.IsLoopback() || !cfg.Server.ClientIdentification.Enabled {
		t.Error("it is open to strangers")
	}
	demo, _ := cfg.LLM.Providers.Get("demo")
	if m, ok := demo.Models.Get("assistant"); !ok || m.Rename != "demo-1" || demo.Type != config.ProviderDemo {
		t.Errorf("the demo provider is %+v", demo)
	}
}

// TestShippedFileTurnsToTokens does to the shipped file what its comment asks for, and the walk-through of the README with
// sed: s/^/# / on the lines with a header, s/^# // on those with a claim and on the block of server.oauth.
func TestShippedFileTurnsToTokens(t *testing.T) {
	var turned, lines strings.Builder
	inBlock, count := false, 0
	for line := range strings.Lines(read(t, "../nexus.toml")) {
		was := line
		if strings.Contains(line, "http_header = ") {
			line = "# " + line
		}
		if strings.Contains(line, "jwt_claim = ") {
			line = strings.TrimPrefix(line, "# ")
		}
		if inBlock = inBlock && was != "\n" || strings.HasPrefix(line, "# [server.oauth]"); inBlock {
			line = strings.TrimPrefix(line, "# ")
		}
		if line != was {
			count++
			lines.WriteString(line)
		}
		turned.WriteString(line)
	}
	cfg, problems := parse(turned.String())
	if cfg == nil || len(problems) > 0 {
		t.Fatalf("problems:\n%v", problems)
	}
	s := cfg.Server
	if o := s.OAuth; !o.Enabled || o.URL != "http://127.0.0.1:8010/.well-known/jwks.json" || o.ExpectedIssuer != "http://127.0.0.1:8010" ||
		o.ExpectedAudience != "nexus-api" || len(o.Algorithms) > 0 || fmt.Sprint(o.PollInterval, o.ClockSkew, o.MaxStale) != "5m 1m 1d" {
		t.Errorf("tokens are %+v", o)
	}
	if got := fmt.Sprint(s.ClientIdentification); got != "{true {sub  } {plan } [] {[free pro enterprise]}}" {
		t.Errorf("identification is %s", got)
	}
	if count != 13 {
		t.Errorf("%d lines are turned:\n%s", count, &lines)
	}
}

// TestShippedFileOffersWhatCanBeWritten takes the "# " away from all that is said of tokens.
func TestShippedFileOffersWhatCanBeWritten(t *testing.T) {
	text := read(t, "../nexus.toml")
	resource := regexp.MustCompile(`(?m)^# (\[server\.oauth\.protected_resource\]|resource = .*|authorization_servers = .*)$`)
	tokens := regexp.MustCompile(`(?m)^# (\[server\.oauth\]|(enabled|poll_interval|expected_issuer|expected_audience|clock_skew|max_stale) = .*|url = "http.*)$`)
	algorithms := regexp.MustCompile(`(?m)^# # (algorithms = .*)$`)
	for _, re := range []*regexp.Regexp{tokens, resource, algorithms} {
		if !re.MatchString(text) {
			t.Fatalf("nothing matches %s", re)
		}
		text = re.ReplaceAllString(text, "$1")
	}
	cfg, problems := parse(text)
	if cfg == nil || len(problems) > 0 {
		t.Fatalf("problems:\n%v", problems)
	}
	o := cfg.Server.OAuth
	if o.ProtectedResource.MetadataURL() != "http://127.0.0.1:8000/.well-known/oauth-protected-resource" || len(o.Algorithms) != 3 {
		t.Errorf("tokens are %+v", o)
	}
}

// TestShippedFileTurnsToRedis does what the comment at the storage says; then it takes the "# " away a second time, from
// what is for TLS, and from all other limits.
func TestShippedFileTurnsToRedis(t *testing.T) {
	var once, twice strings.Builder
	inBlock := false
	for line := range strings.Lines(read(t, "../nexus.toml")) {
		inBlock = inBlock && line != "\n" || line == "[server.rate_limits.storage]\n"
		if inBlock {
			line = strings.Replace(strings.TrimPrefix(line, "# "), `type = "memory"`, `type = "redis"`, 1)
		}
		once.WriteString(line)
		if inBlock {
			line = strings.Replace(strings.TrimPrefix(line, "# "), `"redis://`, `"rediss://`, 1)
			line = regexp.MustCompile(`(path = )"[^"]*"`).ReplaceAllString(line, `$1""`) // there are no such files
		}
		twice.WriteString(line)
	}
	more := regexp.MustCompile(`(?m)^# ((\[server\.rate_limits\.(?:per_ip|global)\]|\[llm\.providers\.demo\..*|(limit|interval|concurrent|groups\.[a-z]+|fallback|enforce|[a-z]+_token_limit) = .*))$`)
	for text, want := range map[string]string{
		once.String(): "redis redis://127.0.0.1:6379 64",
		more.ReplaceAllString(twice.String(), "$1"):           "redis rediss://127.0.0.1:6379 64",
		more.ReplaceAllString(read(t, "../nexus.toml"), "$1"): "memory  64",
	} {
		cfg, problems := parse(text)
		if cfg == nil || len(problems) > 0 {
			t.Fatalf("problems:\n%v", problems)
		}
		s := cfg.Server.RateLimits.Storage
		if got := fmt.Sprint(s.Type, " ", s.URL.Reveal(), " ", s.Pool.MaxSize); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if n := len(more.FindAllString(read(t, "../nexus.toml"), -1)); n != 16 {
		t.Errorf("%d lines are taken in", n)
	}
}

// TestShippedFileTurnsToOpenAI takes the "# " away from the block of the provider openai, from its header to the empty
// line, as its comment says; then a second time from what is left.
func TestShippedFileTurnsToOpenAI(t *testing.T) {
	var once, twice strings.Builder
	inBlock := false
	for line := range strings.Lines(read(t, "../nexus.toml")) {
		if inBlock = inBlock && line != "\n" || strings.HasPrefix(line, "# [llm.providers.openai]"); inBlock {
			line = strings.TrimPrefix(line, "# ")
		}
		once.WriteString(line)
		if inBlock {
			line = strings.TrimPrefix(line, "# ")
		}
		twice.WriteString(line)
	}
	env := variables([]byte("OPENAI_API_KEY=sk-1"))
	for text, want := range map[string]string{
		once.String():  "openai sk-1 https://api.openai.com/v1 false  5s 10m 5m []",
		twice.String(): `openai sk-1 https://api.openai.com/v1 false ^gpt- 5s 10m 5m [forward "X-Trace-ID" "" "none" "" ""]`,
	} {
		cfg, problems := config.Parse("nexus.toml", []byte(text), config.Overlay{}, env)
		if cfg == nil || len(problems) > 0 {
			t.Fatalf("problems:\n%v", problems)
		}
		p, _ := cfg.LLM.Providers.Get("openai")
		if got := fmt.Sprint(p.Type, " ", p.APIKey.Reveal(), " ", p.Base(), " ", p.ForwardToken, " ", p.ModelFilter, " ", p.ConnectTimeout, " ", p.ResponseTimeout, " ", p.IdleTimeout, " ", rules(p.Headers)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if demo, ok := cfg.LLM.Providers.Get("demo"); !ok || demo.Models.Len() != 1 {
			t.Error("the demo is gone, or its model")
		}
	}
	if _, problems := parse(once.String()); !strings.Contains(problems.Error(), "llm.providers.openai.api_key: the environment variable OPENAI_API_KEY is not set") {
		t.Errorf("without the variable:\n%v", problems)
	}
}

func TestShippedFileHasEveryKey(t *testing.T) {
	text := read(t, "../nexus.toml")
	for key := range keysOf(reflect.TypeFor[config.Config](), "") {
		name := key[strings.LastIndexByte(key, '.')+1:]
		where := `(?m)^(# ){0,2}([a-z_]+\.)*`
		if strings.Contains(key, ".headers.") {
			where = `(?m)^# # .*\b` // one rule has not all of them: some are in its comments
		}
		if !regexp.MustCompile(where + name + ` = `).MatchString(text) {
			t.Errorf("%s is missing", key)
		}
	}
}

// TestReferenceHasEveryKey holds docs/configuration.md against the types, in both directions.
func TestReferenceHasEveryKey(t *testing.T) {
	documented := map[string]bool{}
	for key := range reference(t) {
		documented[key] = true
	}
	if diff := cmp.Diff(keysOf(reflect.TypeFor[config.Config](), ""), documented); diff != "" {
		t.Errorf("keys of the types (-) and of the reference (+):\n%s", diff)
	}
}

// TestReferenceHasTheDefaults writes each default of the reference into a file, which must change nothing.
func TestReferenceHasTheDefaults(t *testing.T) {
	silent := load(t, "")
	checked := 0
	for key, text := range reference(t) {
		if !strings.HasPrefix(text, "`") || strings.HasSuffix(key, ".enabled") {
			continue
		}
		checked++
		if name, ok := strings.CutPrefix(key, "llm.providers.NAME."); ok {
			was, is := providerOf(t, openai), providerOf(t, openai+name+" = "+strings.Trim(text, "`")+"\n")
			if !reflect.DeepEqual(was, is) {
				t.Errorf("%s: the reference says %s, the default is in %+v", key, text, was)
			}
			continue
		}
		line := key + " = " + strings.Trim(text, "`") + "\n"
		if strings.HasPrefix(key, "server.client_identification.") {
			line += "server.client_identification.enabled = false\n"
		}
		for _, table := range []string{"server.cors.", "server.tls."} {
			if strings.HasPrefix(key, table) {
				line += table + "enabled = false\n"
			}
		}
		if strings.HasPrefix(key, "server.oauth.") {
			line += "server.oauth.enabled = false\n"
		}
		if strings.HasPrefix(key, "server.rate_limits.storage.") && !strings.HasSuffix(key, ".type") {
			line += "server.rate_limits.storage.type = 'redis'\nserver.rate_limits.storage.url = 'rediss://localhost'\n"
		}
		if got, want := fmt.Sprint(field(load(t, line), key)), fmt.Sprint(field(silent, key)); got != want {
			t.Errorf("%s: the reference says %v, the default is %v", key, got, want)
		}
	}
	if checked < 31 {
		t.Errorf("only %d defaults found", checked)
	}
}

// TestReferenceShowsTrueOutput checks each text block of the reference against the file before it.
func TestReferenceShowsTrueOutput(t *testing.T) {
	const name = "../docs/configuration.md"
	page := read(t, name)
	blocks := regexp.MustCompile("(?s)```(toml|text)\n(.*?)```").FindAllStringSubmatchIndex(page, -1)
	var file string
	shown := 0
	rewritten, end := "", 0
	for _, b := range blocks {
		kind, text := page[b[2]:b[3]], page[b[4]:b[5]]
		if kind == "toml" {
			file = text
			continue
		}
		shown++
		_, problems := config.Parse("nexus.toml", []byte(file), config.Overlay{}, nil)
		got := problems.Error() + "\n"
		rewritten, end = rewritten+page[end:b[4]]+got, b[5]
		if got != text && !*update {
			t.Errorf("shown (-) and true output (+):\n%s", cmp.Diff(text, got))
		}
	}
	if shown < 2 {
		t.Errorf("only %d outputs shown", shown)
	}
	if *update {
		if err := os.WriteFile(name, []byte(rewritten+page[end:]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// reference is every key of docs/configuration.md with the text of its default.
func reference(t *testing.T) map[string]string {
	t.Helper()
	keys := map[string]string{}
	var tables []string
	for line := range strings.Lines(read(t, "../docs/configuration.md")) {
		if strings.HasPrefix(line, "## ") {
			tables = nil
			for _, m := range regexp.MustCompile("`\\[+(.*?)\\]+`").FindAllStringSubmatch(line, -1) {
				tables = append(tables, m[1])
			}
		}
		cells := strings.Split(line, "|")
		if m := regexp.MustCompile("^\\| `([a-z_]+)` \\|").FindStringSubmatch(line); m != nil {
			for _, table := range tables {
				keys[table+"."+m[1]] = strings.TrimSpace(cells[3])
			}
		}
	}
	return keys
}

// keysOf are the full paths of all keys with a value, NAME and MODEL standing for chosen names, an array of tables
// for each of its entries.
func keysOf(t reflect.Type, table string) map[string]bool {
	keys := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, ok := f.Tag.Lookup("toml")
		if !ok {
			continue
		}
		key := strings.TrimPrefix(table+"."+name, ".")
		inner := f.Type
		if get, ok := inner.MethodByName("Get"); ok {
			inner, key = get.Type.Out(0), key+map[string]string{"providers": ".NAME", "models": ".MODEL", "groups": ".GROUP"}[name]
		}
		below := map[string]bool{}
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem() // an array of tables, maybe
		}
		if inner.Kind() == reflect.Struct {
			below = keysOf(inner, key)
		}
		if len(below) == 0 {
			below[key] = true
		}
		for key := range below {
			keys[key] = true
		}
	}
	return keys
}

// field is the value at a key without chosen names.
func field(cfg *config.Config, key string) any {
	v := reflect.ValueOf(cfg).Elem()
	for name := range strings.SplitSeq(key, ".") {
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("toml") == name {
				v = v.Field(i)
				break
			}
		}
	}
	return v.Interface()
}

func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
