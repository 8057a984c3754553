package jetstore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// exportFormat is the version of an export: lines of JSON, the first of which
// says what it is and the last how many values there were.
const (
	exportFormat  = 1
	maxExportLine = 2 * MaxUserBytes
)

// exportLine is one line of an export.
type exportLine struct {
	Format int    `json:"hubgate-export,omitempty"`
	Value  []byte `json:"value,omitempty"`
	// Values ends the export: one without it is not whole.
	Values *int `json:"values,omitempty"`
}

// Export writes all memberships that are in force, and returns of how many
// users. It asks copies, so that a voter that is left alone can still be
// exported; what is changed meanwhile may be in it or not.
func (s *UserGroups) Export(ctx context.Context, w io.Writer) (int, error) {
	b, ok := s.bucket.(*bucket)
	if !ok {
		return 0, errors.New("no bucket to export")
	}
	lines := json.NewEncoder(w)
	if err := lines.Encode(exportLine{Format: exportFormat}); err != nil {
		return 0, err
	}
	users := 0
	for from := uint64(1); ; {
		e, err := b.next(ctx, from)
		if errors.Is(err, errNotFound) || errors.Is(err, errNoBucket) {
			return users, lines.Encode(exportLine{Values: &users})
		}
		if err != nil {
			return users, err
		}
		from = e.revision + 1
		m, err := parseMemberships(e.value)
		if err != nil {
			return users, err
		}
		if m.expire(s.now()); len(m.open)+len(m.ends) == 0 {
			continue
		}
		if err := lines.Encode(exportLine{Value: e.value}); err != nil {
			return users, err
		}
		users++
	}
}

// next returns the first value from a number on, from the next best copy.
func (b *bucket) next(ctx context.Context, from uint64) (entry, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	e, err := entryOf(b.stream.AnyNext(ctx, b.subject(">"), from))
	if errors.Is(err, ErrUnavailable) {
		// Nobody hears a question to a copy if there is none.
		if there := b.stream.Exists(ctx); errors.Is(there, errNoBucket) {
			err = errNoBucket
		}
	}
	return e, err
}

// Imported is what became of an import.
type Imported struct {
	// Users is of how many users memberships were stored.
	Users int
	// Kept is how many users had memberships already, which were left as they are.
	Kept int
	// Ended is how many had none in force any more.
	Ended int
}

// Import stores what Export has written. What there is of a user already stays
// as it is, so that an import may be repeated.
func (s *UserGroups) Import(ctx context.Context, r io.Reader) (Imported, error) {
	var done Imported
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxExportLine)
	format, values, ended := 0, 0, false
	for number := 1; lines.Scan(); number++ {
		var line exportLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return done, fmt.Errorf("line %d of the export cannot be read: %w", number, err)
		}
		switch {
		case number == 1:
			format = line.Format
		case line.Values != nil:
			ended = *line.Values == values
		default:
			values++
			if err := s.importValue(ctx, line.Value, &done); err != nil {
				return done, fmt.Errorf("line %d of the export: %w", number, err)
			}
		}
		if format != exportFormat {
			return done, fmt.Errorf("it is no export of format %d", exportFormat)
		}
	}
	if err := lines.Err(); err != nil {
		return done, err
	}
	if !ended {
		return done, errors.New("the export is not whole: its end is missing")
	}
	return done, nil
}

func (s *UserGroups) importValue(ctx context.Context, value []byte, done *Imported) error {
	m, err := parseMemberships(value)
	if err != nil {
		return err
	}
	m.expire(s.now())
	if len(m.open)+len(m.ends) == 0 {
		done.Ended++
		return nil
	}
	kept := false
	err = s.update(ctx, m.hub, m.user, func(have *memberships, _ time.Time) bool {
		if kept = len(have.open)+len(have.ends) > 0; kept {
			return false
		}
		have.active, have.open, have.ends = m.active, m.open, m.ends
		return true
	})
	switch {
	case err != nil:
		return fmt.Errorf("a user of hub %s: %w", strings.ToValidUTF8(m.hub, "?"), err)
	case kept:
		done.Kept++
	default:
		done.Users++
	}
	return nil
}
