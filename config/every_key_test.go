package config_test

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nexus/config"
)

// full says every key, each on a line of its own; the chosen names are those of the reference.
const full = `# every key
[server]
listen_address = "127.0.0.1:8000"
shutdown_timeout = "10s"
max_body_size = "1MiB"
max_body_memory = "16MiB"

[server.health]
enabled = true
path = "/alive"
ready_path = "/serving"

[server.tls]
enabled = false
certificate = "cert.pem"
key = "key.pem"
client_ca = "clients.pem"
client_auth = "request"

[server.client_ip]
x_real_ip = true
x_forwarded_for_trusted_hops = 1
trusted_proxies = ["10.0.0.0/8", "fd00::/8"] # the balancers

[server.cors]
enabled = true
allow_origins = ["https://app.example.com", "http://localhost:3000"]
allow_methods = ["POST"]
allow_headers = ["*"]
expose_headers = ["X-Request-ID", "Retry-After"]
allow_credentials = true
allow_private_network = true
max_age = "1h"

[server.csrf]
enabled = true
header_name = "X-Own"

[server.oauth]
enabled = true
url = "https://auth.example.com/jwks.json"
poll_interval = "1m"
expected_issuer = "https://auth.example.com"
expected_audience = "nexus-api"
algorithms = ["RS256", "ES256"] # what the issuer signs with
clock_skew = "10s"
max_stale = "1h"

[server.oauth.protected_resource]
resource = "https://nexus.example.com/gateway"
authorization_servers = ["https://auth.example.com"]

[server.client_identification]
enabled = true
client_id.jwt_claim = "user"
client_id.http_header = ""
client_id.client_certificate = ""
group_id.http_header = ""
group_id.jwt_claim = "plan"
trusted_sources = ["10.1.0.0/16"]

[server.client_identification.validation]
group_values = ["free", "GROUP"]

[server.rate_limits]
enabled = true

[server.rate_limits.storage]
type = "redis"
url = "rediss://:opens-the-counters@127.0.0.1:6380/1"
key_prefix = "nexus:"
response_timeout = "100ms"
connection_timeout = "2s"
on_failure = "deny"

[server.rate_limits.storage.pool]
max_size = 8
min_idle = 2

[server.rate_limits.storage.tls]
ca_cert_path = ""
client_cert_path = ""
client_key_path = ""
insecure = true

[server.rate_limits.global]
limit = 1000
interval = "60s"

[server.rate_limits.per_ip]
limit = 100
interval = "60s"

[server.rate_limits.per_user]
limit = 60
interval = "60s"
concurrent = 8

[server.rate_limits.per_user.groups.GROUP]
limit = 600
interval = "60s"

[llm]
enabled = true

[llm.protocols.openai]
enabled = true
path = "/llm/openai"

[llm.providers.NAME]
type = "openai"
api_key = "opens-the-provider"
base_url = "https://llm.example.com/v1/"
forward_token = true
model_filter = "^gpt-"
connect_timeout = "1s"
response_timeout = "1m"
idle_timeout = "30s"

[llm.providers.NAME.rate_limits.per_user]
input_token_limit = 1000
output_token_limit = 2000
total_token_limit = 2500
interval = "1m"
enforce = true

[llm.providers.NAME.rate_limits.per_user.groups.GROUP]
input_token_limit = 10000
output_token_limit = 20000
total_token_limit = 25000
interval = "1m"
enforce = true

[[llm.providers.NAME.headers]]
rule = "forward"
name = "X-Trace-ID"
default = "none"
rename = "X-Request-Trace"

[[llm.providers.NAME.headers]]
rule = "remove"
pattern = "^x-debug-"

[[llm.providers.NAME.headers]]
rule = "insert"
name = "X-Project"
value = "opens-the-project"

[llm.providers.NAME.models.MODEL]
rename = "gpt-4.1"
fallback = ["NAME/gpt-4.1-mini"]

[llm.providers.NAME.models.MODEL.rate_limits.per_user]
input_token_limit = 100
output_token_limit = 200
total_token_limit = 250
interval = "30s"
enforce = true

[llm.providers.NAME.models.MODEL.rate_limits.per_user.groups.GROUP]
input_token_limit = 1000
output_token_limit = 2000
total_token_limit = 2500
interval = "30s"
enforce = true

[[llm.providers.NAME.models.MODEL.headers]]
rule = "rename_duplicate"
name = "X-Trace-ID"
default = "none"
rename = "X-Model-Trace"

[[llm.providers.NAME.models.MODEL.headers]]
rule = "forward"
pattern = "^x-model-"

[[llm.providers.NAME.models.MODEL.headers]]
rule = "insert"
name = "X-Model"
value = "opens-the-model"

[admin]
enabled = true
path = "/pages"
traces = 10
rejections = 10
token = "opens-the-pages"

[telemetry.prometheus]
enabled = true
path = "/numbers"
token = "opens-the-metrics"
`

