//go:build unix

package regularfile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/regularfile"
)

// Opening a pipe that nobody writes to would wait for ever.
func TestReadOfAPipe(t *testing.T) {
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.Symlink(pipe, link))
	for _, path := range []string{pipe, link, os.DevNull} {
		_, err := regularfile.Read(path, 100)
		require.ErrorIs(t, err, regularfile.ErrNotRegular)
		require.ErrorContains(t, err, path)
	}
}
