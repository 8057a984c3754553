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
	// index is the position in the heap, unlisted if it is not there.
	index int
}

const unlisted = -1

// expiryHeap has the next end first. It replaces a timer per membership.
type expiryHeap []*expiry

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *expiryHeap) Push(x any) {
	e := x.(*expiry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop is for container/heap.
func (h *expiryHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	e.index = unlisted
	return e
}

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
