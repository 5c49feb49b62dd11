package gateway_test

import (
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nexus/config"
	"nexus/gateway/journal"
)

// inTokens are the lines of the shipped file that ask for tokens, and inHeaders those that ask for headers instead.
var (
	inTokens  = regexp.MustCompile(`(?ms)^# (\S+\.jwt_claim = [^\n]*)$|^# (\[server\.oauth.*?)\n\n`)
	inHeaders = regexp.MustCompile(`(?m)^\S+\.http_header = .*\n`)
)

// everything is the shipped file with every key in it that is a comment there, and callers who are known by their tokens or
// by headers.
func everything(t *testing.T, byTokens bool) string {
	t.Helper()
	shipped, err := os.ReadFile("../nexus.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(shipped)
	if byTokens {
		text = inTokens.ReplaceAllStringFunc(inHeaders.ReplaceAllString(text, ""), func(block string) string {
			return regexp.MustCompile(`(?m)^(# )+`).ReplaceAllString(block, "")
		})
	} else {
		text = inTokens.ReplaceAllString(text, "")
	}
	text = inBrowsers.ReplaceAllString(text, "")
	text = inNetwork.ReplaceAllString(inRedis.ReplaceAllString(text, ""), "")
	text = regexp.MustCompile(`(?m)^# (\[(server\.rate_limits|llm\.providers\.demo)\.)`).ReplaceAllString(text, "$1")
	text = regexp.MustCompile(`(?m)^# ([a-z_]+ = )`).ReplaceAllString(text, "$1")
	text = regexp.MustCompile(`(?m)^limit = \d+$`).ReplaceAllString(text, "limit = 1000000") // strangers call often
	text = regexp.MustCompile(`\{\{ env\.([A-Z_]+) \}\}`).ReplaceAllString(text, "literally-$1")
	return strings.Replace(text, `"127.0.0.1:8000"`, `"127.0.0.1:0"`, 1)
}

// inNetwork is the provider that some beginning of the file would ask for its models, far away.
var inBrowsers = regexp.MustCompile(`(?m)^# \[server\.(?:tls|cors|csrf)\]\n(#.*\n)+`)

var inNetwork = regexp.MustCompile(`(?m)^# \[llm\.providers\.openai\]\n(#.*\n)+`)

// inRedis is the store that would be asked, which is not there.
var inRedis = regexp.MustCompile(`(?m)^# url = "redis:.*\n(#.*\n)+`)

// protecting are the settings that access depends on.
func protecting(cfg *config.Config) map[string]any {
	s := cfg.Server
	demo, _ := cfg.LLM.Providers.Get("demo")
	return map[string]any{
		"oauth":                 [...]any{s.OAuth.Enabled, s.OAuth.ExpectedIssuer, s.OAuth.ExpectedAudience, s.OAuth.Algorithms},
		"client_identification": s.ClientIdentification, "trusted_proxies": s.ClientIP.TrustedProxies,
		"admin": cfg.Admin.Enabled, "admin.token": cfg.Admin.Token,
		"rate_limits": [...]any{s.RateLimits.Enabled, s.RateLimits.Global, s.RateLimits.PerIP, s.RateLimits.PerUser}, "token_limits": demo.RateLimits,
		"prometheus": cfg.Telemetry.Prometheus.Enabled, "prometheus.token": cfg.Telemetry.Prometheus.Token,
	}
}

// TestNoPrefixOfAFileWeakensIt saves every beginning of a whole file, as somebody would who writes it byte by byte, while
// strangers call: one without an id, and one with a perfect id from where ids are not believed, or without a token.
func TestNoPrefixOfAFileWeakensIt(t *testing.T) {
	t.Run("headers", func(t *testing.T) { checkPrefixes(t, everything(t, false), http.StatusBadRequest) })
	t.Run("tokens", func(t *testing.T) { checkPrefixes(t, everything(t, true), http.StatusUnauthorized) })
}

func checkPrefixes(t *testing.T, full string, answer int) {
	g, d := startAt(t, full)
	want := protecting(g.Status().Config)
	for key, value := range want {
		if v := reflect.ValueOf(value); v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
			t.Fatalf("the whole file does not have %s", key)
		}
	}
	stop := make(chan struct{})
	var strangers sync.WaitGroup
	var calls atomic.Int64
	for _, headers := range []http.Header{{}, {"X-Client-Id": {"mallory"}, "X-User-Tier": {"pro"}}} {
		strangers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := refused(g.url, headers, answer); err != nil {
					t.Error(err)
					return
				}
				calls.Add(1)
			}
		})
	}
	taken := 0
	for end := range len(full) {
		d.save(full[:end])
		if r := g.Reload(journal.CauseFile); r.Result == journal.ResultSuccess {
			taken++
		}
		if got := protecting(g.Status().Config); !reflect.DeepEqual(got, want) {
			t.Fatalf("after the first %d bytes, which end with %q, it protects by %v", end, full[max(0, end-40):end], got)
		}
	}
	close(stop)
	strangers.Wait()
	t.Logf("%d of %d prefixes were taken, during %d calls of strangers", taken, len(full), calls.Load())
	if taken == len(full) || calls.Load() < 100 {
		t.Errorf("%d prefixes were taken, during %d calls", taken, calls.Load())
	}
}

// refused calls with nothing but the headers and gives an error if that is answered.
func refused(url string, headers http.Header, want int) error {
	call, err := http.NewRequest(http.MethodPost, url+"/llm/v1/chat/completions", strings.NewReader(hello))
	if err != nil {
		return err
	}
	call.Header = headers.Clone()
	call.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(call)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != want {
		return fmt.Errorf("a stranger is answered %s", answer.Status)
	}
	return nil
}
