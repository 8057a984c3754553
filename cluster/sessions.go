package cluster

import (
	"sync"
	"sync/atomic"

	"github.com/hubgate/hubgate/gateway"
)

// Backends of two nodes talk while there is a session between the nodes. What they say are frames
// like commands, in order with them.

// talks is who hears what the Backends of other nodes say.
type talks struct {
	handler atomic.Pointer[gateway.PeerHandler]
}

// talk is the conversation of the Backend of this node with that of a peer, in one session.
type talk struct {
	p *peer
	// session is this node's number of the session.
	session uint64
}

// Converse implements gateway.Peers. Its handler is called by what receives from the Carrier.
func (b *Backplane) Converse(h gateway.PeerHandler) (stop func()) {
	b.talks.handler.Store(&h)
	for _, p := range b.members.all() {
		p.turn.Lock()
		p.beginTalk()
		p.turn.Unlock()
	}
	return sync.OnceFunc(func() {
		b.talks.handler.Store(nil)
		for _, p := range b.members.all() {
			p.turn.Lock()
			p.talk = nil
			p.turn.Unlock()
		}
	})
}

// beginTalk begins the conversation if there is a session and a handler. p.turn is held.
func (p *peer) beginTalk() {
	h := p.b.talks.handler.Load()
	if h == nil || p.talk != nil || p.ear == nil {
		return
	}
	p.mu.Lock()
	p.talk = &talk{p, p.link.mine}
	p.mu.Unlock()
	(*h).PeerUp(p.talk)
}

// endTalk ends the conversation with its session. p.turn is held.
func (p *peer) endTalk() {
	ended := p.talk
	p.talk = nil
	if h := p.b.talks.handler.Load(); h != nil && ended != nil {
		(*h).PeerGone(ended)
	}
}

// talked takes a message of the peer's Backend. p.turn is held.
func (p *peer) talked(message []byte) error {
	h := p.b.talks.handler.Load()
	if h == nil || p.talk == nil {
		return nil
	}
	return (*h).PeerSaid(p.talk, message)
}

// roomy tells those who wait for room on the link that there is some.
func (p *peer) roomy() {
	for _, s := range p.streams.all() {
		signal(s.writable)
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	if h := p.b.talks.handler.Load(); h != nil && p.talk != nil {
		(*h).PeerRoom(p.talk)
	}
}

// Name implements gateway.Peer.
func (t *talk) Name() string { return t.p.inc.Tag }

// Send implements gateway.Peer.
func (t *talk) Send(message []byte) bool {
	p := t.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if !t.livesLocked() || p.link.tooLarge(len(message)) {
		return false
	}
	p.link.push(frameBackend, message)
	p.kickLocked()
	return true
}

// Full implements gateway.Peer.
func (t *talk) Full(size int) bool {
	p := t.p
	p.mu.Lock()
	defer p.mu.Unlock()
	full := t.livesLocked() && (p.link.full(size) || p.link.tooLarge(size))
	if full {
		p.stuck.Store(true)
	}
	return full
}

func (t *talk) livesLocked() bool { return t.p.link.state == open && t.p.link.mine == t.session }
