package servermode

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// remoteClient is a client of another node on a server connection of this one.
type remoteClient struct {
	sc *serverConn
	id string
	// way is the one to its owner, which changes when it is handed over.
	way atomic.Pointer[clientWay]
	// owed are the bytes that its owner has sent and got no credit for. waits: they wait for room.
	owed  atomic.Int64
	waits atomic.Bool
	// granting is held while credit is given. parked: none is, see handover.go.
	granting sync.Mutex
	parked   bool
	// idle is not nil while the client takes less than it is sent. It is closed when that is over.
	idle atomic.Pointer[chan struct{}]
}

// clientWay is the way from a server connection to the owner of a client.
type clientWay struct {
	link *peerLink
	// lane is shared by all clients of the node on the connection.
	lane   *lane
	number uint64
}

// lane is the way of all data from one node to one server connection.
type lane struct {
	link   *peerLink
	number uint64 // of the server connection
	waits  atomic.Bool
}

// stop implements stoppable.
func (a *lane) stop() bool {
	if a.waits.Swap(true) {
		return false
	}
	a.link.Send(binary.AppendUvarint([]byte{byte(opStop)}, a.number))
	return true
}

// Resume implements resumed.
func (a *lane) Resume() {
	a.waits.Store(false)
	a.link.Send(binary.AppendUvarint([]byte{byte(opGo)}, a.number))
}

// stop implements stoppable. The owner is not told: it stops for want of credit.
func (rc *remoteClient) stop() bool { return !rc.waits.Swap(true) }

// Resume implements resumed.
func (rc *remoteClient) Resume() {
	rc.waits.Store(false)
	rc.grant()
}

// grant gives credit for what has come.
func (rc *remoteClient) grant() {
	rc.granting.Lock()
	defer rc.granting.Unlock()
	if rc.parked {
		return
	}
	if n := rc.owed.Swap(0); n > 0 {
		w := rc.way.Load()
		w.link.Send(binary.AppendUvarint(appendSession(nil, opCredit, true, w.number), uint64(n)))
	}
}

// park stops giving credit, or goes on with it.
func (rc *remoteClient) park(parked bool) {
	rc.granting.Lock()
	rc.parked = parked
	rc.granting.Unlock()
	if !parked && !rc.waits.Load() {
		rc.grant()
	}
}

// heardOpen takes a new client of the peer.
func (l *peerLink) heardOpen(r *fields.Reader) error {
	session, number, id := r.Number(), r.Number(), r.Text(maxPeerText)
	if err := malformed(r); err != nil {
		return err
	}
	rc := &remoteClient{sc: l.b.peers.server(number), id: id}
	if rc.sc == nil || rc.sc.clients.isBarred(id, l.b.now()) {
		l.tellClient(session, whyLost, "")
		return nil
	}
	if !l.enter(rc, session, number) {
		return nil
	}
	if !rc.sc.clients.add(id, rc) {
		rc.forget()
		rc.tell(whyLost, "")
		return nil
	}
	rc.sc.out.append(r.Rest)
	return nil
}

// enter makes a client one of the peer's, on a server connection of this node. False means that the peer
// is gone.
func (l *peerLink) enter(rc *remoteClient, session, number uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return false
	}
	shared := l.lanes[rc.sc]
	if shared == nil {
		shared = &lane{link: l, number: number}
		l.lanes[rc.sc] = shared
	}
	rc.way.Store(&clientWay{l, shared, session})
	l.clients[session] = rc
	return true
}

// tell tells the owner of the client's end at its hub server.
func (rc *remoteClient) tell(why closeWhy, text string) {
	w := rc.way.Load()
	w.link.tellClient(w.number, why, text)
}

func (l *peerLink) tellClient(session uint64, why closeWhy, text string) {
	l.Send(append(append(appendSession(nil, opClose, true, session), byte(why)), text...))
}

// forget removes the client from its peer's.
func (rc *remoteClient) forget() {
	w := rc.way.Load()
	w.link.mu.Lock()
	delete(w.link.clients, w.number)
	w.link.mu.Unlock()
	rc.setBusy(false)
}

