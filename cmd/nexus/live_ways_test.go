package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"nexus/gateway/gatewaytest"
)

const (
	wayRuns    = 20 // how often each way is gone
	wayRetries = 5  // of them may be repeated, where the machine stood still
)

// way is one way to change a file. It lays revision 0 out in an empty folder and gives the path that the gateway
// is told, and what saves another revision.
type way struct {
	name  string
	place func(t *testing.T, dir string) (path string, save func(n int) error)
}

// plain is a way that needs a file in a folder and nothing else.
func plain(save func(path string, n int) error) func(*testing.T, string) (string, func(int) error) {
	return func(t *testing.T, dir string) (string, func(int) error) {
		path := filepath.Join(dir, "etc", "nexus.toml")
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), write(path, revision(0))); err != nil {
			t.Fatal(err)
		}
		return path, func(n int) error { return save(path, n) }
	}
}

var ways = []way{
	{"written in place", plain(func(path string, n int) error { return write(path, revision(n)) })},
	{"written in place in two pieces", plain(inPieces)},
	{"renamed over", plain(func(path string, n int) error { return replace(path, revision(n)) })},
	{"saved by vim as a new file", byVim("no")},
	{"saved by vim in place", byVim("yes")},
	{"edited by sed -i", plain(func(path string, n int) error {
		return run("sed", "-i", fmt.Sprintf("s/rev-[0-9]*/rev-%d/", n), path)
	})},
	{"removed and written anew", plain(func(path string, n int) error {
		return errors.Join(os.Remove(path), write(path, revision(n)))
	})},
	{"swapped as a ConfigMap", asConfigMap},
	{"a link in the middle of a chain changed", byChain},
	{"its folder renamed away and another put there", plain(func(path string, n int) error {
		dir := filepath.Dir(path)
		away, fresh := fmt.Sprintf("%s.%d", dir, n), dir+".fresh"
		return errors.Join(os.Mkdir(fresh, 0o700), write(filepath.Join(fresh, "nexus.toml"), revision(n)),
			os.Rename(dir, away), os.Rename(fresh, dir))
	})},
	{"its folder removed and made anew", plain(func(path string, n int) error {
		dir := filepath.Dir(path)
		return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700), write(path, revision(n)))
	})},
}

// inPieces leaves half a file for a moment.
func inPieces(path string, n int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	text := revision(n)
	_, first := f.WriteString(text[:len(text)/2])
	<-time.After(20 * time.Millisecond)
	_, second := f.WriteString(text[len(text)/2:])
	return errors.Join(first, second, f.Close())
}

// byVim has vim save, in the way that its option backupcopy says.
func byVim(backupcopy string) func(*testing.T, string) (string, func(int) error) {
	return func(t *testing.T, dir string) (string, func(int) error) {
		vim := gatewaytest.Need(t, "vim")
		return plain(func(path string, n int) error {
			return run(vim, "-es", "-u", "NONE", "-i", "NONE", "-c", "set nocompatible writebackup backupcopy="+backupcopy,
				"-c", fmt.Sprintf(`%%s/rev-[0-9]\+/rev-%d/`, n), "-c", "wq", path)
		})(t, dir)
	}
}

// asConfigMap is how the kubelet lays a ConfigMap out: the file is a link through ..data, which is a link to a folder
// named after the time, and a new folder comes with a new ..data.
func asConfigMap(t *testing.T, dir string) (string, func(int) error) {
	path, data := filepath.Join(dir, "nexus.toml"), filepath.Join(dir, "..data")
	save := func(n int) error {
		old, _ := os.Readlink(data) // there is none at first
		fresh := fmt.Sprintf("..2026_01_01_00_00_%02d.%d", n, n)
		err := errors.Join(os.Mkdir(filepath.Join(dir, fresh), 0o700), write(filepath.Join(dir, fresh, "nexus.toml"), revision(n)),
			os.Symlink(fresh, data+"_tmp"), os.Rename(data+"_tmp", data))
		if old == "" {
			return err
		}
		return errors.Join(err, os.RemoveAll(filepath.Join(dir, old)))
	}
	if err := errors.Join(save(0), os.Symlink(filepath.Join("..data", "nexus.toml"), path)); err != nil {
		t.Fatal(err)
	}
	return path, save
}

