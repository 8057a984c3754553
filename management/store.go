package management

import (
	"context"
	"slices"
	"sync"
)

// MaxVersions is how many versions are kept, that of the configuration not counted.
const MaxVersions = 32

// Store keeps records. Its methods may be called concurrently.
type Store interface {
	// Load returns the last record, or the one with revision 1 if there is none. With ErrUnreadable the record has
	// its revision only.
	Load(ctx context.Context) (Record, error)
	// Save stores a record that follows the revision after, and gives it a higher one. The error is ErrConflict,
	// ErrUnavailable or an *InvalidError.
	Save(ctx context.Context, r Record, after uint64) (Record, error)
	// History returns the records that are kept, the last one first, the one with revision 1 at the end.
	History(ctx context.Context) ([]Record, error)
}

// Memory is a Store that forgets everything when the process ends.
type Memory struct {
	mu      sync.Mutex
	records []Record // the oldest first
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return new(Memory) }

// Load implements Store.
func (m *Memory) Load(context.Context) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last(), nil
}

func (m *Memory) last() Record {
	if n := len(m.records); n > 0 {
		return m.records[n-1].clone()
	}
	return Record{Revision: first}
}

// Save implements Store.
func (m *Memory) Save(_ context.Context, r Record, after uint64) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.save(r, after)
}

// save is called with mu held. It leaves the array of the records before as it is.
func (m *Memory) save(r Record, after uint64) (Record, error) {
	if m.last().Revision != after {
		return Record{}, ErrConflict
	}
	if _, err := EncodeRecord(r); err != nil {
		return Record{}, err
	}
	r = r.clone()
	r.Revision = after + 1
	m.records = append(slices.Clone(m.records), r)
	if n := len(m.records) - MaxVersions; n > 0 {
		m.records = m.records[n:]
	}
	return r.clone(), nil
}

// History implements Store.
func (m *Memory) History(context.Context) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Record
	for i := len(m.records) - 1; i >= 0; i-- {
		all = append(all, m.records[i].clone())
	}
	return append(all, Record{Revision: first}), nil
}
