package main_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nexus/gateway/gatewaytest"
)

// TestTheREADMEIsTrue runs every command of the README's transcripts against the shipped nexus.toml, in order, and holds
// what comes out against what the README shows.
func TestTheREADMEIsTrue(t *testing.T) {
	gatewaytest.Need(t, "curl")
	gatewaytest.Need(t, "openssl")
	bash := gatewaytest.Need(t, "bash")
	// The issuer of the README has a port of its own here, as the gateway has: both may run on this machine already.
	address := gatewaytest.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	shipped := readFile(t, filepath.Join(root, "nexus.toml"))
	if !strings.Contains(shipped, issuerOfTheREADME) {
		t.Fatalf("the shipped file says nothing of an issuer at %s", issuerOfTheREADME)
	}
	n := gatewaytest.Start(t, strings.ReplaceAll(shipped, issuerOfTheREADME, address))
	folder := filepath.Dir(n.ConfigPath)
	program := gatewaytest.Build(t, "nexus/cmd/nexus")
	here := strings.NewReplacer("http://127.0.0.1:8000", n.URL, "https://127.0.0.1:8000", strings.Replace(n.URL, "http:", "https:", 1), issuerOfTheREADME, address,
		"go run ./cmd/nexus issuer", program+" issuer --port "+port, "go run ./cmd/nexus", program)
	ran, variables := 0, ""
	for _, step := range transcript(readFile(t, filepath.Join(root, "README.md"))) {
		if step.command == "go run ./cmd/nexus" {
			continue // that one runs already, on a port of its own
		}
		ran++
		command := here.Replace(step.command)
		switch {
		case assignment.MatchString(command): // for the commands behind it: each has a shell of its own
			variables += command + "\n"
			continue
		case strings.Contains(command, program+" issuer"):
			gatewaytest.Run(t, bash, "-c", "cd '"+folder+"' && exec "+command).Await(t, "serving the key set")
			continue
		}
		cmd := exec.CommandContext(t.Context(), bash, "-c", variables+command)
		cmd.Dir = folder
		out, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 && shownOnPurpose.MatchString(step.output) {
			err = nil
		}
		if got := strings.TrimSpace(string(out)); err != nil || !resembles(got, strings.TrimSpace(here.Replace(step.output))) {
			t.Errorf("$ %s\n%v\n got %s\nwant %s", step.command, err, got, here.Replace(step.output))
		}
	}
	if ran < 18 {
		t.Errorf("the README shows only %d commands", ran)
	}
}

// issuerOfTheREADME is where `nexus issuer` listens unless it is told otherwise.
const issuerOfTheREADME = "127.0.0.1:8010"

var (
	assignment     = regexp.MustCompile(`^[A-Z]+=`)
	shownOnPurpose = regexp.MustCompile(`(?m)1 error|^rejected: `) // a mistake, or a refusal
)

// resembles reports whether the output is what is shown, … standing for anything on its line.
func resembles(output, shown string) bool {
	parts := strings.Split(shown, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`^` + strings.Join(parts, `.*`) + `$`).MatchString(output)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// step is one command of a transcript and what it prints.
type step struct{ command, output string }

// transcript reads the console blocks of a page: a line after a $ is a command, and goes on after a backslash.
func transcript(page string) []step {
	var steps []step
	for i, block := range strings.Split(page, "```") {
		body, isConsole := strings.CutPrefix(block, "console\n")
		if i%2 == 0 || !isConsole {
			continue
		}
		continued := false
		for _, line := range strings.Split(strings.TrimSpace(body), "\n") {
			command, isCommand := strings.CutPrefix(line, "$ ")
			switch {
			case isCommand:
				steps = append(steps, step{command: command})
			case continued:
				steps[len(steps)-1].command += "\n" + line
			default:
				last := &steps[len(steps)-1]
				last.output = strings.TrimPrefix(last.output+"\n"+line, "\n")
			}
			continued = (isCommand || continued) && strings.HasSuffix(line, `\`)
		}
	}
	return steps
}
