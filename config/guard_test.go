package config_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nexus/config"
)

// meant is what a remedy offers: in each of the alternatives, lines to write into a table.
func meant(t *testing.T, p config.Problem) (alternatives [][]string, table string) {
	t.Helper()
	m := regexp.MustCompile(`^write it again(?:, with any number that you want)?, or say that you mean it: (.*) in \[(.*)\]; a restart takes the file as it is$`).FindStringSubmatch(p.Fix)
	if m == nil {
		t.Fatalf("no remedy that could be followed: %s", p)
	}
	for way := range strings.SplitSeq(m[1], " or ") {
		alternatives = append(alternatives, strings.Split(way, " and "))
	}
	return alternatives, m[2]
}

// written is the text with lines in a table, in the place of a switch that says the opposite; none is said twice.
func written(text, table string, lines []string) string {
	header := "[" + table + "]\n"
	before, after, found := strings.Cut(text, header)
	if !found {
		return text + header + strings.Join(lines, "\n") + "\n"
	}
	inside, behind := after, ""
	if i := strings.Index(after, "\n["); i >= 0 {
		inside, behind = after[:i+1], after[i+1:]
	} else if strings.HasPrefix(after, "[") {
		inside, behind = "", after
	}
	for _, line := range slices.Backward(lines) {
		opposite := strings.TrimSuffix(line, "false") + "true"
		kept := slices.DeleteFunc(strings.SplitAfter(inside, "\n"), func(l string) bool { return l == line+"\n" || l == opposite+"\n" })
		inside = line + "\n" + strings.Join(kept, "")
	}
	return before + header + inside + behind
}

// TestEachGuardedKeyIsGuarded holds for every field that is marked, now or later: when its key goes away, the file
// is refused or the key is reported, and doing literally what the remedy says helps.
func TestEachGuardedKeyIsGuarded(t *testing.T) {
	running := []string{full, shut, headers}
	marked, said := guarded(mustParse(t, full)), mustParse(t, full)
	for _, key := range []string{
		"server.tls", "server.csrf", // what is in server.tls needs files: see TestWhatTLSProtectsIsNotLostBySilence
		"server.oauth", "server.oauth.expected_issuer", "server.oauth.expected_audience", "server.oauth.algorithms",
		"server.client_identification", "server.client_identification.client_id", "server.client_identification.group_id",
		"server.client_identification.trusted_sources", "server.client_identification.validation.group_values",
		"server.client_ip.trusted_proxies", "admin", "admin.enabled", "admin.token",
		"telemetry.prometheus", "telemetry.prometheus.enabled", "telemetry.prometheus.token", "llm.providers.NAME.model_filter",
		"server.rate_limits", "server.rate_limits.global", "server.rate_limits.per_ip", "server.rate_limits.per_user",
		"server.rate_limits.per_user.limit", "server.rate_limits.per_user.concurrent",
		"server.rate_limits.storage", "server.rate_limits.storage.type", "server.rate_limits.storage.key_prefix", "server.rate_limits.storage.on_failure",
		"llm.providers.NAME.rate_limits", "llm.providers.NAME.models.MODEL.rate_limits",
	} {
		if marked[key] == "" {
			t.Errorf("%s is not guarded", key)
		}
	}
	for key := range marked {
		t.Run(key, func(t *testing.T) {
			if !said.Has(key) {
				t.Fatal("the full file of this test does not say it")
			}
			refused := 0
			for _, text := range running {
				was, rest := mustParse(t, text), without(text, key)
				is, _ := parse(rest)
				if is == nil {
					refused++
					continue
				}
				for _, p := range config.Lost(was, is) {
					if p.Key != key {
						t.Errorf("more is lost than was taken: %s", p)
					}
					refused++
					ways, table := meant(t, p)
					for _, way := range ways {
						next := mustParse(t, written(rest, table, way))
						if lost := config.Lost(was, next); len(lost) > 0 {
							t.Errorf("%q in [%s] does not help:\n%v", way, table, lost)
						}
					}
				}
			}
			if refused == 0 {
				t.Error("it goes away in silence")
			}
		})
	}
}

