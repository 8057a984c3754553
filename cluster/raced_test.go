//go:build race

package cluster

// raced: the race detector makes everything some ten times slower.
const raced = true
