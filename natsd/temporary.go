package natsd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// JetStream needs a directory for what it knows of itself, even in memory. A voter without one of its own gets a temporary
// one, which goes with it. A node that is killed leaves it: the next one that needs such a directory removes it.

// temporaryPrefix begins the names of temporary directories.
const temporaryPrefix = "hubgate-engine-"

// openTemporary makes a temporary directory, and removes those of nodes that are dead.
func openTemporary() (*directory, error) {
	removeAbandoned(os.TempDir())
	path, err := os.MkdirTemp("", temporaryPrefix)
	if err != nil {
		return nil, fmt.Errorf("%w: no temporary directory can be made: %w", ErrStore, err)
	}
	lock, err := lockAtOnce(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: its temporary directory cannot be written to: %w", ErrStore, err), os.RemoveAll(path))
	}
	return &directory{path: path, temporary: true, lock: lock}, nil
}

// lockAtOnce makes the lock file of a new directory. It is locked before it has its name: a lock file that nobody has
// locked is one of a process that is dead.
func lockAtOnce(path string) (*os.File, error) {
	f, err := os.CreateTemp(path, ".new-")
	if err != nil {
		return nil, err
	}
	err = lockExclusively(f)
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(path, lockFile))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// removeAbandoned removes the temporary directories of nodes that are dead. One without a lock file is left: it may be new, or
// of a program that makes none. So is one that cannot be removed, as that of another user.
func removeAbandoned(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if path := filepath.Join(parent, entry.Name()); entry.IsDir() && strings.HasPrefix(entry.Name(), temporaryPrefix) && isAbandoned(path) {
			os.RemoveAll(path)
		}
	}
}

// isAbandoned reports whether the process of a temporary directory is dead.
func isAbandoned(path string) bool {
	file := filepath.Join(path, lockFile)
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return lockExclusively(f) == nil
}
