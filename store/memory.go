// Package store keeps what outlives a connection: the memberships that users
// have in groups whether they are connected or not.
package store

import (
	"container/heap"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

const (
	// DefaultPerUser is how many memberships without TTL a user keeps; the
	// newest stay (R34).
	DefaultPerUser = 100
	// DefaultMaxBytes bounds what a Memory takes, by its own estimate.
	DefaultMaxBytes = 256 << 20
	// OpenLifetime is how long a membership without TTL lasts after the user's
	// last activity: the last connection, change or question.
	OpenLifetime = 365 * 24 * time.Hour
)

// ErrFull refuses a membership that would take more than MaxBytes. Its method
// Full tells those who do not know this package that there may be room later.
var ErrFull error = fullError{}

type fullError struct{}

func (fullError) Error() string { return "no room for further memberships of users" }
func (fullError) Full() bool    { return true }

// MemoryOptions bound a Memory. The zero value means the defaults.
type MemoryOptions struct {
	// PerUser returns how many memberships without TTL a user keeps; nil or a
	// result below 1 means DefaultPerUser. It is asked for every Put.
	PerUser func() int
	// MaxBytes bounds the memory taken; 0 means DefaultMaxBytes.
	MaxBytes int
}

// Memory is a gateway.UserGroups in memory, for one node. All methods may be
// called concurrently and none waits for anything. It needs no goroutine:
// every call removes some of what has expired, more than it can add.
type Memory struct {
	options MemoryOptions

	mu       sync.Mutex
	users    map[userKey]*user
	expiries ends[*expiry]
	bytes    int
	count    int
}

var _ gateway.UserGroups = (*Memory)(nil)

type userKey struct{ hub, user string }

// user is one user of one hub with at least one membership.
type user struct {
	key    userKey
	groups map[string]*membership
	// open are the memberships without TTL, the oldest first.
	open []*membership
	// active is the last activity; expiry, listed while there are open
	// memberships, may be earlier than it says and is then put off.
	active time.Time
	expiry expiry
}

// membership is one user in one group; expiry is listed if it has a TTL.
type membership struct {
	group  string
	expiry expiry
}

// What an entry takes beside its names, roughly: structs, map and heap slots.
const (
	userBytes       = 320
	membershipBytes = 160
)

// NewMemory returns an empty store.
func NewMemory(options MemoryOptions) *Memory {
	if options.MaxBytes <= 0 {
		options.MaxBytes = DefaultMaxBytes
	}
	return &Memory{options: options, users: make(map[userKey]*user)}
}

// Put implements gateway.UserGroups. Its error is ErrFull.
func (m *Memory) Put(_ context.Context, hub, userID, group string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	u, err := m.userFor(now, userKey{hub, userID}, group)
	if err != nil {
		return err
	}
	u.active = now
	if have := u.groups[group]; have != nil {
		m.unlist(u, have)
	} else {
		// Callers hand over pieces of whole request paths.
		have = &membership{group: strings.Clone(group), expiry: expiry{index: unlisted}}
		u.groups[have.group] = have
		m.bytes += membershipBytes + len(group)
		m.count++
	}
	m.list(u, u.groups[group], until)
	return nil
}

// lookup returns the user, nil if it has no membership. Every call of a method
// comes by here once.
func (m *Memory) lookup(now time.Time, key userKey) *user {
	m.sweep(now, sweepStep)
	u := m.users[key]
	if u != nil && !now.Before(u.active.Add(OpenLifetime)) {
		// Its turn in the heap has not come yet, and activity must not revive it.
		m.expireOpen(u)
		u = m.users[key]
	}
	return u
}

// userFor returns the user, new if need be, if there is room for one more membership.
func (m *Memory) userFor(now time.Time, key userKey, group string) (*user, error) {
	u := m.lookup(now, key)
	need := 0
	if u == nil {
		need += userBytes + len(key.hub) + len(key.user)
	}
	if u == nil || u.groups[group] == nil {
		need += membershipBytes + len(group)
	}
	if need > 0 && m.bytes+need > m.options.MaxBytes {
		m.sweep(now, len(m.expiries))
		if m.bytes+need > m.options.MaxBytes {
			return nil, ErrFull
		}
		u = m.users[key] // the sweep may have removed it
	}
	if u == nil {
		key = userKey{strings.Clone(key.hub), strings.Clone(key.user)}
		u = &user{key: key, groups: make(map[string]*membership), expiry: expiry{index: unlisted}}
		u.expiry.user = u
		m.users[key] = u
		m.bytes += userBytes + len(key.hub) + len(key.user)
	}
	return u, nil
}

// list files a membership under its end, or as the newest of those without.
func (m *Memory) list(u *user, entry *membership, until time.Time) {
	if !until.IsZero() {
		entry.expiry.at, entry.expiry.user, entry.expiry.group = until, u, entry
		heap.Push(&m.expiries, &entry.expiry)
		return
	}
	u.open = append(u.open, entry)
	for len(u.open) > m.perUser() {
		m.remove(u, u.open[0])
	}
	if u.expiry.index == unlisted {
		u.expiry.at = u.active.Add(OpenLifetime)
		heap.Push(&m.expiries, &u.expiry)
	}
}

func (m *Memory) perUser() int {
	if m.options.PerUser != nil {
		if n := m.options.PerUser(); n > 0 {
			return n
		}
	}
	return DefaultPerUser
}

// unlist takes a membership out of where list put it.
func (m *Memory) unlist(u *user, entry *membership) {
	if entry.expiry.index != unlisted {
		heap.Remove(&m.expiries, entry.expiry.index)
		return
	}
	u.open = slices.DeleteFunc(u.open, func(e *membership) bool { return e == entry })
	if len(u.open) == 0 && u.expiry.index != unlisted {
		heap.Remove(&m.expiries, u.expiry.index)
	}
}

// remove ends a membership, and forgets the user with the last one.
func (m *Memory) remove(u *user, entry *membership) {
	m.unlist(u, entry)
	delete(u.groups, entry.group)
	m.bytes -= membershipBytes + len(entry.group)
	m.count--
	if len(u.groups) == 0 {
		delete(m.users, u.key)
		m.bytes -= userBytes + len(u.key.hub) + len(u.key.user)
	}
}

// Delete implements gateway.UserGroups. It never fails.
func (m *Memory) Delete(_ context.Context, hub, userID, group string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if u := m.lookup(now, userKey{hub, userID}); u != nil {
		u.active = now
		if entry := u.groups[group]; entry != nil {
			m.remove(u, entry)
		}
	}
	return nil
}

// DeleteAll implements gateway.UserGroups. It never fails.
func (m *Memory) DeleteAll(_ context.Context, hub, userID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.lookup(time.Now(), userKey{hub, userID}); u != nil {
		for _, entry := range u.groups {
			m.remove(u, entry)
		}
	}
	return nil
}

// List implements gateway.UserGroups: the memberships in force, by name. It
// never fails.
func (m *Memory) List(_ context.Context, hub, userID string) ([]gateway.StandingGroup, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	u := m.lookup(now, userKey{hub, userID})
	if u == nil {
		return nil, nil
	}
	u.active = now
	list := make([]gateway.StandingGroup, 0, len(u.groups))
	for _, entry := range u.groups {
		switch {
		case entry.expiry.index == unlisted:
			list = append(list, gateway.StandingGroup{Group: entry.group})
		case now.Before(entry.expiry.at):
			list = append(list, gateway.StandingGroup{Group: entry.group, Until: entry.expiry.at})
		}
	}
	slices.SortFunc(list, func(a, b gateway.StandingGroup) int { return strings.Compare(a.Group, b.Group) })
	return list, nil
}

// Len returns the number of memberships held, some of which may have expired.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}

// Bytes returns the estimate that MaxBytes bounds.
func (m *Memory) Bytes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bytes
}
