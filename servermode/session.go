package servermode

import (
	"sync"
	"unique"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// session is one client and its hub server. Which server connection that is
// may change; the gateway's connection notices nothing of it.
type session struct {
	b    *Backend
	conn *gateway.Conn
	// request is the handshake request as it came, shared by clients that sent the same.
	request unique.Handle[string]

	mu    sync.Mutex
	state sessionState
	// server is nil while the client waits for one; wait is there exactly then.
	server hubServer
	wait   *wait
	// move is the way to another hub server, nil if there is none.
	move     *move
	incoming incoming
	// calls are the client's invocations that have not been completed.
	calls openCalls
}

// incoming is what a session knows of the records that come from its hub server.
type incoming struct {
	// partial is the beginning of a record.
	partial []byte
	// repeats: the hub server has taken the client over from another one, whose answer to the
	// handshake the client has, and may answer again.
	repeats bool
	// closed: the hub server's own Close record was forwarded.
	closed bool
}

type sessionState uint8

const (
	// stateOpening: the hub server has not answered the handshake.
	stateOpening sessionState = iota
	stateOpen
	stateClosed
)

// Accept gives a client to a hub server.
func (b *Backend) Accept(c *gateway.Conn, h gateway.Handshake) (gateway.Session, error) {
	hub := c.Identity().Hub
	if !b.hubs.admitsProtocol(hub, h.Protocol, b.now()) {
		return nil, errProtocol(h.HandshakeRequest)
	}
	s := &session{b: b, conn: c, request: unique.Make(string(h.Raw))}
	if !s.begin(wishOf(c.Identity(), b.opts.Rules(hub))) {
		return nil, noServer
	}
	return s, nil
}

var noServer = gateway.Cause{
	Reason: gateway.CloseNoAvailableServerConnection, AllowReconnect: true,
	Text: "No hub server is connected that could take the client. Please try again later.",
}

// begin gives the new client to a hub server, if there is one.
func (s *session) begin(w wish) bool {
	if _, found := s.b.servers.choose(s.hub(), w); found != choseOne {
		return false
	}
	// Hub servers send before their answer to the handshake comes. This may read the memberships
	// of the user from a store: no lock may be held.
	s.conn.Announce()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.assign(w) != choseOne {
		return false
	}
	s.server.open(s, "")
	return true
}

// assign puts the client on a hub server that fits.
func (s *session) assign(w wish) choice {
	for {
		server, found := s.b.servers.choose(s.hub(), w)
		if found != choseOne {
			return found
		}
		if server.add(s) {
			s.server = server
			return choseOne
		}
	}
}

func (s *session) id() string  { return s.conn.Identity().ID }
func (s *session) hub() string { return s.conn.Identity().Hub }

// Speaker implements gateway.Session.
func (s *session) Speaker() gateway.Speaker { return gateway.ApplicationSpeaks }

// Opened implements gateway.Session: the hub server has known since Accept.
func (s *session) Opened() {}

// Received forwards a record to the hub server.
func (s *session) Received(r gateway.Record) (taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateClosed:
		return true
	case s.server == nil:
		return s.hold(&s.wait.held, &r) // until a hub server is found, or the grace period is over
	case s.move != nil && s.move.concerns(&r):
		return s.hold(&s.move.held, &r)
	}
	if !s.server.data(s, r.Frame) {
		return false
	}
	s.sent(r.Type, r.InvocationID, r.Body)
	return true
}

// sent remembers an invocation that the hub server will complete.
func (s *session) sent(t hubprotocol.Type, raw, body []byte) {
	if len(raw) > 0 && (t == hubprotocol.Invocation || t == hubprotocol.StreamInvocation) {
		s.calls.add(plainID(s.conn.Protocol(), raw, body))
	}
}
