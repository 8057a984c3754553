package servermode

import (
	"sync"
	"unique"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// session connects one client with its hub server. The hub server may change while the client
// stays.
type session struct {
	b    *Backend
	conn *gateway.Conn
	// request is the client's handshake request. Clients with the same request share its memory.
	request unique.Handle[string]

	mu    sync.Mutex
	state sessionState
	// server is nil while the client waits for one. wait is set exactly then.
	server hubServer
	wait   *wait
	// move is set while the client moves to another hub server, and after it for as long as the
	// former one may still send.
	move     *move
	incoming incoming
	// calls are the client's open invocations.
	calls openCalls
	// parked is set while the client is handed over, from Park to Stays or from Resume until all that was
	// kept for it has been sent.
	parked *parked
}

// incoming is the state of the byte stream from a hub server to its client.
type incoming struct {
	// partial is the beginning of a record whose end has not come.
	partial []byte
	// repeats: the client came from another hub server, which has answered its handshake. This one
	// may answer again, and the client must not see that.
	repeats bool
	// closed: the hub server has sent a Close record to the client.
	closed bool
	// duplicates counts the hub servers that did not take the client because they still had it.
	duplicates uint8
	// origin is the hub server that the client had when it was handed over to this node.
	origin hubServer
}

type sessionState uint8

const (
	// stateOpening: no hub server has answered the handshake yet.
	stateOpening sessionState = iota
	stateOpen
	stateClosed
)

// Accept implements gateway.Backend. It gives the client to a hub server, or returns an error with
// the reason CloseNoAvailableServerConnection.
func (b *Backend) Accept(c *gateway.Conn, h gateway.Handshake) (gateway.Session, error) {
	hub := c.Identity().Hub
	if !b.hubs.admitsProtocol(hub, h.Protocol, b.now()) {
		return nil, errProtocol(h.HandshakeRequest)
	}
	s := &session{b: b, conn: c, request: unique.Make(string(h.Raw))}
	if err := s.begin(wishOf(c.Identity(), b.opts.Rules(hub))); err != nil {
		return nil, err
	}
	return s, nil
}

var noServer = gateway.Cause{
	Reason: gateway.CloseNoAvailableServerConnection, AllowReconnect: true,
	Text: "No hub server is connected that could take the client. Please try again later.",
}

// begin gives a new client to a hub server.
func (s *session) begin(w wish) error {
	if _, found := s.b.servers.choose(s.hub(), w); found != choseOne {
		return noServer
	}
	// From here on multicasts reach the client, because hub servers send them even before they
	// answer the handshake. Announce may read from a store, so no lock may be held.
	s.conn.Announce()
	if err := s.dialect().introduce(s); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.assign(w) != choseOne {
		return noServer
	}
	s.server.open(s, "")
	return nil
}

// assign sets the session's server to one that fits, if there is one.
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

func (s *session) dialect() dialect { return dialectOf(s.hub()) }

// Speaker implements gateway.Session.
func (s *session) Speaker() gateway.Speaker { return gateway.ApplicationSpeaks }

// Opened implements gateway.Session. The hub server knows the client since Accept.
func (s *session) Opened() { s.dialect().opened(s) }

// Received implements gateway.Session: it forwards a record to the hub server.
func (s *session) Received(r gateway.Record) (taken bool) {
	r, loss := s.dialect().read(r)
	if loss != "" {
		s.b.counts.lose(loss)
		return true
	}
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
	span := s.offer(&r)
	if !s.server.data(s, r.Frame, tracingID(span)) {
		s.refused(span)
		return false // the record comes again
	}
	s.sent(&r, span)
	return true
}

// sent notes an invocation that the hub server has to answer. The span of what needs no answer is over.
func (s *session) sent(r *gateway.Record, span oteltrace.Span) {
	if len(r.InvocationID) == 0 || r.Type != hubprotocol.Invocation && r.Type != hubprotocol.StreamInvocation {
		if span != nil {
			span.End()
		}
		return
	}
	call := openCall{id: plainID(s.conn.Protocol(), r.InvocationID, r.Body), span: span}
	if r.Type == hubprotocol.Invocation {
		call.began = s.b.now()
	}
	s.calls.add(call)
}

// Returned implements gateway.Returner: the client was away and has come back. A hub server that has
// got the client only now has not missed it.
func (s *session) Returned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if payload := s.dialect().back(); payload != nil && s.state != stateClosed && s.server != nil {
		s.server.forward(s, payload)
	}
}
