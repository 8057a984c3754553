//go:build race

package clientaspnet

const raceEnabled = true
