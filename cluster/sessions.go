package cluster

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// Parts of two nodes talk while there is a session between the nodes: Backends, and those who know
// where connections are. What they say are frames like commands, in order with them.

// topicFrames are the frames of what is said, by topic.
var topicFrames = [gateway.Topics]frameType{gateway.BackendTopic: frameBackend, gateway.HomeTopic: frameHome, gateway.QuotaTopic: frameQuota, gateway.MoveTopic: frameMove,
	gateway.AnswerTopic: frameClientAnswer, gateway.PresenceTopic: framePresence, gateway.TraceTopic: frameTrace, gateway.FaultTopic: frameFault,
	gateway.FirewallTopic: frameFirewall, gateway.WatchTopic: frameWatch, gateway.LiveTraceTopic: frameLive,
	gateway.AdminTopic: frameAdmin, gateway.LogoutTopic: frameLogout}

// talks is who hears what other nodes say, by topic.
type talks [gateway.Topics]atomic.Pointer[gateway.PeerHandler]

// talk is a conversation with a peer about one topic, in one session.
type talk struct {
	p     *peer
	frame frameType
	// session is this node's number of the session.
	session uint64
}

// Parts of a node begin one after the other, and a part of another node may speak to one that has not begun. What it
// says waits for a while after the node has joined, within bounds. What there is no room for would be missed; so the
// session ends when the part begins, and everybody begins anew.
const (
	earlyFor   = 10 * time.Second
	earlyBytes = 1 << 20 // for each peer and topic
)

var errEarly = errors.New("cluster: more was said than waits for a part of the node that had not begun")

// early is what a peer said about a topic before somebody heard it.
type early struct {
	messages [][]byte
	size     int
	missed   bool
}

// add keeps a message, which costs its bytes and a little more.
func (e *early) add(message []byte) {
	size := len(message) + 64
	if e.missed = e.missed || e.size+size > earlyBytes; e.missed {
		e.messages, e.size = nil, 0
		return
	}
	e.messages, e.size = append(e.messages, message), e.size+size
}

// Converse implements gateway.Peers. Its handler is called by what receives from the Carrier.
func (b *Backplane) Converse(about gateway.Topic, h gateway.PeerHandler) (stop func()) {
	b.talks[about].Store(&h)
	for _, p := range b.members.all() {
		p.turn.Lock()
		p.beginTalk(about)
		p.turn.Unlock()
	}
	b.begun[about].Store(true) // what those say who have not had their turn waits until then
	return sync.OnceFunc(func() {
		b.talks[about].Store(nil)
		for _, p := range b.members.all() {
			p.turn.Lock()
			p.talks[about] = nil
			p.turn.Unlock()
		}
	})
}

// beginTalks begins the conversations if there is a session. p.turn is held.
func (p *peer) beginTalks() {
	for about := range gateway.Topics {
		p.beginTalk(about)
	}
}

// beginTalk begins a conversation if there is a session and a handler. p.turn is held.
func (p *peer) beginTalk(about gateway.Topic) {
	h := p.b.talks[about].Load()
	if h == nil || p.talks[about] != nil || p.ear == nil {
		return
	}
	p.mu.Lock()
	one := &talk{p, topicFrames[about], p.link.mine}
	p.mu.Unlock()
	p.talks[about] = one
	(*h).PeerUp(one)
	said := p.early[about]
	p.early[about] = early{}
	err := error(nil)
	if said.missed {
		err = errEarly
	}
	for i := 0; i < len(said.messages) && err == nil; i++ {
		err = (*h).PeerSaid(one, said.messages[i])
	}
	if err == nil {
		return
	}
	p.mu.Lock()
	happened := p.link.fail(err, p.b.now())
	p.kickLocked()
	p.mu.Unlock()
	p.follow(happened)
}

// endTalks ends the conversations with their session. p.turn is held.
func (p *peer) endTalks() {
	for about, ended := range p.talks {
		p.talks[about] = nil
		if h := p.b.talks[about].Load(); h != nil && ended != nil {
			(*h).PeerGone(ended)
		}
	}
	p.early = [gateway.Topics]early{}
}

// talked takes a message of the peer. p.turn is held.
func (p *peer) talked(about gateway.Topic, message []byte) error {
	h := p.b.talks[about].Load()
	if h == nil || p.talks[about] == nil {
		if !p.b.begun[about].Load() && p.b.now() < earlyFor {
			p.early[about].add(message)
		}
		return nil
	}
	return (*h).PeerSaid(p.talks[about], message)
}

// forgetEarly gives up what waits for parts that have not begun when they should have.
func (p *peer) forgetEarly() {
	p.turn.Lock()
	defer p.turn.Unlock()
	p.early = [gateway.Topics]early{}
}

// roomy tells those who wait for room on the link that there is some.
func (p *peer) roomy() {
	for _, s := range p.streams.all() {
		signal(s.writable)
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	for about, one := range p.talks {
		if h := p.b.talks[about].Load(); h != nil && one != nil {
			(*h).PeerRoom(one)
		}
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
	p.link.push(t.frame, message)
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

// Silent implements gateway.Silent.
func (t *talk) Silent() bool {
	p := t.p
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.clock.absent || p.link.silent(p.b.now()) >= suspectAfter
}

func (t *talk) livesLocked() bool { return t.p.link.state == open && t.p.link.mine == t.session }
