package main_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// nexus runs a command to its end and gives its exit code and what it wrote.
func nexus(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), gatewaytest.Build(t, "nexus/cmd/nexus"), args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// file writes a nexus.toml of its own for the test.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nexus.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tenMistakes has one on each line that ends in a number.
const tenMistakes = `[server]
listen_addres = "127.0.0.1:8000" # 1
shutdown_timeout = "soon" # 2
max_body_size = 20 # 3
[server.health]
path = "health" # 4
[server.client_identification]
client_id.http_header = "x client id" # 5
group_id.http_header = "x-user-tier"
trusted_sources = ["10.0.0.0/33"] # 6
[server.client_identification.validation]
group_values = ["free", "free"] # 7
[llm.providers.demo]
type = "dmo" # 8
[admin]
traces = -1 # 9
token = "{{ env.NEXUS_TEST_UNSET }}" # 10
`

func TestCheckTellsEveryMistakeAtOnce(t *testing.T) {
	path := file(t, tenMistakes)
	code, out, _ := nexus(t, "check", "-c", path)
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	lines := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(path)+`:(\d+):\d+: \S+: .+; .+$`).FindAllStringSubmatch(out, -1)
	if len(lines) != 10 || !strings.Contains(out, "10 errors, 0 warnings") {
		t.Errorf("%d mistakes told:\n%s", len(lines), out)
	}
	var told []string
	for _, l := range lines {
		told = append(told, l[1])
	}
	if got := strings.Join(told, " "); got != "2 3 4 6 8 10 12 14 16 17" {
		t.Errorf("on lines %s:\n%s", got, out)
	}
	if !strings.Contains(out, `listen_address`) || !strings.Contains(out, `"demo"`) {
		t.Errorf("nothing is suggested:\n%s", out)
	}
}

func TestWhatMustNotRunDoesNot(t *testing.T) {
	demo := "[llm.providers.demo]\ntype = \"demo\"\n"
	for _, tt := range []struct{ name, text, says string }{
		{"an empty file", "", "empty"},
		{"a file without a provider", "[server]\n", "provider"},
		{"an unguarded listener to the world", "[server]\nlisten_address = \"0.0.0.0:0\"\n" + demo, "client_identification"},
		{"half a file", "[server\n", "1:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := file(t, tt.text)
			code, out, _ := nexus(t, "check", "--config", path)
			if code != 1 || !strings.Contains(out, tt.says) {
				t.Errorf("check: exit code %d: %s", code, out)
			}
			code, _, errs := nexus(t, "serve", "--config", path)
			if code != 1 || !strings.Contains(errs, tt.says) {
				t.Errorf("serve: exit code %d: %s", code, errs)
			}
		})
	}
	said := file(t, "[server]\nlisten_address = \"0.0.0.0:0\"\n[server.client_identification]\nenabled = false\n"+demo)
	if code, out, _ := nexus(t, "check", "-c", said); code != 0 || !strings.Contains(out, "ok, 1 warning") {
		t.Errorf("an open listener that the file asks for: exit code %d: %s", code, out)
	}
}

func TestStartFailures(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	path := file(t, identified)
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"an address that is taken", []string{"-c", path, "-l", taken.Addr().String()}, "address already in use"},
		{"a file that is not there", []string{"serve", "-c", path + ".missing"}, "nexus.toml.missing"},
		{"an unknown log level", []string{"-c", path, "--log", "loud"}, "loud"},
		{"an unknown log style", []string{"-c", path, "--log-style", "bold"}, "bold"},
		{"an unknown log level in a check", []string{"check", "-c", path, "--log", "loud"}, "loud"},
		{"an unknown command", []string{"sreve"}, "serve"},
		{"an unknown shell", []string{"completion", "tcsh"}, "tcsh"},
		{"help for an unknown command", []string{"help", "sreve"}, "serve"},
		{"a bad address in a flag", []string{"-c", path, "-l", "8000"}, "--listen-address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if code, _, errs := nexus(t, tt.args...); code != 1 || !strings.Contains(errs, tt.says) {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
}

