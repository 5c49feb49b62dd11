package config

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// watchAncestors: with inotify a watch costs the system a few hundred bytes, however much a directory holds.
const watchAncestors = true

const (
	maxMounts = 4 << 20  // bytes of the list of mounts that are read
	maxMount  = 64 << 10 // bytes of one line of it
)

// mountAt is what is mounted at a path without links: its name where it comes from, as that is now. Empty: the path
// is no mount, as far as can be found out.
func mountAt(path string) string {
	var stat unix.Statx_t
	const root = unix.STATX_ATTR_MOUNT_ROOT
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &stat)
	if err == nil && stat.Attributes_mask&root != 0 && stat.Attributes&root == 0 {
		return "" // a system that knows says no, and the list, which is longer to read, need not be asked
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	return findMount(f, path)
}

// findMount looks for a path in a list of mounts. Each line has, after three numbers, the root of the mount in its
// own file system and the path where it is mounted.
func findMount(list io.Reader, path string) string {
	root := ""
	lines := bufio.NewScanner(io.LimitReader(list, maxMounts))
	lines.Buffer(nil, maxMount)
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), " ", 6)
		if len(fields) < 6 || unoctal(fields[4]) != path {
			continue
		}
		root = unoctal(fields[3]) // of several mounts at one path the last covers the others
	}
	return root
}

// unoctal decodes the octal escapes in which the system writes blanks and backslashes of paths.
func unoctal(field string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(field, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		code, err := strconv.ParseUint(after[:min(3, len(after))], 8, 8)
		if err != nil || len(after) < 3 {
			b.WriteByte('\\')
			field = after
			continue
		}
		b.WriteByte(byte(code))
		field = after[3:]
	}
}

// isUnlinked reports whether an open file has no name any more.
func isUnlinked(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 0
}
