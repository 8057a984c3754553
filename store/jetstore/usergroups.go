// Package jetstore keeps memberships of users in JetStream, for all nodes of a
// cluster. It is apart from package store so that who needs none of NATS does
// not have it.
package jetstore

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store"
)

// Event is something about the store that is counted.
type Event string

// The closed list of events.
const (
	// EventConflict is a write that had to be tried again because another came first.
	EventConflict Event = "Conflict"
	// EventStaleRead is a list that came from a copy, because the leader did not answer.
	EventStaleRead Event = "StaleRead"
	// EventOwnWrite is a write whose answer was lost, or wrong, and that was found to be carried out.
	EventOwnWrite Event = "OwnWrite"
	// EventUnavailable is an operation that failed because the store did not answer.
	EventUnavailable Event = "Unavailable"
	// EventFull is a membership that was refused for want of room.
	EventFull Event = "Full"
	// EventDamaged is a stored value that could not be read.
	EventDamaged Event = "Damaged"
)

var events = []Event{EventConflict, EventStaleRead, EventOwnWrite, EventUnavailable, EventFull, EventDamaged}

const (
	// DefaultPrefix is what the names of buckets begin with.
	DefaultPrefix = "hg"

	// writeTime bounds a change, listTime a list, and attemptTime each question
	// to the store.
	writeTime   = 5 * time.Second
	listTime    = 2 * time.Second
	attemptTime = time.Second
	// pause is how long the next attempt waits, at least half of it and more
	// each time up to maxPause.
	pause    = 5 * time.Millisecond
	maxPause = 250 * time.Millisecond
	// usageAge is how old the number of stored bytes may be that refuses a membership.
	usageAge = time.Second
	// forgetAfter is how much longer than it says the server keeps what has
	// ended: its clock is not ours.
	forgetAfter = 24 * time.Hour
	// emptyLasts is how long a value without memberships is kept.
	emptyLasts = time.Hour
	// lanes is how many users' changes one node makes at a time, at most.
	lanes = 256
)

// Options describe where memberships are kept. The zero value of
// everything but JetStream means the defaults.
type Options struct {
	// JetStream is the engine that keeps it.
	JetStream jetstream.JetStream
	// Prefix is what the name of the bucket begins with; "" means DefaultPrefix.
	Prefix string
	// Replicas is how many voters keep a copy; 0 means 1.
	Replicas int
	// Storage is files or memory.
	Storage jetstream.StorageType
	// PerUser returns how many memberships without TTL a user keeps; nil or a
	// result below 1 means store.DefaultPerUser. It is asked for every Put.
	PerUser func() int
	// MaxBytes bounds what is stored; 0 means store.DefaultMaxBytes.
	MaxBytes int64
	// Log takes what cannot be returned; nil means slog.Default.
	Log *slog.Logger
}

// UserGroups is a gateway.UserGroups that all nodes of a cluster share. There is
// one value for each user with memberships. A change reads it from the voter
// that leads, changes it and writes it back unless somebody else has written
// meanwhile; it takes five seconds at most. A list is what was written last; when
// the leader does not answer it may be older (EventStaleRead), and it takes
// about two seconds at most. Values end by themselves.
//
// All methods may be called concurrently. Errors are ErrUnavailable, store.ErrFull,
// ErrDamaged and those of the context.
type UserGroups struct {
	opts   Options
	bucket storage
	now    func() time.Time
	counts *counts.Counts[Event]
	lanes  [lanes]chan struct{}
	// ensured says that the bucket was there.
	ensured atomic.Bool
	// Copies answer reads while nothing can be written.
	readsDown, writesDown outage
	usage                 usage
}

var _ gateway.UserGroups = (*UserGroups)(nil)

// storage is a bucket; tests put something between.
type storage interface {
	ensure(ctx context.Context) error
	bytes(ctx context.Context) (int64, error)
	latest(ctx context.Context, key string) (entry, error)
	any(ctx context.Context, key string) (entry, error)
	write(ctx context.Context, key string, value []byte, revision uint64, lasts time.Duration) error
}

// New returns a store. It asks nothing of the engine yet: the bucket is
// made with the first membership.
func New(opts Options) *UserGroups {
	if opts.Prefix == "" {
		opts.Prefix = DefaultPrefix
	}
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = store.DefaultMaxBytes
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	s := &UserGroups{opts: opts, now: time.Now, counts: counts.New(events)}
	s.bucket = newBucket(opts.JetStream, opts.Prefix+"_usergroups", opts.Replicas, opts.Storage, opts.MaxBytes)
	for i := range s.lanes {
		s.lanes[i] = make(chan struct{}, 1)
	}
	return s
}

