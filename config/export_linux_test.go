package config

import "strings"

// FindMount is what a list of mounts has at path.
func FindMount(list, path string) string {
	return findMount(strings.NewReader(list), path)
}
