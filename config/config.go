// Package config turns nexus.toml into Go values. A file is read until it stands still, checked whole and becomes
// a *Config that nobody changes afterwards; every mistake of the file is reported together, as
// a [Problem] that says where, what, and how to mend it. A [File] can be followed while others write it: it says when
// it differs from what was read last, and leaves it to others what to do then. What anybody may see of a
// configuration, a file or a difference comes from here, too, without its secrets.
//
// The package knows nothing of how any of it is served, imports nothing of ours, and never writes.
package config

import (
	"crypto/sha256"
	"slices"
)

// Config is one nexus.toml, expanded, checked and with its defaults filled in. The field comments of
// the tables below are the reference manual of the file.
type Config struct {
	Server    Server    `toml:"server"`
	LLM       LLM       `toml:"llm"`
	Admin     Admin     `toml:"admin" guard:"enabled = false"`
	Telemetry Telemetry `toml:"telemetry"`

	origin origin
}

// File is the path that the configuration was read from, as the user gave it.
func (c *Config) File() string { return c.origin.file }

// Hash is the SHA-256 of the file's content in hexadecimal, as sha256sum prints it: in one process, two configurations
// with one hash are the same.
func (c *Config) Hash() string { return c.origin.hash }

// Line is the line of the file on which key (a full dotted path) stands, or 0 where the file
// does not say it and the default holds.
func (c *Config) Line(key string) int { return c.origin.lines[key].Line }

// PathOf is the path of a file that the configuration names: a relative one begins in the directory of the configuration's own
// file. Empty: none.
func (c *Config) PathOf(name string) string { return besides(c.origin.file, name) }

// Has reports whether the file itself says key, a value or a table.
func (c *Config) Has(key string) bool { _, ok := c.origin.lines[key]; return ok }

// Text is the file without its secrets.
func (c *Config) Text() *Text { return c.origin.text }

// Warnings are the problems of the file that do not keep it from being served, in file order.
func (c *Config) Warnings() Problems { return c.origin.warnings }

// Material is the content of the file that key names, as it was when the configuration was read. Nil: the key names none.
func (c *Config) Material(key string) []byte {
	for _, m := range c.origin.named {
		if m.key == key && m.problem == nil {
			return m.content
		}
	}
	return nil
}

// MaterialSum tells the contents of the files that keys name apart. Zero: none of the keys names one.
func (c *Config) MaterialSum(keys ...string) [sha256.Size]byte {
	var named []material
	for _, m := range c.origin.named {
		if slices.Contains(keys, m.key) {
			named = append(named, m)
		}
	}
	return sumOfNamed(named)
}

// origin is what a Config remembers of the text that it came from.
type origin struct {
	file     string
	hash     string
	lines    map[string]Position
	warnings Problems
	text     *Text
	// hidden are the keys whose values came from the environment, overridden those that something else
	// than the file decided.
	hidden     map[string]bool
	overridden map[string]From
	// named are the files that keys name.
	named []material
}

// From is where a value comes from.
type From string

// The places where a value can come from.
const (
	FromFile        From = "file"
	FromEnvironment From = "environment" // by {{ env.NAME }}, or a variable in the file's place
	FromFlag        From = "flag"
	FromDefault     From = "default"
)

// Position is a place in the file. Lines and columns count from 1; the zero Position is "not in the file".
type Position struct{ Line, Column int }
