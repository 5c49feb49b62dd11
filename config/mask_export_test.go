package config

// NewText gives the tests outside of the package the masking of a text that is no file.
var NewText = newText

// Masked is the lines of a text as anybody may see them.
func (t *Text) Masked() []string { return t.masked }
