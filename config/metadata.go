package config

import (
	"net/url"
	"slices"
	"strings"
)

// wellKnown is where the metadata of a protected resource is found (RFC 9728, section 3).
const wellKnown = "/.well-known/oauth-protected-resource"

// MetadataURL is where callers find the metadata: the resource, without a slash at its end, and the well-known path
// behind it. Empty without a resource.
func (p ProtectedResource) MetadataURL() string {
	if p.Resource == "" {
		return ""
	}
	return strings.TrimSuffix(string(p.Resource), "/") + wellKnown
}

// Paths are the paths at which the metadata is served: the well-known path and, of a resource with a path of its own,
// also that path with the well-known one behind it, as in [ProtectedResource.MetadataURL], and before it, as RFC 9728
// has it. The list is the caller's; nil without a resource.
func (p ProtectedResource) Paths() []string {
	u, err := url.Parse(string(p.Resource))
	if err != nil || p.Resource == "" {
		return nil
	}
	paths := []string{wellKnown}
	own := strings.TrimSuffix(u.EscapedPath(), "/")
	for _, path := range []string{own + wellKnown, wellKnown + own} {
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}
