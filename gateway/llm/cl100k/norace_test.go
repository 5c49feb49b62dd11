//go:build !race

package cl100k_test

const raceEnabled = false
