package cluster

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// PeerState is what a node knows of another one.
type PeerState string

const (
	// PeerJoining: it was heard of; there is no session yet, or it has not said what it takes.
	PeerJoining PeerState = "joining"
	// PeerUp: commands go to it.
	PeerUp PeerState = "up"
	// PeerSuspect: commands for it wait, for nothing was heard of it for three seconds.
	PeerSuspect PeerState = "suspect"
	// PeerGone: nothing was heard of it for five seconds, or it was refused.
	PeerGone PeerState = "gone"
)

// PeerBooks are of the commands that were handed over for a peer: Handed = Acknowledged + Dropped +
// Queued at any time.
type PeerBooks struct {
	Handed, Acknowledged uint64
	Dropped              map[DropReason]uint64
	// Queued commands wait to be sent or to be acknowledged. Doubtful is how many of them were sent
	// before the last session ended: whether they came will be known when the peer comes back, or
	// else they are lost a minute later.
	Queued, Doubtful uint64
	// Received are commands that came from the peer. When both nodes are at rest it is what the peer
	// has as Acknowledged.
	Received uint64
}

// PeerStats are of one peer at one moment.
type PeerStats struct {
	Node     Inc
	State    PeerState
	Software string
	// Version is that of the protocol.
	Version   uint64
	Age       time.Duration
	RoundTrip time.Duration
	// Silent is how long nothing was heard of it.
	Silent time.Duration
	// QueuedBytes is what is kept for it.
	QueuedBytes int
	Bye         ByeReason // the last one it said
	Books       PeerBooks
}

// Stats are of a node at one moment. Counters never decrease.
type Stats struct {
	// Peers are ordered by their names.
	Peers []PeerStats
	// Former are the books of peers that are not known any more.
	Former PeerBooks
	// Names is how many names are announced.
	Names int
	// LateAnnouncements did not wait for all peers.
	LateAnnouncements uint64
	// Malformed are packets that could not be read and belong to no session, Ignored frames that
	// this version does not know, Strangers what came from nodes of another cluster.
	Malformed, Ignored, Strangers uint64
	Isolated                      bool
}

// Stats returns what there is to know of the node and its peers.
func (b *Backplane) Stats() Stats {
	s := Stats{Former: b.counted.formerBooks(), Malformed: b.counted.malformed.Load(), Ignored: b.counted.ignored.Load(), Strangers: b.counted.strangers.Load()}
	now := b.now()
	for _, p := range b.members.all() {
		s.Peers = append(s.Peers, p.stats(now))
	}
	slices.SortFunc(s.Peers, func(x, y PeerStats) int {
		if x.Node.before(y.Node) {
			return -1
		}
		return 1
	})
	b.filter.mu.Lock()
	s.Names, s.LateAnnouncements = len(b.filter.names), b.filter.lateCount
	b.filter.mu.Unlock()
	b.members.mu.RLock()
	s.Isolated = b.members.pairs.isolated
	b.members.mu.RUnlock()
	return s
}

func (p *peer) stats(now time.Duration) PeerStats {
	inForce := p.filter.inForce.Load() != nil
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.link
	s := PeerStats{Node: p.inc, State: PeerJoining, Software: l.their.hello.software, Version: l.version, RoundTrip: l.clock.roundTrip,
		Age: max(now-l.their.began, 0), Silent: l.silent(now), QueuedBytes: l.out.total(), Bye: l.their.bye, Books: l.books.stats(&l.out)}
	switch {
	case l.state == idle:
		s.State = PeerGone
	case l.state == open && inForce && s.Silent >= suspectAfter:
		s.State = PeerSuspect
	case l.state == open && inForce:
		s.State = PeerUp
	}
	return s
}

func (b *books) stats(out *outgoing) PeerBooks {
	sent, unsent := out.undone()
	return PeerBooks{Handed: b.handed, Acknowledged: b.acknowledged, Dropped: b.dropped.Map(), Queued: sent + unsent + b.doubtful, Doubtful: b.doubtful, Received: b.received}
}

// add adds the books of a peer that is not known any more.
func (c *counted) add(of PeerBooks) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.former.Handed += of.Handed
	c.former.Acknowledged += of.Acknowledged
	c.former.Received += of.Received
	for why, n := range of.Dropped {
		c.former.Dropped[why] += n
	}
}

func (c *counted) formerBooks() PeerBooks {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := c.former
	sum.Dropped = maps.Clone(sum.Dropped)
	return sum
}

// Balanced reports whether the books agree.
func (b *PeerBooks) Balanced() bool {
	sum := b.Acknowledged + b.Queued
	for _, n := range b.Dropped {
		sum += n
	}
	return sum == b.Handed
}

// Check verifies the books of all peers, and the filter. It takes a while with very many names.
func (b *Backplane) Check() error {
	var errs []error
	for _, p := range b.Stats().Peers {
		if !p.Books.Balanced() {
			errs = append(errs, fmt.Errorf("cluster: the books of the node %s do not balance: %+v", p.Node, p.Books))
		}
	}
	if former := b.counted.formerBooks(); !former.Balanced() {
		errs = append(errs, fmt.Errorf("cluster: the books of former nodes do not balance: %+v", former))
	}
	return errors.Join(append(errs, b.filter.check())...)
}

// Ready reports whether the node knows what all its peers take, and they know what it takes. A node
// that is not ready should not be given clients.
func (b *Backplane) Ready() bool {
	if !b.members.settled.Load() {
		return false
	}
	for _, p := range b.members.all() {
		if !p.ready() {
			return false
		}
	}
	return true
}

// expectFor is how long a node that has just begun waits for those that it expects, and for all others to know the
// nodes that it knows. Nodes that began together meet each other first, and would agree without the rest.
const expectFor = 5 * time.Second

// Agreed reports whether this node has been ready once while some other node knew the same nodes as this one.
// Of one that it does not know yet, a node that has just joined hears from the others, a moment after it has
// met them. In its first five seconds all that it has met have to know the same, and those that it expects have to be
// among them. Nodes that join later change nothing. If no other node comes to know the same nodes, this one has agreed
// after 20 s, unless it is itself the one that does not reach an older node.
func (b *Backplane) Agreed() bool {
	if b.members.agreed.Load() {
		return true
	}
	if !b.Ready() {
		return false
	}
	own, live := b.cfg.digest.Load(), b.members.liveNow()
	same := 0
	for _, p := range live {
		if digest, known := p.digest(); known && digest == own {
			same++
		}
	}
	agreed := same > 0 && (b.now() >= expectFor || same == len(live) && b.meetsExpected(live))
	if agreed {
		b.members.agreed.Store(true)
	}
	return agreed
}

// meetsExpected reports whether the nodes that this one expects are among its peers.
func (b *Backplane) meetsExpected(live []*peer) bool {
	for _, tag := range b.opts.Expects() {
		if tag != b.opts.Tag && !slices.ContainsFunc(live, func(p *peer) bool { return p.inc.Tag == tag }) {
			return false
		}
	}
	return true
}

// ready is true for a peer that is gone, too: there is nothing to wait for.
func (p *peer) ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.link.state {
	case idle:
		return true
	case open:
		return p.link.their.filter > 0 && p.filter.inForce.Load() != nil
	}
	return false
}
