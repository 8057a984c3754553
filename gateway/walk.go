package gateway

const (
	// walkAtLeast is how many connections a step of a walk looks at, at least, and walkSteps how many steps a walk
	// of one list has, at most: so a step of a long list is short beside a send to all of it, and a walk that
	// others go before at each step comes to its end all the same.
	walkAtLeast = 4096
	walkSteps   = 16
)

// walk visits the receivers of one worker in steps, between which connections and memberships come and go. What is
// there all the while is visited, perhaps twice. It is the worker's.
//
// Lists lose an entry by having the last one take its place. So a walk goes from the end to the beginning: what
// takes another place was visited, or still comes.
type walk struct {
	of receivers
	// list is the one of the target's lists that the walk is in, left how much of that is still to be visited, size
	// how much a step visits; 0 before the list is begun.
	list, left, size int
}

// step visits the next ones that the target wants, and reports whether there may be more.
func (w *walk) step(visit func(*Conn)) (more bool) {
	length, at, ok := w.of.nth(w.list)
	if !ok {
		return false
	}
	if w.size == 0 {
		w.left, w.size = length, max(walkAtLeast, length/walkSteps+1)
	}
	w.left = min(w.left, length)
	for end := max(w.left-w.size, 0); w.left > end; {
		w.left--
		if c := at(w.left); c.place.slot >= 0 && w.of.wants(c) {
			visit(c)
		}
	}
	if w.left == 0 {
		w.list, w.size = w.list+1, 0
		_, _, more = w.of.nth(w.list)
		return more
	}
	return true
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
