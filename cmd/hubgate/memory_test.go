package main

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWorthGivingBack(t *testing.T) {
	const mb = 1 << 20
	before := memoryUse{allocated: 1000 * mb}
	for name, c := range map[string]struct {
		now  memoryUse
		want bool
	}{
		"quiet after a burst":           {memoryUse{100 * mb, 30 * mb, 1001 * mb}, true},
		"busy":                          {memoryUse{100 * mb, 30 * mb, 1050 * mb}, false},
		"little to gain":                {memoryUse{100 * mb, 10 * mb, 1001 * mb}, false},
		"a small program is left alone": {memoryUse{12 * mb, 3 * mb, 1000 * mb}, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, c.now.worthGivingBack(before)) })
	}
}

func TestReadMemory(t *testing.T) {
	before := readMemory()
	garbage := make([]byte, 8<<20)
	after := readMemory()
	runtime.KeepAlive(garbage)
	require.GreaterOrEqual(t, after.allocated-before.allocated, uint64(8<<20))
	require.Positive(t, after.resident)
	require.Less(t, after.reusable, after.resident)
}
