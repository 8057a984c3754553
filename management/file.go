package management

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hubgate/hubgate/regularfile"
)

// MaxRecord bounds a record as it is stored, in bytes.
const MaxRecord = 48 << 10

// maxFile bounds the file that is read: all records, and what a person may have added to be read better.
const maxFile = 2 * MaxVersions * MaxRecord

// fileFormat is the version of what is in the file.
const fileFormat = "hubgate-settings-1"

// File is a Store in one file, which only its owner may read: it holds access keys. It is written as a whole,
// so that after a crash it is the one before or the one after.
type File struct {
	Memory
	path string
}

// kept is what is in the file.
type kept struct {
	Format  string       `json:"format"`
	Records []keptRecord `json:"records"` // the oldest first
}

type keptRecord struct {
	Revision uint64 `json:"revision"`
	Record
}

// OpenFile reads the file, which need not exist. The error of one that cannot be read says what to do.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	text, err := regularfile.Read(path, maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, fmt.Errorf("the settings that were changed while running cannot be read: %w", err)
	}
	var all kept
	err = json.Unmarshal(text, &all)
	if err == nil && all.Format != fileFormat {
		err = fmt.Errorf("its format is %q, and this program knows %q", all.Format, fileFormat)
	}
	last := uint64(first)
	for _, r := range all.Records {
		if r.Revision <= last && err == nil {
			err = errors.New("its revisions do not grow")
		}
		last = r.Revision
		r.Record.Revision = r.Revision
		f.records = append(f.records, r.Record)
	}
	if err != nil {
		return nil, fmt.Errorf("%s, with the settings that were changed while running, is damaged: %w. Put a copy of it back; or move it away, and the configuration alone is in force", path, err)
	}
	return f, nil
}

// Save implements Store. After an error the file is as it was.
func (f *File) Save(_ context.Context, r Record, after uint64) (Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.records
	stored, err := f.save(r, after)
	if err != nil {
		return Record{}, err
	}
	if err := f.write(); err != nil {
		f.records = before
		return Record{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return stored, nil
}

// write replaces the file. Called with mu held.
func (f *File) write() (err error) {
	all := kept{Format: fileFormat}
	for _, r := range f.records {
		all.Records = append(all.Records, keptRecord{r.Revision, r})
	}
	text, err := json.Marshal(all) // indented, what is nested grows by the square of its depth
	if err != nil {
		return err
	}
	if len(text) >= maxFile {
		return fmt.Errorf("all versions together have %d bytes, more than %d", len(text), maxFile)
	}
	next, err := os.CreateTemp(filepath.Dir(f.path), ".settings-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(next.Name()))
		}
	}()
	_, err = next.Write(append(text, '\n'))
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), f.path)
}