// shut is full with its switches off where a table is on without being written.
var shut = regexp.MustCompile(`(\[(?:admin|telemetry\.prometheus)\]\nenabled = )true`).ReplaceAllString(full, "${1}false")

// headers is full with identities from headers, which need no token.
var headers = strings.NewReplacer(`jwt_claim = "user"`, `jwt_claim = ""`, `client_id.http_header = ""`, `client_id.http_header = "x-client-id"`,
	`group_id.http_header = ""`, `group_id.http_header = "x-user-tier"`, `jwt_claim = "plan"`, `jwt_claim = ""`).Replace(full)

// place is one field of the types with a tag toml, in a configuration.
type place struct {
	key   string
	guard string
	value reflect.Value
	leaf  bool
}

// places are all of them, found without the walk under test. A demo has no other keys than type, limits and models; limits
// and fallbacks count where a provider or model has some, and of an entry of an array of tables the keys that say something.
func places(v reflect.Value, table string) []place {
	var all []place
	demo, isProvider := v.Interface().(config.Provider)
	_, isModel := v.Interface().(config.Model)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, ok := f.Tag.Lookup("toml")
		switch {
		case !ok:
			continue
		case isProvider && demo.Type == config.ProviderDemo && name != "type" && name != "models" && name != "rate_limits":
			continue
		case (isProvider || isModel) && (name == "rate_limits" || name == "fallback") && v.Field(i).IsZero():
			continue
		case strings.HasSuffix(table, "]") && v.Field(i).IsZero():
			continue
		}
		p := place{key: strings.TrimPrefix(table+"."+name, "."), guard: f.Tag.Get("guard"), value: v.Field(i)}
		below, isTable := p.inside()
		p.leaf = !isTable
		all = append(append(all, p), below...)
	}
	return all
}

// inside are the places in a table, or in an array of tables.
func (p place) inside() (below []place, isTable bool) {
	if entries := p.value.MethodByName("All"); entries.IsValid() && p.value.Kind() == reflect.Struct {
		for name, entry := range entries.Call(nil)[0].Seq2() {
			key := p.key + "." + config.JoinKey(name.String())
			below = append(append(below, place{key: key, value: entry}), places(entry, key)...)
		}
		return below, true
	}
	switch p.value.Kind() {
	case reflect.Struct:
		below = places(p.value, p.key)
		return below, len(below) > 0
	case reflect.Slice:
		if !isTableType(p.value.Type().Elem()) {
			return nil, false
		}
		for i := range p.value.Len() {
			key := fmt.Sprintf("%s[%d]", p.key, i)
			below = append(append(below, place{key: key, value: p.value.Index(i)}), places(p.value.Index(i), key)...)
		}
		return below, true
	}
	return nil, false
}

// isTableType reports whether t has fields with a tag toml.
func isTableType(t reflect.Type) bool {
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		if _, ok := t.Field(i).Tag.Lookup("toml"); ok {
			return true
		}
	}
	return false
}

func placesOf(cfg *config.Config) []place { return places(reflect.ValueOf(cfg).Elem(), "") }

// holds is what a guarded field protects, as text: of a table with a switch, that it is on.
func (p place) holds() string {
	if on := p.value; on.Kind() == reflect.Struct {
		if on = on.FieldByName("Enabled"); on.IsValid() {
			return fmt.Sprint(on)
		}
	}
	if secret, ok := p.value.Interface().(config.Secret); ok {
		return secret.Reveal()
	}
	if p.value.Kind() == reflect.Pointer && !p.value.IsNil() {
		return fmt.Sprint(p.value.Elem())
	}
	if below, isTable := p.inside(); isTable {
		var all []string
		for _, in := range below {
			if in.leaf {
				all = append(all, strings.TrimPrefix(in.key, p.key)+" "+in.holds())
			}
		}
		return strings.Join(all, ", ")
	}
	return fmt.Sprint(p.value)
}

// guarded is what all guarded fields hold, without those in a table that is off.
func guarded(cfg *config.Config) map[string]string {
	all := map[string]string{}
	off := "-"
	for _, p := range placesOf(cfg) {
		if p.value.Kind() == reflect.Struct && p.holds() == "false" {
			off = p.key + "."
		}
		if p.guard != "" && (!strings.HasPrefix(p.key, off) || p.key == off+"enabled") {
			all[p.key] = p.holds()
		}
	}
	return all
}

func parse(text string) (*config.Config, config.Problems) {
	return config.Parse("nexus.toml", []byte(text), config.Overlay{}, nil)
}

func mustParse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, problems := parse(text)
	if cfg == nil {
		t.Fatalf("refused:\n%v\n%s", problems, text)
	}
	return cfg
}

// without is the text without the lines of a key and of everything in it.
func without(text, key string) string {
	gone := map[int]bool{}
	at, _ := config.Locate(text)
	for k, p := range at {
		if rest, ok := strings.CutPrefix(k, key); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			gone[p.Line] = true
		}
	}
	line := 0
	return strings.Join(slices.DeleteFunc(strings.SplitAfter(text, "\n"), func(string) bool { line++; return gone[line] }), "")
}
