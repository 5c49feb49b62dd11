package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake of a configuration, or one doubt about it: where it stands, what is wrong and
// what to write instead. It never holds a secret or a value that came from the environment.
type Problem struct {
	// File is the path of the file, as the user gave it; empty for what a flag or variable says.
	File string
	// Key is the full path of the key, or the flag or variable. Empty: the file as a whole.
	Key string
	// Line and Column count from 1, columns in characters. They are those of the key or, where the
	// file lacks it, of the nearest table around it; 0 where there is none.
	Line, Column int
	// What is wrong, in lower case, without a full stop.
	What string
	// Fix is what to do about it, in the same form.
	Fix string
	// Warning is true where the file can be served all the same.
	Warning bool
}

// String is the problem on one line, as a compiler would print it:
// "nexus.toml:42:1: admin.tokn: unknown key; did you mean token?".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	for _, part := range []string{severity(p.Warning), p.Key, p.What} {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(part)
	}
	if p.Fix != "" {
		b.WriteString("; ")
		b.WriteString(p.Fix)
	}
	return b.String()
}

func severity(warning bool) string {
	if warning {
		return "warning"
	}
	return ""
}

// Problems are problems in the order of the file; what belongs to no line comes first. As an error it
// prints one problem on each line. An empty Problems is still a non-nil error when it is stored in one:
// ask HasErrors first.
type Problems []Problem

// Error is all problems, each on a line of its own.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Errors are the problems that keep the file from being served.
func (ps Problems) Errors() Problems { return ps.filter(false) }

// Warnings are the problems that do not.
func (ps Problems) Warnings() Problems { return ps.filter(true) }

// HasErrors reports whether any problem keeps the file from being served.
func (ps Problems) HasErrors() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}

func (ps Problems) filter(warning bool) Problems {
	var out Problems
	for _, p := range ps {
		if p.Warning == warning {
			out = append(out, p)
		}
	}
	return out
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.What, b.What),
		)
	})
}

// report gathers the problems of one file while it is decoded and checked, and knows what may be shown.
type report struct {
	file     string
	at       map[string]Position
	problems Problems
	// hidden are the keys whose values came from the environment.
	hidden map[string]bool
	// broken are the keys that have an error, or are missing because they were misspelt; within are
	// those keys and all tables around them.
	broken, within map[string]bool
}

func newReport(file string, at map[string]Position) *report {
	return &report{file: file, at: at, hidden: map[string]bool{}, broken: map[string]bool{}, within: map[string]bool{}}
}

func (r *report) fail(key, what, fix string) {
	r.spoil(key)
	r.add(key, what, fix, false)
}

func (r *report) warn(key, what, fix string) { r.add(key, what, fix, true) }

func (r *report) add(key, what, fix string, warning bool) {
	at := r.position(key)
	r.problems = append(r.problems, Problem{
		File: r.file, Key: maskUserinfo(key), Line: at.Line, Column: at.Column, What: what, Fix: fix, Warning: warning,
	})
}

// position is where key stands, or the nearest table around it that the file has.
func (r *report) position(key string) Position {
	for ; key != ""; key = parentKey(key) {
		if at, ok := r.at[key]; ok {
			return at
		}
	}
	return Position{}
}

// spoil notes that key cannot be relied upon, so that one mistake does not cause a second message.
func (r *report) spoil(key string) {
	r.broken[key] = true
	for ; key != "" && !r.within[key]; key = parentKey(key) {
		r.within[key] = true
	}
}

// sound reports whether neither key nor anything in or around it has an error so far.
func (r *report) sound(key string) bool {
	if r.within[key] {
		return false
	}
	for ; key != ""; key = parentKey(key) {
		if r.broken[key] {
			return false
		}
	}
	return true
}

// show is the value of key as a message may show it.
func (r *report) show(key, value string) string {
	if r.hidden[key] {
		return "the value from the environment"
	}
	return quote(value)
}

// shownBytes is how much of a value a message repeats.
const shownBytes = 80

// quote is text as a message repeats it: on one line, without control characters, without the user information
// of a URL or what may be that, and not endless.
func quote(text string) string {
	text = maskUserinfo(text)
	if mayHoldPassword(text) {
		text = masked
	}
	if len(text) <= shownBytes {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q", strings.ToValidUTF8(text[:shownBytes], "")+"…")
}
