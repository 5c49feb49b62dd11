//go:build !race

package limit_test

// raced says whether the tests run with the race detector, which makes everything slower.
const raced = false
