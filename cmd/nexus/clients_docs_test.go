package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nexus/gateway/gatewaytest"
)

var (
	// exampleForm finds the examples of a page: the heading above, the language, and the text.
	exampleForm = regexp.MustCompile("(?m)^## (.*)\n(?:(?:[^#`\n].*)?\n)*```([a-z]+)\n((?:(?:[^`].*)?\n)*)```$")
	// importForm finds what a JavaScript program imports.
	importForm = regexp.MustCompile(`from "([^"]+)"`)
)

// TestTheExamplesForClientsAreTrue runs the examples of docs/clients.md in the languages that are here, as they stand but
// for the address, and sees that each is answered.
func TestTheExamplesForClientsAreTrue(t *testing.T) {
	nexus, p := behindNexus(t)
	prepare := map[string]func(context.Context, *testing.T, string) *exec.Cmd{"sh": shellExample, "js": nodeExample, "go": goExample}
	ran := 0
	for _, example := range exampleForm.FindAllStringSubmatch(readFile(t, filepath.Join(root, "docs", "clients.md")), -1) {
		command := prepare[example[2]]
		if command == nil {
			continue // nothing here runs it
		}
		ran++
		t.Run(example[1], func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
			defer cancel()
			asked := p.Asked()
			out, err := command(ctx, t, strings.ReplaceAll(example[3], "http://127.0.0.1:8000", nexus.URL)).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "You said: Hello") {
				t.Errorf("%v\n%s", err, out)
			}
			if p.Asked() != asked+1 {
				t.Errorf("the provider was asked %d times", p.Asked()-asked)
			}
		})
	}
	if ran != 5 {
		t.Errorf("%d examples were run", ran)
	}
}

func shellExample(ctx context.Context, t *testing.T, text string) *exec.Cmd {
	gatewaytest.Need(t, "curl")
	return exec.CommandContext(ctx, gatewaytest.Need(t, "bash"), "-c", text)
}

func nodeExample(ctx context.Context, t *testing.T, text string) *exec.Cmd {
	node := gatewaytest.Need(t, "node")
	npm := filepath.Join("testdata", "clients", "npm")
	for _, needed := range importForm.FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(npm, "node_modules", needed[1])); err != nil {
			gatewaytest.Lack(t, "node", needed[1]+" is not installed in "+npm)
		}
	}
	cmd := exec.CommandContext(ctx, node, "--input-type=module", "--eval", text)
	cmd.Dir = npm // where its imports are found
	return cmd
}

func goExample(ctx context.Context, t *testing.T, text string) *exec.Cmd {
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "go", "run", file)
	cmd.Dir = filepath.Join("testdata", "clients", "go") // the module that has what it imports
	return cmd
}
