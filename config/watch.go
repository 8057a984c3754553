package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settleTime is how long a directory must be quiet before its files are
	// read: editors and deployments change a file in several steps.
	settleTime = 100 * time.Millisecond
	// maxSettleTime bounds the wait in a directory that is never quiet.
	maxSettleTime = time.Second
)

// Watch calls changed whenever the content of one of the files has changed,
// appeared or gone, until ctx ends; then it returns nil. It calls changed once
// at the beginning, when nothing can be missed any more, and never twice at a
// time. Files need not exist, their directories must. Files that are replaced
// by a rename and links that are switched, as Kubernetes does with mounted
// volumes, are followed; a directory that is itself replaced is not.
func Watch(ctx context.Context, paths []string, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch files: %w", err)
	}
	defer watcher.Close()
	w := watch{
		paths: paths, follow: watcher.Add, changed: changed,
		events: watcher.Events, errs: watcher.Errors,
	}
	if err := w.followAll(); err != nil {
		return fmt.Errorf("watch files: %w", err)
	}
	return w.run(ctx)
}

// watch is one call of Watch.
type watch struct {
	paths   []string
	follow  func(dir string) error
	changed func()
	events  <-chan fsnotify.Event
	errs    <-chan error
	seen    map[string]version // of the files that exist
}

// version tells a file's content from what was there before.
type version struct {
	content  [sha256.Size]byte
	modified int64 // unix nanoseconds
}

// followAll watches the directories of the files and of what they link to.
// Watching one again does nothing.
func (w *watch) followAll() error {
	for _, path := range w.paths {
		if err := w.follow(filepath.Dir(path)); err != nil {
			return err
		}
		if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(target) != filepath.Dir(path) {
			if err := w.follow(filepath.Dir(target)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *watch) run(ctx context.Context) error {
	w.compare()
	w.changed()
	settled := time.NewTimer(0)
	settled.Stop()
	defer settled.Stop()
	var first time.Time // when the first event came that was not looked into; zero: none
	settle := func() {
		if first.IsZero() {
			first = time.Now()
		}
		if time.Since(first) < maxSettleTime {
			settled.Reset(settleTime)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.events:
			if !ok {
				return errors.New("watch files: the watcher has ended")
			}
			settle()
		case err, ok := <-w.errs:
			if !ok {
				return errors.New("watch files: the watcher has ended")
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch files: %w", err)
			}
			settle() // events are lost, so anything may have changed
		case <-settled.C:
			first = time.Time{}
			// A link may lead elsewhere now. That its new directory cannot be
			// watched must not end the watch of the others.
			_ = w.followAll()
			if w.compare() {
				w.changed()
			}
		}
	}
}

// compare reads all files and says whether any differs from the last time. The
// content counts, since times do not tell whether a file that a link leads to
// is another one; and the time, since content that has changed and changed back
// may have been read in between, by changed.
func (w *watch) compare() bool {
	now := make(map[string]version, len(w.paths))
	for _, path := range w.paths {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if data, err := readFile(path); err == nil {
			now[path] = version{sha256.Sum256(data), info.ModTime().UnixNano()}
		}
	}
	same := maps.Equal(now, w.seen)
	w.seen = now
	return !same
}
