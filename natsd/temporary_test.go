package natsd

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
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
	inTemporary(t)
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

// inTemporary has temporary directories made in one of the test.
func inTemporary(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, dir)
	}
}

// A directory is not locked in the moment in which its lock file is made. If another node takes it for one of a dead node
// then, it is not used, however much later that node removes it.
func TestATemporaryDirectoryThatIsTakenForAbandoned(t *testing.T) {
	inTemporary(t)
	path, err := os.MkdirTemp("", temporaryPrefix)
	require.NoError(t, err)
	file := filepath.Join(path, lockFile)
	made := func() *os.File {
		lock, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(t, err)
		return lock
	}
	lock := made()
	require.True(t, condemn(path))
	require.ErrorIs(t, claim(lock), errCondemned)
	require.NoError(t, os.Remove(file))
	lock, other := made(), made()
	require.NoError(t, claim(other))
	require.ErrorIs(t, claim(lock), errCondemned, "who removes it has it locked")
	require.False(t, condemn(path), "it is in use")
	require.NoError(t, other.Close())
	removeAbandoned(os.TempDir())
	require.Empty(t, temporaries(t))
}

// Nodes that start at once leave each other's directories alone.
func TestTemporaryDirectoriesMadeAtOnce(t *testing.T) {
	inTemporary(t)
	var all sync.WaitGroup
	made := make(chan *directory, 200)
	for range 4 {
		all.Go(func() {
			for range 50 {
				d, err := openTemporary()
				if err != nil {
					t.Error(err)
					return
				}
				made <- d
			}
		})
	}
	all.Wait()
	close(made)
	for d := range made {
		require.FileExists(t, filepath.Join(d.path, lockFile))
		d.close()
	}
	require.Empty(t, temporaries(t))
}
