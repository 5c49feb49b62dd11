package config_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nexus/config"
)

const provider = "[llm.providers.demo]\ntype = \"demo\"\n"

// load parses a text that has a provider and nothing wrong.
func load(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, problems := config.Parse("nexus.toml", []byte(text+provider), config.Overlay{}, nil)
	if cfg == nil {
		t.Fatalf("problems:\n%v", problems)
	}
	return cfg
}

// value is one way to write a value, and how it comes out; bad is a piece of the message where it does not.
type value struct{ text, want, bad string }

// checkValues writes each value to key and reads it back.
func checkValues(t *testing.T, key string, read func(*config.Config) string, values []value) {
	t.Helper()
	for _, v := range values {
		cfg, problems := config.Parse("nexus.toml", []byte(key+" = "+v.text+"\n"+provider), config.Overlay{}, nil)
		switch {
		case v.bad == "" && cfg == nil:
			t.Errorf("%s is refused: %v", v.text, problems)
		case v.bad == "" && read(cfg) != v.want:
			t.Errorf("%s is %s, want %s", v.text, read(cfg), v.want)
		case v.bad != "" && (cfg != nil || len(problems) != 1 || !strings.Contains(problems.Error(), v.bad)):
			t.Errorf("%s gives %v, want %s", v.text, problems, v.bad)
		}
	}
}

func TestDuration(t *testing.T) {
	read := func(c *config.Config) string {
		return fmt.Sprint(c.Server.ShutdownTimeout, " ", c.Server.ShutdownTimeout.Duration())
	}
	checkValues(t, "server.shutdown_timeout", read, []value{
		{`"500ms"`, "500ms 500ms", ""}, {`"60s"`, "1m 1m0s", ""}, {`"5m"`, "5m 5m0s", ""}, {`"1h"`, "1h 1h0m0s", ""},
		{`"1d"`, "1d 24h0m0s", ""}, {`"1d12h"`, "1d12h 36h0m0s", ""}, {`"30d"`, "30d 720h0m0s", ""}, {`"1.5h"`, "1h30m 1h30m0s", ""},
		{`"0s"`, "0s 0s", ""}, {`"365d"`, "365d 8760h0m0s", ""},
		{`""`, "", "is not a duration"}, {`"1 hour"`, "", "is not a duration"}, {`"1y"`, "", "is not a duration"},
		{`"90"`, "", `write "90s"`}, {`90`, "", "must be a string"}, {`"-1s"`, "", "is negative"}, {`"366d"`, "", "is too long"},
		{`"99999999999999999999h"`, "", "is not a duration"},
	})
}

func TestSize(t *testing.T) {
	read := func(c *config.Config) string {
		return fmt.Sprint(c.Server.MaxBodySize, " ", c.Server.MaxBodySize.Bytes())
	}
	checkValues(t, "server.max_body_size", read, []value{
		{`"20MiB"`, "20MiB 20971520", ""}, {`"20MB"`, "20MB 20000000", ""}, {`"20 mb"`, "20MB 20000000", ""}, {`"1.5KiB"`, "1536B 1536", ""},
		{`"1B"`, "1B 1", ""}, {`"1500"`, "1500B 1500", ""}, {`"64Ki"`, "64KiB 65536", ""},
		{`""`, "", "is not a size"}, {`"-1MB"`, "", "is negative"}, {`"0MB"`, "", "is nothing"}, {`"0.1B"`, "", "is nothing"}, {`"1,5MB"`, "", "is not a size"},
		{`"20 apples"`, "", "is not a size"}, {`"MB"`, "", "is not a size"}, {`"1.1TiB"`, "", "is too large"}, {`"99999999999999999999EB"`, "", "is too large"},
		{`"1.2.3MB"`, "", "is not a size"}, {`"٣MB"`, "", "is not a size"}, {`1048576`, "", "must be a string"},
	})
	if cfg := load(t, "server.max_body_size = \"512MiB\"\nserver.max_body_memory = \"1TiB\"\n"); cfg.Server.MaxBodyMemory.String() != "1TiB" {
		t.Errorf("1TiB is %s", cfg.Server.MaxBodyMemory)
	}
}

func TestPath(t *testing.T) {
	read := func(c *config.Config) string { return string(c.Telemetry.Prometheus.Path) }
	values := []value{
		{`"/"`, "/", ""}, {`"/m"`, "/m", ""}, {`"/a-b/c_d/e.f/~g/..."`, "/a-b/c_d/e.f/~g/...", ""},
		{`""`, "", "is not a path"}, {`"m"`, "", `write "/m"`}, {`"/m/"`, "", `write "/m"`}, {`"//"`, "", "empty segment"}, {`"/a//b"`, "", "empty segment"},
		{`"/."`, "", "segment"}, {`"/a/../b"`, "", "segment"}, {`"/..."`, "/...", ""}, {`"` + "/" + strings.Repeat("a", 256) + `"`, "", "longer than 256 bytes"},
	}
	for _, c := range "?#%:*{}[]@!$&'()+,;= é|\\^`<>" {
		values = append(values, value{fmt.Sprintf("'''/a%cb'''", c), "", "has a character that a path may not have"})
	}
	checkValues(t, "telemetry.prometheus.path", read, values)
}

