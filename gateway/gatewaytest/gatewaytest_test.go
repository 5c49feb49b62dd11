package gatewaytest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

func TestMain(m *testing.M) { os.Exit(gatewaytest.Main(m)) }

// verdict is a test that only notes how it ended.
type verdict struct {
	testing.TB
	said string
}

func (v *verdict) Helper()                   {}
func (v *verdict) Skipf(f string, a ...any)  { v.end("skipped: ", f, a) }
func (v *verdict) Fatalf(f string, a ...any) { v.end("failed: ", f, a) }
func (v *verdict) end(how, f string, a []any) {
	v.said = how + fmt.Sprintf(f, a...)
	runtime.Goexit()
}

func TestAMissingTool(t *testing.T) {
	for _, c := range []struct{ name, required, want string }{
		{"skips the test by name on a laptop", "", "skipped: needs no-such-tool"},
		{"skips the test when only others are required", "chromium,no-such-tool-either", "skipped: needs no-such-tool"},
		{"fails the test where it is required", "chromium,no-such-tool", "failed: no-such-tool is required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(gatewaytest.RequireVariable, c.required)
			v := &verdict{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				gatewaytest.Need(v, "no-such-tool")
			}()
			<-done
			if !strings.HasPrefix(v.said, c.want) {
				t.Errorf("the test was told %q, want %q…", v.said, c.want)
			}
		})
	}
}

func TestAProcess(t *testing.T) {
	program := gatewaytest.Build(t, "./testdata/sleeper")
	if again := gatewaytest.Build(t, "./testdata/sleeper"); again != program {
		t.Errorf("built a second time, as %s, not %s", again, program)
	}
	t.Run("its output and exit code are kept", func(t *testing.T) {
		p := gatewaytest.Run(t, program, "exit", "3")
		if code := p.Wait(t, 10*time.Second); code != 3 {
			t.Errorf("exit code %d, want 3", code)
		}
		if got := p.Output(); got != "exiting with 3\n" {
			t.Errorf("output %q", got)
		}
	})
	t.Run("it stops when asked to", func(t *testing.T) {
		p := gatewaytest.Run(t, program, "wait")
		p.Await(t, "waiting")
		if code := p.Stop(t); code != 0 {
			t.Errorf("exit code %d, want 0\n%s", code, p.Output())
		}
		if err := p.Signal(syscall.SIGTERM); err == nil {
			t.Error("an ended process took a signal")
		}
	})
	t.Run("its time on the processor is counted", func(t *testing.T) {
		p := gatewaytest.Run(t, program, "work")
		deadline := time.Now().Add(20 * time.Second)
		for p.CPU(t) < 50*time.Millisecond {
			if time.Now().After(deadline) {
				t.Fatal("a busy process never used 50 ms")
			}
			runtime.Gosched()
		}
		if p.Memory(t) < 1<<19 {
			t.Errorf("a Go program in %d bytes", p.Memory(t))
		}
	})
}

func TestABrowser(t *testing.T) {
	mux := http.NewServeMux()
	page := func(path, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, `<!doctype html><title>t</title><link rel="icon" href="data:,"><body>%s`, body)
		})
	}
	page("/calm", `<a href="/loud">next</a><p id=p>calm</p>`)
	page("/loud", `<script>console.error("bad thing"); console.log("harmless"); alert("hello"); undefinedName()</script>`)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	browser := gatewaytest.OpenBrowser(t)

	t.Run("sees a page in the size and colours asked for", func(t *testing.T) {
		for _, dark := range []bool{false, true} {
			tab := browser.Tab(t, gatewaytest.View{Width: 390, Height: 844, Dark: dark})
			if status := tab.Open(t, server.URL+"/calm"); status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			if w := gatewaytest.Evaluate[int](t, tab, "window.innerWidth"); w != 390 {
				t.Errorf("the page is %d wide", w)
			}
			if got := gatewaytest.Evaluate[bool](t, tab, `matchMedia("(prefers-color-scheme: dark)").matches`); got != dark {
				t.Errorf("dark is %v, want %v", got, dark)
			}
			if p := tab.Problems(); len(p) != 0 {
				t.Errorf("a calm page has problems: %q", p)
			}
			tab.Screenshot(t, "calm")
		}
	})
	t.Run("notices errors, exceptions and dialogs", func(t *testing.T) {
		tab := browser.Tab(t, gatewaytest.View{Width: 1440, Height: 900})
		tab.Open(t, server.URL+"/loud")
		// A round trip after the load: the events before it have arrived.
		gatewaytest.Evaluate[int](t, tab, "1")
		all := strings.Join(tab.Problems(), "\n")
		for _, want := range []string{"bad thing", "dialog: hello", "undefinedName"} {
			if !strings.Contains(all, want) {
				t.Errorf("no %q among the problems:\n%s", want, all)
			}
		}
		if strings.Contains(all, "harmless") {
			t.Errorf("a plain message counts as a problem:\n%s", all)
		}
	})
	t.Run("notices a page that is not there", func(t *testing.T) {
		tab := browser.Tab(t, gatewaytest.View{Width: 1440, Height: 900})
		if status := tab.Open(t, server.URL+"/nowhere"); status != http.StatusNotFound {
			t.Errorf("status %d, want 404", status)
		}
	})
	t.Run("tabs share no cookies", func(t *testing.T) {
		one := browser.Tab(t, gatewaytest.View{Width: 390, Height: 844})
		one.Open(t, server.URL+"/calm")
		gatewaytest.Evaluate[string](t, one, `document.cookie = "a=b"`)
		two := browser.Tab(t, gatewaytest.View{Width: 390, Height: 844})
		two.Open(t, server.URL+"/calm")
		if got := gatewaytest.Evaluate[string](t, two, `document.cookie`); got != "" {
			t.Errorf("the second tab has the cookie %q", got)
		}
	})
}
