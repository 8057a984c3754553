package gateway

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A client with stateful reconnect that comes back to another node is handed over to it: the owner,
// which has the connection, gives it to the taker, where the WebSocket is. The application and the
// client notice nothing. Nothing is lost, nothing comes twice, and what one sender sends to the client
// stays in order.
//
// What makes that hard are the other nodes, which go on sending to the client. Each of them cuts the
// stream of its commands once, at a point that is the same for the owner and for the taker: what
// comes before the cut is carried out by the owner, what comes behind it by the taker.
//
//	taker    Take            to the owner, for which the present transport of the client is lost
//	owner    Names           where the connection is found: hub, user, groups
//	taker    Switch          to all nodes, when all know that it has these names too
//	all      Cut             to owner and taker, in order with their commands
//	owner    Session         when it has the cut of every node, and the session has been parked
//	taker    Imported        it has the connection, and carries out what has come behind the cuts
//	owner    Done            it has forgotten the connection; the client gets its transport
//	owner    Over            to all nodes: it has moved, or stays
//
// Until it hears Imported the owner has everything, also what came behind the cuts. If the taker fails,
// or is gone, the owner goes on with that, and the client may dial again. If the owner is gone before it
// has given the session, the client is lost with it.
//
// A command is routed as it enters at a node (moves.route), before any worker hears of it: workers,
// fan-out and outboxes know nothing of all this. A node that hands nothing over pays one atomic load
// for a command, and one that is alone not even that.

// Mover is an optional ability of a Session: its client may be handed over to another node.
type Mover interface {
	// Park has the session end what it has begun, and then calls done once, at once or later by any
	// goroutine. Received is not called until Stays, and what the session still has to tell the client it
	// tells before done. An error says that the client has to stay.
	Park(done func(err error))
	// Export returns all that Resume needs elsewhere. It is called behind done, when no node has anything
	// more for the client here. An error says that the client has to stay.
	Export() (state []byte, err error)
	// Stays says that the client has not been handed over: the session goes on. It follows Park.
	Stays()
	// Moved says that another node has the client. It takes the place of Closed. If it follows Resume,
	// that was in vain, and the node is "".
	Moved(node string)
	// Arrived says that this node has the client now, after Resume. What was kept for the client is queued,
	// and the node that had it still knows it until Arrived returns, for which there are a few seconds.
	Arrived()
}

// Resumer is an optional ability of a Backend: it makes the session of a client that is handed over
// to this node.
type Resumer interface {
	// Resume is called before anybody can send to the client. The state is what Export has returned at
	// the other node, and valid during the call. The session is a Mover. Resume must not block on I/O.
	Resume(c *Conn, state []byte) (Session, error)
}

// MovingTransport is a Transport whose client may be handed over, with what the transport knows of it.
type MovingTransport interface {
	Transport
	// Proves reports whether a client with this proof may have the connection. Its node has found no
	// other one.
	Proves(proof []byte) bool
	// AppendFacts appends what the next transport of the client has to know, TakeFacts reads it.
	AppendFacts(dst []byte) []byte
	TakeFacts(facts []byte) error
}

var (
	// ErrStays refuses to hand a connection over: it can only be served by the node that has it.
	ErrStays = errors.New("the connection stays at its node")
	// ErrMoving refuses to hand a connection over to two nodes at once.
	ErrMoving = errors.New("the connection is on its way to another node")
	// ErrNotProven refuses to hand a connection over to a client that is not known to be its own.
	ErrNotProven = errors.New("the connection is not known to be the client's")
)

var movedCause = Cause{Reason: CloseMoved, Text: "Another node has taken the connection over.", AllowReconnect: true}

