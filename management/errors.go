package management

import (
	"errors"
	"fmt"
	"strings"
)

// ErrConflict is the error for a change that does not follow the version in force: somebody else was first.
var ErrConflict = errors.New("somebody else has changed the settings since")

// ErrNotFound is the error for a revision that is not kept, or never was.
var ErrNotFound = errors.New("there is no such version, or it is not kept any more")

// ErrUnavailable is the error of a store that does not answer. It is not known whether a change was stored.
var ErrUnavailable = errors.New("the settings cannot be read or changed: their store does not answer")

// ErrUnreadable is the error of a record of which nobody can tell what is in it. A change that names its revision
// takes its place, as if nothing had been set.
var ErrUnreadable = errors.New("the settings that were stored cannot be read")

// Field is a field that is wrong. Path is as in JSON: properties.serverless.keepAliveIntervalInSeconds. Reason
// follows the path in a sentence and holds no secret.
type Field struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// InvalidError is the error for settings that are refused. It names all fields that are wrong.
type InvalidError struct{ Fields []Field }

func (e *InvalidError) Error() string {
	lines := make([]string, 0, len(e.Fields))
	for _, f := range e.Fields {
		lines = append(lines, strings.TrimSpace(f.Path+" "+f.Reason))
	}
	return strings.Join(lines, "\n")
}

func invalid(path, reason string) *InvalidError {
	return &InvalidError{Fields: []Field{{path, reason}}}
}

// problems collects what is wrong.
type problems []Field

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, Field{path, fmt.Sprintf(format, args...)})
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &InvalidError{Fields: p}
}

func asType[T error](err error, target *T) bool { return errors.As(err, target) }
