package config_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"nexus/config"
)

// layout makes a small tree: files end with their content "=", links have a target.
func layout(t *testing.T, dir string, entries ...string) {
	t.Helper()
	for _, entry := range entries {
		if path, target, isLink := strings.Cut(entry, " -> "); isLink {
			link(t, strings.ReplaceAll(target, "$", dir), dir+"/"+path)
		} else {
			put(t, dir+"/"+entry, numbered(1))
		}
	}
}

func TestTheWayToAFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need rights there")
	}
	tests := []struct {
		name    string
		entries []string
		path    string
		places  string // what counts in them, from the directory of the test on; see [config.Way]
		file    string
		err     string
	}{
		{"without a link", []string{"a/b/f"}, "a/b/f", "$ a; $/a b; $/a/b! *", "$/a/b/f", ""},
		{"with dots", []string{"a/b/f", "c/x"}, "a/.//b/../../c/../a/b/f", "$ a c a; $/a b b; $/a/b! *; $/c", "$/a/b/f", ""},
		{"a link in the same directory", []string{"f", "l -> f"}, "l", "$! *", "$/f", ""},
		{"an absolute link", []string{"x/f", "l -> $/x/f"}, "l", "$! *; $/x! *", "$/x/f", ""},
		{"a link to a directory in the middle", []string{"x/y/f", "l -> x"}, "l/y/f", "$! *; $/x y; $/x/y! *", "$/x/y/f", ""},
		{"dots behind a link are those of its target", []string{"x/y/f", "x/g", "g", "l -> x/y"}, "l/../g", "$! *; $/x! *; $/x/y", "$/x/g", ""},
		{"a ConfigMap", []string{"m/..1/f", "m/..data -> ..1", "m/f -> ..data/f"}, "m/f", "$ m; $/m! *; $/m/..1! *", "$/m/..1/f", ""},
		{"a missing file", []string{"a/x"}, "a/f", "$ a; $/a! *", "", "no such file"},
		{"a missing directory", []string{"a/x"}, "a/b/c/f", "$ a; $/a! b", "", "no such file"},
		{"a link to nothing", []string{"a/x", "l -> a/b/f"}, "l", "$! *; $/a! b", "", "no such file"},
		{"a file in a file", []string{"a/x"}, "a/x/f", "$ a; $/a! x", "", "not a directory"},
		{"links in a circle", []string{"l -> m", "m -> l"}, "l", "$! *", "", "too many links"},
		{"a directory", []string{"a/f"}, "a", "$! *", "$/a", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			must(t, err)
			layout(t, dir, tt.entries...)
			t.Chdir(dir)
			for _, path := range []string{dir + "/" + tt.path, tt.path} {
				places, file, err := config.Way(path)
				var own []string
				for _, p := range places {
					if strings.HasPrefix(p, dir) {
						own = append(own, strings.Replace(p, dir, "$", 1))
					} else if strings.Contains(p, "!") {
						t.Errorf("%s is needed", p)
					}
				}
				if got := strings.Join(own, "; "); got != tt.places || file != strings.Replace(tt.file, "$", dir, 1) {
					t.Errorf("%s: through %q to %q", path, got, file)
				}
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("%s: %v", path, err)
				}
			}
		})
	}
}

func TestTheWayToAFileIsBounded(t *testing.T) {
	dir := t.TempDir()
	layout(t, dir, "f", "l0 -> f")
	for n := range 40 {
		link(t, fmt.Sprint("l", n), fmt.Sprintf("%s/l%d", dir, n+1))
	}
	if _, file, err := config.Way(dir + "/l39"); err != nil || filepath.Base(file) != "f" {
		t.Errorf("40 links: %q, %v", file, err)
	}
	if _, _, err := config.Way(dir + "/l40"); err == nil {
		t.Error("41 links are followed")
	}
	if _, _, err := config.Way(dir + strings.Repeat("/.", 300) + "/f"); err == nil {
		t.Error("300 steps are made")
	}
	w := watch(t, dir+strings.Repeat("/.", 300)+"/f", nil, nil)
	w.tells("poll: too many directories and links lead to the file")
}

func TestEventsThatConcernTheFile(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	layout(t, dir, "a/b/f", "x/l -> ../a/b/f")
	for event, want := range map[string]bool{
		"/x/l": true, "/x/anything": true, "/x": true,
		"/a/b/f": true, "/a/b/f~": true, "/a/b": true, "/a": true,
		"/a/c": false, "/y": false, "/a/b/c/d": false, "": true,
	} {
		if got := config.Concerns(dir+"/x/l", dir+event); got != want {
			t.Errorf("%s: %v", event, got)
		}
	}
	if config.Concerns(dir+"/x/l", "//noise") || !config.Concerns(dir+"/x/l", "/"+strings.Join(strings.Split(dir, "/")[:2], "/")) {
		t.Error("the root is not read as it should be")
	}
}
