package store

import "testing"

// Verify compares what is held with what is counted, listed and estimated.
func Verify(t *testing.T, m *Memory) {
	t.Helper()
	verify(t, m)
}
