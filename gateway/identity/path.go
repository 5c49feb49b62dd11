package identity

import "strings"

// find gives the claim that a path leads to, or nil where it leads nowhere or to null.
func (c *Claims) find(path string) *node {
	if c == nil {
		return nil
	}
	return c.root.find(path)
}

// find looks for a path below an object. A name may hold dots itself, so at each level the whole of what is left of the
// path is tried as a name first, then ever shorter beginnings of it, each ending before a dot; where one leads into an
// object that has not the rest, the next is tried. Since a place in the tree can be reached in one way only, no search
// looks at a value twice.
func (n *node) find(path string) *node {
	if m := n.member(path); m != nil && m.kind != null {
		return m
	}
	for end := strings.LastIndexByte(path, '.'); end >= 0; end = strings.LastIndexByte(path[:end], '.') {
		m := n.member(path[:end])
		if m == nil || m.kind != object {
			continue
		}
		if found := m.find(path[end+1:]); found != nil {
			return found
		}
	}
	return nil
}