// byChain goes through a link to a folder of links: etc/nexus.toml, links/current, releases/N/nexus.toml, data/N.toml.
func byChain(t *testing.T, dir string) (string, func(int) error) {
	at := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	for _, name := range []string{"etc", "links", "releases", "data"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	save := func(n int) error {
		release, text, current := fmt.Sprint(n), fmt.Sprintf("%d.toml", n), at("links", "current")
		return errors.Join(write(at("data", text), revision(n)), os.Mkdir(at("releases", release), 0o700),
			os.Symlink(at("data", text), at("releases", release, "nexus.toml")),
			os.Symlink("../releases/"+release, current+"_tmp"), os.Rename(current+"_tmp", current))
	}
	if err := errors.Join(save(0), os.Symlink("../links/current/nexus.toml", at("etc", "nexus.toml"))); err != nil {
		t.Fatal(err)
	}
	return at("etc", "nexus.toml"), save
}

// run runs a command to its end.
func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s: %w\n%s", name, err, out)
	}
	return nil
}

func TestEveryWayToSaveIsSeenAtOnce(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			path, save := w.place(t, t.TempDir())
			l := watchFile(t, path)
			slowest, repeated := time.Duration(0), 0
			for n := 1; n <= wayRuns+repeated; n++ {
				known := l.newest(t)
				if err := save(n); err != nil {
					t.Fatal(err)
				}
				saved := time.Now()
				lived := l.awaitLive(t, n, known)
				took := lived.Sub(saved)
				switch {
				case took <= byEvent:
					slowest = max(slowest, took)
				case repeated < wayRetries && l.clock.stood(saved, lived):
					repeated++
				default:
					t.Errorf("run %d: live %v after it was saved", n, took)
				}
				if t.Failed() {
					return
				}
			}
			failed := 0
			for _, r := range l.reloads(t) {
				if r.Result == "failed" {
					failed++
				}
			}
			t.Logf("%d of %d runs; the slowest was live after %v; %d repeated; what was seen in between failed %d times",
				wayRuns, wayRuns, slowest.Round(time.Millisecond), repeated, failed)
		})
	}
}

// TestAFileThatCannotBeReadIsReported puts something in the file's place that is no file: it is told, what ran runs on, and the
// next good save is live.
func TestAFileThatCannotBeReadIsReported(t *testing.T) {
	for _, tt := range []struct {
		name  string
		place func(path string) error
	}{
		{"a pipe", func(path string) error { return exec.Command("mkfifo", path).Run() }},
		{"a device", func(path string) error { return os.Symlink("/dev/zero", path) }},
		{"a folder", func(path string) error { return os.Mkdir(path, 0o700) }},
		{"nothing", func(string) error { return nil }},
		{"a link to nowhere", func(path string) error { return os.Symlink("nowhere", path) }},
		{"a link to itself", func(path string) error { return os.Symlink("nexus.toml", path) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := file(t, revision(0))
			l := watchFile(t, path)
			slowest, repeated := time.Duration(0), 0
			for n := 1; n <= wayRuns+repeated; n++ {
				known := l.newest(t)
				if err := errors.Join(os.Remove(path), tt.place(path)); err != nil {
					t.Fatal(err)
				}
				saved := time.Now()
				row := l.awaitAfter(t, known, "failed")
				if s := l.status(t); s.LastReloadError == nil || s.Generation != row.Generation || len(row.Errors) == 0 || row.Errors[0].Hint == "" {
					t.Errorf("run %d: the history says %+v and the status %+v", n, row, s)
				}
				if n > 1 && l.answers(t, n-1) != http.StatusOK {
					t.Errorf("run %d: what ran does not run on", n)
				}
				// A folder is not renamed over.
				err := os.Remove(path)
				if errors.Is(err, os.ErrNotExist) {
					err = nil
				}
				if err := errors.Join(err, replace(path, revision(n))); err != nil {
					t.Fatal(err)
				}
				mended := time.Now()
				lived := l.awaitLive(t, n, row.Time)
				took := max(row.Time.Sub(saved), lived.Sub(mended))
				switch {
				case took <= byEvent:
					slowest = max(slowest, took)
				case repeated < wayRetries && l.clock.stood(saved, lived):
					repeated++
				default:
					t.Errorf("run %d: seen after %v", n, took)
				}
				if t.Failed() {
					return
				}
			}
			t.Logf("%d of %d runs; the slowest was seen after %v; %d repeated", wayRuns, wayRuns, slowest.Round(time.Millisecond), repeated)
		})
	}
}
