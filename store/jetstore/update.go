package jetstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/store"
)

// change changes memberships, and reports whether there is something to write.
// It may be called again with what somebody else has written.
type change func(m *memberships, now time.Time) bool

// update carries out a change. Changes of one user are made one after the other
// in a node, so that they do not get in each other's way.
func (s *UserGroups) update(ctx context.Context, hub, user string, change change) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	key := keyOf(hub, user)
	lane := s.lane(key)
	select {
	case lane <- struct{}{}:
		defer func() { <-lane }()
	case <-ctx.Done():
		return s.gaveUp(ctx, nil)
	}
	return s.patiently(ctx, &s.writesDown, writeTime, func(ctx context.Context) error {
		return s.tryUpdate(ctx, key, hub, user, change)
	})
}

// lane is what users share of whom one is changed at a time.
func (s *UserGroups) lane(key string) chan struct{} {
	return s.lanes[(int(key[0])<<5^int(key[1]))%lanes]
}

// patiently tries again while the store does not answer or somebody else writes,
// for as long as limit. A store that has not answered for so long is asked once only.
func (s *UserGroups) patiently(ctx context.Context, o *outage, limit time.Duration, try func(context.Context) error) error {
	wait := pause
	for begin := time.Now(); ; wait = min(2*wait, maxPause) {
		err := try(ctx)
		down := o.note(err)
		switch {
		case errors.Is(err, errConflict):
			s.counts.Add(EventConflict, 1)
		case !errors.Is(err, ErrUnavailable):
			return s.counted(err)
		}
		if ctx.Err() != nil || time.Since(begin) > limit || down > limit {
			return s.gaveUp(ctx, err)
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-ctx.Done():
			return s.gaveUp(ctx, err)
		}
	}
}

// began is long before the first tick, so that no moment is 0.
var began = time.Now().Add(-time.Hour)

// ticks is a clock in nanoseconds that nobody sets.
func ticks() int64 { return int64(time.Since(began)) }

// outage is since when the store has not answered, in ticks; 0 while it does.
type outage struct{ since atomic.Int64 }

// note keeps in mind whether the store answers, and returns for how long it has not.
func (o *outage) note(err error) time.Duration {
	if !errors.Is(err, ErrUnavailable) {
		o.since.Store(0)
		return 0
	}
	now := ticks()
	o.since.CompareAndSwap(0, now)
	return time.Duration(now - o.since.Load())
}

// gaveUp is the error of an operation that took too long.
func (s *UserGroups) gaveUp(ctx context.Context, err error) error {
	s.counts.Add(EventUnavailable, 1)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err() // the caller has gone
	case errors.Is(err, ErrUnavailable):
		return err
	case err == nil:
		err = ctx.Err()
	}
	return unavailable(err)
}

// counted counts what a caller is told.
func (s *UserGroups) counted(err error) error {
	if errors.Is(err, store.ErrFull) {
		s.counts.Add(EventFull, 1)
	}
	return err
}

// tryUpdate reads, changes and writes once.
func (s *UserGroups) tryUpdate(ctx context.Context, key, hub, user string, change change) error {
	e, err := s.latest(ctx, key)
	if errors.Is(err, errNoBucket) {
		s.ensured.Store(false)
	}
	m, err := s.parse(e, err, hub, user)
	if errors.Is(err, ErrDamaged) {
		m = &memberships{hub: hub, user: user, damaged: true}
	} else if err != nil {
		return err
	}
	now := s.now()
	m.expire(now)
	switch changed := change(m, now); {
	case m.damaged:
		return err // this change does not clear it
	case !changed:
		return nil
	}
	m.token = rand.Uint64() | 1<<63 // always as long as the one before
	value := m.append(nil)
	if len(value) > MaxUserBytes {
		return fmt.Errorf("%w: what is kept of one user has %d bytes at most", store.ErrFull, MaxUserBytes)
	}
	if len(value) > len(e.value) {
		if err := s.hasRoom(ctx, int64(len(value)-len(e.value))); err != nil {
			return err
		}
	}
	lasts := emptyLasts
	if d := m.lasts(now); d > 0 {
		lasts = d + forgetAfter
	}
	return s.write(ctx, key, value, e.revision, lasts, m.token)
}

// write writes, and finds out what became of it if that is not clear.
func (s *UserGroups) write(ctx context.Context, key string, value []byte, revision uint64, lasts time.Duration, token uint64) error {
	attempt, cancel := context.WithTimeout(ctx, attemptTime)
	err := s.bucket.write(attempt, key, value, revision, lasts)
	cancel()
	if errors.Is(err, errNoBucket) {
		s.ensured.Store(false)
		return unavailable(err)
	}
	if err == nil || errors.Is(err, store.ErrFull) {
		return err
	}
	after, readErr := s.latest(ctx, key)
	if readErr != nil {
		return err
	}
	if m, parseErr := parseMemberships(after.value); parseErr == nil && m.token == token {
		s.counts.Add(EventOwnWrite, 1)
		return nil
	}
	return err
}

// hasRoom refuses what would make the bucket larger than it may be, and sees to
// it that there is one. The number of bytes may be a second old.
func (s *UserGroups) hasRoom(ctx context.Context, more int64) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if !s.ensured.Load() {
		if err := s.bucket.ensure(ctx); err != nil {
			return err
		}
		s.ensured.Store(true)
	}
	if s.usage.of(ctx, s.bucket)+more > s.opts.MaxBytes {
		return store.ErrFull
	}
	return nil
}

// usage is how much the bucket held a moment ago.
type usage struct {
	refreshing sync.Mutex
	bytes      atomic.Int64
	at         atomic.Int64 // ticks
}

// of returns the number of bytes, at most usageAge old if the store answers.
// Nobody waits while somebody else asks.
func (u *usage) of(ctx context.Context, b storage) int64 {
	if now := ticks(); now-u.at.Load() > int64(usageAge) && u.refreshing.TryLock() {
		defer u.refreshing.Unlock()
		if bytes, err := b.bytes(ctx); err == nil {
			u.bytes.Store(bytes)
			u.at.Store(now)
		}
	}
	return u.bytes.Load()
}
