package servermode

import (
	"encoding/binary"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/fields"
)

// Every node tells every other one of its established server connections: all of them when the two
// meet, and then what changes.

// server returns the server connection of this node that others know by a number, or nil.
func (t *peerTable) server(number uint64) *serverConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.own[number]
}

// introduceLocked tells a node of all server connections. It answers with its own if that is wanted,
// since what it has said before was heard by nobody if it was faster.
func (t *peerTable) introduceLocked(p gateway.Peer, answer bool) {
	changes := make([]serverChange, 0, len(t.told))
	for sc, told := range t.told {
		changes = append(changes, serverChange{kind: changeNew, number: told.number, peer: sc.peer, status: told.status})
	}
	p.Send(appendServers(changes, answer))
}

func appendServers(changes []serverChange, answer bool) []byte {
	message := []byte{byte(opServers), 0}
	if answer {
		message[1] = serversAnswer
	}
	message = binary.AppendUvarint(message, uint64(len(changes)))
	for i := range changes {
		message = changes[i].append(message)
	}
	return message
}

func (t *peerTable) tellLocked(changes ...serverChange) {
	if len(changes) == 0 || len(t.links) == 0 {
		return
	}
	message := appendServers(changes, false)
	for p := range t.links {
		p.Send(message)
	}
}

// add tells of a server connection that is in the table of its hub.
func (t *peerTable) add(sc *serverConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest++
	told := &toldServer{t.latest, sc.status()}
	t.own[t.latest], t.told[sc] = sc, told
	t.tellLocked(serverChange{kind: changeNew, number: told.number, peer: sc.peer, status: told.status})
}

// remove tells that a server connection has ended. It is not in the table of its hub any more.
func (t *peerTable) remove(sc *serverConn, why End) {
	t.mu.Lock()
	if told := t.told[sc]; told != nil {
		delete(t.own, told.number)
		delete(t.told, sc)
		t.tellLocked(serverChange{kind: changeGone, number: told.number, why: why})
	}
	t.mu.Unlock()
	for _, l := range t.all() {
		l.mu.Lock()
		delete(l.lanes, sc)
		l.mu.Unlock()
	}
}

// tellStatus tells how it is with the server connections whose state has changed.
func (t *peerTable) tellStatus() {
	t.mu.Lock()
	defer t.mu.Unlock()
	var changes []serverChange
	for sc, told := range t.told {
		if now := sc.status(); now != told.status {
			told.status = now
			changes = append(changes, serverChange{kind: changeStatus, number: told.number, status: now})
		}
	}
	t.tellLocked(changes...)
}

func (sc *serverConn) status() serverStatus {
	now, ever := sc.clients.counts()
	s := serverStatus{clients: now, fin: sc.fin.Load(), quiet: sc.quiet(), crowded: !sc.takesClient(false), came: ever}
	if sc.b.peers.leaving.Load() {
		s.fin = finMigrate
	}
	return s
}

// heardServers takes what a node tells of its server connections.
func (l *peerLink) heardServers(r *fields.Reader) error {
	answer := r.Uvarint(serversAnswer) == serversAnswer
	count := r.Count(len(r.Rest), 1)
	for range count {
		var c serverChange
		if c.read(r); r.Failed {
			return errPeer
		}
		l.change(&c)
	}
	if answer {
		t := &l.b.peers
		t.mu.Lock()
		t.introduceLocked(l.Peer, false)
		t.mu.Unlock()
	}
	return malformed(r)
}

// change follows a change of one server connection of the peer.
func (l *peerLink) change(c *serverChange) {
	l.mu.Lock()
	rs := l.servers[c.number]
	isNew := rs == nil && c.kind == changeNew && !l.gone
	if isNew {
		rs = newRemoteServer(l, c)
		l.servers[c.number] = rs
	}
	if c.kind == changeGone {
		delete(l.servers, c.number)
	}
	l.mu.Unlock()
	switch {
	case rs == nil: // nobody has told of it
	case c.kind == changeGone:
		l.b.hubs.removeRemote(rs)
		rs.close(c.why)
	default:
		rs.setStatus(c.status)
		if isNew {
			l.b.hubs.addRemote(rs)
		}
	}
}

// servers returns the server connections of all other nodes.
func (t *peerTable) servers() (list []*remoteServer) {
	for _, l := range t.all() {
		l.mu.Lock()
		for _, rs := range l.servers {
			list = append(list, rs)
		}
		l.mu.Unlock()
	}
	return list
}
