package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/stretchr/testify/require"
)

// watched is a running Watch of one file.
type watched struct {
	t       *testing.T
	path    string
	content chan string // what each call of changed finds; "" without a file
}

func startWatch(t *testing.T, path string) *watched {
	t.Helper()
	w := &watched{t: t, path: path, content: make(chan string)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Watch(ctx, []string{path}, func() {
			data, _ := os.ReadFile(path)
			select {
			case w.content <- string(data):
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return w
}

// want waits for a call that finds the content. A file that is written in
// place may be seen half-way, so others may come before.
func (w *watched) want(content string) {
	w.t.Helper()
	for got := range w.content {
		if got == content {
			return
		}
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func TestWatchFile(t *testing.T) {
	changes := []struct {
		name   string
		change func(t *testing.T, path string)
		want   string
	}{
		{"written in place", func(t *testing.T, path string) { writeFile(t, path, "new") }, "new"},
		{"replaced by a rename, as editors do", func(t *testing.T, path string) {
			writeFile(t, path+"~", "new")
			require.NoError(t, os.Rename(path+"~", path))
		}, "new"},
		{"moved away and written anew", func(t *testing.T, path string) {
			require.NoError(t, os.Rename(path, path+".bak"))
			writeFile(t, path, "new")
		}, "new"},
		{"removed", func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }, ""},
	}
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "settings.json")
			writeFile(t, path, "old")
			w := startWatch(t, path)
			w.want("old")
			tt.change(t, path)
			w.want(tt.want)
		})
	}
	t.Run("twice", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "settings.json")
		w := startWatch(t, path)
		w.want("")
		for _, content := range []string{"a", "b", "c"} {
			writeFile(t, path+"~", content)
			require.NoError(t, os.Rename(path+"~", path))
			w.want(content)
		}
	})
}

// A file changes after it was compared and before changed reads it, and then
// back: what changed has read must not stay the last word.
func TestWatchFileThatChangesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	put := func(content string, modified int64) {
		writeFile(t, path+"~", content)
		require.NoError(t, os.Chtimes(path+"~", time.Time{}, time.Unix(modified, 0)))
		require.NoError(t, os.Rename(path+"~", path))
	}
	put("a", 1)
	called, goOn, content := make(chan struct{}), make(chan struct{}), make(chan string)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Watch(ctx, []string{path}, func() {
			called <- struct{}{}
			<-goOn
			data, _ := os.ReadFile(path)
			content <- string(data)
		})
	}()
	<-called
	put("b", 2)
	goOn <- struct{}{}
	require.Equal(t, "b", <-content)
	put("a", 3)
	<-called
	goOn <- struct{}{}
	require.Equal(t, "a", <-content)
	cancel()
	require.NoError(t, <-ended)
}

// TestWatchKubernetesVolume switches the link that a mounted ConfigMap has
// between the file's link and its content.
func TestWatchKubernetesVolume(t *testing.T) {
	dir := t.TempDir()
	version := func(name, content string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		writeFile(t, filepath.Join(dir, name, "settings.json"), content)
		require.NoError(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	version("..1", "old")
	path := filepath.Join(dir, "settings.json")
	require.NoError(t, os.Symlink(filepath.Join("..data", "settings.json"), path))
	w := startWatch(t, path)
	w.want("old")
	version("..2", "new")
	w.want("new")
	version("..3", "newest")
	w.want("newest")
}

func TestWatchFollowsALinkElsewhere(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "real.json")
	writeFile(t, elsewhere, "old")
	path := filepath.Join(t.TempDir(), "settings.json")
	require.NoError(t, os.Symlink(elsewhere, path))
	w := startWatch(t, path)
	w.want("old")
	writeFile(t, elsewhere, "new")
	w.want("new")
}

func TestWatchNeedsTheDirectory(t *testing.T) {
	err := Watch(context.Background(), []string{filepath.Join(t.TempDir(), "none", "settings.json")}, func() { t.Error("called") })
	require.ErrorContains(t, err, "watch files: ")
}

// fakeWatch runs the loop on events and a clock of the test's.
type fakeWatch struct {
	path   string
	events chan fsnotify.Event
	errs   chan error
	calls  atomic.Int32
	ended  chan error
	cancel context.CancelFunc
}

func startFakeWatch(t *testing.T) *fakeWatch {
	f := &fakeWatch{
		path: filepath.Join(t.TempDir(), "settings.json"), events: make(chan fsnotify.Event),
		errs: make(chan error), ended: make(chan error, 1),
	}
	w := watch{
		paths: []string{f.path}, follow: func(string) error { return nil }, changed: func() { f.calls.Add(1) },
		events: f.events, errs: f.errs,
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.cancel = cancel
	go func() { f.ended <- w.run(ctx) }()
	synctest.Wait()
	return f
}

func (f *fakeWatch) stop(t *testing.T) {
	f.cancel()
	require.NoError(t, <-f.ended)
}

func TestWatchSettles(t *testing.T) {
	step := func(d time.Duration) { <-time.After(d); synctest.Wait() }
	t.Run("a burst is one change", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFakeWatch(t)
			for range 5 {
				f.events <- fsnotify.Event{}
				step(settleTime / 2)
			}
			writeFile(t, f.path, "new")
			require.EqualValues(t, 1, f.calls.Load(), "only the call at the beginning")
			step(settleTime)
			require.EqualValues(t, 2, f.calls.Load())
			f.stop(t)
		})
	})
	t.Run("the same content is no change", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFakeWatch(t)
			f.events <- fsnotify.Event{Name: "a neighbour"}
			step(2 * settleTime)
			require.EqualValues(t, 1, f.calls.Load())
			f.stop(t)
		})
	})
	t.Run("a directory that is never quiet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFakeWatch(t)
			writeFile(t, f.path, "new")
			for range 4 * maxSettleTime / settleTime {
				f.events <- fsnotify.Event{}
				step(settleTime / 2)
			}
			require.EqualValues(t, 2, f.calls.Load())
			f.stop(t)
		})
	})
	t.Run("lost events", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFakeWatch(t)
			writeFile(t, f.path, "new")
			f.errs <- fsnotify.ErrEventOverflow
			step(2 * settleTime)
			require.EqualValues(t, 2, f.calls.Load())
			f.stop(t)
		})
	})
	t.Run("an error ends it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFakeWatch(t)
			f.errs <- errors.New("broken")
			require.ErrorContains(t, <-f.ended, "watch files: broken")
			f.cancel()
		})
	})
}
