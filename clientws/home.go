package clientws

import (
	"context"
	"sync"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// The node that answers negotiate is the home of the id. The requests of the HTTP transports go to it
// from whichever node they come to. A WebSocket stays where it comes to, so that its messages take no
// detour: that node asks the home for the connection, and tells it when it has ended. What was posted
// to the id before comes with the answer.

// homeTimeout bounds the wait for a home, so that a WebSocket is refused in good time.
const homeTimeout = 5 * time.Second

// homes asks the homes of ids, and answers for those of this node.
type homes struct {
	h    *Handler
	stop func()

	mu    sync.Mutex // guards what follows
	peers map[string]gateway.Peer
	asked map[uint64]asked
	last  uint64
}

// asked is a question that waits for its answer, for which there is room.
type asked struct {
	home   gateway.Peer
	answer chan homeAnswer
}

// homeAnswer says whose the connection is.
type homeAnswer struct {
	state homeState
	// owner has the connection if it is homeLive.
	owner string
	// posted came to the id before.
	posted []byte
}

// converse begins to talk with other nodes.
func (s *homes) converse(h *Handler, peers gateway.Peers) {
	s.h = h
	s.peers, s.asked = make(map[string]gateway.Peer), make(map[uint64]asked)
	h.options.Gateway.WhenEnded(s.ended)
	s.stop = peers.Converse(gateway.HomeTopic, s)
}

// close ends the conversation.
func (s *homes) close() {
	if s.stop != nil {
		s.stop()
	}
}

// ask asks the home of an id for the connection: it is this node's if the state is homeYours. Errors:
// transport.ErrUnknown if the home is not there.
func (s *homes) ask(ctx context.Context, home, id string, until time.Time) (homeAnswer, error) {
	s.mu.Lock()
	peer := s.peers[home]
	if peer == nil {
		s.mu.Unlock()
		return homeAnswer{}, transport.ErrUnknown
	}
	answer := make(chan homeAnswer, 1)
	number := s.beginLocked(peer, answer)
	s.mu.Unlock()
	defer s.over(number)
	if !peer.Send(homeMessage{kind: homeAsks, number: number, id: id, until: until}.append(nil)) {
		return homeAnswer{}, transport.ErrUnknown
	}
	late := time.NewTimer(homeTimeout)
	defer late.Stop()
	select {
	case a := <-answer:
		if a.state == homeLost {
			return a, transport.ErrUnknown
		}
		return a, nil
	case <-ctx.Done():
	case <-late.C:
	}
	s.say(home, homeMessage{kind: homeReturns, id: id})
	return homeAnswer{}, transport.ErrNode
}

// say tells a node something, if it is there.
func (s *homes) say(node string, m homeMessage) {
	s.mu.Lock()
	peer := s.peers[node]
	s.mu.Unlock()
	if peer != nil {
		peer.Send(m.append(nil))
	}
}

// ended tells the home of a connection that it has ended.
func (s *homes) ended(id string) { s.say(auth.NodeOf(id), homeMessage{kind: homeEnded, id: id}) }

// PeerUp implements gateway.PeerHandler. A home that comes back, or anew, hears of what is here of it.
func (s *homes) PeerUp(p gateway.Peer) {
	s.mu.Lock()
	s.peers[p.Name()] = p
	s.mu.Unlock()
	p.Send(homeMessage{kind: homeWants}.append(nil)) // what it has said before came to nobody
	s.tellAll(p)
}

// tellAll tells a home what is here of it.
func (s *homes) tellAll(p gateway.Peer) {
	ids, until := s.h.options.Gateway.Foreign(p.Name())
	for i, id := range ids {
		p.Send(homeMessage{kind: homeHas, id: id, until: until[i]}.append(nil))
	}
}

// PeerGone implements gateway.PeerHandler.
func (s *homes) PeerGone(p gateway.Peer) {
	s.mu.Lock()
	delete(s.peers, p.Name())
	for _, a := range s.asked {
		if a.home == p {
			give(a.answer, homeAnswer{state: homeLost})
		}
	}
	s.mu.Unlock()
	s.h.options.Gateway.NodeGone(p.Name())
}

// PeerRoom implements gateway.PeerHandler.
func (*homes) PeerRoom(gateway.Peer) {}

// PeerSaid implements gateway.PeerHandler.
func (s *homes) PeerSaid(p gateway.Peer, message []byte) error {
	m, err := parseHomeMessage(message)
	if err != nil {
		return err
	}
	gw := s.h.options.Gateway
	switch m.kind {
	case homeAsks:
		p.Send(s.entrust(p.Name(), &m).append(nil))
	case homeAnswers:
		s.mu.Lock()
		if a, ok := s.asked[m.number]; ok && a.home == p {
			give(a.answer, m.homeAnswer)
		}
		s.mu.Unlock()
	case homeWants:
		s.tellAll(p)
	case homeLooks:
		p.Send(s.found(&m).append(nil))
	case homeReturns:
		gw.Returned(m.id, p.Name())
		// Whoever posted it is known there, and has passed the bounds.
		_ = s.h.pending.hold(m.id, pendingOwner{address: m.id}, s.h.options.Now().Add(s.h.options.Limits().NegotiateTimeout), m.posted, s.h.options.Limits().PostBytes)
	case homeEnded:
		gw.EndedElsewhere(m.id, p.Name())
	case homeHas:
		gw.KnownElsewhere(m.id, p.Name(), m.until)
	}
	return nil
}

// entrust answers a node that asks for a connection.
func (s *homes) entrust(node string, m *homeMessage) homeMessage {
	if s.h.former(m.id) {
		return s.found(m)
	}
	answer := homeMessage{kind: homeAnswers, number: m.number}
	owner, err := s.h.options.Gateway.Entrust(m.id, node, m.until)
	switch {
	case err == nil:
		answer.state, answer.posted = homeYours, s.h.pending.take(m.id)
	case owner != "":
		answer.state, answer.owner = homeLive, owner
	default:
		answer.state = homeOver
	}
	return answer
}

// give hands over an answer; a second one is of no use.
func give(to chan homeAnswer, a homeAnswer) {
	select {
	case to <- a:
	default:
	}
}

// claim makes the connection of a WebSocket this node's, if another one is its home. Errors:
// transport.ErrUnknown, transport.ErrNode, transport.ErrEnded, and transport.ErrBusy with the node that has
// it in t.elsewhere.
func (h *Handler) claim(c *call, t *target) error {
	t.home = auth.NodeOf(t.id)
	if h.homes.stop == nil || t.home == h.options.Node || t.home == "" {
		t.home = ""
		return nil
	}
	a, err := h.homes.ask(c.r.Context(), t.home, t.id, t.expires)
	if err == transport.ErrUnknown && t.stateful {
		if t.elsewhere = h.homes.look(c.r.Context(), t.id); t.elsewhere != "" {
			return transport.ErrBusy
		}
	}
	if err != nil {
		return err
	}
	switch a.state {
	case homeYours:
		t.posted = a.posted
		return nil
	case homeOver:
		if t.stateful { // the home may have been restarted
			t.elsewhere = h.homes.look(c.r.Context(), t.id)
		}
		if t.elsewhere == "" {
			return transport.ErrEnded
		}
		return transport.ErrBusy
	}
	t.elsewhere = a.owner
	return transport.ErrBusy
}

// giveBack undoes claim: the connection was not made.
func (h *Handler) giveBack(t *target) {
	if t.home != "" {
		h.homes.say(t.home, homeMessage{kind: homeReturns, id: t.id, homeAnswer: homeAnswer{posted: t.posted}})
	}
}
