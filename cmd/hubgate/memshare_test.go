package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShareOfMemory(t *testing.T) {
	require.Equal(t, 12345, shareOfMemory(12345, 4), "what is configured counts")
	share := shareOfMemory(0, 4)
	require.Greater(t, share, 1<<20)
	require.EqualValues(t, memoryLimit()/4, share)
}

func TestMemoryOfTheSystem(t *testing.T) {
	for name, c := range map[string]struct {
		text, mark string
		want       int64
	}{
		"a number":          {"4096\n", "", 4096},
		"no limit":          {"max\n", "", 0},
		"a line of meminfo": {"Foo: 1 kB\nMemTotal:       8000 kB\nMemFree: 2 kB\n", "MemTotal:", 8000},
		"empty":             {"", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
			require.EqualValues(t, c.want, numberIn(path, []byte(c.mark), 1))
		})
	}
	require.Zero(t, numberIn(filepath.Join(t.TempDir(), "missing"), nil, 1))
}
