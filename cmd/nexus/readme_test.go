package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nexus/gateway/gatewaytest"
)

// TestTheREADMEIsTrue runs every command of the README's transcripts against the shipped nexus.toml, in order, and holds
// what comes out against what the README shows.
func TestTheREADMEIsTrue(t *testing.T) {
	gatewaytest.Need(t, "curl")
	bash := gatewaytest.Need(t, "bash")
	shipped, err := os.ReadFile(filepath.Join(root, "nexus.toml"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	n := gatewaytest.Start(t, string(shipped))
	program := gatewaytest.Build(t, "nexus/cmd/nexus")
	here := strings.NewReplacer("http://127.0.0.1:8000", n.URL, "go run ./cmd/nexus", program)
	ran := 0
	for _, step := range transcript(string(text)) {
		if step.command == "go run ./cmd/nexus" {
			continue // that one runs already, on a port of its own
		}
		ran++
		cmd := exec.CommandContext(t.Context(), bash, "-c", here.Replace(step.command))
		cmd.Dir = filepath.Dir(n.ConfigPath)
		out, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 && strings.Contains(step.output, "1 error") {
			err = nil // a mistake that is shown on purpose
		}
		if want := here.Replace(step.output); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("$ %s\n%v\n got %s\nwant %s", step.command, err, out, want)
		}
	}
	if ran < 10 {
		t.Errorf("the README shows only %d commands", ran)
	}
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
				last.output = strings.TrimSpace(last.output + "\n" + line)
			}
			continued = (isCommand || continued) && strings.HasSuffix(line, `\`)
		}
	}
	return steps
}
