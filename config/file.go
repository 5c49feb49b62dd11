package config

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// File is a nexus.toml on disk, with what flags and variables say over it. It never
// writes. Its methods may be called by many goroutines; make it with [NewFile].
type File struct {
	name string // the path as it was given, for people
	path string // the absolute path
	over Overlay

	timing     timing
	newWatcher func() (*fsnotify.Watcher, error)

	mu      sync.Mutex
	loaded  state    // what Load read last; the zero state: nothing yet
	named   []string // the files that it names, by absolute paths
	mounted string   // what is mounted, where the file itself is a mount, as it was called at first; empty: it is none
}

// state is what a file says, small enough to be remembered. Two of them are equal if the file says the same.
type state struct {
	sum     [sha256.Size]byte // of the text
	problem string            // why there is no text; empty: there is one
	named   [sha256.Size]byte // of the files that the text names, and that cannot be read; zero: it names none
}

// stateOf is the state of a file that was read, or could not be.
func stateOf(text []byte, problem *Problem) state {
	if problem != nil {
		return state{problem: problem.What}
	}
	return state{sum: sha256.Sum256(text)}
}

// NewFile is the file at path, symbolic links followed, under what over says. A relative path is one from the
// directory that the process is in now, by the name that this has now: if another is put in its place, the file in
// that one is meant.
func NewFile(path string, over Overlay) *File {
	f := &File{name: path, path: path, over: over, timing: usual, newWatcher: fsnotify.NewWatcher}
	if filepath.IsLocal(path) || strings.HasPrefix(path, "..") {
		// Not filepath.Abs: it would take a .. for the way back also behind a link.
		if here, err := os.Getwd(); err == nil {
			f.path = here + string(filepath.Separator) + path
		}
	}
	return f
}

// Load reads and checks the file, with the process's environment. A file that somebody is writing is read until
// two readings agree, for a fifth of a second at most.
func (f *File) Load() Draft {
	_, mounted := f.remembered()
	if now := f.mount(); mounted == "" || now == "" {
		mounted = now
	}
	text, problem := f.settle(mounted)
	if problem != nil {
		f.remember(stateOf(text, problem), nil, mounted)
		problem.File = f.name
		return Draft{Problems: Problems{*problem}}
	}
	d := ParseDraft(f.name, text, f.over, os.LookupEnv)
	loaded := stateOf(text, nil)
	loaded.named = sumOfNamed(d.named)
	f.remember(loaded, f.absolute(d.named), mounted)
	if mounted != "" {
		d.Problems = append(Problems{{
			File: f.name, Warning: true,
			What: "the file itself is a mount: when a program saves by putting a new file in its place, that is not seen here",
			Fix:  "mount the directory that it is in",
		}}, d.Problems...)
		if d.Config != nil { // nobody else has it yet
			d.Config.origin.warnings = d.Problems
		}
	}
	return d
}

func (f *File) remember(s state, named []string, mounted string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loaded, f.named, f.mounted = s, named, mounted
}

// absolute are the paths of the files that a text names.
func (f *File) absolute(named []material) []string {
	var paths []string
	for _, m := range named {
		paths = append(paths, besides(f.path, m.path))
	}
	return paths
}

// alsoRead are the files that the text names which was loaded last.
func (f *File) alsoRead() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.named
}

// remembered is what the last Load read, and what is mounted, where the file itself is a mount.
func (f *File) remembered() (loaded state, mounted string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loaded, f.mounted
}

const (
	readings    = 10                    // how often a file is read at most until it stands still
	readingPace = 20 * time.Millisecond // from one reading to the next
	unsettled   = "the file changes while it is read"
)

