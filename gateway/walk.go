package gateway

import "slices"

const (
	// copyAtLeast is how many connections a step of a walk copies, at least, if the target wants all of a list, and
	// walkAtLeast how many it looks at else: each is a fraction of what a send to as many takes.
	copyAtLeast = 64 << 10
	walkAtLeast = 16 << 10
	// walkSteps is how many steps a walk of one list has, at most: at each step others go before it, and it has to
	// come to its end all the same.
	walkSteps = 4
)

// walk goes through the receivers of one worker in steps, between which connections and memberships come and go. Who
// is there all the while is found, perhaps twice. It is the worker's.
//
// Lists lose an entry by having the last one take its place. So a walk goes from the end to the beginning: what
// takes another place was found, or still comes.
type walk struct {
	of    receivers
	least int // how many a step looks at, at least
	// list is the one of the target's lists that the walk is in, left how much of that is still to come, size how much
	// a step looks at; 0 before the list is begun.
	list, left, size int
}

func newWalk(of receivers) walk {
	if of.wantsAll() {
		return walk{of: of, least: copyAtLeast}
	}
	return walk{of: of, least: walkAtLeast}
}

// wantsAll reports whether the target is all connections of the worker.
func (r *receivers) wantsAll() bool {
	return r.kind == TargetAll && r.filter == nil && len(r.except)+len(r.exceptUsers) == 0
}

// step returns the next ones that the target wants, and whether there may be more.
func (w *walk) step() (found []*Conn, more bool) {
	length, at, ok := w.of.nth(w.list)
	if !ok {
		return nil, false
	}
	if w.size == 0 {
		w.left, w.size = length, max(w.least, length/walkSteps+1)
	}
	w.left = min(w.left, length)
	end := max(w.left-w.size, 0)
	if w.of.wantsAll() {
		found, w.left = slices.Clone(w.of.shard.conns[end:w.left]), end // none is looked at: that would take much longer
	}
	for w.left > end {
		w.left--
		if c := at(w.left); c.place.slot >= 0 && w.of.wants(c) {
			found = append(found, c)
		}
	}
	if w.left > 0 {
		return found, true
	}
	w.list, w.size = w.list+1, 0
	_, _, more = w.of.nth(w.list)
	return found, more
}

// nth is one of the lists that the receivers are in: how long it is, and what is at a place.
func (r *receivers) nth(list int) (length int, at func(int) *Conn, ok bool) {
	switch {
	case r.kind == TargetGroups:
		if list >= len(r.groups) {
			return 0, nil, false
		}
		var members []*member
		if s := r.groups[list].shard(r.shard.worker.index); s != nil { // else another of the groups has members here
			members = s.members
		}
		return len(members), func(i int) *Conn { return members[i].conn }, true
	case list > 0:
		return 0, nil, false
	}
	conns := r.conns
	if r.kind == TargetAll {
		conns = r.shard.conns
	}
	return len(conns), func(i int) *Conn { return conns[i] }, true
}