func TestPathContains(t *testing.T) {
	for _, tt := range []struct {
		outer, inner config.Path
		want         bool
	}{{"/a", "/a", true}, {"/a", "/a/b", true}, {"/a", "/ab", false}, {"/a/b", "/a", false}, {"/", "/a", true}} {
		if got := tt.outer.Contains(tt.inner); got != tt.want {
			t.Errorf("%s contains %s: %v", tt.outer, tt.inner, got)
		}
	}
}

func TestHeaderName(t *testing.T) {
	read := func(c *config.Config) string {
		h := c.Server.ClientIdentification.GroupID.HTTPHeader
		return string(h) + " " + h.Canonical()
	}
	for _, v := range []value{
		{"x-user-tier", "x-user-tier X-User-Tier", ""}, {"X-USER-TIER", "X-USER-TIER X-User-Tier", ""}, {"a!#$%&'*+.^_`|~9", "a!#$%&'*+.^_`|~9 A!#$%&'*+.^_`|~9", ""},
		{"", " ", ""}, {"x tier", "", "is not a header name"}, {"x-tier:", "", "is not a header name"}, {"tïer", "", "is not a header name"},
		{strings.Repeat("x", 257), "", "longer than 256 bytes"},
	} {
		text := fmt.Sprintf("[server.client_identification]\nenabled = false\nvalidation.group_values = ['a']\ngroup_id.http_header = %q\n", v.text) + provider
		cfg, problems := config.Parse("nexus.toml", []byte(text), config.Overlay{}, nil)
		if v.bad != "" && !strings.Contains(problems.Error(), v.bad) {
			t.Errorf("%q gives %v", v.text, problems)
		}
		if v.bad == "" && (cfg == nil || read(cfg) != v.want) {
			t.Errorf("%q gives %v", v.text, problems)
		}
	}
}

func TestPrefixes(t *testing.T) {
	read := func(c *config.Config) string { return fmt.Sprint(c.Server.ClientIP.TrustedProxies) }
	checkValues(t, "server.client_ip.trusted_proxies", read, []value{
		{`[]`, "[]", ""}, {`["10.0.0.0/8", "fd00::/8"]`, "[10.0.0.0/8 fd00::/8]", ""}, {`["10.0.0.7", "::1"]`, "[10.0.0.7/32 ::1/128]", ""},
		{`["::ffff:10.0.0.7", "::ffff:10.0.0.0/104"]`, "[10.0.0.7/32 10.0.0.0/8]", ""}, {`["0.0.0.0/0"]`, "[0.0.0.0/0]", ""},
		{`["127.0.0.1/8"]`, "[127.0.0.0/8]", ""},
		{`["::ffff:0:0/90"]`, "", "two entries"}, {`["fe80::1%eth0"]`, "", "is not an address or network"}, {`["10.0.0.0/33"]`, "", "is not an address or network"},
		{`["proxy.internal"]`, "", "is not an address or network"}, {`[""]`, "", "is not an address or network"}, {`[10]`, "", "must be a string"},
	})
	cfg := load(t, "server.client_ip.trusted_proxies = ['::ffff:10.0.0.0/104']\n")
	if !slices.ContainsFunc(cfg.Server.ClientIP.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(netip.MustParseAddr("10.1.2.3")) }) {
		t.Error("an unmapped caller is not in a mapped network")
	}
}

