package gatewaytest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// HasTest reports whether the package in a directory has a test of this name.
func HasTest(tb testing.TB, dir, name string) bool {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(tb, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(tb, err)
		if strings.Contains(string(text), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
