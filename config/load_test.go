package config_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nexus/config"
)

// save writes a file of its own and returns its path.
func save(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nexus.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// open loads the file at path.
func open(path string) (*config.Config, config.Problems) {
	d := config.NewFile(path, config.Overlay{}).Load()
	return d.Config, d.Problems
}

func TestLoadReadsTheFile(t *testing.T) {
	path := save(t, "[admin]\ntraces = 7\n"+provider)
	link := filepath.Join(t.TempDir(), "link.toml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, link} {
		cfg, problems := open(p)
		if cfg == nil || len(problems) > 0 {
			t.Fatalf("problems: %v", problems)
		}
		if cfg.File() != p || cfg.Admin.Traces != 7 || len(cfg.Hash()) != 64 {
			t.Errorf("file %s, traces %d, hash %s", cfg.File(), cfg.Admin.Traces, cfg.Hash())
		}
	}
}

func TestLoadSaysWhyAFileCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	large := save(t, strings.Repeat("#", 1<<20+1))
	tests := []struct{ name, path, want string }{
		{"a missing file", filepath.Join(dir, "missing.toml"), "the file does not exist; put it there, or name another file with --config or NEXUS_CONFIG_PATH"},
		{"a directory", dir, "this is a directory; name the file in it"},
		{"a file in a file", filepath.Join(large, "x"), "the file cannot be found: not a directory; look at the path and at the disk that it leads to, or name another file with --config or NEXUS_CONFIG_PATH"},
		{"a device", os.DevNull, "this is not a regular file; name another file with --config or NEXUS_CONFIG_PATH"},
		{"a file of more than 1 MiB", large, "the file is larger than 1 MiB; make it smaller, or name another file with --config or NEXUS_CONFIG_PATH"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, problems := open(tt.path)
			if cfg != nil || len(problems) != 1 || problems[0].Warning || problems.Error() != tt.path+": "+tt.want {
				t.Errorf("problems: %v", problems)
			}
		})
	}
	t.Run("a file without the right to read it", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root reads every file")
		}
		path := save(t, provider)
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		if _, problems := open(path); !strings.Contains(problems.Error(), "the file cannot be read: permission denied") {
			t.Errorf("problems: %v", problems)
		}
	})
}

func TestDefaultsHoldWhereTheFileSaysNothing(t *testing.T) {
	cfg := load(t, "")
	s := cfg.Server
	got := fmt.Sprint(s.ListenAddress, s.ShutdownTimeout, s.MaxBodySize, s.MaxBodyMemory, s.Health, s.TLS, s.ClientIP, s.CORS, s.CSRF, s.OAuth, s.ClientIdentification, cfg.LLM.Enabled, cfg.LLM.Protocols)
	want := "127.0.0.1:8000 30s 20MiB 512MiB {true /health /ready} {false    require} {false <nil> []} {false [] [GET POST] [Authorization Content-Type] [X-Request-ID] false false 10m} {false X-Nexus-CSRF-Protection} {false  5m   [] 1m 1d { []}} {false {  } { } [] {[]}} true {{true /llm}}"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if a, p := cfg.Admin, cfg.Telemetry.Prometheus; !a.Enabled || a.Path != "/admin" || a.Token.IsSet() || a.Traces != 1000 || a.Rejections != 1000 || !p.Enabled || p.Path != "/metrics" || p.Token.IsSet() {
		t.Errorf("admin %+v, prometheus %+v", a, p)
	}
}