func TestAddress(t *testing.T) {
	tests := []struct {
		text, want, host  string
		port              int
		loopback, private bool
	}{
		{"127.0.0.1:8000", "127.0.0.1:8000", "127.0.0.1", 8000, true, true},
		{"127.8.9.1:0", "127.8.9.1:0", "127.8.9.1", 0, true, true},
		{"localhost:80", "localhost:80", "localhost", 80, true, true},
		{"LocalHost:80", "localhost:80", "localhost", 80, true, true},
		{"[::1]:65535", "[::1]:65535", "::1", 65535, true, true},
		{"[0:0:0:0:0:0:0:1]:1", "[::1]:1", "::1", 1, true, true},
		{"[::ffff:127.0.0.1]:1", "127.0.0.1:1", "127.0.0.1", 1, true, true},
		{"10.0.0.1:1", "10.0.0.1:1", "10.0.0.1", 1, false, true},
		{"192.168.0.1:1", "192.168.0.1:1", "192.168.0.1", 1, false, true},
		{"169.254.1.1:1", "169.254.1.1:1", "169.254.1.1", 1, false, true},
		{"[fd00::1]:1", "[fd00::1]:1", "fd00::1", 1, false, true},
		{"[fe80::1%eth0]:1", "[fe80::1%eth0]:1", "fe80::1%eth0", 1, false, true},
		{"0.0.0.0:8000", "0.0.0.0:8000", "0.0.0.0", 8000, false, false},
		{"[::]:8000", "[::]:8000", "::", 8000, false, false},
		{":8000", ":8000", "", 8000, false, false},
		{"203.0.113.1:1", "203.0.113.1:1", "203.0.113.1", 1, false, false},
		{"gateway.internal:1", "gateway.internal:1", "gateway.internal", 1, false, false},
		{"localhost.example:1", "localhost.example:1", "localhost.example", 1, false, false},
	}
	for _, tt := range tests {
		a, err := config.ParseAddress(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if a.String() != tt.want || a.Host() != tt.host || a.Port() != tt.port {
			t.Errorf("%s is %s, host %s, port %d", tt.text, a, a.Host(), a.Port())
		}
		if a.IsLoopback() != tt.loopback || a.IsPrivate() != tt.private {
			t.Errorf("%s: loopback %v, private %v", tt.text, a.IsLoopback(), a.IsPrivate())
		}
	}
}

func TestAddressSaysWhatToWriteInstead(t *testing.T) {
	for text, want := range map[string]string{
		"8000":                   `write "127.0.0.1:8000"`,
		"localhost":              `write "localhost:8000"`,
		"10.0.0.1":               `write "10.0.0.1:8000"`,
		"::1":                    `write "[::1]:8000"`,
		"[::1]":                  `write "[::1]:8000"`,
		"::zz:8000":              `in brackets`,
		"*:8000":                 `write "0.0.0.0:8000"`,
		"http://localhost:8000/": `write "localhost:8000"`,
		"unix:/run/nexus.sock":   "is a unix socket",
		"127.0.0.1:http":         "no port between 0 and 65535",
		"127.0.0.1:65536":        "no port between 0 and 65535",
		"127.0.0.1:+1":           "no port between 0 and 65535",
		"127.0.0.1:":             "no port between 0 and 65535",
		"127.0.0.256:80":         "neither an IP address nor a name",
		"127.1:80":               "neither an IP address nor a name",
		"-x.example:80":          "neither an IP address nor a name",
		"a..b:80":                "neither an IP address nor a name",
		"a b:80":                 "neither an IP address nor a name",
		"[localhost]:80":         "neither an IP address nor a name",
		"":                       "is not host and port",
	} {
		if _, err := config.ParseAddress(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %s", text, err, want)
		}
	}
}

func TestValuesPrintAsTheFileSaysThem(t *testing.T) {
	addr, err := config.ParseAddress("[::1]:8000")
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal([]any{config.Duration(90 * time.Second), config.Size(20 << 20), addr, config.Path("/x"), config.HeaderName("x-y")})
	if err != nil || string(got) != `["1m30s","20MiB","[::1]:8000","/x","x-y"]` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestTableKeepsItsOrder(t *testing.T) {
	table := config.TableOf(config.Entry[int]{Name: "b", Value: 1}, config.Entry[int]{Name: "a", Value: 2}, config.Entry[int]{Name: "b", Value: 3})
	var names []string
	for name, v := range table.All() {
		names = append(names, fmt.Sprint(name, v))
	}
	if got := strings.Join(names, " "); got != "b3 a2" || table.Len() != 2 {
		t.Errorf("%s, %d entries", got, table.Len())
	}
	for name := range table.All() {
		if name == "a" {
			t.Error("the loop went on after its end")
		}
		break
	}
	if v, ok := table.Get("a"); v != 2 || !ok {
		t.Errorf("a is %d, %v", v, ok)
	}
	if v, ok := table.Get("c"); v != 0 || ok {
		t.Errorf("c is %d, %v", v, ok)
	}
	var none config.Table[int]
	if _, ok := none.Get("a"); ok || none.Len() != 0 {
		t.Error("the zero table has entries")
	}
}

func TestNearest(t *testing.T) {
	candidates := []string{"listen_address", "path", "token", "traces"}
	for word, want := range map[string]string{
		"listen_adress": "listen_address", "listen-address": "listen_address", "LISTEN_ADDRESS": "listen_address", "pth": "path", "paht": "path",
		"tokne": "token", "trace": "traces", "token": "token", "xyz": "", "": "", strings.Repeat("path", 100): "", "p": "",
	} {
		if got := config.Nearest(word, candidates); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}

func TestJoinKey(t *testing.T) {
	if got := config.JoinKey("llm", "providers", "a b", "models", "gpt-4.1", "\x1b\"\\", "é\U000e0001"); got != `llm.providers."a b".models."gpt-4.1"."\u001b\"\\"."é\U000e0001"` {
		t.Error(got)
	}
}
