//go:build !linux

package config

import "os"

// watchAncestors: elsewhere a watch opens what is in the directory, or keeps others from renaming it. Looking every
// few seconds finds what happens further up.
const watchAncestors = false

// mountAt says that nothing is a mount: files are mounted by themselves on Linux alone.
func mountAt(string) string { return "" }

// isUnlinked reports whether an open file has no name any more, which matters for mounts alone.
func isUnlinked(os.FileInfo) bool { return false }
