package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	maxLinks = 40  // symbolic links on the way to a file, as many as Linux follows
	maxSteps = 255 // names on the way to a file, those of links included
)

var (
	errLinks = errors.New("too many links lead to the file")
	errSteps = errors.New("too many directories and links lead to the file")
)

// chain is the way from a path to its file: all directories and links that it leads through. Where it breaks off,
// it is the way up to there.
type chain struct {
	places []*place          // the directories, each once, in the order of the way
	at     map[string]*place // the same by their paths, of which a directory may have several
	file   *place            // what the way leads to; nil: nothing is there
	err    error             // why the way breaks off
}

// place is something on the way, by a path without links.
type place struct {
	path string
	info os.FileInfo
	// next are the names in a directory that the way goes on with.
	next []string
	// all: a link or the file stands in the directory, so that whatever happens in it counts. In the
	// others only what happens to the next names does.
	all bool
	// needed: without events of the directory, changes of the file would go unseen.
	needed bool
}

// follow walks the way from path to its file.
func follow(path string) *chain {
	c := &chain{at: map[string]*place{}}
	c.err = c.walk(path)
	return c
}

func (c *chain) walk(path string) error {
	if !filepath.IsAbs(path) {
		dir, err := os.Getwd()
		if err != nil {
			return err
		}
		// They are not joined: that would fold ".." behind a link without following it.
		path = dir + string(os.PathSeparator) + path
	}
	dir, rest, err := c.enterRoot(path)
	if err != nil {
		return err
	}
	links := 0
	for steps := 0; len(rest) > 0; steps++ {
		if steps == maxSteps {
			return errSteps
		}
		name := rest[0]
		rest = rest[1:]
		switch name {
		case ".":
			continue
		case "..":
			dir = filepath.Dir(dir)
			continue
		}
		path, here := filepath.Join(dir, name), c.at[dir]
		here.next = append(here.next, name)
		info, err := os.Lstat(path)
		isLink := err == nil && info.Mode()&os.ModeSymlink != 0
		isLast := len(rest) == 0
		here.all = here.all || isLink || isLast
		here.needed = here.needed || isLink || isLast || err != nil
		switch {
		case err != nil:
			return err
		case isLink:
			if links++; links > maxLinks {
				return errLinks
			}
			var more []string
			if dir, more, err = c.turn(path, dir); err != nil {
				return err
			}
			rest = append(more, rest...)
		case isLast:
			c.file = &place{path: path, info: info}
		case !info.IsDir():
			here.needed = true
			return syscall.ENOTDIR
		default:
			dir = path
			c.enter(dir, info)
		}
	}
	return nil
}

// turn goes where a link in dir leads: from there, or from the root, by the names that it gives.
func (c *chain) turn(link, dir string) (from string, names []string, err error) {
	target, err := os.Readlink(link)
	if err != nil {
		return "", nil, err
	}
	if filepath.IsAbs(target) {
		return c.enterRoot(target)
	}
	return dir, components(target), nil
}

// enterRoot begins at the root of an absolute path; rest are the names behind it.
func (c *chain) enterRoot(path string) (root string, rest []string, err error) {
	volume := filepath.VolumeName(path)
	root = volume + string(os.PathSeparator)
	info, err := os.Lstat(root)
	if err != nil {
		return "", nil, err
	}
	c.enter(root, info)
	return root, components(path[len(volume):]), nil
}

// enter comes to a directory. One that was met already under another path, as bind mounts make it, is the same
// place: the system has one watch for both.
func (c *chain) enter(path string, info os.FileInfo) {
	if c.at[path] != nil {
		return
	}
	i := slices.IndexFunc(c.places, func(p *place) bool { return os.SameFile(p.info, info) })
	if i < 0 {
		i = len(c.places)
		c.places = append(c.places, &place{path: path, info: info})
	}
	c.at[path] = c.places[i]
}

func components(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) })
}

// concerns reports whether an event of this name can change what the path leads to.
func (c *chain) concerns(name string) bool {
	if c.file != nil && name == c.file.path || c.at[name] != nil {
		return true
	}
	p := c.at[filepath.Dir(name)]
	if p == nil {
		return false
	}
	base := filepath.Base(name)
	return p.all || slices.ContainsFunc(p.next, func(next string) bool { return strings.EqualFold(next, base) })
}

// same reports whether two ways lead through the same directories to the same file.
func (c *chain) same(d *chain) bool {
	return slices.EqualFunc(c.places, d.places, (*place).same) && c.file.same(d.file)
}

func (p *place) same(q *place) bool {
	if p == nil || q == nil {
		return p == q
	}
	return p.path == q.path && os.SameFile(p.info, q.info) && slices.Equal(p.next, q.next)
}

// watched are the places to be told of, by their paths.
func (c *chain) watched() map[string]*place {
	places := map[string]*place{}
	for _, p := range c.places {
		if p.needed || watchAncestors {
			places[p.path] = p
		}
	}
	// The file has a watch of its own because it may be written by another name, out of sight of its directory. What
	// is no file is never opened, and a watch of it would be of no use.
	if c.file != nil && c.file.info.Mode().IsRegular() {
		places[c.file.path] = c.file
	}
	return places
}

// ways are the chains to a configuration and to the files that it names.
type ways []*chain

// ways walks them all.
func (f *File) ways() ways {
	all := ways{follow(f.path)}
	for _, path := range f.alsoRead() {
		all = append(all, follow(path))
	}
	return all
}

// concerns reports whether an event of this name can change what any of the paths leads to.
func (w ways) concerns(name string) bool {
	return slices.ContainsFunc(w, func(c *chain) bool { return c.concerns(name) })
}

// same reports whether all ways lead where the others do.
func (w ways) same(others ways) bool { return slices.EqualFunc(w, others, (*chain).same) }

// watched are the places to be told of, by their paths.
func (w ways) watched() map[string]*place {
	places := map[string]*place{}
	for _, c := range w {
		for path, p := range c.watched() {
			if known := places[path]; known == nil || !known.needed {
				places[path] = p
			}
		}
	}
	return places
}
