package natsd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hubgate/hubgate/regularfile"
)

// Errors of a store's directory. Each comes with a text that names the directory
// and a way out.
var (
	// ErrStore is the error of a store that cannot be used as it is.
	ErrStore = errors.New("the store cannot be used")
	// ErrDirectoryInUse refuses a directory that another process has open.
	ErrDirectoryInUse = errors.New("another process uses the directory of the store")
	// ErrDirectoryForeign refuses a directory with files of somebody else.
	ErrDirectoryForeign = errors.New("the directory is not that of a store")
	// ErrDirectoryVersion refuses a store of a version that is not known.
	ErrDirectoryVersion = errors.New("the store is of another version")
	// ErrDirectoryKind refuses the store of a lone node in a cluster, the other
	// way about, and a store of a node with another name.
	ErrDirectoryKind = errors.New("the store belongs to another kind of node")
	// ErrDamaged refuses a store of which something cannot be read.
	ErrDamaged = errors.New("the store is damaged")
)

const (
	// directoryFormat is the version of what natsd itself has in the directory:
	// who may use it. The server keeps versions of its own files.
	directoryFormat = 1
	descriptionFile = "hubgate-store.json"
	lockFile        = "lock"
	maxDescription  = 4 << 10

	kindAlone = "alone"
	kindVoter = "voter"
)

// description is the file that makes a directory a store.
type description struct {
	Format int    `json:"format"`
	Kind   string `json:"kind"`
	Node   string `json:"node"`
}

// directory is where the server keeps its files.
type directory struct {
	path string
	// temporary directories go with the engine.
	temporary bool
	lock      *os.File
}

// openDirectory prepares the directory of a node that keeps the store; others have none.
func openDirectory(opts Options) (*directory, error) {
	switch {
	case !opts.voter():
		return nil, nil
	case opts.DataDir == "":
		return openTemporary()
	}
	if err := os.MkdirAll(opts.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: its directory cannot be made: %w", ErrStore, err)
	}
	lock, err := lockDirectory(opts.DataDir)
	if err != nil {
		return nil, err
	}
	d := &directory{path: opts.DataDir, lock: lock}
	d.removeLeftovers()
	if err := d.describe(opts); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func lockDirectory(path string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: its directory cannot be written to: %w", ErrStore, err)
	}
	if err := lockExclusively(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %s; end that process, or give this node a directory of its own (%w)", ErrDirectoryInUse, path, err)
	}
	return f, nil
}

// describe checks whose directory it is, and makes an empty one ours.
func (d *directory) describe(opts Options) error {
	want := description{Format: directoryFormat, Kind: kindAlone, Node: opts.Name}
	if opts.Cluster != nil {
		want.Kind = kindVoter
	}
	path := filepath.Join(d.path, descriptionFile)
	text, err := regularfile.Read(path, maxDescription)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.mustBeEmpty(); err != nil {
			return err
		}
		return writeDescription(path, want)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	var have description
	if err := json.Unmarshal(text, &have); err != nil {
		return fmt.Errorf("%w: %s cannot be read (%w): %s", ErrDamaged, path, err, waysOut)
	}
	return have.fits(want, d.path)
}

// waysOut are those of a store of which the node itself can make nothing.
const waysOut = "put the directory back from a copy, or move it away: the node then starts with an empty store, and a voter is given everything by the others"

// fits says why a store may not be used by the node that wants it.
func (have description) fits(want description, path string) error {
	switch {
	case have.Format > want.Format:
		return fmt.Errorf("%w: %s has format %d, and this program knows formats up to %d. Start it with the newer program, or give this one an empty directory and import what the newer one exports",
			ErrDirectoryVersion, path, have.Format, want.Format)
	case have.Format < want.Format:
		return fmt.Errorf("%w: %s has format %d, which this program does not know any more; it knows format %d. Export it with the program that made it, and import that into an empty directory",
			ErrDirectoryVersion, path, have.Format, want.Format)
	case have.Kind != want.Kind:
		return fmt.Errorf("%w: %s is that of a node that is %q, and this node is %q. Export it with a node started as before, and import that where the new nodes run",
			ErrDirectoryKind, path, have.Kind, want.Kind)
	case have.Node != want.Node && have.Kind == kindVoter:
		return fmt.Errorf("%w: %s is that of voter %q, and this node is %q. The voters know each other by their names: start it as %q, or give this node an empty directory",
			ErrDirectoryKind, path, have.Node, want.Node, have.Node)
	}
	return nil
}

// mustBeEmpty refuses to put a store among other people's files. What a file
// system has of itself, and the lock, do not count.
func (d *directory) mustBeEmpty() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != lockFile && name != "lost+found" {
			return fmt.Errorf("%w: %s holds %s but not %s. Give the node an empty directory", ErrDirectoryForeign, d.path, name, descriptionFile)
		}
	}
	return nil
}

func writeDescription(path string, d description) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := writeSynced(path, append(text, '\n')); err != nil {
		return fmt.Errorf("%w: its directory cannot be written to: %w", ErrStore, err)
	}
	return nil
}

// writeSynced writes a whole file or none.
func writeSynced(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// close lets others use the directory. A temporary one goes.
func (d *directory) close() {
	if d == nil {
		return
	}
	d.lock.Close()
	if d.temporary {
		os.RemoveAll(d.path)
	}
}

// removeLeftovers takes away what a node left that ended in the middle of a write.
func (d *directory) removeLeftovers() {
	files, _ := filepath.Glob(filepath.Join(d.path, ".new-*"))
	for _, file := range files {
		os.Remove(file)
	}
}
