package natsd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDirectoriesThatAreRefused(t *testing.T) {
	alone := func(dir string) Options { return Options{Name: "a", DataDir: dir} }
	voter := func(dir string) Options {
		return Options{Name: "a", DataDir: dir, Cluster: &Cluster{Listen: "127.0.0.1:0", Voters: []string{"a"}, Secret: theSecret}}
	}
	describe := func(text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, descriptionFile), []byte(text), 0o600))
		}
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		opts    func(dir string) Options
		is      error
		says    string // the way out
	}{
		"a newer store": {describe(`{"format":2,"kind":"alone","node":"a"}`), alone, ErrDirectoryVersion, "newer program"},
		"an older store": {describe(`{"format":0,"kind":"alone","node":"a"}`), alone, ErrDirectoryVersion,
			"Export it with the program that made it"},
		"N38 a lone node's store in a cluster": {describe(`{"format":1,"kind":"alone","node":"a"}`), voter, ErrDirectoryKind, "Export it"},
		"a voter's store on a lone node":       {describe(`{"format":1,"kind":"voter","node":"a"}`), alone, ErrDirectoryKind, "Export it"},
		"another voter's store":                {describe(`{"format":1,"kind":"voter","node":"b"}`), voter, ErrDirectoryKind, `start it as "b"`},
		"a description that cannot be read":    {describe(`{"form`), alone, ErrDamaged, "move it away"},
		"other people's files": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600))
		}, alone, ErrDirectoryForeign, "thesis.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.prepare(t, dir)
			_, err := tryLaunch(t, c.opts(dir))
			require.ErrorIs(t, err, c.is)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, dir)
		})
	}
	t.Run("one that another process has open", func(t *testing.T) {
		dir := t.TempDir()
		launch(t, alone(dir))
		_, err := tryLaunch(t, alone(dir))
		require.ErrorIs(t, err, ErrDirectoryInUse)
		require.ErrorContains(t, err, dir)
	})
	t.Run("a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		_, err := tryLaunch(t, alone(file))
		require.ErrorIs(t, err, ErrStore)
	})
	t.Run("not what a crash left", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".new-123"), []byte("x"), 0o600))
		launch(t, alone(dir))
		_, err := os.Stat(filepath.Join(dir, ".new-123"))
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
}

// spoil writes over the middle of every file of the store that the name picks.
func spoil(t *testing.T, dir, suffix string) {
	t.Helper()
	spoilt := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, suffix) || !strings.Contains(path, "streams") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i := len(text) / 3; i < len(text)*2/3; i++ {
			text[i] ^= 0x5a
		}
		spoilt++
		return os.WriteFile(path, text, 0o600)
	}))
	require.NotZero(t, spoilt)
}

func TestDamagedStore(t *testing.T) {
	elections(t)
	t.Run("a store that is whole is not taken for damaged after a crash", func(t *testing.T) {
		opts := Options{Name: "a", DataDir: t.TempDir()}
		n := launch(t, opts)
		kv := n.bucket(t)
		put(t, kv, "a", "1")
		require.NoError(t, n.seal())
		put(t, kv, "b", "2")
		crashed := t.TempDir()
		require.NoError(t, os.CopyFS(crashed, os.DirFS(opts.DataDir)))
		opts.DataDir = crashed
		require.Equal(t, "2", get(t, launch(t, opts).bucket(t), "b"))
	})
	for name, suffix := range map[string]string{"a description": "meta.inf", "records": ".blk"} {
		t.Run(name, func(t *testing.T) {
			opts := Options{Name: "a", DataDir: t.TempDir()}
			n := launch(t, opts)
			kv := n.bucket(t)
			for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
				put(t, kv, key, strings.Repeat(key, 1000))
			}
			n.end(t)
			if suffix == ".blk" { // a crash leaves no index
				spoil(t, opts.DataDir, "index.db")
			}
			spoil(t, opts.DataDir, suffix)
			_, err := tryLaunch(t, opts)
			require.ErrorIs(t, err, ErrDamaged)
			require.ErrorContains(t, err, "KV_things")
			require.ErrorContains(t, err, "accept-loss")

			opts.AcceptLoss = true
			n = launch(t, opts)
			require.NotZero(t, n.Troubles()[TroubleStore])
			put(t, n.bucket(t), "x", "1")
			n.end(t)
			opts.AcceptLoss = false
			require.Equal(t, "1", get(t, launch(t, opts).bucket(t), "x"))
		})
	}
}

// What the server itself makes nothing of is an error that says what to do. The server is not started for it: it leaves
// goroutines behind when it does not start.
func TestAStoreThatTheServerDoesNotStartWith(t *testing.T) {
	e := &Engine{embedded: embedded{dir: &directory{path: t.TempDir()}}}
	err := e.startFailure(errors.New("Can't start JetStream: raft: snapshot corrupt"))
	require.ErrorIs(t, err, ErrStore)
	require.ErrorContains(t, err, "snapshot corrupt")
	require.ErrorContains(t, err, e.dir.path)
	require.ErrorContains(t, err, waysOut)
}
