package config

import (
	"fmt"
	"strings"
)

// maxExpanded bounds a string after its placeholders are replaced.
const maxExpanded = 64 << 10

// expansion is a string of the file after {{ env.NAME }} has been replaced in it.
type expansion struct {
	text string
	// replaced is true where anything came from the environment: the text must not be shown.
	replaced bool
	// empty is a variable that was set to nothing, or "".
	empty string
}

// expand replaces the placeholders of one string. What a variable holds is never read as a placeholder.
func (d *decoder) expand(text string) (expansion, *mistake) {
	var b strings.Builder
	var out expansion
	for {
		before, after, found := strings.Cut(text, "{{")
		b.WriteString(before)
		if !found {
			break
		}
		inside, rest, closed := strings.Cut(after, "}}")
		if !closed {
			return out, &mistake{what: "a {{ is never closed", fix: "write {{ env.NAME }}"}
		}
		name, ok := strings.CutPrefix(strings.TrimSpace(inside), "env.")
		if !ok || !isVariable(name) {
			// What stands inside may be a secret that was pasted into the braces.
			return out, &mistake{what: "a {{ … }} is not a placeholder", fix: "write {{ env.NAME }}, which is the only one there is"}
		}
		value, ok := d.variable(name)
		if !ok {
			return out, &mistake{
				what: fmt.Sprintf("the environment variable %s is not set", name),
				fix:  fmt.Sprintf("set %s where Nexus is started", name),
			}
		}
		out.replaced = true
		if value == "" {
			out.empty = name
		}
		b.WriteString(value)
		if b.Len() > maxExpanded {
			return out, &mistake{what: "the value is longer than 64 KiB after its placeholders are replaced", fix: "shorten it"}
		}
		text = rest
	}
	out.text = b.String()
	return out, nil
}

// variable looks a variable up once; the second look sees the same value, whatever happened between.
func (d *decoder) variable(name string) (string, bool) {
	if value, ok := d.used[name]; ok {
		return value, true
	}
	if d.env == nil {
		return "", false
	}
	value, ok := d.env(name)
	if ok {
		d.used[name] = value
	}
	return value, ok
}

func isVariable(name string) bool {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !isBareByte(c) || c == '-' {
			return false
		}
	}
	return true
}
