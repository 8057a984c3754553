package upstream

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/regularfile"
	"github.com/hubgate/hubgate/webhook"
)

const (
	// fileCheckPeriod is how long the content of a {@file:PATH} is used without
	// looking at the file again.
	fileCheckPeriod = 2 * time.Second
	// maxSecretBytes bounds one value; a longer URL would not be accepted anyway.
	maxSecretBytes = 8 << 10
)

// What is wrong with a reference. The texts follow the reference in log lines
// and never hold its value.
var (
	errNotAllowed = errors.New("is not in the list of what templates may read")
	errUnset      = errors.New("is not set or empty")
	errSecretSize = errors.New("is longer than 8 KiB")
)

// secretStore reads what references in templates name, when they are used, so
// that a rotated secret needs no restart. The zero value is ready.
type secretStore struct {
	mu    sync.Mutex
	files map[string]*secretFile // only allowed paths get here
}

// secretFile is the content of a file as it was last seen.
type secretFile struct {
	mu      sync.Mutex
	checked time.Time
	stamp   fileStamp
	value   string
	err     error
}

// fileStamp changes when a file was written.
type fileStamp struct {
	modified time.Time
	size     int64
}

// resolve returns the value of a reference.
func (s *secretStore) resolve(p webhook.Part, allowed *AllowedSecrets) (string, error) {
	if p.Kind == webhook.Env {
		if !slices.Contains(allowed.Env, p.Text) {
			return "", errNotAllowed
		}
		return checkSecret(os.Getenv(p.Text))
	}
	path := filepath.Clean(p.Text)
	if !webhook.AllowsFile(allowed.Files, path) {
		return "", errNotAllowed
	}
	s.mu.Lock()
	f := s.files[path]
	if f == nil {
		if s.files == nil {
			s.files = make(map[string]*secretFile)
		}
		f = &secretFile{}
		s.files[path] = f
	}
	s.mu.Unlock()
	return f.read(path)
}

// read returns the file's content, at most fileCheckPeriod old.
func (f *secretFile) read(path string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if !f.checked.IsZero() && now.Sub(f.checked) < fileCheckPeriod {
		return f.value, f.err
	}
	f.checked = now
	stamp, err := stampOf(path)
	if err != nil || stamp != f.stamp || f.err != nil {
		f.stamp = stamp
		f.value, f.err = "", err
		if err == nil {
			f.value, f.err = readSecret(path)
		}
	}
	return f.value, f.err
}

func stampOf(path string) (fileStamp, error) {
	info, err := regularfile.Stat(path)
	if err != nil {
		return fileStamp{}, withoutPath(err)
	}
	return fileStamp{info.ModTime(), info.Size()}, nil
}

func readSecret(path string) (string, error) {
	content, err := regularfile.Read(path, maxSecretBytes+len("\r\n"))
	switch {
	case errors.Is(err, regularfile.ErrTooLarge):
		return "", errSecretSize
	case err != nil:
		return "", withoutPath(err)
	}
	return checkSecret(string(content))
}

// checkSecret takes off the line break that editors and echo put at the end.
func checkSecret(value string) (string, error) {
	value = strings.TrimRight(value, "\r\n")
	switch {
	case value == "":
		return "", errUnset
	case len(value) > maxSecretBytes:
		return "", errSecretSize
	}
	return value, nil
}

// withoutPath drops the path, which the reference names already.
func withoutPath(err error) error {
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		return wrapped.Err
	}
	return err
}
