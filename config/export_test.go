package config

// Locate gives the tests outside of the package the scanner: the places of all keys, and whether the
// text is within the bounds of a file.
func Locate(text string) (map[string]Position, bool) {
	found := locate(text)
	return found.keys, found.excess == ""
}