// Events counts what happened since the start. All events are there.
func (s *UserGroups) Events() map[Event]uint64 { return s.counts.Map() }

// keyOf is the key of a user: keys have few letters, users have all.
func keyOf(hub, user string) string {
	h := sha256.New()
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(hub)))
	h.Write(length[:])
	h.Write([]byte(hub))
	h.Write([]byte(user))
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)[:20]))
}

// Put implements gateway.UserGroups.
func (s *UserGroups) Put(ctx context.Context, hub, userID, group string, until time.Time) error {
	return s.update(ctx, hub, userID, func(m *memberships, now time.Time) bool {
		m.put(now, group, until, s.perUser())
		return true
	})
}

// Delete implements gateway.UserGroups.
func (s *UserGroups) Delete(ctx context.Context, hub, userID, group string) error {
	return s.update(ctx, hub, userID, func(m *memberships, now time.Time) bool {
		m.active = now
		return m.remove(group)
	})
}

// DeleteAll implements gateway.UserGroups. It also clears what cannot be read.
func (s *UserGroups) DeleteAll(ctx context.Context, hub, userID string) error {
	return s.update(ctx, hub, userID, func(m *memberships, _ time.Time) bool {
		there := len(m.open)+len(m.ends) > 0 || m.damaged
		m.open, m.ends, m.damaged = nil, nil, false
		return there
	})
}

func (s *UserGroups) perUser() int {
	if s.opts.PerUser != nil {
		if n := s.opts.PerUser(); n > 0 {
			return n
		}
	}
	return store.DefaultPerUser
}

// List implements gateway.UserGroups: the memberships in force, by name.
func (s *UserGroups) List(ctx context.Context, hub, userID string) ([]gateway.StandingGroup, error) {
	key := keyOf(hub, userID)
	var m *memberships
	var fresh bool
	err := s.patiently(ctx, &s.readsDown, listTime, func(ctx context.Context) (err error) {
		m, fresh, err = s.read(ctx, key, hub, userID)
		return err
	})
	if err != nil {
		return nil, err
	}
	now := s.now()
	m.expire(now)
	if fresh && len(m.open) > 0 && now.Sub(m.active) > activityStep {
		s.noteActivity(ctx, hub, userID)
	}
	return m.list(), nil
}

// noteActivity keeps the memberships without TTL of a user who comes. It is done
// once a week; if it fails, the next time will do.
func (s *UserGroups) noteActivity(ctx context.Context, hub, userID string) {
	err := s.update(ctx, hub, userID, func(m *memberships, now time.Time) bool {
		m.active = now
		return len(m.open) > 0
	})
	if err != nil {
		s.opts.Log.Warn("the activity of a user was not noted", "err", err)
	}
}

// read returns what is kept of a user, from the leader or else from a copy.
func (s *UserGroups) read(ctx context.Context, key, hub, user string) (m *memberships, fresh bool, err error) {
	e, err := s.latest(ctx, key)
	if errors.Is(err, ErrUnavailable) {
		attempt, cancel := context.WithTimeout(ctx, attemptTime)
		defer cancel()
		if e, err = s.bucket.any(attempt, key); err == nil || errors.Is(err, errNotFound) {
			s.counts.Add(EventStaleRead, 1)
		}
		m, err = s.parse(e, err, hub, user)
		return m, false, err
	}
	m, err = s.parse(e, err, hub, user)
	return m, true, err
}

// latest asks the leader, once.
func (s *UserGroups) latest(ctx context.Context, key string) (entry, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return s.bucket.latest(ctx, key)
}

// parse makes memberships of what was read, or none of nothing.
func (s *UserGroups) parse(e entry, err error, hub, user string) (*memberships, error) {
	switch {
	case errors.Is(err, errNotFound), errors.Is(err, errNoBucket):
		return &memberships{hub: hub, user: user}, nil
	case err != nil:
		return nil, err
	}
	m, err := parseMemberships(e.value)
	if err == nil && (m.hub != hub || m.user != user) {
		err = fmt.Errorf("%w: it is another user's", ErrDamaged)
	}
	if err != nil {
		s.counts.Add(EventDamaged, 1)
	}
	return m, err
}
