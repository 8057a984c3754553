package servermode

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// remoteClient is a client of another node on a server connection of this one.
type remoteClient struct {
	link *peerLink
	sc   *serverConn
	// lane is shared by all clients of its node on the connection.
	lane   *lane
	number uint64
	id     string
	// owed are the bytes that its owner has sent and got no credit for. waits: they wait for room.
	owed  atomic.Int64
	waits atomic.Bool
	// idle is not nil while the client takes less than it is sent. It is closed when that is over.
	idle atomic.Pointer[chan struct{}]
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
	if n := rc.owed.Swap(0); n > 0 {
		rc.link.Send(binary.AppendUvarint(appendSession(nil, opCredit, true, rc.number), uint64(n)))
	}
}

// heardOpen takes a new client of the peer.
func (l *peerLink) heardOpen(r *peerReader) error {
	session, number, id := r.number(), r.number(), r.text(maxPeerText)
	if err := r.end(); err != nil {
		return err
	}
	rc := &remoteClient{link: l, sc: l.b.peers.server(number), number: session, id: id}
	if rc.sc == nil || rc.sc.clients.isBarred(id, l.b.now()) {
		rc.tell(whyLost, "")
		return nil
	}
	l.mu.Lock()
	if l.gone {
		l.mu.Unlock()
		return nil
	}
	if rc.lane = l.lanes[rc.sc]; rc.lane == nil {
		rc.lane = &lane{link: l, number: number}
		l.lanes[rc.sc] = rc.lane
	}
	l.clients[session] = rc
	l.mu.Unlock()
	if !rc.sc.clients.add(id, rc) {
		rc.forget()
		rc.tell(whyLost, "")
		return nil
	}
	rc.sc.out.append(r.rest)
	return nil
}

// tell tells the owner of the client's end at its hub server.
func (rc *remoteClient) tell(why closeWhy, text string) {
	rc.link.Send(append(append(appendSession(nil, opClose, true, rc.number), byte(why)), text...))
}

// forget removes the client from its peer's.
func (rc *remoteClient) forget() {
	rc.link.mu.Lock()
	delete(rc.link.clients, rc.number)
	rc.link.mu.Unlock()
	rc.setBusy(false)
}

// heard takes what the owner says.
func (rc *remoteClient) heard(op peerOp, r *peerReader) error {
	switch op {
	case opData:
		n := rc.owed.Add(int64(len(r.rest)))
		if rc.sc.out.relay(r.rest, rc, rc.lane) && n >= sessionCredit/2 {
			rc.grant()
		}
	case opClose:
		why := closeWhy(r.upTo(uint64(lastWhy)))
		if err := r.end(); err != nil {
			return err
		}
		rc.sc.clients.leave(rc.id, rc, why == whyMoved)
		if why != whyMoved {
			rc.forget()
		}
		rc.sc.out.append(r.rest)
	case opBusy, opIdle:
		rc.setBusy(op == opBusy)
	default:
		return errPeer
	}
	return nil
}

// receive implements attached: the owner gets the message as it came.
func (rc *remoteClient) receive(sc *serverConn, _ *sp.ConnectionData) {
	body := sc.reader.body
	frame := appendSession(make([]byte, 0, len(body)+sessionRoom), opData, true, rc.number)
	frame = append(frame, body...)
	if !sc.waitForLink(rc.link, len(frame)) {
		sc.lose(LossPeerBehind, "connection", clip(rc.id), "node", rc.link.Name())
		rc.drop()
		return
	}
	rc.link.Send(frame)
	rc.wait(sc)
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
	if !rc.sc.clients.leave(rc.id, rc, false) {
		return // it had moved away
	}
	rc.sc.clients.bar(rc.id, rc.sc.b.now())
	rc.sc.out.append((&sp.CloseConnection{ConnectionID: rc.id, Error: "The gateway node of the client is gone."}).Append(nil))
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
