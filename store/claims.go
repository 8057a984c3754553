package store

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"
)

// DefaultMaxClaims is how many claims there may be at a time.
const DefaultMaxClaims = 250_000

// ErrLost is the error for a claim that has ended, or that somebody else has by now.
var ErrLost = errors.New("the claim has ended")

// Claims keeps short values under keys for a short time, in this process. Who comes first with a key has it: others are
// given what is stored there. Nothing is forgotten before its time; when there is no room, new keys are refused.
// The package claims does the same for all nodes of a cluster. The zero value is empty and ready. Its methods may be called concurrently.
type Claims struct {
	// MaxKeys is how many keys there may be; 0 means DefaultMaxClaims.
	MaxKeys int

	mu     sync.Mutex // guards what follows
	keys   map[string]*claim
	ends   ends[*claim]
	number uint64 // of the last write
}

// claim is what is stored under a key.
type claim struct {
	key    string
	value  []byte
	number uint64
	until  time.Time
	index  int // in ends
}

func (c *claim) end() time.Time { return c.until }
func (c *claim) place() *int    { return &c.index }

// Claim stores the value under the key for so long, if nothing is there. If something is, it is held, and nothing
// is changed. The number is for Keep and Free. The error is ErrFull.
func (m *Claims) Claim(_ context.Context, key string, value []byte, lasts time.Duration) (number uint64, held []byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.forget(now)
	if c := m.keys[key]; c != nil {
		return 0, c.value, nil
	}
	most := m.MaxKeys
	if most == 0 {
		most = DefaultMaxClaims
	}
	if len(m.keys) >= most {
		return 0, nil, ErrFull
	}
	if m.keys == nil {
		m.keys = make(map[string]*claim)
	}
	m.number++
	c := &claim{key: key, value: value, number: m.number, until: now.Add(lasts)}
	m.keys[key] = c
	heap.Push(&m.ends, c)
	return c.number, nil, nil
}

// Keep stores another value for so long in the place of that with the number. The error is ErrLost.
func (m *Claims) Keep(_ context.Context, key string, number uint64, value []byte, lasts time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.forget(now)
	c := m.keys[key]
	if c == nil || c.number != number {
		return ErrLost
	}
	m.number++
	c.value, c.number, c.until = value, m.number, now.Add(lasts)
	heap.Fix(&m.ends, c.index)
	return nil
}

// Free forgets the key, if what is stored there still has the number. It never fails.
func (m *Claims) Free(_ context.Context, key string, number uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.keys[key]; c != nil && c.number == number {
		heap.Remove(&m.ends, c.index)
		delete(m.keys, key)
	}
	return nil
}

// Len returns how many keys there are.
func (m *Claims) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(time.Now())
	return len(m.keys)
}

// forget removes what has ended. Called with mu held.
func (m *Claims) forget(now time.Time) {
	for len(m.ends) > 0 && !m.ends[0].until.After(now) {
		delete(m.keys, heap.Pop(&m.ends).(*claim).key)
	}
}
