package nodes

import (
	"maps"
	"slices"
	"time"
)

// others are the other nodes, as this one has last seen their records.
type others struct {
	due    moment // when they are looked at again
	newest uint64 // the highest revision that was seen
	seen   map[string]*sighting
	work   map[string]*work
}

// sighting is the record of another node, and since when it has been as it is.
type sighting struct {
	entry
	since moment
	due   moment // when it may be claimed again
}

// work is what this node has to do for a dead one whose record it has claimed.
type work struct {
	revision uint64
	state    workState
	due      moment
}

type workState uint8

const (
	workWaits workState = iota
	workTakesOver
	workTaken // what the dead node had to do is this node's now
	workBuries
	workDone // only the record is left
)

func newOthers(now moment) others {
	return others{due: now, seen: make(map[string]*sighting), work: make(map[string]*work)}
}

func (m moment) plus(d time.Duration) moment { return moment{m.mono + d, m.wall + d} }

// look takes all records. They come from any copy: what is older than what was seen before is ignored.
func (o *others) look(entries []entry, now moment) {
	newest := uint64(0)
	for _, e := range entries {
		newest = max(newest, e.revision)
	}
	if newest < o.newest {
		return
	}
	o.newest = newest
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		if e.tombstone {
			continue
		}
		there[e.inc] = true
		if s := o.seen[e.inc]; s == nil || s.revision != e.revision {
			o.seen[e.inc] = &sighting{entry: e, since: now, due: now}
		}
	}
	maps.DeleteFunc(o.seen, func(inc string, _ *sighting) bool { return !there[inc] })
}

// undertake returns what this node can do for a dead one.
func (m *machine) undertake(now moment) (request, bool) {
	for _, inc := range slices.Sorted(maps.Keys(m.others.work)) {
		w := m.others.work[inc]
		switch {
		case now.mono < w.due.mono:
		case w.state == workWaits:
			w.state = workTakesOver
			return request{verb: verbTakeOver, inc: inc, began: now}, true
		case w.state == workTaken && m.hasAll():
			w.state = workBuries
			return request{verb: verbBury, inc: inc, began: now}, true
		case w.state == workDone:
			w.due = now.plus(m.times.retry)
			return request{verb: verbRelease, inc: inc, revision: w.revision, began: now}, true
		}
	}
	for _, inc := range slices.Sorted(maps.Keys(m.others.seen)) {
		s := m.others.seen[inc]
		switch {
		case inc == m.inc || m.others.work[inc] != nil:
		case s.record.Claimant == m.inc:
			// The answer to the claim was lost, or the work could not be finished.
			m.others.work[inc] = &work{revision: s.revision, due: now}
			return m.undertake(now)
		case s.record.Keeps && !m.self.Keeps:
			// Its events would be lost with its record.
		case !m.inherits(s):
			// Who claims its claimant has a part of its work.
		case now.mono >= s.due.mono && m.claimable(s, now):
			s.due = now.plus(m.times.look) // if it fails
			r := s.record
			r.Claimant = m.inc
			return m.write(verbClaim, inc, r, s.revision, now), true
		}
	}
	return request{}, false
}

// inherits reports whether this node has what the claimant of another one may have taken over before it died.
func (m *machine) inherits(s *sighting) bool {
	c := m.others.seen[s.record.Claimant]
	return c == nil || !c.record.Keeps || m.others.work[s.record.Claimant] != nil
}

// hasAll reports whether this node has taken over everything of the nodes that it has claimed: also what they had claimed.
func (m *machine) hasAll() bool {
	for _, w := range m.others.work {
		if w.state < workTaken || m.others.newest < w.revision {
			return false
		}
	}
	for inc, s := range m.others.seen {
		if m.others.work[s.record.Claimant] != nil && m.others.work[inc] == nil {
			return false
		}
	}
	return true
}

// claimable reports whether a node is dead, and nobody who lives does what is to be done for it.
func (m *machine) claimable(s *sighting, now moment) bool {
	if by := s.record.Claimant; by != "" {
		c := m.others.seen[by]
		return c == nil && now.surely(s.since) >= m.times.fresh || c != nil && (c.record.Claimant != "" || m.stale(c, now))
	}
	return m.stale(s, now)
}

// stale reports whether a node has not renewed its record for too long, and is not heard of either.
func (m *machine) stale(s *sighting, now moment) bool {
	return now.surely(s.since) >= s.record.lease(m.times.stale) && m.gone(s.record.Link)
}

// left returns the dead nodes whose events nobody takes over: this node cannot, and no other one has for another
// lease.
func (m *machine) left(now moment) (left []string) {
	if m.self.Keeps {
		return nil
	}
	for inc, s := range m.others.seen {
		if s.record.Keeps && m.claimable(s, now) && now.surely(s.since) >= 2*s.record.lease(m.times.stale) {
			left = append(left, inc)
		}
	}
	slices.Sort(left)
	return left
}

// worked takes what became of a part of the work for a dead node.
func (m *machine) worked(inc string, err error, again, next workState, now moment) {
	w := m.others.work[inc]
	switch {
	case w == nil:
	case err == nil:
		w.state, w.due = next, now
	default:
		w.state, w.due = again, now.plus(m.times.fresh/4)
	}
}

// undertaken takes the answer to what was undertaken for a dead node.
func (m *machine) undertaken(r request, a response, now moment) {
	switch r.verb {
	case verbClaim:
		if a.err == nil {
			m.others.work[r.inc] = &work{revision: a.revision, due: now}
			m.others.due = now // what it had claimed
		}
	case verbTakeOver:
		m.worked(r.inc, a.err, workWaits, workTaken, now)
	case verbBury:
		m.worked(r.inc, a.err, workTaken, workDone, now)
	case verbRelease:
		delete(m.others.work, r.inc)
		if a.err == nil {
			delete(m.others.seen, r.inc)
		}
	}
}
