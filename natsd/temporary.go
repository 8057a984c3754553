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

// attemptsAtTemporary is how often a directory is made of which another node that starts takes away the lock file before it is
// locked. That is a moment.
const attemptsAtTemporary = 100

// errCondemned says that another node has just taken a new directory for one of a dead node.
var errCondemned = errors.New("another node removes it")

// openTemporary makes a temporary directory, and removes those of nodes that are dead.
func openTemporary() (d *directory, err error) {
	removeAbandoned(os.TempDir())
	for range attemptsAtTemporary {
		if d, err = newTemporary(); !errors.Is(err, errCondemned) {
			break
		}
	}
	return d, err
}

// newTemporary makes a temporary directory. The error is errCondemned if it is worth another attempt.
func newTemporary() (*directory, error) {
	path, err := os.MkdirTemp("", temporaryPrefix)
	if err != nil {
		return nil, fmt.Errorf("%w: no temporary directory can be made: %w", ErrStore, err)
	}
	// The file is not moved to its name when it is locked: Windows does not move files that are open.
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = claim(lock)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: its temporary directory cannot be used: %w", ErrStore, err), os.RemoveAll(path))
	}
	return &directory{path: path, temporary: true, lock: lock}, nil
}

// claim locks the lock file of a new directory, or closes it. Between its making and its locking the directory looks like one
// of a dead node. Whoever takes it for one writes that into the file while he has it locked.
func claim(lock *os.File) error {
	if err := lockExclusively(lock); err != nil {
		return errors.Join(errCondemned, err, lock.Close())
	}
	info, err := lock.Stat()
	if err == nil && info.Size() > 0 {
		err = errCondemned
	}
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	return nil
}

// removeAbandoned removes the temporary directories of nodes that are dead. One without a lock file is left: it may be new, or
// of a program that makes none. So is one that cannot be removed, as that of another user.
func removeAbandoned(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if path := filepath.Join(parent, entry.Name()); entry.IsDir() && strings.HasPrefix(entry.Name(), temporaryPrefix) && condemn(path) {
			os.RemoveAll(path)
		}
	}
}

// condemn reports whether a temporary directory may be removed: the process that had it is dead, and nobody can claim it any
// more. The file is closed before the directory is removed, since Windows does not remove files that are open.
func condemn(path string) bool {
	file := filepath.Join(path, lockFile)
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return lockExclusively(f) == nil && f.Truncate(1) == nil // a byte more needs no room on a full disk
}