// TestNoPrefixLosesAGuardedKey cuts a file at each byte, as a reader may find it that comes too early.
func TestNoPrefixLosesAGuardedKey(t *testing.T) {
	for name, text := range map[string]string{"as it is": full, "switched off": shut, "with headers": headers, "with CRLF": strings.ReplaceAll(full, "\n", "\r\n")} {
		t.Run(name, func(t *testing.T) {
			was := mustParse(t, text)
			want := guarded(was)
			lost, whole := 0, 0
			for n := range len(text) {
				is, _ := parse(text[:n])
				switch {
				case is == nil:
				case len(config.Lost(was, is)) > 0:
					lost++
				default:
					whole++
					for key, holds := range guarded(is) {
						if holds != want[key] {
							t.Errorf("after %d bytes, %s is %q and was %q:\n%s", n, key, holds, want[key], text[:n])
						}
					}
				}
			}
			if lost < 10 || whole == 0 {
				t.Errorf("%d prefixes lost a key, %d none: the test shows nothing", lost, whole)
			}
		})
	}
}

func TestLost(t *testing.T) {
	const (
		identify = "[server.client_identification]\nclient_id.http_header = 'x-id'\n"
		groups   = identify + "group_id.http_header = 'x-tier'\nvalidation.group_values = ['a']\n"
		table    = "server.client_identification"

		oauth  = "[server.oauth]\nurl = 'https://auth.example.com/jwks.json'\n"
		tokens = oauth + "expected_issuer = 'https://auth.example.com'\nexpected_audience = 'api'\nalgorithms = ['RS256']\n"
		claims = tokens + "[server.client_identification]\nclient_id.jwt_claim = 'user'\ngroup_id.jwt_claim = 'plan'\nvalidation.group_values = ['a']\n"
		only   = "[server.client_identification]\n"

		openai = "[llm.providers.p]\ntype = 'openai'\napi_key = 'k'\n"

		window   = "limit = 10\ninterval = '1m'\n"
		requests = "[server.rate_limits.global]\n" + window + "[server.rate_limits.per_ip]\n" + window +
			"[server.rate_limits.per_user]\n" + window + "concurrent = 10\n[server.rate_limits.per_user.groups.a]\n" + window
		off      = "[server.rate_limits]\nenabled = false\n"
		redis    = "[server.rate_limits.storage]\ntype = 'redis'\nurl = 'redis://localhost'\nkey_prefix = 'n:'\non_failure = 'deny'\n"
		tokensOf = "[llm.providers.p]\ntype = 'demo'\n[llm.providers.p.rate_limits.per_user]\ninput_token_limit = 10\noutput_token_limit = 20\ninterval = '1m'\n" +
			"[llm.providers.p.rate_limits.per_user.groups.a]\ninput_token_limit = 1\ntotal_token_limit = 3\ninterval = '1m'\n" +
			"[llm.providers.p.models.m.rate_limits.per_user]\ntotal_token_limit = 7\ninterval = '1m'\n"
		measured = "[llm.providers.p]\ntype = 'demo'\n[llm.providers.p.rate_limits.per_user]\ninput_token_limit = 5\ninterval = '1m'\nenforce = false\n"
	)
	tests := []struct{ name, was, is, want string }{
		{"the same file loses nothing", full, full, ""},
		{"a key that is added is no loss", "", full, ""},
		{"what was never said is no loss", "", "", ""},

		{"another header is a change", identify, strings.Replace(identify, "x-id", "x-who", 1), ""},
		{"another list is a change", "server.client_ip.trusted_proxies = ['10.0.0.0/8']\n", "server.client_ip.trusted_proxies = ['::1']\n", ""},
		{"another token is a change", "admin.token = 'a'\n", "admin.token = 'b'\n", ""},
		{"true after false is a change", "admin.enabled = false\n", "admin.enabled = true\n", ""},
		{"another order is none", "[admin]\ntoken = 'a'\n[server.client_ip]\ntrusted_proxies = ['::1']\n", "[server.client_ip]\ntrusted_proxies = ['::1']\n[admin]\ntoken = 'a'\n", ""},
		{"dotted keys are as good as tables", groups, "server.client_identification.client_id.http_header = 'x-id'\nserver.client_identification.group_id.http_header = 'x-tier'\nserver.client_identification.validation.group_values = ['a']\n", ""},
		{"inline tables are as good as tables", groups, "server = {client_identification = {client_id = {http_header = 'x-id'}, group_id = {http_header = 'x-tier'}, validation = {group_values = ['a']}}}\n", ""},
		{"a header of its own is as good", groups, identify + "[server.client_identification.validation]\ngroup_values = ['a']\n[server.client_identification.group_id]\nhttp_header = 'x-tier'\n", ""},
		{"a comment is not the key", "admin.token = 'a'\n", "[admin]\n# token = 'a'\n", `admin.token: token = "" in [admin]`},

		{"an empty list may go", "server.client_ip.trusted_proxies = []\n", "", ""},
		{"an empty token may go", "admin.token = ''\n", "[admin]\n", ""},
		{"no header may go", identify + "group_id.http_header = ''\n", identify, ""},
		{"an empty table may go", identify + "group_id = {}\n", identify, ""},
		{"a table that is off may not go, since the next save may be one that switches it on", "[server.client_identification]\nenabled = false\ngroup_id.http_header = 'x-tier'\nvalidation.group_values = ['a']\ntrusted_sources = ['::1']\n", "", table + ": enabled = false in [" + table + "]"},
		{"what a table that stays off says may go", "[server.client_identification]\nenabled = false\ngroup_id.http_header = 'x-tier'\nvalidation.group_values = ['a']\ntrusted_sources = ['::1']\n", "[server.client_identification]\nenabled = false\n", ""},
		{"what a table that is off does not use may go", "[admin]\nenabled = false\ntoken = 'a'\n", "[admin]\nenabled = false\n", ""},
		{"enabled = true may go where that changes nothing", "[admin]\nenabled = true\ntraces = 5\n", "[admin]\ntraces = 5\n", ""},
		{"a table that is on may not go, even if it says what holds without it", "[admin]\nenabled = true\npath = '/admin'\n[telemetry.prometheus]\n", "", "admin: enabled = true or enabled = false in [admin]\ntelemetry.prometheus: enabled = true or enabled = false in [telemetry.prometheus]"},
		{"a key that is not guarded may go", "[server]\nshutdown_timeout = '1s'\n[server.client_ip]\nx_real_ip = true\n[server.health]\nenabled = false\n", "", ""},
		{"the line enabled = false of a table that is off without it may go", identify + "enabled = false\n", identify, ""},

		{"an empty list is said", "server.client_ip.trusted_proxies = ['::1']\n", "server.client_ip.trusted_proxies = []\n", ""},
		{"an empty token is said", "admin.token = 'a'\n", "admin.token = ''\n", ""},
		{"no header is said", groups, identify + "group_id.http_header = ''\nvalidation.group_values = []\n", ""},
		{"a table that is switched off says everything inside", groups + "trusted_sources = ['::1']\n", "server.client_identification.enabled = false\n", ""},
		{"pages that are switched off need no token", "[admin]\ntoken = 'a'\n", "admin.enabled = false\n", ""},

		{"identification", groups, "", table + ": enabled = false in [" + table + "]"},
		{"identification with a switch", identify + "enabled = true\n", "[server]\n", table + ": enabled = false in [" + table + "]"},
		{"the group", groups, identify + "validation.group_values = ['a']\n", table + `.group_id: group_id.jwt_claim = "" in [` + table + "]"},
		{"the group of which a header is left", groups, identify + "validation.group_values = ['a']\n[server.client_identification.group_id]\n", table + `.group_id: jwt_claim = "" in [` + table + ".group_id]"},
		{"the group and its values", groups, identify, table + `.group_id: group_id.jwt_claim = "" in [` + table + "]\n" + table + ".validation.group_values: group_values = [] in [" + table + ".validation]"},
		{"values without a group", identify + "validation.group_values = ['a']\n", identify, table + ".validation.group_values: group_values = [] in [" + table + ".validation]"},
		{"sources", identify + "trusted_sources = ['::1']\n", identify, table + ".trusted_sources: trusted_sources = [] in [" + table + "]"},
		{"proxies, whether or not a header is believed", "server.client_ip.trusted_proxies = ['::1']\n", "[server.client_ip]\n", "server.client_ip.trusted_proxies: trusted_proxies = [] in [server.client_ip]"},
		{"a token with its table", "[admin]\ntoken = 'a'\n", "", `admin: token = "" or enabled = false in [admin]`},
		{"a token of the metrics alone", "[telemetry.prometheus]\ntoken = 'a'\n", "[telemetry.prometheus]\npath = '/m'\n", `telemetry.prometheus.token: token = "" in [telemetry.prometheus]`},
		{"a token with the table around its table", "[telemetry.prometheus]\ntoken = 'a'\n", "", `telemetry.prometheus: token = "" or enabled = false in [telemetry.prometheus]`},
		{"pages that were off", "[admin]\nenabled = false\n", "[admin]\n", "admin.enabled: enabled = true in [admin]"},
		{"pages that were off, with their table", "[admin]\nenabled = false\n", "", "admin: enabled = true or enabled = false in [admin]"},
		{"pages that were off, with their table and a token", "[admin]\nenabled = false\ntoken = 'a'\n", "", `admin: enabled = true and token = "" or enabled = false in [admin]`},
		{"pages that are switched on without the token that they had", "[admin]\nenabled = false\ntoken = 'a'\n", "[admin]\nenabled = true\n", `admin.token: token = "" in [admin]`},
		{"pages at another path, with their table", "[admin]\npath = '/x'\n", "", "admin: enabled = true or enabled = false in [admin]"},
		{"an enclosing table that is on says nothing", "[admin]\ntoken = 'a'\n", "[admin]\nenabled = true\n", `admin.token: token = "" in [admin]`},

		{"tokens", tokens, "", "server.oauth: enabled = false in [server.oauth]"},
		{"tokens that are switched off", tokens, "server.oauth.enabled = false\n", ""},
		{"tokens that were off, since the next save may be one that switches them on", "[server.oauth]\nenabled = false\n", "", "server.oauth: enabled = false in [server.oauth]"},
		{"tokens, with identification by header", tokens + identify, identify, "server.oauth: enabled = false in [server.oauth]"},
		{"tokens and identification", claims, "", table + ": enabled = false in [" + table + "]\nserver.oauth: enabled = false in [server.oauth]"},
		{"what a token must be", tokens, oauth, "server.oauth.algorithms: algorithms = [] in [server.oauth]\nserver.oauth.expected_audience: expected_audience = \"\" in [server.oauth]\nserver.oauth.expected_issuer: expected_issuer = \"\" in [server.oauth]"},
		{"what a token need not be is said", tokens, oauth + "expected_issuer = ''\nexpected_audience = ''\nalgorithms = []\n", ""},
		{"another audience is a change", tokens, strings.Replace(tokens, "'api'", "'other'", 1), ""},
		{"fewer algorithms are a change", strings.Replace(tokens, "['RS256']", "['RS256', 'ES256']", 1), tokens, ""},
		{"a key of the table that guards nothing may go", tokens + "clock_skew = '1s'\nprotected_resource.resource = 'https://n.example'\n", tokens, ""},
		{"another place for the keys is a change", tokens, strings.Replace(tokens, "jwks", "keys", 1), ""},
		{"a claim for a header is a change", oauth + identify, oauth + only + "client_id.jwt_claim = 'user'\n", ""},
		{"a header for a claim is a change", oauth + groups, oauth + identify + "group_id.jwt_claim = 'plan'\nvalidation.group_values = ['a']\n", ""},
		{"the claim sub may go, since it holds without being said", oauth + only + "client_id.jwt_claim = 'sub'\n", oauth + only, ""},
		{"another claim may not go, since sub is somebody else", oauth + only + "client_id.jwt_claim = 'user'\n", oauth + only, table + ".client_id: client_id.jwt_claim = \"sub\" in [" + table + "]"},
		{"a header may not go, since then sub holds", oauth + identify, oauth + only, table + ".client_id: client_id.jwt_claim = \"sub\" in [" + table + "]"},
		{"a header that is said to be none", oauth + identify, oauth + only + "client_id.http_header = ''\n", ""},
		{"a claim beside a header that was none all along", oauth + only + "client_id.http_header = ''\nclient_id.jwt_claim = 'user'\n", oauth + only + "client_id.http_header = ''\n", table + ".client_id: client_id.jwt_claim = \"sub\" in [" + table + "]"},
		{"a claim beside a header that was none all along, in a table of its own", oauth + "[server.client_identification.client_id]\nhttp_header = ''\njwt_claim = 'user'\n", oauth + "[server.client_identification.client_id]\nhttp_header = ''\n", table + ".client_id: jwt_claim = \"sub\" in [" + table + ".client_id]"},
		{"the claim of the group", claims, strings.Replace(claims, "group_id.jwt_claim = 'plan'\n", "", 1), table + ".group_id: group_id.jwt_claim = \"\" in [" + table + "]"},
		{"the claim of the group beside a header that says none", claims, strings.Replace(claims, "group_id.jwt_claim = 'plan'", "group_id.http_header = ''", 1), table + ".group_id: group_id.jwt_claim = \"\" in [" + table + "]"},
		{"the claim of the group is said to be none", claims, strings.Replace(claims, "'plan'", "''", 1), ""},
		{"the header of the group is said to be none by the guard", oauth + groups, strings.Replace(oauth+groups, "group_id.http_header = 'x-tier'", "group_id.jwt_claim = ''", 1), ""},

		{"a filter", openai + "model_filter = '^gpt-'\n", openai, `llm.providers.p.model_filter: model_filter = ".*" in [llm.providers.p]`},
		{"a filter of a provider of another name is another's", openai + "model_filter = '^gpt-'\n", strings.ReplaceAll(openai, ".p]", ".q]") + "model_filter = '^gpt-'\n", ""},
		{"a filter of one of two providers", openai + "model_filter = 'a'\n" + strings.ReplaceAll(openai, ".p]", `."q.r"]`) + "model_filter = 'b'\n", openai + "model_filter = 'a'\n" + strings.ReplaceAll(openai, ".p]", `."q.r"]`), `llm.providers."q.r".model_filter: model_filter = ".*" in [llm.providers."q.r"]`},
		{"a filter goes with its provider", openai + "model_filter = '^gpt-'\n", "", ""},
		{"a demo needs no filter", openai + "model_filter = '^gpt-'\n", "[llm.providers.p]\ntype = 'demo'\n", ""},
		{"another filter is a change", openai + "model_filter = '^gpt-'\n", openai + "model_filter = '^o'\n", ""},
		{"a filter that leaves nothing out is said", openai + "model_filter = '^gpt-'\n", openai + "model_filter = '.*'\n", ""},
		{"a filter that leaves nothing out may go", openai + "model_filter = '.*'\n", openai, ""},
		{"keys, addresses, times and header rules may go", openai + "forward_token = true\nbase_url = 'https://a.example'\nidle_timeout = '1m'\nheaders = [{rule = 'forward', name = 'a'}, {rule = 'remove', pattern = 'b'}]\n", openai, ""},
		{"a key may go where the callers have theirs", openai, "[llm.providers.p]\ntype = 'openai'\nforward_token = true\n", ""},

		{"limits of requests", groups + requests, groups, "server.rate_limits: enabled = false in [server.rate_limits]"},
		{"limits of requests that are off", groups + "[server.rate_limits]\nenabled = false\n", groups, "server.rate_limits: enabled = false in [server.rate_limits]"},
		{"limits of requests are switched off", groups + requests, groups + "[server.rate_limits]\nenabled = false\n", ""},
		{"other numbers are a change", groups + requests, groups + strings.ReplaceAll(requests, "10", "1000000000000000"), ""},
		{"the limit of all", groups + requests, groups + without(requests, "server.rate_limits.global"), "server.rate_limits.global: enabled = false in [server.rate_limits]"},
		{"the limits of addresses and clients", groups + requests, groups + "[server.rate_limits.global]\nlimit = 10\ninterval = '1m'\n", "server.rate_limits.per_ip: enabled = false in [server.rate_limits]\nserver.rate_limits.per_user: enabled = false in [server.rate_limits]"},
		{"the limit of clients, where their groups have some", groups + requests, groups + strings.Replace(requests, "[server.rate_limits.per_user]\nlimit = 10\ninterval = '1m'\n", "[server.rate_limits.per_user]\n", 1), "server.rate_limits.per_user.limit: enabled = false in [server.rate_limits]"},
		{"requests at once", groups + requests, groups + strings.Replace(requests, "concurrent = 10\n", "", 1), "server.rate_limits.per_user.concurrent: enabled = false in [server.rate_limits]"},
		{"the limit of a group", groups + requests, groups + without(requests, "server.rate_limits.per_user.groups.a"), "server.rate_limits.per_user.groups.a: enabled = false in [server.rate_limits]"},
		{"the limit of a group goes with the group", groups + requests + tokensOf, strings.ReplaceAll(groups+without(requests, "server.rate_limits.per_user.groups.a")+without(tokensOf, "llm.providers.p.rate_limits.per_user.groups.a"), "'a'", "'b'"), ""},
		{"limits of clients go with identification", groups + requests + tokensOf, "[server.client_identification]\nenabled = false\n" + without(requests, "server.rate_limits.per_user") + "[llm.providers.p]\ntype = 'demo'\n", ""},
		{"limits by dotted keys", groups + requests, groups + "[server]\nrate_limits.per_ip = {limit = 10, interval = '1m'}\nrate_limits.per_user = {limit = 10, interval = '1m', concurrent = 10, groups.a = {limit = 10, interval = '1m'}}\n", "server.rate_limits.global: rate_limits.enabled = false in [server]"},

		{"where limits are counted", groups + redis, groups + "[server.rate_limits]\n", "server.rate_limits.storage: type = \"memory\" in [server.rate_limits.storage]"},
		{"the header against cross-site requests", "[server.csrf]\n", "[server.cors]\nallow_origins = '*'\n", "server.csrf: enabled = false in [server.csrf]"},
		{"its name may change", "[server.csrf]\nheader_name = 'X-A'\n", "[server.csrf]\n", ""},
		{"pages of other origins may go", "[server.cors]\nallow_origins = '*'\n", "", ""},

		{"where limits are counted, of which a header is left", groups + redis, groups + "[server.rate_limits.storage]\n", "server.rate_limits.storage: type = \"memory\" in [server.rate_limits.storage]"},
		{"memory is said", groups + redis, groups + "[server.rate_limits.storage]\ntype = 'memory'\n", ""},
		{"memory may go", groups + "[server.rate_limits.storage]\ntype = 'memory'\n", groups + "[server.rate_limits]\n", ""},
		{"what holds while Redis is out, and what its keys are called", groups + redis, groups + "[server.rate_limits.storage]\ntype = 'redis'\nurl = 'redis://localhost'\n", "server.rate_limits.storage.key_prefix: key_prefix = \"nexus:rate_limit:\" in [server.rate_limits.storage]\nserver.rate_limits.storage.on_failure: on_failure = \"local\" in [server.rate_limits.storage]"},
		{"where tokens are counted, although requests are not limited any more", groups + off + redis, groups + off, "server.rate_limits.storage: type = \"memory\" in [server.rate_limits.storage]"},
		{"where limits are counted goes with the switch", groups + redis, groups + off, ""},

		{"limits of tokens", groups + tokensOf, groups + "[llm.providers.p]\ntype = 'demo'\nmodels.m = {}\n", "llm.providers.p.models.m.rate_limits: enforce = false in [llm.providers.p.models.m.rate_limits.per_user]\nllm.providers.p.rate_limits: enforce = false in [llm.providers.p.rate_limits.per_user]"},
		{"limits of tokens go with the model, or the provider", groups + tokensOf + strings.ReplaceAll(tokensOf, "providers.p", "providers.q"), groups + without(tokensOf, "llm.providers.p.models"), ""},
		{"limits of tokens that are not enforced any more", groups + tokensOf, groups + "[llm.providers.p]\ntype = 'demo'\nrate_limits.per_user.enforce = false\nmodels.m.rate_limits.per_user.enforce = false\n", ""},
		{"limits of tokens that only measured may go", groups + "[llm.providers.p]\ntype = 'demo'\nrate_limits.per_user = {input_token_limit = 5, interval = '1m', enforce = false, groups.a = {input_token_limit = 5, interval = '1m'}}\n", groups + "[llm.providers.p]\ntype = 'demo'\n", ""},
		{"that nothing was enforced may go", groups + "[llm.providers.p]\ntype = 'demo'\nrate_limits.per_user.enforce = false\n", groups + "[llm.providers.p]\ntype = 'demo'\n", ""},
		{"a kind of tokens", groups + tokensOf, groups + strings.Replace(tokensOf, "output_token_limit = 20\n", "", 1), "llm.providers.p.rate_limits.per_user.output_token_limit: enforce = false in [llm.providers.p.rate_limits.per_user]"},
		{"the limit of tokens, where groups have some", groups + tokensOf, groups + strings.Replace(tokensOf, "input_token_limit = 10\noutput_token_limit = 20\ninterval = '1m'\n", "", 1), "llm.providers.p.rate_limits.per_user.input_token_limit: enforce = false in [llm.providers.p.rate_limits.per_user]\nllm.providers.p.rate_limits.per_user.output_token_limit: enforce = false in [llm.providers.p.rate_limits.per_user]"},
		{"tokens of a group", groups + tokensOf, groups + without(tokensOf, "llm.providers.p.rate_limits.per_user.groups"), "llm.providers.p.rate_limits.per_user.groups.a: enforce = false and interval = \"1m\" and input_token_limit = 1 and total_token_limit = 3 in [llm.providers.p.rate_limits.per_user.groups.a]"},
		{"a kind of tokens of a group", groups + tokensOf, groups + strings.Replace(tokensOf, "total_token_limit = 3\n", "", 1), "llm.providers.p.rate_limits.per_user.groups.a.total_token_limit: enforce = false in [llm.providers.p.rate_limits.per_user.groups.a]"},
		{"a kind of tokens by dotted keys", groups + "[llm.providers.p]\ntype = 'demo'\nrate_limits.per_user.interval = '1m'\nrate_limits.per_user.input_token_limit = 5\nrate_limits.per_user.total_token_limit = 5\n", groups + "[llm.providers.p]\ntype = 'demo'\nrate_limits.per_user.interval = '1m'\nrate_limits.per_user.input_token_limit = 5\n", "llm.providers.p.rate_limits.per_user.total_token_limit: rate_limits.per_user.enforce = false in [llm.providers.p]"},
		{"tokens of a group that alone was enforced", groups + measured + "groups.a = {input_token_limit = 5, interval = '1m', enforce = true}\n", groups + measured, "llm.providers.p.rate_limits.per_user.groups.a: enforce = false and interval = \"1m\" and input_token_limit = 5 in [llm.providers.p.rate_limits.per_user.groups.a]"},
		{"that a group alone was enforced", groups + measured + "[llm.providers.p.rate_limits.per_user.groups.a]\ninput_token_limit = 5\ninterval = '1m'\nenforce = true\n", groups + measured + "[llm.providers.p.rate_limits.per_user.groups.a]\ninput_token_limit = 5\ninterval = '1m'\n", "llm.providers.p.rate_limits.per_user.groups.a.enforce: enforce = false in [llm.providers.p.rate_limits.per_user.groups.a]"},
		{"that what is enforced anyway is", groups + "[llm.providers.p]\ntype = 'demo'\nrate_limits.per_user = {input_token_limit = 5, interval = '1m', enforce = true}\n", groups + "[llm.providers.p]\ntype = 'demo'\nrate_limits.per_user = {input_token_limit = 5, interval = '1m'}\n", ""},
		{"fallbacks may go", "[llm.providers.p]\ntype = 'demo'\nmodels.a.fallback = ['p/b']\n", "[llm.providers.p]\ntype = 'demo'\nmodels.a = {}\n", ""},

		{"providers and models may have any name", "[llm.providers.enabled]\ntype = 'demo'\nmodels.enabled.rename = 'x'\n[llm.providers.'a.b']\ntype = 'demo'\n", "[llm.providers.enabled]\ntype = 'demo'\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			was, is := tt.was, tt.is
			for _, text := range []*string{&was, &is} {
				if *text != full {
					*text += provider
				}
			}
			first, last := is, is // what the first of all alternatives makes of the file, and the last
			for _, p := range config.Lost(mustParse(t, was), mustParse(t, is)) {
				ways, table := meant(t, p)
				first, last = written(first, table, ways[0]), written(last, table, ways[len(ways)-1])
				var lines []string
				for _, way := range ways {
					lines = append(lines, strings.Join(way, " and "))
				}
				got = append(got, fmt.Sprintf("%s: %s in [%s]", p.Key, strings.Join(lines, " or "), table))
			}
			slices.Sort(got)
			if s := strings.Join(got, "\n"); s != tt.want {
				t.Errorf("lost:\n%s\nwant:\n%s", s, tt.want)
			}
			for _, mended := range []string{first, last} {
				if lost := config.Lost(mustParse(t, was), mustParse(t, mended)); len(lost) > 0 {
					t.Errorf("the remedies do not help:\n%s\n%v", mended, lost)
				}
			}
		})
	}
}

