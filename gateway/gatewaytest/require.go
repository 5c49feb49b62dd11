// Package gatewaytest is what black-box tests stand on: it builds the program once, runs it on a port
// of its own, and drives a real browser against it. It looks at Nexus as a user does, through the
// command line, HTTP and the pages, and so imports nothing of ours: a test that goes through it still
// holds when the code behind is rewritten. Everything it starts ends with the test that started it.
package gatewaytest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// RequireVariable names the environment variable that lists, separated by commas, the tools that must
// be here. A test that lacks one of them fails; a test that lacks any other skips and names it.
const RequireVariable = "NEXUS_TEST_REQUIRE"

// Need gives the path of tool ("chromium", "node" and so on). Where the machine does not have it, the
// test skips or fails, as [Lack] decides.
func Need(t testing.TB, tool string) string {
	t.Helper()
	for _, name := range programs(tool) {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Lack(t, tool, "it is not installed")
	return ""
}

// Lack ends a test that cannot run without tool: as a failure where [RequireVariable] lists the tool,
// as a skip elsewhere.
func Lack(t testing.TB, tool, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv(RequireVariable), ","), tool) {
		t.Fatalf("%s is required by %s: %s", tool, RequireVariable, why)
	}
	t.Skipf("needs %s: %s; `make test` says what to install", tool, why)
}

// programs are the names under which a tool may be found, the likeliest first.
func programs(tool string) []string {
	if tool == "chromium" {
		return []string{"chromium", "chromium-browser", "google-chrome",
			"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"}
	}
	return []string{tool}
}