func TestTablesAreOnWhereTheyAreWritten(t *testing.T) {
	const off = "server.client_identification.enabled"
	tests := []struct {
		name, text, key string
		want            bool
	}{
		{"llm is on with a provider alone", "", "llm.enabled", true},
		{"llm is off where the file says so", "llm.enabled = false\n", "llm.enabled", false},
		{"openai is on without a table", "", "llm.protocols.openai.enabled", true},
		{"openai is on with a table", "[llm.protocols.openai]\n", "llm.protocols.openai.enabled", true},
		{"health is on without a table", "", "server.health.enabled", true},
		{"health is on with a table", "[server.health]\npath = '/x'\n", "server.health.enabled", true},
		{"health is off where the file says so", "[server]\nhealth = {enabled = false}\n", "server.health.enabled", false},
		{"identification is off without a table", "", off, false},
		{"identification is on with a table", "[server.client_identification]\nclient_id.http_header = 'x-id'\n", off, true},
		{"identification is on with a dotted key", "server.client_identification.client_id.http_header = 'x-id'\n", off, true},
		{"identification is off where the file says so", "[server.client_identification]\nenabled = false\nclient_id.http_header = 'x-id'\n", off, false},
		{"tokens are off without a table", "", "server.oauth.enabled", false},
		{"tokens are on with a table", "[server.oauth]\nurl = 'https://a.example'\n", "server.oauth.enabled", true},
		{"tokens are off where the file says so", "[server.oauth]\nenabled = false\n", "server.oauth.enabled", false},
		{"admin is off where the file says so", "admin.enabled = false\n", "admin.enabled", false},
		{"prometheus is on under an empty telemetry", "[telemetry]\n", "telemetry.prometheus.enabled", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := field(load(t, tt.text), tt.key); got != tt.want {
				t.Errorf("%s is %v", tt.key, got)
			}
		})
	}
}

func TestFileOrderIsKept(t *testing.T) {
	cfg := load(t, "[llm.providers.zulu]\ntype = 'demo'\nmodels.\"b.1\" = {}\nmodels.a = {rename = 'x'}\n[llm.providers.alpha]\ntype = 'demo'\n[llm.providers.zulu.models.0]\nrename = ''\n")
	var got []string
	for name, p := range cfg.LLM.Providers.All() {
		got = append(got, name)
		for model, m := range p.Models.All() {
			got = append(got, model+"→"+m.Rename)
		}
	}
	if s := strings.Join(got, " "); s != "zulu b.1→b.1 a→x 0→0 alpha demo" {
		t.Error(s)
	}
}

func TestHopsAreNilUntilTheFileSaysThem(t *testing.T) {
	if load(t, "[server.client_ip]\n").Server.ClientIP.XForwardedForTrustedHops != nil {
		t.Error("they are set")
	}
	if hops := load(t, "[server.client_ip]\nx_forwarded_for_trusted_hops = 0\n").Server.ClientIP.XForwardedForTrustedHops; hops == nil || *hops != 0 {
		t.Error("0 is not 0")
	}
}

func TestConfigKnowsItsLines(t *testing.T) {
	cfg := load(t, "\n[admin]\ntraces = 1\n[llm.providers.demo2.models.\"gpt-4.1\"]\n[llm.providers.demo2]\ntype = 'demo'\n")
	for key, line := range map[string]int{
		"admin": 2, "admin.traces": 3, "admin.path": 0, "llm": 4, `llm.providers.demo2.models."gpt-4.1"`: 4, "llm.providers.demo2": 5, "server": 0,
	} {
		if got := cfg.Line(key); got != line || cfg.Has(key) != (line > 0) {
			t.Errorf("%s stands on line %d, in the file: %v", key, got, cfg.Has(key))
		}
	}
}

func TestWarningsComeWithTheConfig(t *testing.T) {
	cfg, problems := config.Parse("nexus.toml", []byte("server.client_identification.validation.group_values = ['a']\nserver.client_identification.enabled = false\n"+provider), config.Overlay{}, nil)
	if cfg == nil || len(problems) != 1 || len(cfg.Warnings()) != 1 || cfg.Warnings()[0] != problems[0] || !problems[0].Warning {
		t.Errorf("problems: %v", problems)
	}
}

