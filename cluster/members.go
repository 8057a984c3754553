package cluster

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// beaconEvery is how often a node tells everybody of itself; youngFor is how long a new one does
	// so beaconYoung.
	beaconEvery = 2 * time.Second
	beaconYoung = helloEvery
	youngFor    = 2 * time.Second
	// forgetAfter is how long a node that is gone is known. What it may have got of the last
	// commands to it is in doubt as long.
	forgetAfter = time.Minute
	// askRivalFor is how long a node has to answer while another one claims its name.
	askRivalFor = time.Second
)

// members are the other nodes, as far as this one has heard of them.
type members struct {
	b *Backplane
	// settled: Join has returned, or is about to.
	settled atomic.Bool
	// agreed is set once and for ever, see Backplane.Agreed.
	agreed atomic.Bool
	// live are the peers that get commands: they have a session and have said what they take.
	live atomic.Pointer[[]*peer]
	// away are those that had a session, and may come back. What is for them is lost, and counted.
	away atomic.Pointer[[]*peer]

	mu    sync.RWMutex
	peers map[Inc]*peer
	// gone are nodes that have left or had to, and when. What comes from them is late.
	gone   map[Inc]time.Duration
	rivals map[Inc]rival // by the node whose name they have
	closed bool

	beacon time.Duration // when the next one is due; run's
	pairs  pairs
}

// rival is a node that has the name of another one.
type rival struct {
	inc   Inc
	began time.Duration // in the time of this node
	asked time.Duration // when the other one was asked whether it lives
}

func (m *members) init(b *Backplane) {
	m.b, m.peers = b, make(map[Inc]*peer)
	m.gone, m.rivals = make(map[Inc]time.Duration), make(map[Inc]rival)
	m.live.Store(new([]*peer))
	m.away.Store(new([]*peer))
	m.pairs.init()
	m.changed()
}

func (m *members) liveNow() []*peer { return *m.live.Load() }

// get returns a peer that is known.
func (m *members) get(inc Inc) *peer {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.peers[inc]
}

// peer returns a peer, a new one if it was not known. It is nil for nodes that are gone for ever, and
// for those whose name another one has.
func (m *members) peer(inc Inc) *peer {
	if p := m.get(inc); p != nil {
		return p
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.peerLocked(inc)
}

func (m *members) peerLocked(inc Inc) *peer {
	if p := m.peers[inc]; p != nil {
		return p
	}
	if _, gone := m.gone[inc]; gone || m.closed || inc.Tag == m.b.opts.Tag || m.namedLocked(inc.Tag) != nil {
		return nil
	}
	p := newPeer(m.b, inc)
	m.peers[inc] = p
	return p
}

// knows reports whether there is a node with the tag, or was a moment ago: one that is silent may
// come back.
func (m *members) knows(tag string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	p := m.namedLocked(tag)
	return p != nil && p.hasSession()
}

// namedLocked returns the peer with a tag.
func (m *members) namedLocked(tag string) *peer {
	for inc, p := range m.peers {
		if inc.Tag == tag {
			return p
		}
	}
	return nil
}

// hello takes what another node says of itself.
func (m *members) hello(h *hello) {
	if h.from.Tag == m.b.opts.Tag {
		m.namesake(h)
		return
	}
	if p := m.claims(h); p != nil {
		p.hello(h)
	}
}

// namesake meets another node of the own name. The younger one has to go, and is told by the older.
func (m *members) namesake(h *hello) {
	if older(0, m.b.Self(), m.b.now()-h.age, h.from) {
		m.b.refuse(h.from, ByeNameInUse)
	}
}

// claims returns the peer that a Hello is of. If another node has its name, that one is asked first
// whether it lives, and nil is returned.
func (m *members) claims(h *hello) *peer {
	m.mu.Lock()
	other := m.namedLocked(h.from.Tag)
	if other == nil || other.inc == h.from {
		defer m.mu.Unlock()
		return m.peerLocked(h.from)
	}
	now := m.b.now()
	if other.hasSession() {
		if _, asked := m.rivals[other.inc]; !asked {
			m.rivals[other.inc] = rival{h.from, now - h.age, now}
			m.mu.Unlock()
			other.ask()
			return nil
		}
		m.mu.Unlock()
		return nil
	}
	m.removeLocked(other)
	p := m.peerLocked(h.from)
	m.mu.Unlock()
	other.close("")
	m.changed()
	return p
}

// removeLocked forgets a peer, which may come back.
func (m *members) removeLocked(p *peer) {
	delete(m.peers, p.inc)
	delete(m.rivals, p.inc)
	m.pairs.forgetLocked(p.inc)
}

// endLocked forgets a peer that is gone for ever.
func (m *members) endLocked(p *peer) {
	m.removeLocked(p)
	m.gone[p.inc] = m.b.now()
}

// left is called when a peer has said that it leaves.
func (m *members) left(p *peer) {
	m.mu.Lock()
	m.endLocked(p)
	m.mu.Unlock()
	p.retire()
	m.changed()
}

// changed finds out anew which peers get commands.
func (m *members) changed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*peer, 0, len(m.peers))
	var away []*peer
	digest := m.b.keys.hash(0, "", m.b.Self().String())
	for inc, p := range m.peers {
		if p.filter.inForce.Load() != nil {
			list = append(list, p)
			digest ^= m.b.keys.hash(0, "", inc.String())
		} else if p.filter.former.Load() != nil {
			away = append(away, p)
		}
	}
	slices.SortFunc(list, func(a, b *peer) int {
		if a.inc.before(b.inc) {
			return -1
		}
		return 1
	})
	m.live.Store(&list)
	m.away.Store(&away)
	m.b.cfg.digest.Store(digest)
	l := &m.b.opts.Limits
	m.b.cfg.window.Store(int64(max(min(l.Window, l.AllWindows/max(len(list), 1)), m.b.cfg.packet)))
}