// heard takes what an owner says, to which the client had that number when it was looked up.
func (rc *remoteClient) heard(l *peerLink, number uint64, op peerOp, r *fields.Reader) error {
	switch op {
	case opData:
		n := rc.owed.Add(int64(len(r.Rest)))
		if rc.sc.out.relay(r.Rest, rc, rc.way.Load().lane) && n >= sessionCredit/2 {
			rc.grant()
		}
	case opClose:
		why := closeWhy(r.Uvarint(uint64(lastWhy)))
		if err := malformed(r); err != nil {
			return err
		}
		if why == whyGiven {
			rc.given(l, number)
			break
		}
		rc.sc.clients.leave(rc.id, rc, why == whyMoved)
		if why != whyMoved {
			rc.forget()
		}
		rc.sc.out.append(r.Rest)
	case opBusy, opIdle:
		rc.setBusy(op == opBusy)
	case opPark, opUnpark:
		return rc.heardPark(op, r)
	default:
		return errPeer
	}
	return nil
}

// receive implements attached: the owner gets the message as it came.
func (rc *remoteClient) receive(sc *serverConn, _ *sp.ConnectionData) (taken bool) {
	if l := rc.way.Load().link; !sc.waitForLink(l, len(sc.reader.body)+sessionRoom) {
		sc.lose(LossPeerBehind, "connection", clip(rc.id), "node", l.Name())
		rc.drop()
		return true
	}
	taken = sc.inOrder(func() { rc.say(opData, sc.reader.body) })
	if taken {
		rc.wait(sc)
	}
	return taken
}

// say sends the owner what is about the client.
func (rc *remoteClient) say(op peerOp, payload []byte) {
	w := rc.way.Load()
	frame := appendSession(make([]byte, 0, len(payload)+sessionRoom), op, true, w.number)
	w.link.Send(append(frame, payload...))
}

// wait waits for the client if it takes less than it is sent.
func (rc *remoteClient) wait(sc *serverConn) {
	if idle := rc.idle.Load(); idle != nil {
		sc.waitUntil(*idle)
	}
}

// drop ends the client on both sides, rather than losing something between two of its records.
func (rc *remoteClient) drop() {
	rc.sc.clients.leave(rc.id, rc, false)
	rc.forget()
	rc.tell(whyBehind, "")
	rc.sc.out.put(&sp.CloseConnection{ConnectionID: rc.id, Error: "The gateway node of the client is behind."})
}

// ownerGone ends the client because its node is gone.
func (rc *remoteClient) ownerGone() {
	rc.setBusy(false)
	if rc.sc.clients.handing(rc.id) != nil {
		return // another node may have it
	}
	if !rc.sc.clients.leave(rc.id, rc, false) {
		return // it had moved away
	}
	rc.sc.loseClient(rc.id)
}

// loseClient tells the hub server that a client has gone with its node.
func (sc *serverConn) loseClient(id string) {
	sc.clients.bar(id, sc.b.now())
	sc.out.append((&sp.CloseConnection{ConnectionID: id, Error: "The gateway node of the client is gone."}).Append(nil))
}

// closeByServer implements attached. The owner decides, and then ends the session.
func (rc *remoteClient) closeByServer(_ hubServer, text string) { rc.tell(whyServer, text) }

// openAgain implements attached.
func (rc *remoteClient) openAgain(hubServer) { rc.tell(whyDuplicate, "") }

// serverLost implements attached. The owner hears of it by the end of the server connection.
func (rc *remoteClient) serverLost(hubServer, End) { rc.forget() }

// sweepMove implements attached. The owner moves the client.
func (*remoteClient) sweepMove(time.Duration) bool { return false }

// setBusy notes that the client takes less than it is sent, or that this is over.
func (rc *remoteClient) setBusy(busy bool) {
	if busy {
		idle := make(chan struct{})
		rc.idle.CompareAndSwap(nil, &idle)
		return
	}
	if idle := rc.idle.Swap(nil); idle != nil {
		close(*idle)
	}
}