func TestOverlay(t *testing.T) {
	const said = "[server]\nlisten_address = \"127.0.0.1:8000\"\n" + provider
	flag := func(text string) config.Overlay {
		return config.Overlay{ListenAddress: text, ListenAddressFrom: "--listen-address"}
	}
	variable := func(text string) config.Overlay {
		return config.Overlay{ListenAddress: text, ListenAddressFrom: "NEXUS_LISTEN_ADDRESS"}
	}
	tests := []struct {
		name, text string
		over       config.Overlay
		address    string
		problems   string
	}{
		{"a flag wins over the file, with a warning", said, flag("[::1]:9"), "[::1]:9", "nexus.toml:2:1: warning: server.listen_address: is overridden by --listen-address; remove one of the two"},
		{"a variable does, too", said, variable("localhost:9"), "localhost:9", "nexus.toml:2:1: warning: server.listen_address: is overridden by NEXUS_LISTEN_ADDRESS; remove one of the two"},
		{"where the file says nothing, there is nothing to warn of", provider, flag("localhost:9"), "localhost:9", ""},
		{"a bad flag is named", provider, flag("8000"), "", `--listen-address: "8000" is a port without a host; write "127.0.0.1:8000"`},
		{"an empty flag is bad", provider, flag(""), "", `--listen-address: "" is not host and port; write host and port, such as "127.0.0.1:8000"`},
		{"a bad variable is named, its value is not", provider, variable("8000"), "", `NEXUS_LISTEN_ADDRESS: the value is a port without a host; write host and port, such as "127.0.0.1:8000"`},
		{"a flag can open the listener to strangers", provider, flag("0.0.0.0:9"), "", `nexus.toml: server.listen_address: "0.0.0.0:9" (of --listen-address) is not a loopback address, and nobody is identified: whoever reaches it could use the providers; listen on 127.0.0.1, add [server.oauth] or [server.client_identification], or say that you mean it: server.client_identification.enabled = false`},
		{"a variable that does is not shown", provider, variable("0.0.0.0:9"), "", `nexus.toml: server.listen_address: the value from the environment (of NEXUS_LISTEN_ADDRESS) is not a loopback address, and nobody is identified: whoever reaches it could use the providers; listen on 127.0.0.1, add [server.oauth] or [server.client_identification], or say that you mean it: server.client_identification.enabled = false`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, problems := config.Parse("nexus.toml", []byte(tt.text), tt.over, nil)
			if problems.Error() != tt.problems || (cfg == nil) != (tt.address == "") {
				t.Fatalf("problems:\n%v", problems)
			}
			if cfg != nil && cfg.Server.ListenAddress.String() != tt.address {
				t.Errorf("listens on %s", cfg.Server.ListenAddress)
			}
		})
	}
}

func TestTheHashIsWhatSha256sumSays(t *testing.T) {
	path := save(t, "admin.token = \"a\"\n"+provider)
	cfg, problems := open(path)
	if cfg == nil {
		t.Fatal(problems)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(text)); cfg.Hash() != want {
		t.Errorf("it is %s, want %s", cfg.Hash(), want)
	}
	broken := config.ParseDraft("nexus.toml", append(text, "["...), config.Overlay{}, nil)
	if broken.Config != nil || len(broken.Hash) != 64 || broken.Hash == cfg.Hash() {
		t.Errorf("that of a file with a mistake is %q", broken.Hash)
	}
}

func TestEachVariableIsLookedUpOnce(t *testing.T) {
	calls := 0
	env := func(string) (string, bool) { calls++; return fmt.Sprint(calls), true }
	cfg, problems := config.Parse("nexus.toml", []byte("admin.token = \"{{ env.A }}\"\ntelemetry.prometheus.token = \"{{ env.A }}\"\n"+provider), config.Overlay{}, env)
	if cfg == nil || calls != 1 || cfg.Admin.Token != cfg.Telemetry.Prometheus.Token {
		t.Errorf("%d look-ups; %v", calls, problems)
	}
}

