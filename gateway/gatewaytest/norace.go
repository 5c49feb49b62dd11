//go:build !race

package gatewaytest

// raced says whether the tests run with the race detector; the program is then built with it too.
const raced = false