const (
	// takeTime bounds how long a node waits for the first word of an owner.
	takeTime = 5 * time.Second
	// knownTime is about how long other nodes take at most until they know a name, or are gone.
	knownTime = 5 * time.Second
	// cutTime bounds how long an owner waits for the cuts of the other nodes, of which a taker's names are
	// known first. A node that is silent for so long is gone, and waited for no longer.
	cutTime = knownTime + 5*time.Second
	// parkTime bounds how long an owner waits for the session.
	parkTime = 6 * time.Second
	// sessionTime bounds how long a taker waits for the session.
	sessionTime = cutTime + parkTime + 4*time.Second
	// importTime bounds how long an owner waits for the word that the taker has the session.
	importTime = 10 * time.Second
)

// moves is all that a node knows of connections that are handed over.
type moves struct {
	g *Gateway
	// on: there is a Backplane whose nodes talk with each other. Immutable after New.
	on   bool
	quit func() // ends the conversation
	stop chan struct{}
	wg   sync.WaitGroup

	// order is held for reading while a command is queued on its way to the workers and to the other
	// nodes, and for writing to cut the stream of commands.
	order sync.RWMutex
	// count is the number of sieves.
	count atomic.Int32

	mu      sync.Mutex // guards what follows
	stopped bool
	peers   map[string]Peer
	roomy   chan struct{} // closed when a peer has room or is gone
	leaving map[uint64]*leaving
	taking  map[uint64]*taking
	byID    map[string]*taking
	sieves  map[string][]*sieve // by hub
	cuts    cuts
	// draining: this node takes nothing more. drained are the other nodes of which that is so.
	draining bool
	drained  map[Peer]bool
}

// begin starts the conversation with other nodes, if there can be any.
func (m *moves) begin(g *Gateway) {
	m.g, m.stop = g, make(chan struct{})
	peers, ok := g.opts.Backplane.(Peers)
	if !ok {
		return
	}
	m.peers, m.roomy = make(map[string]Peer), make(chan struct{})
	m.leaving, m.taking = make(map[uint64]*leaving), make(map[uint64]*taking)
	m.byID, m.sieves = make(map[string]*taking), make(map[string][]*sieve)
	m.drained = make(map[Peer]bool)
	m.on = true
	m.quit = peers.Converse(MoveTopic, m)
}

// close ends everything. What is on its way stays where it is.
func (m *moves) close() {
	if !m.on {
		return
	}
	m.quit()
	m.mu.Lock()
	m.stopped = true
	close(m.stop)
	m.mu.Unlock()
	m.wg.Wait()
}

// start has something done by a goroutine of its own, unless the node ends. Called with mu held.
func (m *moves) start(do func()) bool {
	if m.stopped {
		return false
	}
	m.wg.Go(do)
	return true
}

// PeerUp implements PeerHandler.
func (m *moves) PeerUp(p Peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peers[p.Name()] = p
	if m.draining {
		p.Send(moveMessage{kind: moveDrains}.append(nil))
	}
	for _, t := range m.taking {
		if t.switched {
			p.Send(t.switchMessage())
		}
	}
}

// PeerGone implements PeerHandler. What a node that is gone has sent is all that comes of it: it counts
// as cut for those who wait for that.
func (m *moves) PeerGone(p Peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.peers[p.Name()] == p {
		delete(m.peers, p.Name())
	}
	delete(m.drained, p)
	m.signalRoom()
	for _, l := range m.leaving {
		l.sieve.cut[p.Name()] = true
		if l.to == p {
			l.tell(moveGone)
		}
		m.lookCut(l)
	}
	for _, t := range m.taking {
		delete(t.sieve.awaits, p.Name())
		if t.owner == p {
			t.tell(moveMessage{kind: moveGone})
		}
		t.lookAwaits()
	}
}

// PeerRoom implements PeerHandler.
func (m *moves) PeerRoom(Peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signalRoom()
}

func (m *moves) signalRoom() {
	close(m.roomy)
	m.roomy = make(chan struct{})
}

