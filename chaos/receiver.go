package main

import (
	"fmt"
	"sync"
	"time"
)

// receiver is one stay of a client in the cluster: from the handshake until its connection ends. Its methods
// may be called from anywhere.
type receiver struct {
	checker *checker
	who     identity
	ready   time.Time

	mu     sync.Mutex
	ended  time.Time // zero while it lives
	groups map[string]time.Time
	got    map[string]*arrivals
}

// identity is what is known of a receiver.
type identity struct {
	client, id, user string
	// standing is a group that the user is a member of, for ever.
	standing string
	// owner is the node that has the connection; "" if that is not known.
	owner string
	// forwarded says that the bytes may pass another node than the owner.
	forwarded bool
	// streams: it has Server-Sent Events, and may hear of its end late.
	streams bool
}

func (w identity) String() string {
	return fmt.Sprintf("%s (connection %s, on node %q)", w.client, w.id, w.owner)
}

// arrivals are the numbers of one origin that have come.
type arrivals struct {
	last int
	seen []bool // by number-1
}

// note takes a number, and says what is wrong with it.
func (a *arrivals) note(n int) (wrong string) {
	for len(a.seen) < n {
		a.seen = append(a.seen, false)
	}
	switch {
	case a.seen[n-1]:
		return "double"
	case n < a.last:
		wrong = "inversion"
	}
	a.seen[n-1] = true
	a.last = max(a.last, n)
	return wrong
}

func (a *arrivals) has(n int) bool { return a != nil && n <= len(a.seen) && a.seen[n-1] }

// receive checks a number that has come.
func (r *receiver) receive(origin string, n int) {
	now := time.Now()
	o := r.checker.origin(origin)
	if o == nil || o.began(n).IsZero() {
		r.checker.violate("unknown", fmt.Sprintf("%v got %s %d, which nobody has sent", r.who, origin, n))
		return
	}
	r.mu.Lock()
	a := r.got[origin]
	if a == nil {
		a = new(arrivals)
		r.got[origin] = a
	}
	last := a.last
	wrong := a.note(n)
	r.mu.Unlock()
	r.checker.arrived(r.who, origin, n, now.Sub(o.began(n)))
	if wrong == "double" || wrong != "" && o.ordered && o.answered(n) {
		r.checker.violate(wrong, fmt.Sprintf("%v got %s %d behind %d", r.who, origin, n, last))
	}
}

// join notes that the receiver is a member of a group from now on.
func (r *receiver) join(group string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.groups[group].IsZero() {
		r.groups[group] = time.Now()
	}
}

// end notes that nothing will come any more. Further calls change nothing.
func (r *receiver) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended.IsZero() {
		r.ended = time.Now()
	}
}

func (r *receiver) living() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended.IsZero()
}

// since is from when on the receiver is one of a target; ok is false if it is not.
func (r *receiver) since(to target) (from time.Time, ok bool) {
	switch to.kind {
	case toAll:
		return r.ready, true
	case toUser:
		return r.ready, to.name == r.who.user
	case toConnection:
		return r.ready, to.name == r.who.id
	}
	if to.name == r.who.standing {
		return r.ready, true
	}
	from, ok = r.groups[to.name]
	return from, ok
}

// How long before the end of a connection a message may have been on its way in vain. In the long form there are so
// many clients that this process itself reads late.
const (
	dying     = time.Second
	dyingLate = 4 * time.Second
	// unheard is how much longer a client with Server-Sent Events may not know that it has ended: one that has just come
	// is told only after a second, and who looks for that comes by once a second.
	unheard = 2 * time.Second
)

// owed says whether a message had to come: it was accepted after the receiver was there, and not right
// before its end.
func (r *receiver) owed(m message) bool {
	from, ok := r.since(m.to)
	dying := time.Duration(r.checker.dying.Load())
	if r.who.streams {
		dying += unheard
	}
	return ok && m.fate == accepted && m.began.After(from) && (r.ended.IsZero() || m.ended.Before(r.ended.Add(-dying)))
}