func TestVersionAndHelp(t *testing.T) {
	code, out, _ := nexus(t, "version")
	if code != 0 || !regexp.MustCompile(`^nexus \S+\ncommit \S.*\ngo1\.\S+\n$`).MatchString(out) {
		t.Errorf("exit code %d: %q", code, out)
	}
	code, out, _ = nexus(t, "--help")
	for _, word := range []string{"NEXUS_CONFIG_PATH", "NEXUS_LOG_STYLE", "NEXUS_LISTEN_ADDRESS", "check", "healthcheck"} {
		if code != 0 || !strings.Contains(out, word) {
			t.Errorf("exit code %d, no word of %s", code, word)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, _ := nexus(t, "completion", shell); code != 0 || len(out) < 100 {
			t.Errorf("completion for %s: exit code %d, %d bytes", shell, code, len(out))
		}
	}
}

func TestHealthcheck(t *testing.T) {
	n := gatewaytest.Start(t, identified)
	address := strings.TrimPrefix(n.URL, "http://")
	if code, out, _ := nexus(t, "healthcheck", "-c", n.ConfigPath, "-l", address); code != 0 || !strings.Contains(out, `{"status":"healthy"}`) {
		t.Errorf("exit code %d: %s", code, out)
	}
	if err := os.WriteFile(n.ConfigPath, []byte("[server\nbroken"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NEXUS_LISTEN_ADDRESS", address)
	if code, out, errs := nexus(t, "healthcheck", "-c", n.ConfigPath); code != 0 {
		t.Errorf("while the file is being edited: exit code %d: %s%s", code, out, errs)
	}
	// A file that is refused may name another path, and one that is broken none at all.
	for text, says := range map[string]string{`path = "/elsewhere"`: "alive", "enabled = false": "healthy"} {
		if err := os.WriteFile(n.ConfigPath, []byte("[server.health]\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, errs := nexus(t, "healthcheck", "-c", n.ConfigPath); code != 0 || !strings.Contains(out, says) {
			t.Errorf("while the file says %s: exit code %d: %s%s", text, code, out, errs)
		}
	}
	n.Stop(t)
	if code, _, errs := nexus(t, "healthcheck", "-c", n.ConfigPath); code != 1 || !strings.Contains(errs, "ask for health") {
		t.Errorf("when nothing runs: exit code %d: %s", code, errs)
	}
}

func TestAFlagWinsOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	listening := func(env string, args ...string) string {
		t.Helper()
		t.Setenv("NEXUS_LISTEN_ADDRESS", env)
		path := file(t, "[server]\nlisten_address = \"127.0.0.1:0\"\n"+identified)
		p := gatewaytest.Run(t, gatewaytest.Build(t, "nexus/cmd/nexus"), append([]string{"-c", path}, args...)...)
		p.Await(t, "/ready")
		out := p.Output()
		if code := p.Stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		return out
	}
	one, two := gatewaytest.FreeAddress(t), gatewaytest.FreeAddress(t)
	if out := listening(""); strings.Contains(out, "warning") {
		t.Errorf("the file alone: %s", out)
	}
	if out := listening(one); !strings.Contains(out, one) || !strings.Contains(out, "NEXUS_LISTEN_ADDRESS") {
		t.Errorf("the environment over the file: %s", out)
	}
	if out := listening(one, "--listen-address", two); !strings.Contains(out, "http://"+two) || strings.Contains(out, one) {
		t.Errorf("the flag over the environment: %s", out)
	}
}

func TestLogStyles(t *testing.T) {
	n := gatewaytest.Start(t, identified, "--log-style", "json", "--log", "debug")
	named(t, n.URL, "json-line", from("alice", "pro"), 200)
	n.Await(t, "json-line")
	n.Stop(t)
	for _, line := range strings.Split(strings.TrimSpace(n.Output()), "\n") {
		var record struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &record); err != nil || !strings.HasSuffix(record.Time, "Z") {
			t.Errorf("line %q: %v", line, err)
		}
	}
	silent := gatewaytest.Start(t, identified, "--log", "off")
	named(t, silent.URL, "silent", from("", ""), 400)
	silent.Stop(t)
	if out := silent.Output(); out != "" {
		t.Errorf("with --log off: %s", out)
	}
}

func TestSIGHUPReloads(t *testing.T) {
	n := gatewaytest.Start(t, identified)
	reload := func(text, says string) {
		t.Helper()
		if err := os.WriteFile(n.ConfigPath, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := n.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		n.Await(t, says)
	}
	generation := func() (float64, any) {
		t.Helper()
		var status map[string]any
		_, text := fetch(t, n.URL+"/admin/api/status")
		if err := json.Unmarshal([]byte(text), &status); err != nil {
			t.Fatal(err)
		}
		return status["generation"].(float64), status["last_reload_error"]
	}
	named(t, n.URL, "before", from("alice", "gold"), 400)

	reload(strings.Replace(identified, `"pro"`, `"gold"`, 1), "generation=2")
	named(t, n.URL, "after", from("alice", "gold"), 200)
	named(t, n.URL, "gone", from("alice", "pro"), 400)

	reload("[server]\nnonsense = 1\n", "reload refused")
	named(t, n.URL, "unharmed", from("alice", "gold"), 200)
	if g, err := generation(); g != 2 || err == nil || !strings.Contains(err.(string), "server.nonsense") {
		t.Errorf("after a mistake: generation %v, error %v", g, err)
	}
	if _, metrics := fetch(t, n.URL+"/metrics"); !strings.Contains(metrics, "nexus_config_last_reload_successful 0") ||
		!strings.Contains(metrics, `nexus_config_reloads_total{result="failed"} 1`) || !strings.Contains(metrics, "nexus_config_generation 2") {
		t.Error("the metrics do not tell of the mistake")
	}

	reload(strings.Replace(identified, `"pro"`, `"gold"`, 1), "result=unchanged")
	if g, err := generation(); g != 2 || err != nil {
		t.Errorf("after mending it: generation %v, error %v", g, err)
	}
	reload("[server]\nlisten_address = \"127.0.0.1:1\"\n"+identified, "generation=3") // the flag overrides it
	if code := n.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSignalsDrainAndStop(t *testing.T) {
	short := strings.Replace(identified, "[server.client", "[server]\nshutdown_timeout = \"500ms\"\n[server.client", 1)
	slow := strings.Replace(hello, "Hello", "slow:1s Hello", 1)
	slow = strings.Replace(slow, "{", `{"stream":true,`, 1)
	begin := func(t *testing.T, url string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+chatPath, strings.NewReader(slow))
		if err != nil {
			t.Fatal(err)
		}
		request.Header["X-Client-ID"] = []string{"alice"}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
	}
	t.Run("an idle process is not ready first, then ends with 0", func(t *testing.T) {
		n := gatewaytest.Start(t, identified)
		if err := n.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		n.Await(t, "draining")
		if status, body := fetch(t, n.URL+"/ready"); status != 503 || body != `{"status":"draining"}` {
			t.Errorf("ready: %d %s", status, body)
		}
		named(t, n.URL, "still-served", from("alice", "pro"), 200)
		if code := n.Wait(t, 10*time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("an overrun drain ends with 1", func(t *testing.T) {
		n := gatewaytest.Start(t, short)
		begin(t, n.URL)
		if code := n.Stop(t); code != 1 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("a second signal ends an idle process at once with 1, too", func(t *testing.T) {
		n := gatewaytest.Start(t, identified)
		_ = n.Signal(syscall.SIGTERM)
		n.Await(t, "draining")
		_ = n.Signal(syscall.SIGTERM)
		if code := n.Wait(t, 1500*time.Millisecond); code != 1 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("a second signal ends it at once with 1", func(t *testing.T) {
		n := gatewaytest.Start(t, identified)
		begin(t, n.URL)
		_ = n.Signal(os.Interrupt)
		n.Await(t, "draining")
		_ = n.Signal(os.Interrupt)
		if code := n.Wait(t, 1500*time.Millisecond); code != 1 {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestASaveDuringTheDrainIsTold(t *testing.T) {
	n := gatewaytest.Start(t, identified)
	if err := n.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	n.Await(t, "draining")
	if err := os.WriteFile(n.ConfigPath, []byte(identified+"\n[admin]\ntraces = 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.Await(t, "nexus is stopping")
	if code := n.Wait(t, time.Minute); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
