package servermode

import (
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// hubServer is what a session needs of the hub server that has its client. Server connections of
// this node implement it. The methods never block and may be called with the session's lock held.
type hubServer interface {
	// name returns the server id of the hub server's process.
	name() string
	// migrates reports whether the hub server leaves and wants its clients to move (fin:1).
	migrates() bool
	// add makes the client one of this hub server. False means that the hub server is gone.
	add(s *session) bool
	// open announces the client, with its handshake request if it has one. from is the server id of
	// the hub server that the client had before, "" for a new client.
	open(s *session, from string)
	// data sends a record of the client. False means that there is no room. The client's connection
	// is resumed as soon as there is.
	data(s *session, payload []byte, tracing uint64) (taken bool)
	// forward is data for a record that the session has kept. There is always room.
	forward(s *session, payload []byte)
	// invoke tells the hub server that another one invokes the client: the client's answer comes to
	// this one, which must know it.
	invoke(m *sp.ClientInvocation)
	// remove ends the client at this hub server. tell is false if the hub server knows already.
	remove(s *session, tell bool)
	// moveAway ends the client at this hub server because it moves to the server id to. What this
	// one has sent to the client is still delivered, until removeFormer.
	moveAway(s *session, to string)
	removeFormer(s *session)
}

// directory finds hub servers for clients. hubTable is the one of this node.
type directory interface {
	// choose returns the best hub server for a client, if it also returns choseOne.
	choose(hub string, w wish) (hubServer, choice)
	// knows reports whether a hub server with that server id is connected to the hub.
	knows(hub, serverID string) bool
}

// choice is the outcome of a search for a hub server.
type choice uint8

const (
	// choseNone: no hub server fits the client.
	choseNone choice = iota
	// choseLater: some fit, but none of them has room at the moment.
	choseLater
	// choseOne: one was found.
	choseOne
)

func (sc *serverConn) name() string { return sc.peer.serverID }

func (sc *serverConn) migrates() bool {
	if sc.fin.Load() != finMigrate {
		return false
	}
	_, moves := sc.dialect.moves(sc.b.opts.Limits())
	return moves
}

func (sc *serverConn) add(s *session) bool { return sc.clients.add(s.id(), s) }

func (sc *serverConn) open(s *session, from string) {
	sc.out.announce(s.dialect().opening(s, from)...)
}

func (sc *serverConn) data(s *session, payload []byte, tracing uint64) (taken bool) {
	return sc.out.data(s.conn, s.id(), payload, tracing)
}

func (sc *serverConn) forward(s *session, payload []byte) {
	sc.out.announce(&sp.ConnectionData{ConnectionID: s.id(), Payload: payload})
}

func (sc *serverConn) invoke(m *sp.ClientInvocation) { sc.put(m) }

func (sc *serverConn) put(m sp.Message) { sc.out.put(m) }

func (sc *serverConn) remove(s *session, tell bool) {
	sc.clients.leave(s.id(), s, false)
	if tell {
		sc.out.put(&sp.CloseConnection{ConnectionID: s.id()})
	}
}

func (sc *serverConn) moveAway(s *session, to string) {
	sc.clients.leave(s.id(), s, true)
	sc.out.put(&sp.CloseConnection{ConnectionID: s.id(), Headers: []sp.Header{
		{Name: sp.HeaderMigrateTo, Values: []string{to}}}})
}

func (sc *serverConn) removeFormer(s *session) { sc.clients.leave(s.id(), s, false) }
