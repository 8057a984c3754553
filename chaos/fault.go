package main

import (
	"sync"
	"time"
)

// fault is something that was done to the cluster, and what it excuses.
type fault struct {
	what string
	// between says whether messages that enter at one node and are for a client of another may be
	// lost. A name is "" if the node is not known.
	between func(from, to string) bool
	// storeless: the store is away too. Who connects meanwhile may not come into the groups of its user.
	storeless bool
	// bound is how long after its end the fault excuses losses.
	bound time.Duration

	mu       sync.Mutex
	from, to time.Time // to is zero while it lasts
	lost     int
	last     time.Time // when the last message was accepted that it excuses
}

// before is how long ago a message may have been accepted that a fault catches on its way. What a hub server has
// sent is accepted by nobody: it may wait for a busy node.
const (
	before     = time.Second
	beforeSent = 4 * time.Second
)

// over is the end of the fault.
func (f *fault) over() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.to.IsZero() {
		f.to = time.Now()
	}
}

// covers says whether something that lasted overlaps with the time for which the fault is an excuse.
func (f *fault) covers(began, ended time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !ended.Before(f.from.Add(-before)) && (f.to.IsZero() || !began.After(f.to.Add(f.bound)))
}

// excuses says whether the loss of a message to a receiver is within what the fault may do.
func (f *fault) excuses(o *origin, m message, r *receiver) bool {
	ended := m.ended
	if o.node == "" {
		ended = ended.Add(beforeSent - before)
	}
	if !f.covers(m.began, ended) {
		return false
	}
	if r.who.forwarded && !r.ended.IsZero() && f.covers(r.ended, r.ended) {
		// Its bytes passed a node or a way that the fault concerned; since when is not known.
		return true
	}
	return o.node == "" || r.who.owner == "" || f.between(o.node, r.who.owner)
}

func (f *fault) count(m message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost++
	if m.ended.After(f.last) {
		f.last = m.ended
	}
}

func (f *fault) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost, f.last = 0, time.Time{}
}

// touching are the pairs of nodes that one node is part of.
func touching(name string) func(from, to string) bool {
	return func(from, to string) bool { return from == name || to == name }
}

// acrossSides are the pairs of nodes of which one is among the named.
func acrossSides(names ...string) func(from, to string) bool {
	inside := make(map[string]bool)
	for _, name := range names {
		inside[name] = true
	}
	return func(from, to string) bool { return inside[from] != inside[to] }
}

// remote are all pairs of two nodes.
func remote(from, to string) bool { return from != to }
