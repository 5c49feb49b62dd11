package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nexus/config"
)

func TestJSONIsTheFile(t *testing.T) {
	cfg := mustParse(t, "[llm.providers.zulu]\ntype = 'demo'\nmodels.b = {}\n[llm.providers.alpha]\ntype = 'demo'\n[admin]\ntoken = 'a'\n")
	got, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"server":{"listen_address":"127.0.0.1:8000","shutdown_timeout":"30s","max_body_size":"20MiB","max_body_memory":"512MiB",` +
		`"health":{"enabled":true,"path":"/health","ready_path":"/ready"},` +
		`"tls":{"enabled":false,"certificate":null,"key":null,"client_ca":null,"client_auth":"require"},` +
		`"client_ip":{"x_real_ip":false,"x_forwarded_for_trusted_hops":null,"trusted_proxies":[]},` +
		`"cors":{"enabled":false,"allow_origins":[],"allow_methods":["GET","POST"],"allow_headers":["Authorization","Content-Type"],"expose_headers":["X-Request-ID"],"allow_credentials":false,"allow_private_network":false,"max_age":"10m"},` +
		`"csrf":{"enabled":false,"header_name":"X-Nexus-CSRF-Protection"},` +
		`"oauth":{"enabled":false,"url":null,"poll_interval":"5m","expected_issuer":null,"expected_audience":null,"algorithms":[],"clock_skew":"1m","max_stale":"1d",` +
		`"protected_resource":{"resource":null,"authorization_servers":[]}},` +
		`"client_identification":{"enabled":false,"client_id":{"jwt_claim":null,"http_header":null,"client_certificate":null},"group_id":{"jwt_claim":null,"http_header":null},"trusted_sources":[],"validation":{"group_values":[]}},` +
		`"rate_limits":{"enabled":false,"storage":{"type":"memory","url":null,"key_prefix":"nexus:rate_limit:","response_timeout":"200ms","connection_timeout":"1s","on_failure":"local",` +
		`"pool":{"max_size":64,"min_idle":4},"tls":{"ca_cert_path":null,"client_cert_path":null,"client_key_path":null,"insecure":false}},` +
		`"global":{"limit":null,"interval":null},"per_ip":{"limit":null,"interval":null},"per_user":{"limit":null,"interval":null,"concurrent":null,"groups":{}}}},` +
		`"llm":{"enabled":true,"protocols":{"openai":{"enabled":true,"path":"/llm"}},` +
		`"providers":{"zulu":{"type":"demo","models":{"b":{"rename":"b"}}},"alpha":{"type":"demo","models":{}}}},` +
		`"admin":{"enabled":true,"path":"/admin","token":"***","traces":1000,"rejections":1000},` +
		`"telemetry":{"prometheus":{"enabled":true,"path":"/metrics","token":null}}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJSONHasArraysOfTables(t *testing.T) {
	cfg := mustParse(t, "[llm.providers.x]\ntype = 'openai'\napi_key = 'k'\nmodel_filter = '^GPT-'\nmodels.m.headers = [{rule = 'remove', pattern = 'a'}]\n"+
		"[[llm.providers.x.headers]]\nrule = 'insert'\nname = 'X-A'\nvalue = 's3cret'\n[[llm.providers.x.headers]]\nrule = 'forward'\nname = 'X-B'\n")
	got, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	const want = `"x":{"type":"openai","api_key":"***","base_url":"https://api.openai.com/v1","forward_token":false,"model_filter":"^GPT-",` +
		`"connect_timeout":"5s","response_timeout":"10m","idle_timeout":"5m",` +
		`"headers":[{"rule":"insert","name":"X-A","value":"***"},{"rule":"forward","name":"X-B"}],` +
		`"models":{"m":{"rename":"m","headers":[{"rule":"remove","pattern":"a"}]}}}`
	if !strings.Contains(string(got), want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestJSONHasTheSettings reads the JSON back, in its order, under names that try to break it.
func TestJSONHasTheSettings(t *testing.T) {
	const hostile = "[llm.providers.'a.\"b\" <script>&']\ntype = 'demo'\n" +
		"[llm.providers.\"ü\\u2028\\\\\"]\ntype = 'demo'\nmodels.'m]\"},{' = {rename = '</script>\"\\ü😀'}\nmodels.'llm.enabled' = {}\nmodels.'a[0]'.rename = 'x'\n"
	for name, text := range map[string]string{"every key": full, "hostile names": hostile} {
		t.Run(name, func(t *testing.T) {
			cfg := mustParse(t, text)
			var indented bytes.Buffer
			e := json.NewEncoder(&indented)
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			if err := e.Encode(cfg); err != nil {
				t.Fatal(err)
			}
			d := json.NewDecoder(&indented)
			d.UseNumber()
			var want []string
			for _, s := range cfg.Settings() {
				value, err := json.Marshal(s.Value)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, s.Key+" "+string(value))
			}
			if diff := cmp.Diff(want, leavesOf(t, d, "")); diff != "" {
				t.Errorf("settings (-) and JSON (+):\n%s", diff)
			}
		})
	}
}

// leavesOf reads one JSON value in its order, objects as tables, and lists of objects as arrays of tables.
func leavesOf(t *testing.T, d *json.Decoder, key string) []string {
	t.Helper()
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch token {
	case json.Delim('{'):
		return leavesOfObject(t, d, key)
	case json.Delim('['):
		return leavesOfList(t, d, key)
	}
	text, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	return []string{key + " " + string(text)}
}

func leavesOfObject(t *testing.T, d *json.Decoder, key string) []string {
	t.Helper()
	var all []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		inner := config.JoinKey(name.(string))
		if key != "" {
			inner = key + "." + inner
		}
		all = append(all, leavesOf(t, d, inner)...)
	}
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	return all
}

func leavesOfList(t *testing.T, d *json.Decoder, key string) []string {
	t.Helper()
	var tables, items []string
	for i := 0; d.More(); i++ {
		item := leavesOf(t, d, fmt.Sprintf("%s[%d]", key, i))
		if text, ok := strings.CutPrefix(item[0], fmt.Sprintf("%s[%d] ", key, i)); ok {
			items = append(items, text)
			continue
		}
		tables = append(tables, item...)
	}
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	if len(tables) > 0 {
		return tables
	}
	return []string{key + " [" + strings.Join(items, ",") + "]"}
}
