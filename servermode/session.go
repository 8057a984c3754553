package servermode

import (
	"sync"
	"unique"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/serviceprotocol"
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
	// server is nil while the client waits for one.
	server *serverConn
	// move is the way to another hub server, nil if there is none.
	move *move
	// partial is the beginning of a record from the hub server.
	partial []byte
	// calls are the client's invocations that have not been completed.
	calls openCalls
	// moved: the hub server has taken the client over from another one, whose
	// answer to the handshake the client has.
	moved bool
	// lost is the server id that a client without a hub server comes from.
	lost string
	// told: the hub server's own Close record was forwarded.
	told bool
}

type sessionState uint8

const (
	// stateOpening: the hub server has not answered the handshake.
	stateOpening sessionState = iota
	stateOpen
	stateClosed
)

// Supports says whether clients may speak the hub protocol: hub servers decide,
// so any name will do, as long as there are not too many of them.
func (b *Backend) Supports(protocol string) bool { return b.names.admit(protocol) }

// Accept gives a client to a hub server, or to whom the hub's mode says.
func (b *Backend) Accept(c *gateway.Conn, h gateway.Handshake) (gateway.Session, error) {
	mode := b.opts.Mode(c.Identity().Hub)
	if mode == ModeServerless {
		return b.acceptServerless(c, h)
	}
	s := &session{b: b, conn: c, request: unique.Make(string(h.Raw))}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.assign(wishOf(c.Identity(), mode)) {
		c.Announce() // hub servers send before their answer to the handshake comes
		s.openOn(s.server, "")
		return s, nil
	}
	if mode == ModeClassic && hubprotocol.Supported(h.Protocol) {
		return &idleSession{b: b, conn: c}, nil
	}
	return nil, noServer
}

var noServer = gateway.Cause{
	Reason: gateway.CloseNoAvailableServerConnection, AllowReconnect: true,
	Text: "No hub server is connected that could take the client. Please try again later.",
}

func (b *Backend) acceptServerless(c *gateway.Conn, h gateway.Handshake) (gateway.Session, error) {
	if b.opts.Serverless == nil {
		return nil, noServer
	}
	if err := h.Check(b.opts.Serverless.Supports); err != nil {
		return nil, err
	}
	return b.opts.Serverless.Accept(c, h)
}

// assign puts the client on a server connection that fits.
func (s *session) assign(w wish) bool {
	id := s.conn.Identity()
	for {
		sc := s.b.hubs.choose(id.Hub, w)
		if sc == nil {
			return false
		}
		if sc.clients.add(id.ID, s) {
			s.server = sc
			return true
		}
		// It ended meanwhile, and is about to leave the table.
		s.b.hubs.remove(sc)
	}
}

// openOn tells a hub server of its new client. from is the server id that the
// client comes from, "" for a new one.
func (s *session) openOn(sc *serverConn, from string) {
	sc.out.put(openMessage(s.conn, s.b.opts.Node, from))
	id := s.conn.Identity().ID
	sc.out.put(&serviceprotocol.ConnectionData{ConnectionID: id, Payload: []byte(s.request.Value())})
}

// Traits implements gateway.Session.
func (s *session) Traits() gateway.Traits {
	return gateway.Traits{AnswersHandshake: true, Pings: true, FullStopsReading: true, RawRecords: true}
}

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
		return false // until a hub server is found, or the grace period is over
	case s.move != nil && s.move.concerns(&r):
		return s.hold(&r)
	}
	if !s.server.out.data(s.conn, s.conn.Identity().ID, r.Frame) {
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

// Closed tells the hub server that its client is gone.
func (s *session) Closed(gateway.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.conn.Identity()
	s.b.results.clientGone(id.ID)
	if s.state == stateClosed {
		return
	}
	s.state = stateClosed
	if s.server != nil {
		s.server.clients.leave(id.ID, false)
		s.server.out.put(&serviceprotocol.CloseConnection{ConnectionID: id.ID})
	}
	s.forget()
}

// forget leaves everything that still knows the client.
func (s *session) forget() {
	id := s.conn.Identity()
	if s.server == nil {
		s.b.hubs.update(id.Hub, func(h *hub) { delete(h.waiting, s) })
	}
	if s.move != nil && s.move.former != nil {
		s.move.former.clients.leave(id.ID, false)
	}
	s.partial, s.calls, s.move = nil, openCalls{}, nil
}

// closeByServer ends the client because its hub server said so.
func (s *session) closeByServer(sc *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != sc || s.state == stateClosed {
		return // it has moved away, or is gone
	}
	// What failed in a hub is for its log; the client hears of it in the hub's
	// own Close record, if at all.
	cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer, Told: s.told}
	if s.state == stateOpening {
		cause.Text = "The hub server refused the connection."
	}
	s.state = stateClosed
	sc.clients.leave(s.conn.Identity().ID, false)
	s.forget()
	s.conn.Close(cause)
}

// end closes the client and takes it from its hub server.
func (s *session) end(cause gateway.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(cause)
}

func (s *session) endLocked(cause gateway.Cause) {
	if s.state == stateClosed {
		return
	}
	s.state = stateClosed
	id := s.conn.Identity().ID
	if s.server != nil {
		s.server.clients.leave(id, false)
		s.server.out.put(&serviceprotocol.CloseConnection{ConnectionID: id})
	}
	s.forget()
	s.conn.Close(cause)
	s.conn.Resume()
}
