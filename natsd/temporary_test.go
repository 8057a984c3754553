package natsd

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// temporaries are the temporary directories that are there.
func temporaries(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(os.TempDir(), temporaryPrefix+"*"))
	require.NoError(t, err)
	return all
}

// A node that is killed leaves its temporary directory. The next one removes it, and none of a node that lives.
func TestTemporaryDirectoriesOfDeadNodesGo(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, dir)
	}
	old := filepath.Join(os.TempDir(), temporaryPrefix+"unlocked")
	require.NoError(t, os.Mkdir(old, 0o700))
	dies := spawn(t, Options{Name: "dies"})
	abandoned := temporaries(t)
	require.Len(t, abandoned, 2)
	lives := spawn(t, Options{Name: "lives"})
	require.Len(t, temporaries(t), 3, "two live side by side")
	dies.kill()
	require.Len(t, temporaries(t), 3)

	n := launch(t, Options{Name: "next"})
	left := temporaries(t)
	require.Len(t, left, 3)
	require.Contains(t, left, old, "nobody knows whose it is")
	for _, path := range abandoned {
		require.True(t, path == old || !slices.Contains(left, path), "%s is still there", path)
	}
	lives.end(t) // with its directory, which it still has
	n.end(t)
	require.Equal(t, []string{old}, temporaries(t))
}
