package gatewaytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// Main runs the tests of a package and afterwards removes what [Build] made for them. A package that
// builds programs calls it from its TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(gatewaytest.Main(m)) }
func Main(m *testing.M) int {
	defer programsBuilt.remove()
	return m.Run()
}

// programsBuilt is the one thing that outlives a test: programs cost seconds to link, so each is
// built once in a test process.
var programsBuilt workshop

// workshop is a folder of programs, filled as they are asked for.
type workshop struct {
	mu    sync.Mutex
	dir   string
	built map[string]build // by path
}

// build is one program, or why there is none.
type build struct {
	program string
	err     error
}

// Build compiles the main package at path, an import path or a folder that starts with "./", and gives
// the path of the program. It is built once in a test process, with the race detector if the tests
// run with it. A folder with a go.mod of its own is built as the module it is.
func Build(t testing.TB, path string) string {
	t.Helper()
	program, err := programsBuilt.build(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func (w *workshop) build(path string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dir == "" {
		dir, err := os.MkdirTemp("", "nexus-test-")
		if err != nil {
			return "", fmt.Errorf("make a folder for programs: %w", err)
		}
		w.dir, w.built = dir, make(map[string]build)
	}
	made, done := w.built[path]
	if !done {
		// A folder for each, so that two programs of one name don't meet.
		made.program = filepath.Join(w.dir, strconv.Itoa(len(w.built)), filepath.Base(path))
		made.err = compile(path, made.program)
		w.built[path] = made
	}
	return made.program, made.err
}

func compile(path, program string) error {
	args := []string{"build", "-o", program}
	if raced {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", args...)
	if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
		cmd.Dir, path = path, "."
	}
	cmd.Args = append(cmd.Args, path)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", path, err, out)
	}
	return nil
}

func (w *workshop) remove() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dir != "" {
		// What cannot be removed lies in the system's folder for temporary files, which is swept anyway.
		_ = os.RemoveAll(w.dir)
	}
}
