package store

import (
	"container/heap"
	"time"
)

// expiry is the end of one membership, or of a user's memberships without TTL
// if group is nil.
type expiry struct {
	at    time.Time
	user  *user
	group *membership
	// index is the position in expiries, unlisted if it is not there.
	index int
}

func (e *expiry) end() time.Time { return e.at }
func (e *expiry) place() *int    { return &e.index }

// sweepStep is how many ends one call looks at. A call adds one at most, so
// what has expired never piles up while there are calls.
const sweepStep = 8

// sweep carries out up to limit ends that have come.
func (m *Memory) sweep(now time.Time, limit int) {
	for ; limit > 0 && len(m.expiries) > 0; limit-- {
		next := m.expiries[0]
		if next.at.After(now) {
			return
		}
		u := next.user
		switch end := u.active.Add(OpenLifetime); {
		case next.group != nil:
			m.remove(u, next.group)
		case end.After(now):
			// The user was active in the meantime.
			next.at = end
			heap.Fix(&m.expiries, next.index)
		default:
			m.expireOpen(u)
		}
	}
}

// expireOpen ends a user's memberships without TTL; with the last of them the
// user's own expiry is gone too.
func (m *Memory) expireOpen(u *user) {
	for len(u.open) > 0 {
		m.remove(u, u.open[0])
	}
}