func TestALossIsAProblemOfTheNextFile(t *testing.T) {
	was := mustParse(t, "[admin]\ntoken = 'a'\n[server.client_ip]\ntrusted_proxies = ['::1']\n"+provider)
	is, _ := config.Parse("next.toml", []byte(provider+"[admin]\n"), config.Overlay{}, nil)
	lost := config.Lost(was, is)
	want := `next.toml: server.client_ip.trusted_proxies: is missing, but what runs has it: without it access could be weaker; write it again, or say that you mean it: trusted_proxies = [] in [server.client_ip]; a restart takes the file as it is
next.toml:3:1: admin.token: is missing, but what runs has it: without it access could be weaker; write it again, or say that you mean it: token = "" in [admin]; a restart takes the file as it is`
	if lost.Error() != want || !lost.HasErrors() {
		t.Errorf("got:\n%v\nwant:\n%s", lost, want)
	}
}

// TestAFileThatItsReadersDoNotAgreeOnIsRefused has the byte order mark of UTF-16 before plain text, which the TOML
// library overlooks: served, such a file would have guards that nobody can find.
func TestAFileThatItsReadersDoNotAgreeOnIsRefused(t *testing.T) {
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		cfg, problems := config.Parse("nexus.toml", []byte(mark+"[admin]\ntoken = 'a'\n"+provider), config.Overlay{}, nil)
		if cfg != nil || !strings.Contains(problems.Error(), "UTF-8") {
			t.Errorf("%q: problems %v", mark, problems)
		}
	}
}

// TestASwitchThatFellIntoAnotherTableIsWarnedOf has a header commented out, so that the line below it switches
// identification off. The file says so, and it is taken; but not without a word.
func TestASwitchThatFellIntoAnotherTableIsWarnedOf(t *testing.T) {
	const text = "[server.client_identification]\nclient_id.http_header = 'x-id'\n# [server.health]\nenabled = false\n" + provider
	_, problems := config.Parse("nexus.toml", []byte(text), config.Overlay{}, nil)
	if problems.HasErrors() || len(problems) != 1 || problems[0].Key != "server.client_identification.enabled" || problems[0].Line != 4 {
		t.Errorf("problems: %v", problems)
	}
}
