package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

// clientLimit is how long a client may take for all of its checks.
const clientLimit = 2 * time.Minute

// TestTheOpenAIClientForNode runs the client of the npm package, unmodified, against the built program.
func TestTheOpenAIClientForNode(t *testing.T) {
	runNode(t, gatewaytest.Start(t, identified), "openai", "check.js")
}

// TestTheOpenAIClientForGo runs the client of the Go module, unmodified, against the built program.
func TestTheOpenAIClientForGo(t *testing.T) {
	runClient(t, gatewaytest.Start(t, identified), gatewaytest.Build(t, "./testdata/clients/go"))
}

// runNode runs one of the programs for node, which stands on an npm package.
func runNode(t *testing.T, nexus *gatewaytest.Nexus, needs, script string) {
	t.Helper()
	node := gatewaytest.Need(t, "node")
	dir, err := filepath.Abs("testdata/clients/npm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", needs)); err != nil {
		gatewaytest.Lack(t, "node", needs+" is not installed in "+dir)
	}
	runClient(t, nexus, node, filepath.Join(dir, script))
}

// runClient runs a program that drives the gateway with a real client, and makes a subtest of each line
// that it prints.
func runClient(t *testing.T, nexus *gatewaytest.Nexus, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "NEXUS_URL="+nexus.URL)
	cmd.WaitDelay = time.Second
	var problems bytes.Buffer
	cmd.Stderr = &problems
	lines, err := cmd.Output()
	if err != nil {
		t.Errorf("the client did not finish: %v\n%s", err, problems.String())
	}
	said := json.NewDecoder(bytes.NewReader(lines))
	checks := 0
	for said.More() {
		var check struct {
			Name  string
			Error *string
		}
		if err := said.Decode(&check); err != nil {
			t.Fatalf("read what the client said: %v\n%s", err, lines)
		}
		checks++
		t.Run(check.Name, func(t *testing.T) {
			if check.Error != nil {
				t.Error(*check.Error)
			}
		})
	}
	if checks == 0 {
		t.Error("the client checked nothing")
	}
}
