package config

// Walk gives the tests outside of the package the keys that a walk comes by, and whether they are tables.
func Walk(c *Config) (keys []string, tables map[string]bool) {
	tables = map[string]bool{}
	for n := range c.walk() {
		keys = append(keys, n.key)
		if n.isTable() {
			tables[n.key] = true
		}
	}
	return keys, tables
}

// MaskUserinfo gives the tests outside of the package what hides the user information of URLs.
var MaskUserinfo = maskUserinfo
