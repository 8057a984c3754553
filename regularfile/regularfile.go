// Package regularfile reads small files that others write: configuration, secrets and
// certificates. A pipe or a device, whose opening or reading may never end, is an error, and so
// is a file that is larger than it may be.
package regularfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular is the error for whatever is no regular file, links to such a thing included.
var ErrNotRegular = errors.New("is not a regular file")

// ErrTooLarge, followed by the bound, is the error for a file with more bytes than it may have.
var ErrTooLarge = errors.New("is larger")

// Stat describes the file that path leads to, or returns an *fs.PathError: of ErrNotRegular if
// it is no regular file.
func Stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = check(path, info)
	}
	if err != nil {
		return nil, err
	}
	return info, nil
}

// Read returns what the regular file at path holds, at most so many bytes of it. It does not wait
// for the other end of a pipe, even if one took the file's place a moment ago.
func Read(path string, most int) ([]byte, error) {
	if _, err := Stat(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := check(path, info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w than %d bytes", ErrTooLarge, most)}
	}
	return data, nil
}

func check(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "read", Path: path, Err: ErrNotRegular}
	}
	return nil
}
