package servermode

import (
	"encoding/binary"
	"errors"
	"unique"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// A client with stateful reconnect that comes back to another node takes its session with it. Its hub
// server stays the same, on whatever node its connection is, and hears nothing of it.
//
// What the client has said goes to the hub server first from the former owner, then from the next one.
// The former owner parks the session: it says no more, and waits until the node of the hub server has all
// that it has said, and gives no more credit.
//
// What the hub server says is cut as commands are (gateway.Follower): before the cut it is for the former
// owner, which sends it to the client; behind it, it is kept by both (handing.go, gateway.Keep), in order
// with the commands of that node. The next owner tells the node of the hub server that it has the client
// (Adopt), which is from then on like any other client of that node.
//
//	former owner   Park            to the node of the hub server
//	its node       Parked          to the former owner
//	its node       Switch          at the cut
//	next owner     Adopt           when it has the session
//
// A session with something under way that cannot be handed over stays (errNotNow): the client is served
// through its present owner.

// errNotNow says that a client stays with its node at the moment.
var errNotNow = errors.New("the client cannot be handed over at the moment")

// parked is a session whose client is handed over.
type parked struct {
	// done is Park's, until it is called.
	done func(error)
	// session is the client on a hub server of another node, at the next owner.
	session *remoteSession
	// lost is the loss of the hub server meanwhile, nil for none.
	lost *lostServer
	// asked are invocations by hub servers that have come meanwhile.
	asked      []askedLater
	askedBytes int
}

// Park implements gateway.Mover.
func (s *session) Park(done func(error)) {
	s.mu.Lock()
	if !s.mayPark() {
		s.mu.Unlock()
		done(errNotNow)
		return
	}
	s.parked = &parked{done: done}
	rs, remote := s.server.(*remoteServer)
	if remote && rs.park(s) {
		s.mu.Unlock()
		return // parkedThere follows, or serverLost
	}
	s.mu.Unlock()
	s.donePark(nil)
}

// mayPark reports whether the session may be handed over. What may last is little: the time until a hub
// server has answered the handshake, the grace period, and a change of the hub server.
func (s *session) mayPark() bool {
	_, core := s.dialect().(coreDialect)
	return core && s.state == stateOpen && s.server != nil && s.wait == nil && s.move == nil && s.parked == nil
}

// donePark calls done, if nobody has.
func (s *session) donePark(err error) {
	s.mu.Lock()
	var done func(error)
	if s.parked != nil {
		done, s.parked.done = s.parked.done, nil
	}
	s.mu.Unlock()
	if done != nil {
		done(err)
	}
}

// Export implements gateway.Mover.
func (s *session) Export() (state []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parked == nil || s.parked.lost != nil || s.state != stateOpen {
		return nil, errNotNow
	}
	h := &handedSession{server: s.server.name(), request: s.request.Value(), partial: s.incoming.partial,
		repeats: s.incoming.repeats, closed: s.incoming.closed, calls: s.calls.all(), results: s.b.results.handed(s.id())}
	ok := true
	switch server := s.server.(type) {
	case *serverConn:
		h.node = s.b.opts.Node
		h.number, ok = s.b.peers.numberOf(server)
	case *remoteServer:
		h.node, h.number = server.link.Name(), server.number
		h.unacknowledged, ok = server.unacknowledged(s)
	}
	if !ok {
		return nil, errNotNow
	}
	return h.append(nil), nil
}

// Stays implements gateway.Mover.
func (s *session) Stays() {
	var asked []askedLater
	s.locked(func() {
		p := s.parked
		if p == nil {
			return
		}
		s.parked, asked = nil, p.asked
		if rs, ok := s.server.(*remoteServer); ok {
			rs.unpark(s)
		}
		if p.lost != nil {
			s.loseServer(p.lost.server, p.lost.why)
		}
	})
	s.conn.Resume()
	for i := range asked {
		asked[i].again(s.b)
	}
}

// Moved implements gateway.Mover: nobody is told.
func (s *session) Moved(node string) {
	s.mu.Lock()
	var asked []askedLater
	if s.parked != nil {
		asked = s.parked.asked
	}
	rs, remote := s.server.(*remoteServer)
	if remote {
		rs.forget(s, node != "")
	}
	s.parked, s.state, s.server = nil, stateClosed, nil
	s.incoming = incoming{}
	s.calls.end(callMoved)
	s.mu.Unlock()
	s.b.results.moved(s.id(), s.b.peers.named(node))
	for i := range asked {
		asked[i].elsewhere(s.b, node)
	}
}

// Resume implements gateway.Resumer.
func (b *Backend) Resume(c *gateway.Conn, state []byte) (gateway.Session, error) {
	h, err := parseHanded(state)
	if err != nil {
		return nil, err
	}
	s := &session{b: b, conn: c, request: unique.Make(h.request), state: stateOpen, parked: new(parked)}
	s.incoming = incoming{partial: h.partial, repeats: h.repeats, closed: h.closed}
	for _, id := range h.calls {
		s.calls.add(openCall{id: id})
	}
	s.server = b.serverOf(h)
	if rs, ok := s.server.(*remoteServer); ok {
		if s.parked.session = rs.addHanded(s, h.unacknowledged); s.parked.session == nil {
			s.server = goneServer(h.server)
		}
	}
	s.incoming.origin = s.server
	b.results.resume(s, h)
	return s, nil
}

// serverOf returns the hub server of a client that was handed over.
func (b *Backend) serverOf(h *handedSession) hubServer {
	if h.node == b.opts.Node {
		if sc := b.peers.server(h.number); sc != nil {
			return sc
		}
		return goneServer(h.server)
	}
	l := b.peers.named(h.node)
	if l == nil {
		return goneServer(h.server)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if rs := l.servers[h.number]; rs != nil {
		return rs
	}
	return goneServer(h.server)
}

// Arrived implements gateway.Mover.
func (s *session) Arrived() {
	s.locked(func() {
		there := true
		switch server := s.server.(type) {
		case *remoteServer:
			server.adopt(s, s.parked.session)
		case *serverConn:
			there = server.adoptHere(s)
		case goneServer:
			there = false
		}
		if !there {
			s.defersLoss(s.server, EndBroken)
		}
	})
	s.b.results.tellResumed(s.id())
	// Behind what was kept for the client, which the hub server has said before.
	s.conn.After(s.settled)
}

// settled ends the hand-over at the next owner.
func (s *session) settled() {
	var asked []askedLater
	s.locked(func() {
		p := s.parked
		s.parked, asked = nil, p.asked
		if p.lost != nil && s.state != stateClosed {
			s.loseServer(p.lost.server, p.lost.why)
		}
	})
	s.conn.Resume()
	for i := range asked {
		asked[i].again(s.b)
	}
}

// lostServer is a hub server that is lost.
type lostServer struct {
	server hubServer
	why    End
}

// defersLoss notes the loss of the hub server until it is known who has the client, and all that the hub
// server has said before has been sent to it. It returns true.
func (s *session) defersLoss(lost hubServer, why End) bool {
	p := s.parked
	if lost != s.server || p.lost != nil {
		return true
	}
	node := ""
	if rs, ok := lost.(*remoteServer); ok {
		node = rs.link.Name()
	}
	if s.b.gw.Keep(s.hub(), s.id(), node, 0, func(gateway.Aside) { s.serverLost(lost, why) }) {
		return true
	}
	p.lost = &lostServer{lost, why}
	if done := p.done; done != nil {
		p.done = nil
		done(errNotNow)
	}
	return true
}

// heard takes what a hub server has said about the client while it was handed over. by is nil for the one
// that it had then, on another node.
func (s *session) heard(by hubServer, op peerOp, payload []byte, aside gateway.Aside) {
	loss := Loss("")
	if op == opAnswer {
		if err := s.b.results.heardAnswer(&fields.Reader{Rest: payload}, sp.NewDecoder()); err != nil {
			loss = LossMalformedMessage
		}
	} else {
		s.locked(func() { // nobody sends to the client meanwhile
			if by == nil {
				by = s.incoming.origin
			}
			aside(func() { loss = s.heardLocked(by, op, payload) })
		})
	}
	if loss != "" {
		s.b.counts.lose(loss)
	}
}

func (s *session) heardLocked(by hubServer, op peerOp, payload []byte) Loss {
	if op == opData {
		m, err := sp.Parse(payload)
		if data, ok := m.(*sp.ConnectionData); ok && err == nil {
			return s.deliverLocked(by, data)
		}
		return LossMalformedMessage
	}
	r := fields.Reader{Rest: payload}
	switch why := closeWhy(r.Uvarint(uint64(lastWhy))); why {
	case whyServer:
		s.closeByServerLocked(by, string(r.Rest))
	case whyDuplicate:
		s.openAgainLocked(by)
	default:
		return LossMalformedMessage
	}
	return ""
}

// What follows is the way to a hub server on another node.

// park tells the node of the hub server that no more comes. It reports false if the client is not there.
func (rs *remoteServer) park(s *session) bool {
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	f := rs.sessions[s]
	if f == nil {
		return false
	}
	f.parks++
	l.Send(binary.AppendUvarint(appendSession(nil, opPark, false, f.number), f.parks))
	return true
}

func (rs *remoteServer) unpark(s *session) {
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := rs.sessions[s]; f != nil {
		l.Send(binary.AppendUvarint(appendSession(nil, opUnpark, false, f.number), f.parks))
	}
}

// heardParked follows the word that the node of the hub server has all that was said.
func (f *remoteSession) heardParked(r *fields.Reader) error {
	count := r.Number()
	if err := malformed(r); err != nil {
		return err
	}
	l := f.server.link
	l.mu.Lock()
	current := count == f.parks
	l.mu.Unlock()
	if current {
		f.s.donePark(nil)
	}
	return nil
}

// heardPark follows the word of the owner that it says no more, or that it goes on.
func (rc *remoteClient) heardPark(op peerOp, r *fields.Reader) error {
	count := r.Number()
	if err := malformed(r); err != nil {
		return err
	}
	rc.park(op == opPark)
	if op == opPark {
		w := rc.way.Load()
		w.link.Send(binary.AppendUvarint(appendSession(nil, opParked, true, w.number), count))
	}
	return nil
}

func (rs *remoteServer) unacknowledged(s *session) (n int, ok bool) {
	rs.link.mu.Lock()
	defer rs.link.mu.Unlock()
	f := rs.sessions[s]
	if f == nil {
		return 0, false
	}
	return f.unacknowledged, true
}

// forget forgets a client that another node has. given: it was this node's.
func (rs *remoteServer) forget(s *session, given bool) {
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := rs.sessions[s]; f != nil {
		if given {
			l.Send(append(appendSession(nil, opClose, false, f.number), byte(whyGiven)))
		}
		rs.told.Add(-1)
		delete(rs.sessions, s)
		delete(l.sessions, f.number)
	}
}

// addHanded makes a client one of this hub server that was handed over. Nil means that the hub server is
// gone.
func (rs *remoteServer) addHanded(s *session, unacknowledged int) *remoteSession {
	if !rs.add(s) {
		return nil
	}
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	f := rs.sessions[s]
	if f != nil {
		f.unacknowledged, f.unadopted = unacknowledged, true
	}
	return f
}

// adopt tells the node of the hub server that the client is here now, and then what was to be said
// about it before.
func (rs *remoteServer) adopt(s *session, f *remoteSession) {
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	frame := binary.AppendUvarint([]byte{byte(opAdopt)}, f.number)
	l.Send(fields.AppendText(binary.AppendUvarint(frame, rs.number), s.id()))
	f.unadopted = false
	for _, frame := range f.unsaid {
		l.Send(frame)
	}
	f.unsaid = nil
}

// goneServer is a hub server whose connection has ended before its client arrived; its server id.
type goneServer string

func (g goneServer) name() string                             { return string(g) }
func (goneServer) migrates() bool                             { return false }
func (goneServer) add(*session) bool                          { return false }
func (goneServer) open(*session, string)                      {}
func (goneServer) data(*session, []byte, uint64) (taken bool) { return false } // until its loss is told
func (goneServer) forward(*session, []byte)                   {}
func (goneServer) invoke(*sp.ClientInvocation)                {}
func (goneServer) remove(*session, bool)                      {}
func (goneServer) moveAway(*session, string)                  {}
func (goneServer) removeFormer(*session)                      {}

// numberOf returns what other nodes know a server connection of this one by.
func (t *peerTable) numberOf(sc *serverConn) (number uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	told := t.told[sc]
	if told == nil {
		return 0, false
	}
	return told.number, true
}
