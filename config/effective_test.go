package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nexus/config"
)

// settings are the settings as lines: key, value, origin, line.
func settings(cfg *config.Config) []string {
	var lines []string
	for _, s := range cfg.Settings() {
		lines = append(lines, fmt.Sprintf("%s %#v %s %d", s.Key, s.Value, s.From, s.Line))
	}
	return lines
}

func keysIn(settings []config.Setting) []string {
	var keys []string
	for _, s := range settings {
		keys = append(keys, s.Key)
	}
	return keys
}

func TestSettingsOfTheShippedFile(t *testing.T) {
	cfg, problems := open("../nexus.toml")
	if cfg == nil {
		t.Fatal(problems)
	}
	lines := strings.Split(read(t, "../nexus.toml"), "\n")
	var got []string
	for _, s := range cfg.Settings() {
		if s.Line > 0 {
			name := s.Key[strings.LastIndexByte(s.Key, '.')+1:]
			if s.From != config.FromFile || !strings.Contains(lines[s.Line-1], name+" = ") {
				t.Errorf("%s is from %s, %q", s.Key, s.From, lines[s.Line-1])
			}
			s.Line = 1
		}
		got = append(got, fmt.Sprintf("%s %#v %s %d", s.Key, s.Value, s.From, s.Line))
	}
	want := []string{
		`server.listen_address "127.0.0.1:8000" file 1`,
		`server.shutdown_timeout "30s" file 1`,
		`server.max_body_size "20MiB" file 1`,
		`server.max_body_memory "512MiB" file 1`,
		`server.health.enabled true file 1`,
		`server.health.path "/health" file 1`,
		`server.health.ready_path "/ready" file 1`,
		`server.tls.enabled false default 0`,
		`server.tls.certificate <nil> default 0`,
		`server.tls.key <nil> default 0`,
		`server.tls.client_ca <nil> default 0`,
		`server.tls.client_auth "require" default 0`,
		`server.client_ip.x_real_ip false file 1`,
		`server.client_ip.x_forwarded_for_trusted_hops <nil> default 0`,
		`server.client_ip.trusted_proxies []string{} default 0`,
		`server.cors.enabled false default 0`,
		`server.cors.allow_origins []string{} default 0`,
		`server.cors.allow_methods []string{"GET", "POST"} default 0`,
		`server.cors.allow_headers []string{"Authorization", "Content-Type"} default 0`,
		`server.cors.expose_headers []string{"X-Request-ID"} default 0`,
		`server.cors.allow_credentials false default 0`,
		`server.cors.allow_private_network false default 0`,
		`server.cors.max_age "10m" default 0`,
		`server.csrf.enabled false default 0`,
		`server.csrf.header_name "X-Nexus-CSRF-Protection" default 0`,
		`server.oauth.enabled false default 0`,
		`server.oauth.url <nil> default 0`,
		`server.oauth.poll_interval "5m" default 0`,
		`server.oauth.expected_issuer <nil> default 0`,
		`server.oauth.expected_audience <nil> default 0`,
		`server.oauth.algorithms []string{} default 0`,
		`server.oauth.clock_skew "1m" default 0`,
		`server.oauth.max_stale "1d" default 0`,
		`server.oauth.protected_resource.resource <nil> default 0`,
		`server.oauth.protected_resource.authorization_servers []string{} default 0`,
		`server.client_identification.enabled true file 1`,
		`server.client_identification.client_id.jwt_claim <nil> default 0`,
		`server.client_identification.client_id.http_header "x-client-id" file 1`,
		`server.client_identification.client_id.client_certificate <nil> default 0`,
		`server.client_identification.group_id.jwt_claim <nil> default 0`,
		`server.client_identification.group_id.http_header "x-user-tier" file 1`,
		`server.client_identification.trusted_sources []string{} default 0`,
		`server.client_identification.validation.group_values []string{"free", "pro", "enterprise"} file 1`,
		`server.rate_limits.enabled true file 1`,
		`server.rate_limits.storage.type "memory" file 1`,
		`server.rate_limits.storage.url <nil> default 0`,
		`server.rate_limits.storage.key_prefix "nexus:rate_limit:" default 0`,
		`server.rate_limits.storage.response_timeout "200ms" default 0`,
		`server.rate_limits.storage.connection_timeout "1s" default 0`,
		`server.rate_limits.storage.on_failure "local" default 0`,
		`server.rate_limits.storage.pool.max_size 64 default 0`,
		`server.rate_limits.storage.pool.min_idle 4 default 0`,
		`server.rate_limits.storage.tls.ca_cert_path <nil> default 0`,
		`server.rate_limits.storage.tls.client_cert_path <nil> default 0`,
		`server.rate_limits.storage.tls.client_key_path <nil> default 0`,
		`server.rate_limits.storage.tls.insecure false default 0`,
		`server.rate_limits.global.limit <nil> default 0`,
		`server.rate_limits.global.interval <nil> default 0`,
		`server.rate_limits.per_ip.limit <nil> default 0`,
		`server.rate_limits.per_ip.interval <nil> default 0`,
		`server.rate_limits.per_user.limit 600 file 1`,
		`server.rate_limits.per_user.interval "60s" file 1`,
		`server.rate_limits.per_user.concurrent <nil> default 0`,
		`llm.enabled true file 1`,
		`llm.protocols.openai.enabled true file 1`,
		`llm.protocols.openai.path "/llm" file 1`,
		`llm.providers.demo.type "demo" file 1`,
		`llm.providers.demo.rate_limits.per_user.input_token_limit 100000 file 1`,
		`llm.providers.demo.rate_limits.per_user.output_token_limit <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.total_token_limit <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.interval "1m" file 1`,
		`llm.providers.demo.rate_limits.per_user.enforce <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.groups.free.input_token_limit 200000 file 1`,
		`llm.providers.demo.rate_limits.per_user.groups.free.output_token_limit <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.groups.free.total_token_limit <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.groups.free.interval "1m" file 1`,
		`llm.providers.demo.rate_limits.per_user.groups.free.enforce <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.groups.pro.input_token_limit 1000000 file 1`,
		`llm.providers.demo.rate_limits.per_user.groups.pro.output_token_limit <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.groups.pro.total_token_limit <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.groups.pro.interval "1m" file 1`,
		`llm.providers.demo.rate_limits.per_user.groups.pro.enforce <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.groups.enterprise.input_token_limit 5000000 file 1`,
		`llm.providers.demo.rate_limits.per_user.groups.enterprise.output_token_limit <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.groups.enterprise.total_token_limit <nil> default 0`,
		`llm.providers.demo.rate_limits.per_user.groups.enterprise.interval "1m" file 1`,
		`llm.providers.demo.rate_limits.per_user.groups.enterprise.enforce <nil> default 0`,
		`llm.providers.demo.models.assistant.rename "demo-1" file 1`,
		`admin.enabled true file 1`,
		`admin.path "/admin" file 1`,
		`admin.token <nil> default 0`,
		`admin.traces 1000 file 1`,
		`admin.rejections 1000 file 1`,
		`telemetry.prometheus.enabled true file 1`,
		`telemetry.prometheus.path "/metrics" file 1`,
		`telemetry.prometheus.token <nil> default 0`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// TestSettingsAreAllKeys holds the settings against the types and against the reference.
func TestSettingsAreAllKeys(t *testing.T) {
	cfg := mustParse(t, full)
	got := map[string]bool{}
	listed := map[string]bool{}
	for _, key := range keysIn(cfg.Settings()) {
		if listed[key] {
			t.Errorf("%s is listed twice", key)
		}
		listed[key] = true
		got[regexp.MustCompile(`\[\d+\]`).ReplaceAllString(key, "")] = true
	}
	if diff := cmp.Diff(keysOf(reflect.TypeFor[config.Config](), ""), got); diff != "" {
		t.Errorf("keys of the types (-) and of the settings (+):\n%s", diff)
	}
	for key := range reference(t) {
		if !got[key] {
			t.Errorf("%s of the reference is missing", key)
		}
	}
	for _, s := range cfg.Settings() {
		if s.From != config.FromFile || s.Line == 0 {
			t.Errorf("%s is said in the file, not from %s", s.Key, s.From)
		}
	}
}

// TestWalk holds the walk against the fields that reflection finds.
func TestWalk(t *testing.T) {
	const names = "[llm.providers.zulu]\ntype = 'demo'\n[llm.providers.enabled]\ntype = 'demo'\nmodels.'b.1' = {}\nmodels.a = {}\n"
	for name, text := range map[string]string{"every key": full, "no key": provider, "chosen names": names} {
		t.Run(name, func(t *testing.T) {
			cfg := mustParse(t, text)
			keys, tables := config.Walk(cfg)
			var want, leaves []string
			for _, p := range placesOf(cfg) {
				want = append(want, p.key)
				if p.leaf == tables[p.key] {
					t.Errorf("%s is a table: %v", p.key, tables[p.key])
				}
				if p.leaf {
					leaves = append(leaves, p.key)
				}
			}
			if diff := cmp.Diff(want, keys); diff != "" {
				t.Errorf("fields (-) and walk (+):\n%s", diff)
			}
			if diff := cmp.Diff(leaves, keysIn(cfg.Settings())); diff != "" {
				t.Errorf("fields (-) and settings (+):\n%s", diff)
			}
		})
	}
}

func TestOrigins(t *testing.T) {
	flag := config.Overlay{ListenAddress: "127.0.0.1:9", ListenAddressFrom: "--listen-address"}
	variable := config.Overlay{ListenAddress: "127.0.0.1:9", ListenAddressFrom: "NEXUS_LISTEN_ADDRESS"}
	const identify = "server.client_identification.client_id.http_header = 'x-id'\n"
	const tokens = "server.oauth.url = 'https://me:pw@host/jwks'\n"
	const openai = "[llm.providers.x]\ntype = 'openai'\napi_key = '{{ env.NAME }}'\n"
	tests := []struct {
		name, text string
		over       config.Overlay
		want       string
	}{
		{"a default", "", config.Overlay{}, `server.listen_address "127.0.0.1:8000" default 0`},
		{"a flag", "", flag, `server.listen_address "127.0.0.1:9" flag 0`},
		{"a flag over the file", "server.listen_address = '127.0.0.1:8'\n", flag, `server.listen_address "127.0.0.1:9" flag 0`},
		{"a flag over a placeholder", "server.listen_address = '127.0.0.1:{{ env.PORT }}'\n", flag, `server.listen_address "127.0.0.1:9" flag 0`},
		{"a variable in the file's place", "", variable, `server.listen_address "***" environment 0`},
		{"a variable over the file", "\nserver.listen_address = '127.0.0.1:8'\n", variable, `server.listen_address "***" environment 0`},
		{"a placeholder", "server.listen_address = '127.0.0.1:{{ env.PORT }}'\n", config.Overlay{}, `server.listen_address "***" environment 1`},
		{"a placeholder in a list", identify + "server.client_identification.validation.group_values = [\n'a',\n'{{ env.NAME }}', 'b']\n", config.Overlay{}, `server.client_identification.validation.group_values []string{"a", "***", "b"} environment 2`},
		{"a list of networks", "\n\n[server.client_ip]\ntrusted_proxies = ['10.0.0.7', '{{ env.NET }}']\n", config.Overlay{}, `server.client_ip.trusted_proxies []string{"10.0.0.7/32", "***"} environment 4`},
		{"an empty list", "server.client_ip.trusted_proxies = []\n", config.Overlay{}, `server.client_ip.trusted_proxies []string{} file 1`},
		{"a secret", "[admin]\ntoken = 'a'\n", config.Overlay{}, `admin.token "***" file 2`},
		{"a secret from the environment", "admin.token = '{{ env.NAME }}'\n", config.Overlay{}, `admin.token "***" environment 1`},
		{"a secret that is none", "admin.token = ''\n", config.Overlay{}, `admin.token <nil> file 1`},
		{"a header that is none", identify + "server.client_identification.group_id = {http_header = ''}\n", config.Overlay{}, `server.client_identification.group_id.http_header <nil> file 2`},
		{"a number that is there", "server.client_ip.x_forwarded_for_trusted_hops = 0\n", config.Overlay{}, `server.client_ip.x_forwarded_for_trusted_hops 0 file 1`},
		{"a duration", "server.shutdown_timeout = '90m'\n", config.Overlay{}, `server.shutdown_timeout "1h30m" file 1`},
		{"a table that is on because it is written", identify, config.Overlay{}, `server.client_identification.enabled true default 0`},
		{"a table that is off because it is not", "", config.Overlay{}, `server.client_identification.enabled false default 0`},
		{"a name that follows from the model's", "[llm.providers.x]\ntype = 'demo'\n[llm.providers.x.models.'gpt-4.1']\n", config.Overlay{}, `llm.providers.x.models."gpt-4.1".rename "gpt-4.1" default 0`},
		{"a URL with user information", tokens, config.Overlay{}, `server.oauth.url "https://***@host/jwks" file 1`},
		{"a URL from the environment", "server.oauth.url = 'https://{{ env.NAME }}.example/jwks'\n", config.Overlay{}, `server.oauth.url "***" environment 1`},
		{"algorithms", tokens + "server.oauth.algorithms = ['ES256', 'EdDSA']\n", config.Overlay{}, `server.oauth.algorithms []string{"ES256", "EdDSA"} file 2`},
		{"the client id of a token", tokens + "[server.client_identification]\n", config.Overlay{}, `server.client_identification.client_id.jwt_claim "sub" default 0`},
		{"the client id of a token, beside a header that is none", tokens + "[server.client_identification]\nclient_id.http_header = ''\n", config.Overlay{}, `server.client_identification.client_id.jwt_claim "sub" default 0`},
		{"the client id of a token, from a claim that the file says", tokens + "[server.client_identification]\nclient_id.jwt_claim = 'sub'\n", config.Overlay{}, `server.client_identification.client_id.jwt_claim "sub" file 3`},
		{"the client id of a header, although there are tokens", tokens + identify, config.Overlay{}, `server.client_identification.client_id.jwt_claim <nil> default 0`},
		{"no client id where identification is off", tokens + "server.client_identification.enabled = false\n", config.Overlay{}, `server.client_identification.client_id.jwt_claim <nil> default 0`},
		{"the key of a provider", openai, config.Overlay{}, `llm.providers.x.api_key "***" environment 3`},
		{"the default address of a provider", openai, config.Overlay{}, `llm.providers.x.base_url "https://api.openai.com/v1" default 0`},
		{"an address of a provider that is none, for which the default holds", openai + "base_url = ''\n", config.Overlay{}, `llm.providers.x.base_url "https://api.openai.com/v1" file 4`},
		{"an address of a provider as it is written", openai + "base_url = 'http://127.0.0.1:1/'\n", config.Overlay{}, `llm.providers.x.base_url "http://127.0.0.1:1/" file 4`},
		{"a default time of a provider", openai, config.Overlay{}, `llm.providers.x.response_timeout "10m" default 0`},
		{"no filter", openai, config.Overlay{}, `llm.providers.x.model_filter <nil> default 0`},
		{"a filter", openai + "model_filter = '^GPT-'\n", config.Overlay{}, `llm.providers.x.model_filter "^GPT-" file 4`},
		{"a filter that leaves nothing out", openai + "model_filter = '.*'\n", config.Overlay{}, `llm.providers.x.model_filter ".*" file 4`},
		{"a filter from the environment", openai + "model_filter = '^{{ env.NAME }}'\n", config.Overlay{}, `llm.providers.x.model_filter "***" environment 4`},
		{"a header rule", openai + "\n[[llm.providers.x.headers]]\nrule = 'remove'\npattern = '^x-'\n", config.Overlay{}, `llm.providers.x.headers[0].pattern "^x-" file 7`},
		{"a header rule in a list", openai + "headers = [\n{rule = 'remove', name = 'a'},\n{rule = 'forward', name = 'b', default = 'c'}]\n", config.Overlay{}, `llm.providers.x.headers[1].default "c" file 6`},
		{"an inserted value", openai + "headers = [{rule = 'insert', name = 'a', value = 'b'}]\n", config.Overlay{}, `llm.providers.x.headers[0].value "***" file 4`},
		{"an inserted value from the environment", openai + "models.m.headers = [{rule = 'insert', name = 'a', value = '{{ env.NAME }}'}]\n", config.Overlay{}, `llm.providers.x.models.m.headers[0].value "***" environment 4`},
		{"where Redis is", "[server.rate_limits.storage]\ntype = 'redis'\nurl = 'redis://localhost'\n", config.Overlay{}, `server.rate_limits.storage.url "***" file 3`},
		{"a limit that is none", "", config.Overlay{}, `server.rate_limits.global.limit <nil> default 0`},
		{"a limit", "[server.rate_limits.global]\nlimit = 1000000000000000\ninterval = '90s'\n", config.Overlay{}, `server.rate_limits.global.limit 1000000000000000 file 2`},
		{"an interval", "[server.rate_limits.global]\nlimit = 1\ninterval = '90s'\n", config.Overlay{}, `server.rate_limits.global.interval "90s" file 3`},
		{"a table that is on because one inside of it is written", "[server.rate_limits.global]\nlimit = 1\ninterval = '90s'\n", config.Overlay{}, `server.rate_limits.enabled true default 0`},
		{"a limit of tokens that only measures", identify + "[llm.providers.x]\ntype = 'demo'\nrate_limits.per_user = {input_token_limit = 5, interval = '1m', enforce = false}\n", config.Overlay{}, `llm.providers.x.rate_limits.per_user.enforce false file 4`},
		{"fallbacks", "[llm.providers.x]\ntype = 'demo'\nmodels.a.fallback = ['x/b']\n", config.Overlay{}, `llm.providers.x.models.a.fallback []string{"x/b"} file 3`},
		{"user information of a URL", "[llm.providers.x]\ntype = 'demo'\nmodels.a.rename = 'https://me:pw@host/v1'\n", config.Overlay{}, `llm.providers.x.models.a.rename "https://***@host/v1" file 3`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, problems := config.Parse("nexus.toml", []byte(tt.text+provider), tt.over, variables([]byte("PORT=7\nNAME=x\nNET=::1")))
			if cfg == nil {
				t.Fatal(problems)
			}
			if got := settings(cfg); !slices.Contains(got, tt.want) {
				t.Errorf("%s is not in\n%s", tt.want, strings.Join(got, "\n"))
			}
		})
	}
}

func TestSettingsShowNoSecret(t *testing.T) {
	const text = `[server.oauth]
url = "https://{{ env.C }}@host/jwks"
expected_issuer = "https://{{ env.C }}"
expected_audience = "https://user:s3cret-canary@host/"
protected_resource = { resource = "https://{{ env.C }}.example", authorization_servers = ["https://{{ env.C }}.example"] }
[server.client_identification]
client_id.http_header = "{{ env.C }}"
group_id.http_header = "x-{{ env.C }}"
validation.group_values = ["a", "{{ env.C }}", "b-{{ env.C }}"]
[server.rate_limits.storage]
type = "redis"
url = "rediss://user:s3cret-canary@host/1"
key_prefix = "{{ env.C }}"
[server.rate_limits.per_user.groups]
a = { limit = 10, interval = "1m" }
[llm.providers.demo]
type = "demo"
models.a.rename = "{{ env.C }}"
models.b.rename = "https://user:s3cret-canary@host/"
models.c.fallback = ["demo/{{ env.C }}"]
[llm.providers.openai]
type = "openai"
api_key = "s3cret-canary"
base_url = "https://{{ env.C }}.example/v1"
model_filter = "{{ env.C }}"
headers = [{rule = "forward", name = "{{ env.C }}", default = "{{ env.C }}", rename = "{{ env.C }}"}, {rule = "insert", name = "a", value = "s3cret-canary"}]
[[llm.providers.openai.models.a.headers]]
rule = "insert"
name = "a"
value = "{{ env.C }}"
[[llm.providers.openai.models.a.headers]]
rule = "forward"
pattern = "https://user:s3cret-canary@{{ env.C }}/"
[admin]
path = "/{{ env.C }}"
token = "s3cret-canary"
[telemetry.prometheus]
token = "{{ env.C }}"
`
	cfg, problems := config.Parse("nexus.toml", []byte(text), config.Overlay{}, variables([]byte("C="+canary)))
	if cfg == nil {
		t.Fatal(problems)
	}
	hidden := 0
	for _, s := range cfg.Settings() {
		if strings.Contains(fmt.Sprint(s.Value), "***") {
			hidden++
		}
	}
	if hidden != 25 {
		t.Errorf("%d values are hidden", hidden)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%x"} {
		check(t, verb, fmt.Sprintf(verb, cfg.Settings()))
	}
	for how, v := range map[string]any{"the settings as JSON": cfg.Settings(), "the configuration as JSON": cfg} {
		got, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		check(t, how, string(got))
	}
}

func TestUserInformationIsMasked(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"none", "https://host/v1", "https://host/v1"},
		{"a name and a password", "https://me:pw@host/v1", "https://***@host/v1"},
		{"a name alone", "redis://token@host:6379/0", "redis://***@host:6379/0"},
		{"a password alone", "redis://:pw@host", "redis://***@host"},
		{"an @ in the password", "https://me:p@w@host/", "https://***@host/"},
		{"signs in the password that should not be there", "https://me:p/w?x#y@host/", "https://***@host/"},
		{"no scheme", "//me:pw@host", "//***@host"},
		{"several URLs", "https://a:b@x https://c:d@y", "https://***@x https://***@y"},
		{"a mail address elsewhere", "https://host # ask me@host", "https://host # ask me@host"},
		{"no URL", "me@host", "me@host"},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := config.MaskUserinfo(tt.text); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// FuzzEffective states what holds for any configuration: its JSON is valid and shows no secret, every key is
// listed once, and it loses nothing against itself.
func FuzzEffective(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(shut))
	f.Add([]byte(read(f, "../nexus.toml")))
	f.Add([]byte("[llm.providers.x]\ntype = 'openai'\napi_key = '{{ env.SECRET }}'\nmodel_filter = '.*'\nheaders = [{rule = 'insert', name = '{{ env.SECRET }}', value = '{{ env.SECRET }}'}, {rule = 'remove', pattern = '{{ env.SECRET }}'}]\n"))
	f.Add([]byte("admin.token = \"{{ env.SECRET }}\"\n[llm.providers.'a.\"b\"']\ntype = 'demo'\nmodels.enabled.rename = '{{ env.SECRET }}'\n"))
	env := func(name string) (string, bool) { return canary, len(name)%2 == 0 }
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, _ := config.Parse("nexus.toml", text, config.Overlay{}, env)
		if cfg == nil || bytes.Contains(text, []byte("s3cret")) {
			t.Skip("no configuration, or one that knows the secret")
		}
		got, err := json.Marshal(cfg)
		if err != nil || !json.Valid(got) {
			t.Fatalf("%v: %s", err, got)
		}
		check(t, "the JSON", string(got))
		seen := map[string]bool{}
		for _, s := range cfg.Settings() {
			check(t, s.Key, fmt.Sprint(s.Value))
			if seen[s.Key] || (s.Line > 0) != cfg.Has(s.Key) {
				t.Errorf("%s: listed before: %v, line %d", s.Key, seen[s.Key], s.Line)
			}
			seen[s.Key] = true
		}
		if lost := config.Lost(cfg, cfg); len(lost) > 0 {
			t.Errorf("lost against itself:\n%v", lost)
		}
	})
}

func TestTheUserInformationOfANameIsNotShown(t *testing.T) {
	cfg := load(t, "[llm.providers.x]\ntype = 'demo'\n[llm.providers.x.models.'https://user:s3cret@host/m']\n")
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range cfg.Settings() {
		text = append(text, s.Key...)
	}
	if !strings.Contains(string(text), "https://***@host/m") || strings.Contains(string(text), "s3cret") {
		t.Errorf("shown: %s", text)
	}
}
