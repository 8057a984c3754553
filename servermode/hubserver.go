package servermode

import (
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// hubServer is what a session needs of the hub server that has its client. A server connection of
// this node is one. Its methods never block and may be called with the session's lock held.
type hubServer interface {
	// name returns the server id of the process.
	name() string
	// migrates reports whether the process has asked for its clients to move away (fin:1).
	migrates() bool
	// add gives it the client. False means that it has ended.
	add(s *session) bool
	// open announces the client and forwards its handshake request. The server id from is where
	// the client comes from, "" for a new client.
	open(s *session, from string)
	// data forwards a record of the client. False means that there is no room: the client's
	// connection is resumed when there is.
	data(s *session, payload []byte) (taken bool)
	// forward is data for what was held back for this hub server: there is always room.
	forward(s *session, payload []byte)
	// invoke announces a question to the client, so that the answer is recognised.
	invoke(m *sp.ClientInvocation)
	// remove takes the client back. The process is told unless it knows.
	remove(s *session, tell bool)
	// moveAway takes the client back because it moves to the server id to. What is on its way from
	// here is still delivered until removeFormer.
	moveAway(s *session, to string)
	removeFormer(s *session)
}

// directory finds hub servers. The hubTable is the directory of this node.
type directory interface {
	// choose returns the hub server that fits a client best.
	choose(hub string, w wish) (hubServer, choice)
	// knows reports whether a process with the server id is connected for the hub.
	knows(hub, serverID string) bool
}

// choice is how a search for a hub server went.
type choice uint8

const (
	// choseNone: no hub server fits.
	choseNone choice = iota
	// choseLater: those that fit have to take what waits for them first.
	choseLater
	// choseOne: there is one.
	choseOne
)

func (sc *serverConn) name() string { return sc.peer.serverID }

func (sc *serverConn) migrates() bool { return sc.fin.Load() == finMigrate }

func (sc *serverConn) add(s *session) bool { return sc.clients.add(s.id(), s) }

func (sc *serverConn) open(s *session, from string) {
	sc.out.announce(openMessage(s.conn, sc.b.opts.Node, from),
		&sp.ConnectionData{ConnectionID: s.id(), Payload: []byte(s.request.Value())})
}

func (sc *serverConn) data(s *session, payload []byte) (taken bool) {
	return sc.out.data(s.conn, s.id(), payload)
}

func (sc *serverConn) forward(s *session, payload []byte) {
	sc.out.announce(&sp.ConnectionData{ConnectionID: s.id(), Payload: payload})
}

func (sc *serverConn) invoke(m *sp.ClientInvocation) { sc.out.put(m) }

func (sc *serverConn) remove(s *session, tell bool) {
	sc.clients.leave(s.id(), false)
	if tell {
		sc.out.put(&sp.CloseConnection{ConnectionID: s.id()})
	}
}

func (sc *serverConn) moveAway(s *session, to string) {
	sc.clients.leave(s.id(), true)
	sc.out.put(&sp.CloseConnection{ConnectionID: s.id(), Headers: []sp.Header{
		{Name: sp.HeaderMigrateTo, Values: []string{to}}}})
}

func (sc *serverConn) removeFormer(s *session) { sc.clients.leave(s.id(), false) }