// settle reads the file until two readings in a row agree. That there is nothing to read needs no second
// look at first: whatever was there before, it is gone.
func (f *File) settle(mounted string) ([]byte, *Problem) {
	text, problem := f.once(mounted)
	if problem != nil {
		return nil, problem
	}
	last := stateOf(text, nil)
	for range readings - 1 {
		time.Sleep(readingPace)
		text, problem = f.once(mounted)
		now := stateOf(text, problem)
		if now == last {
			return text, problem
		}
		last = now
	}
	return nil, &Problem{File: f.path, What: unsettled, Fix: "let whatever writes it come to an end, or write another file and rename it to this name"}
}

// now is what the file says at this moment.
func (f *File) now() state {
	_, mounted := f.remembered()
	s := stateOf(f.once(mounted))
	if s.problem == "" {
		var named []material
		for _, path := range f.alsoRead() {
			named = append(named, readMaterial("", path, path))
		}
		s.named = sumOfNamed(named)
	}
	return s
}

// once reads the file as it is at this moment. A file that is a mount is asked whether it is still the one that
// others see; so is one that has no name any more, which is a mount or was renamed over just now.
func (f *File) once(mounted string) ([]byte, *Problem) {
	text, info, problem := readRegular(f.path)
	if problem != nil || mounted == "" && !isUnlinked(info) {
		return text, problem
	}
	if now := f.mount(); now != "" && (isUnlinked(info) || isReplaced(mounted, now)) {
		return nil, &Problem{
			File: f.path,
			What: "the file is a mount of a file that has been removed or replaced since: what stands in its place cannot be seen from here",
			Fix:  "mount the directory that it is in instead, and restart",
		}
	}
	return text, nil
}

// isReplaced tells from the name of what is mounted whether it is what it was. No name has two slashes in a row; and
// a file that got another name in its directory made room for a new one, as editors do that keep the old one. A
// directory further up may be called anything.
func isReplaced(was, now string) bool {
	return strings.HasSuffix(now, "//deleted") || was != "" && path.Base(was) != path.Base(now)
}

// mount is what is mounted where the file is; empty: the file is no mount.
func (f *File) mount() string {
	c := follow(f.path)
	if c.file == nil {
		return ""
	}
	return mountAt(c.file.path)
}

// read reads a file that is not too large to be a configuration.
func read(path string) ([]byte, *Problem) {
	text, _, problem := readRegular(path)
	return text, problem
}

// readRegular reads a regular file, or one byte more than a configuration may have. Nothing else is ever opened:
// a pipe or a device could keep the reader waiting, or do something.
func readRegular(path string) ([]byte, os.FileInfo, *Problem) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, unreadable(path, err)
	case err != nil:
		return nil, nil, &Problem{File: path, What: "the file cannot be found: " + reason(err), Fix: remedy(err)}
	}
	if p := irregular(path, info); p != nil {
		return nil, nil, p
	}
	// By now something else may stand there, on which opening must not wait.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, unreadable(path, err)
	}
	defer func() { _ = f.Close() }()
	if info, err = f.Stat(); err != nil {
		return nil, nil, unreadable(path, err)
	}
	if p := irregular(path, info); p != nil {
		return nil, nil, p
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, nil, unreadable(path, err)
	}
	return text, info, nil
}

// otherFile is what to do where there is no file to read.
const otherFile = "name another file with --config or NEXUS_CONFIG_PATH"

func irregular(path string, info os.FileInfo) *Problem {
	switch {
	case info.IsDir():
		return &Problem{File: path, What: "this is a directory", Fix: "name the file in it"}
	case !info.Mode().IsRegular():
		return &Problem{File: path, What: "this is not a regular file", Fix: otherFile}
	}
	return nil
}

func unreadable(path string, err error) *Problem {
	if errors.Is(err, fs.ErrNotExist) {
		return &Problem{File: path, What: "the file does not exist", Fix: "put it there, or " + otherFile}
	}
	return &Problem{File: path, What: "the file cannot be read: " + reason(err), Fix: remedy(err)}
}

func remedy(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "let the user that runs Nexus read it and its directory"
	}
	return "look at the path and at the disk that it leads to, or " + otherFile
}

// reason is the system's word for an error, without the path, which the problem says already.
func reason(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return err.Error()
}
