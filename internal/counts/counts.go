// Package counts counts what happened by its reason. Every list of reasons of the gateway is
// closed (why a connection ended, why a delivery was given up, why a request was refused), and
// each has a counter for every reason. This package is the one implementation of such counters.
package counts

import "sync/atomic"

// Counts has one counter for each reason of a closed list. Each starts at zero and never
// decreases. Make one with New. All methods may be called concurrently.
//
// Use it like this:
//
//	type Refusal string
//
//	const (
//		RefusedToken Refusal = "Token"
//		RefusedMode  Refusal = "Mode"
//	)
//
//	var refusals = []Refusal{RefusedToken, RefusedMode}
//
//	refused := counts.New(refusals)
//	refused.Add(RefusedMode, 1)
//	refused.Map() // {Token: 0, Mode: 1}: every reason is there from the start
type Counts[T ~string] struct {
	reasons []T
	counted []atomic.Uint64
}

// New returns counters for the reasons, which must not be changed afterwards. The list may be
// shared by any number of Counts and must not be empty.
func New[T ~string](reasons []T) *Counts[T] {
	if len(reasons) == 0 {
		panic("counts: no reasons")
	}
	return &Counts[T]{reasons: reasons, counted: make([]atomic.Uint64, len(reasons))}
}

// Add counts n more events of a reason. A reason that is not in the list is a mistake in the
// program: the event is counted for the first reason, so that sums stay right.
func (c *Counts[T]) Add(reason T, n uint64) { c.counted[c.index(reason)].Add(n) }

// Get returns how often the reason was counted.
func (c *Counts[T]) Get(reason T) uint64 { return c.counted[c.index(reason)].Load() }

// index searches the list: it is short, and most comparisons end with the length.
func (c *Counts[T]) index(reason T) int {
	for i, known := range c.reasons {
		if known == reason {
			return i
		}
	}
	return 0
}

// Map returns all counters; those that are zero are there too, so that a metric made of them
// has every series from the start.
func (c *Counts[T]) Map() map[T]uint64 {
	m := make(map[T]uint64, len(c.reasons))
	c.AddTo(m)
	return m
}

// AddTo adds all counters to a sum.
func (c *Counts[T]) AddTo(sum map[T]uint64) {
	for i, reason := range c.reasons {
		sum[reason] += c.counted[i].Load()
	}
}
