package config

import (
	"crypto/sha256"
	"hash"
	"path/filepath"
)

// material is a file that a key names, as it was when the configuration was read. What is made of the configuration is
// made of this content: nobody reads the file again, so that a check holds for what is used.
type material struct {
	key, path string // the path as the key says it
	content   []byte
	problem   *Problem // why there is no content; nil: there is
}

// readMaterial reads the file at a path.
func readMaterial(key, name, path string) material {
	m := material{key: key, path: name}
	m.content, m.problem = read(path)
	return m
}

// sumOfNamed tells the contents of lists of files apart. Zero: the list is empty.
func sumOfNamed(named []material) (sum [sha256.Size]byte) {
	if len(named) == 0 {
		return sum
	}
	h := sha256.New()
	for _, m := range named {
		addTo(h, m)
	}
	h.Sum(sum[:0])
	return sum
}

func addTo(h hash.Hash, m material) {
	content := sha256.Sum256(m.content)
	if m.problem != nil {
		content = sha256.Sum256([]byte("problem: " + m.problem.What))
	}
	h.Write(content[:])
}

// besides is the path of a file that the file at config names.
func besides(config, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	// They are not joined: that would fold ".." behind a link without following it.
	return config[:len(config)-len(filepath.Base(config))] + name
}