// all returns the peers at this moment.
func (m *members) all() []*peer {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := make([]*peer, 0, len(m.peers))
	for _, p := range m.peers {
		list = append(list, p)
	}
	return list
}

// tick lets time go by.
func (m *members) tick(now time.Duration) {
	for _, p := range m.all() {
		if p.tick(); p.forgotten(now) {
			m.mu.Lock()
			m.removeLocked(p)
			m.mu.Unlock()
			p.close("")
			m.changed()
		}
	}
	m.mu.Lock()
	for inc, since := range m.gone {
		if now-since > forgetAfter {
			delete(m.gone, inc)
		}
	}
	m.mu.Unlock()
	m.tickRivals(now)
	m.tickPairs(now)
	if now >= m.beacon {
		m.beacon = now + beaconEvery
		if now < youngFor {
			m.beacon = now + beaconYoung
		}
		m.sayHello()
	}
}

// sayHello tells everybody of this node. A carrier may be slow, and nobody waits for it.
func (m *members) sayHello() {
	h := m.b.cfg.hello
	h.age = m.b.now()
	packet := h.append(nil, m.b.keys.proofs...)
	m.send(Inc{}, packet)
}

// send sends a packet that belongs to no session.
func (m *members) send(to Inc, packet []byte) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if !m.closed {
		m.b.life.wg.Go(func() { _ = m.b.opts.Carrier.Send(to, packet) }) // lost is lost: it is said again
	}
}

// tickRivals decides between two nodes of one name. One that does not answer is gone; else the
// younger one has to go.
func (m *members) tickRivals(now time.Duration) {
	m.mu.Lock()
	var losers []*peer
	for inc, r := range m.rivals {
		p := m.peers[inc]
		lives, wins := false, false
		if p != nil {
			lives, wins = p.answeredSince(r.asked), older(p.began(), inc, r.began, r.inc)
		}
		switch {
		case p == nil:
			delete(m.rivals, inc)
		case lives && wins:
			delete(m.rivals, inc)
			defer m.b.refuse(r.inc, ByeNameInUse)
		case lives:
			m.endLocked(p)
			defer m.b.refuse(inc, ByeNameInUse)
			losers = append(losers, p)
		case now-r.asked >= askRivalFor:
			m.removeLocked(p)
			losers = append(losers, p)
		}
	}
	m.mu.Unlock()
	for _, p := range losers {
		p.close("")
	}
	if len(losers) > 0 {
		m.changed()
	}
}

// waiting reports whether a peer has not got all that was sent to it.
func (m *members) waiting() bool {
	return slices.ContainsFunc(m.liveNow(), func(p *peer) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.link.out.total() > 0
	})
}

// leave says Bye to all peers.
func (m *members) leave() {
	m.mu.Lock()
	m.closed = true
	peers := m.peers
	m.peers = make(map[Inc]*peer)
	m.mu.Unlock()
	for _, p := range peers {
		p.close(ByeLeaving)
	}
	m.changed()
}

// A Members frame lists the nodes that its sender has sessions with: their number, then the
// incarnation of each and its age in milliseconds.

// tell sends a peer the members as this node sees them.
func (m *members) tell(p *peer, now time.Duration) {
	live := m.liveNow()
	body := binary.AppendUvarint(nil, uint64(len(live)))
	for _, one := range live {
		body = binary.AppendUvarint(appendInc(body, one.inc), uint64(one.age(now)/time.Millisecond))
	}
	p.push(frameMembers, body)
}

// maxMembers bounds the nodes of a cluster.
const maxMembers = 1 << 12
