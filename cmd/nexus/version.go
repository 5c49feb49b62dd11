package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is the version of a released binary, set by the linker; a build from a checkout has none.
var release string

// buildInfo is where a binary comes from.
type buildInfo struct{ version, commit, toolchain string }

func build() buildInfo {
	b := buildInfo{version: release, toolchain: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "(devel)" {
			b.version = cmp.Or(b.version, v)
		}
		for _, setting := range info.Settings {
			switch {
			case setting.Key == "vcs.revision":
				b.commit = setting.Value
			case setting.Key == "vcs.modified" && setting.Value == "true":
				b.commit += " (modified)"
			}
		}
	}
	b.version, b.commit = cmp.Or(b.version, "devel"), cmp.Or(b.commit, "unknown")
	return b
}

// version prints where this binary comes from.
func version(s *settings) error {
	b := build()
	fmt.Fprintf(s.stdout, "nexus %s\ncommit %s\n%s\n", b.version, b.commit, b.toolchain)
	return nil
}