func TestWhatAVariableHoldsIsNoPlaceholderAndNoTOML(t *testing.T) {
	const value = `"] [server] {{ env.B }} \u0041`
	cfg, problems := config.Parse("nexus.toml", []byte(provider+"models.a.rename = \"{{ env.A }}\"\n"), config.Overlay{}, variables([]byte("A="+value)))
	if cfg == nil {
		t.Fatal(problems)
	}
	demo, _ := cfg.LLM.Providers.Get("demo")
	if m, _ := demo.Models.Get("a"); m.Rename != value {
		t.Errorf("renamed to %q", m.Rename)
	}
}

func TestExpansionIsBounded(t *testing.T) {
	text := "admin.token = \"" + strings.Repeat("{{ env.A }}", 10_000) + "\"\n" + provider
	_, problems := config.Parse("nexus.toml", []byte(text), config.Overlay{}, func(string) (string, bool) { return strings.Repeat("x", 10_000), true })
	if len(problems) != 1 || !strings.Contains(problems.Error(), "longer than 64 KiB") {
		t.Errorf("problems: %v", problems)
	}
}

func TestProbe(t *testing.T) {
	const good = "[server]\nlisten_address = \"127.0.0.1:9\"\n[server.health]\npath = \"/alive\"\n"
	tests := []struct {
		name, text string
		over       config.Overlay
		want       string
	}{
		{"a good file", good + provider, config.Overlay{}, "127.0.0.1:9 /alive"},
		{"health that is switched off", "server.health.enabled = false\n" + provider, config.Overlay{}, "127.0.0.1:8000 /health"},
		{"a flag", good, config.Overlay{ListenAddress: "127.0.0.1:10", ListenAddressFrom: "--listen-address"}, "127.0.0.1:10 /alive"},
		{"a bad flag", good, config.Overlay{ListenAddress: "10", ListenAddressFrom: "--listen-address"}, "127.0.0.1:9 /alive"},
		{"mistakes elsewhere", "quux = 1\n" + good, config.Overlay{}, "127.0.0.1:9 /alive"},
		{"a mistake in one of the values", strings.Replace(good, "/alive", "alive", 1), config.Overlay{}, "127.0.0.1:9 /health"},
		{"half a line at the end", good + "[llm.provi", config.Overlay{}, "127.0.0.1:9 /alive"},
		{"a value without quotes before it", "[admin]\ntoken = abc\n" + good, config.Overlay{}, "127.0.0.1:9 /alive"},
		{"a broken header, whose keys belong to no other table", good + "[admin\npath = '/x'\n", config.Overlay{}, "127.0.0.1:9 /alive"},
		{"a string that is never closed", good + "[admin]\npath = \"\"\"\n\n\n", config.Overlay{}, "127.0.0.1:9 /alive"},
		{"an empty file", "", config.Overlay{}, "127.0.0.1:8000 /health"},
		{"noise", strings.Repeat("=\n", 1000), config.Overlay{}, "127.0.0.1:8000 /health"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr, path, _ := config.Probe(save(t, tt.text), tt.over)
			if got := fmt.Sprint(addr, " ", path); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("a missing file", func(t *testing.T) {
		addr, path, _ := config.Probe(filepath.Join(t.TempDir(), "x"), config.Overlay{})
		if addr.String() != "127.0.0.1:8000" || path != "/health" {
			t.Errorf("%v %v", addr, path)
		}
	})
	t.Run("a value from the environment", func(t *testing.T) {
		t.Setenv("PROBE_PORT", "9")
		if addr, _, _ := config.Probe(save(t, "server.listen_address = \"127.0.0.1:{{ env.PROBE_PORT }}\"\n"), config.Overlay{}); addr.Port() != 9 {
			t.Errorf("asks %v", addr)
		}
	})
}

func TestAFileOfUnknownKeysIsStillReportedWhole(t *testing.T) {
	var text strings.Builder
	text.WriteString("[server]\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "max_b%04d_size = 1\n", i)
	}
	_, problems := config.Parse("nexus.toml", []byte(text.String()+provider), config.Overlay{}, nil)
	if len(problems) != 5000 || problems[4999].Line != 5001 || problems[4999].Fix == "" {
		t.Errorf("%d problems", len(problems))
	}
}
