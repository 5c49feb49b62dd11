package gatewaytest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	startLimit = 30 * time.Second // from the start of the process to the first 200 of /ready
	pollEvery  = 10 * time.Millisecond
	startTries = 5 // a free port may be taken by somebody else before the process has it
	stopLimit  = 30 * time.Second
)

// Nexus is a running gateway: the built program, a file of its own, a port of its own.
type Nexus struct {
	// URL is where it answers, without a slash at the end: "http://127.0.0.1:40123".
	URL string
	// ConfigPath is the nexus.toml that it was started with.
	ConfigPath string

	*Process
}

// Start runs the program with config as its nexus.toml and waits until /ready answers 200. The test fails
// if that does not happen, or if the program reports a data race. More arguments follow the ones
// that Start gives itself (serve, --config, --listen-address). The process ends with the test.
func Start(t testing.TB, config string, args ...string) *Nexus {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nexus.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return Setup{Path: path, Args: args}.Start(t)
}

// Setup is a start out of the ordinary.
type Setup struct {
	// Path is the nexus.toml, which is there already. Needed.
	Path string
	// Address is where that file has the program listen. Empty: on a free address, by the flag.
	Address string
	// Wrapper is a command that prepares something, and becomes the command that its arguments end with
	// ("unshare", "--net"). Empty: none.
	Wrapper []string
	// TLS is how to call a program whose file has it speak TLS. Nil: it speaks plain HTTP.
	TLS *tls.Config
	// Args follow the other arguments of the program.
	Args []string
}

// Start is [Start] of a setup.
func (s Setup) Start(t testing.TB) *Nexus {
	t.Helper()
	program := Build(t, "nexus/cmd/nexus")
	for try := 1; ; try++ {
		address, command := s.Address, append(slices.Clone(s.Wrapper), program, "serve", "--config", s.Path)
		if address == "" {
			address = FreeAddress(t)
			command = append(command, "--listen-address", address)
		}
		command = append(command, s.Args...)
		scheme := "http://"
		if s.TLS != nil {
			scheme = "https://"
		}
		n := &Nexus{URL: scheme + address, ConfigPath: s.Path, Process: Run(t, command[0], command[1:]...)}
		err := n.awaitReady(s.TLS)
		if err == nil {
			return n
		}
		if try == startTries || s.Address != "" || !strings.Contains(n.Output(), "address already in use") {
			t.Fatalf("start nexus: %v\n%s", err, n.Output())
		}
	}
}

// awaitReady returns once /ready answers 200, or with an error once it never will.
func (n *Nexus) awaitReady(trust *tls.Config) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust}}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	for {
		select {
		case <-n.done:
			return fmt.Errorf("the process ended: %w", n.err)
		case <-limit.C:
			return fmt.Errorf("not ready after %v", startLimit)
		case <-poll.C:
			answer, err := client.Get(n.URL + "/ready")
			if err != nil {
				continue
			}
			if err := answer.Body.Close(); err == nil && answer.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
}

// FreeAddress is a loopback address that nobody listens on at the moment.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

// Process is a program that runs beside the test. Its output is kept, its last mebibyte at least.
type Process struct {
	cmd    *exec.Cmd
	output *tail
	done   chan struct{}
	err    error // how it ended; written before done closes
}

// Run starts a program. It is killed when the test ends, if it has not ended before. The test fails if
// the program reported a data race; the output of a program is shown with any failure.
func Run(t testing.TB, program string, args ...string) *Process {
	t.Helper()
	output := newTail()
	p := &Process{cmd: exec.Command(program, args...), output: output, done: make(chan struct{})}
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = output, output
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		// The process may be gone already, which is as good.
		_ = p.cmd.Process.Kill()
		<-p.done
		if strings.Contains(p.Output(), "WARNING: DATA RACE") {
			t.Errorf("%s reported a data race", filepath.Base(program))
		}
		if t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(program), p.Output())
		}
	})
	return p
}

// Output is what the program wrote so far to standard output and standard error.
func (p *Process) Output() string { return p.output.String() }

// Await waits until the program has written text. The test fails if it ends before, or takes too long.
func (p *Process) Await(t testing.TB, text string) {
	t.Helper()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	for !strings.Contains(p.Output(), text) {
		select {
		case <-p.done:
			// What it wrote last may have come after the look above.
			if !strings.Contains(p.Output(), text) {
				t.Fatalf("the process ended without %q: %v\n%s", text, p.err, p.Output())
			}
		case <-limit.C:
			t.Fatalf("the process did not write %q within %v\n%s", text, startLimit, p.Output())
		case <-poll.C:
		}
	}
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal. An error means that the process is gone.
func (p *Process) Signal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// Stop asks the process to drain and end, as an orchestrator does, and gives its exit code.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	if err := p.Signal(terminate); err != nil {
		t.Fatalf("stop the process: %v", err)
	}
	return p.Wait(t, stopLimit)
}

// Wait waits for the process to end by itself and gives its exit code, -1 for one that a signal ended.
// The test fails if the process is still there after limit.
func (p *Process) Wait(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		t.Fatalf("the process still runs after %v", limit)
	}
	if exit := (*exec.ExitError)(nil); p.err != nil && !errors.As(p.err, &exit) {
		t.Fatalf("wait for the process: %v", p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}
