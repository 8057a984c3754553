package servermode

import (
	"sync"
	"sync/atomic"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// peerTable holds the other nodes, and what they are told of this one's server connections. A client
// and its hub server may be on two nodes: the session stays with the client, at its owner, and to it
// the hub server is a remoteServer. The node of the server connection has a remoteClient in its
// place. Between the two there are messages (peerwire.go), in order with the commands of both nodes.
type peerTable struct {
	b    *Backend
	stop func() // ends what comes from other nodes
	// sessions numbers the sessions of this node's clients on other nodes.
	sessions atomic.Uint64
	// leaving: the node ends, and wants no clients of others.
	leaving atomic.Bool
	// handings are clients on server connections of this node that are handed over.
	handings handingTable

	mu    sync.Mutex
	links map[gateway.Peer]*peerLink
	// own are the established server connections of this node, told what others know of them.
	own    map[uint64]*serverConn
	told   map[*serverConn]*toldServer
	latest uint64
}

// toldServer is what other nodes know of a server connection.
type toldServer struct {
	number uint64
	status serverStatus
}

// peerLink is what this node and another one share, from PeerUp to PeerGone.
type peerLink struct {
	gateway.Peer
	b *Backend
	// decoder belongs to PeerSaid.
	decoder *sp.Decoder

	mu   sync.Mutex
	gone bool
	// servers are the peer's server connections, sessions this node's clients on them.
	servers  map[uint64]*remoteServer
	sessions map[uint64]*remoteSession
	// clients are the peer's clients on server connections of this node, which are lanes.
	clients map[uint64]*remoteClient
	lanes   map[*serverConn]*lane
	// waiting are clients of this node that are not read until the peer has room, busy those that are
	// over their soft bound.
	waiting []resumed
	busy    []*remoteSession
}

func newPeerLink(b *Backend, p gateway.Peer) *peerLink {
	return &peerLink{Peer: p, b: b, decoder: sp.NewDecoder(),
		servers: make(map[uint64]*remoteServer), sessions: make(map[uint64]*remoteSession),
		clients: make(map[uint64]*remoteClient), lanes: make(map[*serverConn]*lane)}
}

// begin begins to hear of other nodes.
func (t *peerTable) begin(b *Backend, peers gateway.Peers) {
	t.b = b
	t.links, t.own, t.told = make(map[gateway.Peer]*peerLink), make(map[uint64]*serverConn), make(map[*serverConn]*toldServer)
	if peers != nil {
		t.stop = peers.Converse(gateway.BackendTopic, t)
	}
}

// end hears no more of other nodes. What is shared with them is given up.
func (t *peerTable) end() {
	if t.stop == nil {
		return
	}
	t.stop()
	for _, l := range t.all() {
		t.PeerGone(l.Peer)
	}
}

func (t *peerTable) all() []*peerLink {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*peerLink, 0, len(t.links))
	for _, l := range t.links {
		list = append(list, l)
	}
	return list
}

// any reports whether there are other nodes.
func (t *peerTable) any() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.links) > 0
}

func (t *peerTable) get(p gateway.Peer) *peerLink {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.links[p]
}

// named returns the node with a tag, or nil.
func (t *peerTable) named(tag string) *peerLink {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p, l := range t.links {
		if p.Name() == tag {
			return l
		}
	}
	return nil
}

// PeerUp implements gateway.PeerHandler.
func (t *peerTable) PeerUp(p gateway.Peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.links[p] = newPeerLink(t.b, p)
	t.introduceLocked(p, true)
}

// PeerRoom implements gateway.PeerHandler.
func (t *peerTable) PeerRoom(p gateway.Peer) {
	if l := t.get(p); l != nil {
		l.mu.Lock()
		list := l.waiting
		l.waiting = nil
		l.mu.Unlock()
		resumeAll(list)
		t.b.callRoomy()
	}
}

func resumeAll(list []resumed) {
	for _, r := range list {
		r.Resume()
	}
}

// PeerGone implements gateway.PeerHandler: hub servers are told that the peer's clients have ended,
// and the clients that were on its server connections have lost them.
func (t *peerTable) PeerGone(p gateway.Peer) {
	t.mu.Lock()
	l := t.links[p]
	delete(t.links, p)
	t.mu.Unlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	l.gone = true
	servers, clients, waiting := l.servers, l.clients, l.waiting
	l.servers, l.clients, l.lanes, l.waiting = nil, nil, nil, nil
	l.mu.Unlock()
	for _, rs := range servers {
		t.b.hubs.removeRemote(rs) // all of them before a client looks for another one
	}
	for _, rc := range clients {
		rc.ownerGone()
	}
	t.handings.nodeGone(l)
	t.b.results.nodeGone(l)
	for _, rs := range servers {
		rs.close(EndBroken)
	}
	resumeAll(waiting)
}

// PeerSaid implements gateway.PeerHandler.
func (t *peerTable) PeerSaid(p gateway.Peer, message []byte) error {
	l := t.get(p)
	if l == nil {
		return nil
	}
	if len(message) == 0 {
		return errPeer
	}
	// A fault of this node must end neither the process nor what others say.
	defer l.survive()
	r := fields.Reader{Rest: message[1:]}
	switch op := peerOp(message[0]); op {
	case opServers:
		return l.heardServers(&r)
	case opOpen, opPut, opStop, opGo:
		return l.heardOfServer(op, &r)
	case opData, opClose, opCredit, opBusy, opIdle, opPark, opParked, opUnpark:
		return l.heardOfSession(op, &r)
	case opStray:
		return l.heardStray(&r)
	case opAdopt:
		return l.heardAdopt(&r)
	case opAfter:
		return l.heardAfter(&r)
	case opInvoke, opAnswer, opReply, opAnswered, opMoved:
		return l.heardOfResult(op, &r)
	}
	if message[0] >= firstIgnorable {
		l.b.counts.lose(LossUnknownType)
		return nil
	}
	return errPeer
}

func (l *peerLink) survive() {
	if p := recover(); p != nil {
		l.b.panicked(l.b.opts.Logger.With("node", l.Name()), p)
	}
}

// heardOfServer takes a message about one server connection, as a whole.
func (l *peerLink) heardOfServer(op peerOp, r *fields.Reader) error {
	if op == opOpen {
		return l.heardOpen(r)
	}
	number := r.Number()
	if err := malformed(r); err != nil {
		return err
	}
	switch op {
	case opPut:
		if sc := l.b.peers.server(number); sc != nil {
			sc.out.append(r.Rest)
		}
	default:
		l.mu.Lock()
		rs := l.servers[number]
		l.mu.Unlock()
		if rs != nil {
			rs.setStopped(op == opStop)
		}
	}
	return nil
}

// heardOfSession takes a message about one session: of a client of this node on a server connection of
// the peer, or the other way round. The owner has numbered it, so that a number may be one of each;
// who may say what tells which.
func (l *peerLink) heardOfSession(op peerOp, r *fields.Reader) error {
	toOwner := r.Uvarint(1) == 1
	number := r.Number()
	if err := malformed(r); err != nil {
		return err
	}
	l.mu.Lock()
	s, rc := l.sessions[number], l.clients[number]
	l.mu.Unlock()
	switch {
	case toOwner && s != nil:
		return s.heard(op, r)
	case !toOwner && rc != nil:
		return rc.heard(l, number, op, r)
	}
	return nil // it has just ended
}
