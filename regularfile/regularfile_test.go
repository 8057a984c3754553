package regularfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/regularfile"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(path, []byte("12345"), 0o600))
	data, err := regularfile.Read(path, 5)
	require.NoError(t, err)
	require.Equal(t, "12345", string(data))
	_, err = regularfile.Read(path, 4)
	require.ErrorIs(t, err, regularfile.ErrTooLarge)
	require.ErrorContains(t, err, "is larger than 4 bytes")
	_, err = regularfile.Read(dir, 4)
	require.ErrorIs(t, err, regularfile.ErrNotRegular)
	_, err = regularfile.Read(filepath.Join(dir, "missing"), 4)
	require.ErrorIs(t, err, os.ErrNotExist)
}