// PeerSaid implements PeerHandler.
func (m *moves) PeerSaid(p Peer, message []byte) error {
	said, err := parseMoveMessage(message)
	if err != nil {
		return err
	}
	if said.kind == moveOver {
		if said.number == 0 {
			m.spareCut(said.move)
		}
		m.over(said.move, said.number == 1)
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch said.kind {
	case moveTake:
		m.taken(p, &said)
	case moveSwitch:
		m.switchOver(Switching{said.move, said.texts[1], said.texts[0], p.Name()})
	case moveCut:
		m.heardCut(p, said.move)
	case moveDrains:
		m.drained[p] = true
	case moveAlso:
		m.heardAlso(p, &said)
	case moveKnown, moveImported, moveGaveUp:
		if l := m.leaving[said.move]; l != nil && l.to == p {
			l.heard(&said)
		}
	case moveRefused, moveNames, moveSession, moveDone:
		if t := m.taking[said.move]; t != nil && t.owner == p {
			return t.heard(said)
		}
	}
	return nil
}

// heardCut notes that what comes from a node from now on is behind its cut.
func (m *moves) heardCut(p Peer, move uint64) {
	if l := m.leaving[move]; l != nil {
		l.sieve.cut[p.Name()] = true
		m.lookCut(l)
	}
	if t := m.taking[move]; t != nil {
		t.sieve.cut[p.Name()] = true
		delete(t.sieve.awaits, p.Name())
		t.lookAwaits()
	}
}

// send sends a message when there is room for it. It reports false if the peer is gone, or takes too little for too
// long, or if the node ends.
func (m *moves) send(p Peer, message []byte) bool {
	late := time.NewTimer(importTime)
	defer late.Stop()
	for {
		m.mu.Lock()
		roomy := m.roomy
		m.mu.Unlock()
		if !p.Full(len(message)) {
			return p.Send(message)
		}
		select {
		case <-roomy:
		case <-m.stop:
			return false
		case <-late.C:
			return false
		}
	}
}

// cuts are those that this node has to make.
type cuts struct {
	due  []Switching
	busy bool // a goroutine makes them
}

// switchOver has the node cut its stream of commands. Called with mu held.
func (m *moves) switchOver(s Switching) {
	m.cuts.due = append(m.cuts.due, s)
	if !m.cuts.busy {
		m.cuts.busy = m.start(m.cut)
	}
}

// spareCut has the node make no cut for a hand-over that has failed.
func (m *moves) spareCut(move uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cuts.due = slices.DeleteFunc(m.cuts.due, func(s Switching) bool { return s.Number == move })
}

// cut makes all cuts that are due, at one point of the stream.
func (m *moves) cut() {
	for {
		m.order.Lock()
		m.mu.Lock()
		due := m.cuts.due
		m.cuts.due = nil
		m.cuts.busy = len(due) > 0
		for _, d := range due {
			m.cutOne(d)
		}
		m.mu.Unlock()
		m.order.Unlock()
		if len(due) == 0 {
			return
		}
	}
}

func (m *moves) cutOne(d Switching) {
	if f, ok := m.g.opts.Backend.(Follower); ok {
		f.Switch(d) // before a node may act on the cut
	}
	message := moveMessage{kind: moveCut, move: d.Number}.append(nil)
	for _, name := range []string{d.From, d.To} {
		if p := m.peers[name]; p != nil && name != m.g.opts.Node {
			p.Send(message)
		}
	}
	if l := m.leaving[d.Number]; l != nil {
		l.sieve.cut[ownCut] = true
		m.lookCut(l)
	}
	if t := m.taking[d.Number]; t != nil {
		t.sieve.cut[ownCut] = true
	}
}

// over tells the Backend what has become of a hand-over.
func (m *moves) over(move uint64, moved bool) {
	if f, ok := m.g.opts.Backend.(Follower); ok {
		f.Over(move, moved)
	}
}

// tellOver tells all nodes.
func (m *moves) tellOver(move uint64, moved bool) {
	said := moveMessage{kind: moveOver, move: move}
	if moved {
		said.number = 1
	}
	m.mu.Lock()
	for _, p := range m.peers {
		p.Send(said.append(nil))
	}
	m.mu.Unlock()
	m.over(move, moved)
}
