package identity

import (
	"slices"
	"strings"
	"sync/atomic"
	"unicode"
	"unsafe"

	"nexus/config"
)

const (
	maxClaimNames  = 64 // names of a token's claims that a trace can have
	maxClaimName   = 64 // bytes of one
	maxClaimLevels = 3  // how deep names are looked for
)

// Claims are those of a verified token. They are shared by all requests with that token, and a nil *Claims has none.
type Claims struct {
	root node // an object

	// looked is what the last path that led nowhere was told, so that a caller without a group costs the look once.
	looked atomic.Pointer[surroundings]
}

// surroundings are what a token has instead of a claim.
type surroundings struct {
	path    string
	names   []string
	nearest string
}

// around tells what the token has instead of the claim at a path.
func (c *Claims) around(path string) *surroundings {
	if c == nil {
		return &surroundings{}
	}
	known := c.looked.Load()
	if known == nil || known.path != path {
		known = &surroundings{path: path, names: c.Names(), nearest: c.nearest(path)}
		c.looked.Store(known)
	}
	return known
}

// size is about how many bytes the claims hold in memory, with what they may come to hold.
func (c *Claims) size() int {
	names := min(len(c.root.nodes), maxClaimNames) * int(unsafe.Sizeof(""))
	return int(unsafe.Sizeof(*c)+unsafe.Sizeof(surroundings{})) + 2*names + maxClaimName + c.root.size()
}

// Names are the names of the token's claims, sorted, as many and as long as a trace can bear. Claims that are null
// count as absent.
func (c *Claims) Names() []string {
	if c == nil {
		return nil
	}
	return c.root.names(nil, "", 1)
}

// allNames are the names of the claims and, after them, the paths of those inside objects.
func (c *Claims) allNames() []string {
	names := c.Names()
	if c == nil {
		return nil
	}
	for i := range c.root.nodes {
		if inner := &c.root.nodes[i]; inner.kind == object && nameable(inner.name) {
			names = inner.names(names, inner.name+".", maxClaimLevels-1)
		}
	}
	return names
}

// names adds the names of an object's members to a list, each behind the prefix, and those below them for as many levels.
func (n *node) names(to []string, prefix string, levels int) []string {
	for i := range n.nodes {
		m := &n.nodes[i]
		name := prefix + m.name
		if len(to) == maxClaimNames || m.kind == null || !nameable(name) {
			continue
		}
		to = append(to, name)
		if m.kind == object && levels > 1 {
			to = m.names(to, name+".", levels-1)
		}
	}
	return to
}

// nameable reports whether a claim's name is one that a sentence can bear.
func nameable(name string) bool {
	return name != "" && len(name) <= maxClaimName && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// synonyms are words that issuers use for the same thing.
var synonyms = [...][]string{
	{"plan", "tier", "subscription", "group", "groups", "role", "roles", "level", "package", "edition"},
	{"sub", "user_id", "uid", "email", "client_id", "azp", "preferred_username", "oid", "upn"},
}

// nearest is the name of a claim that the token has and that may be meant by one it has not: one that is written nearly
// the same, else one of that name inside another object, else one that means the same. Empty: none.
func (c *Claims) nearest(sought string) string {
	names := c.allNames()
	if guess := config.Nearest(sought, names); guess != "" {
		return guess
	}
	last := lastPart(sought)
	ends := func(with string) string {
		i := slices.IndexFunc(names, func(name string) bool { return lastPart(name) == with })
		if i < 0 {
			return ""
		}
		return names[i]
	}
	if guess := ends(last); guess != "" {
		return guess
	}
	for _, words := range synonyms {
		if !slices.Contains(words, strings.ToLower(last)) {
			continue
		}
		for _, word := range words {
			if guess := ends(word); guess != "" {
				return guess
			}
		}
	}
	return ""
}

// lastPart is what follows the last dot. A name that is a URL, as some issuers have them, ends after its last slash.
func lastPart(name string) string { return name[strings.LastIndexAny(name, "./")+1:] }
