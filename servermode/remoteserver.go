package servermode

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// sessionCredit is how many bytes of a client may be on their way to a hub server on another node, or
// wait for it there. A record that is begun within it is sent whole.
const sessionCredit = 64 << 10

// remoteServer is a server connection of another node, and the hub server of clients of this one.
type remoteServer struct {
	link   *peerLink
	number uint64
	// peer has no cid, target and remote.
	peer peer
	fin  atomic.Int32
	// told is how many clients it has, of all nodes, as its own node says, and what came of it since.
	told    atomic.Int32
	isQuiet atomic.Bool
	crowded atomic.Bool

	// The rest is guarded by link.mu.

	// sessions are this node's clients on it, and those that have moved away.
	sessions map[*session]*remoteSession
	gone     bool
	// stopped: it takes no data. wanted: a client that is paced was refused meanwhile.
	stopped, wanted bool
}

// remoteSession is one client of this node on a remoteServer.
type remoteSession struct {
	s      *session
	server *remoteServer
	number uint64

	// Guarded by link.mu.

	// unacknowledged are the bytes that no credit was given for. waits: there is none.
	unacknowledged int
	waits          bool
	// former: the client has moved to another hub server.
	former bool
	// busy: the node of the hub server knows that the client takes less than it is sent.
	busy bool
	// parks counts Park. unadopted: the node of the hub server does not know yet that the client is here,
	// and hears what is unsaid when it does.
	parks     uint64
	unadopted bool
	unsaid    [][]byte
}

func newRemoteServer(l *peerLink, c *serverChange) *remoteServer {
	return &remoteServer{link: l, number: c.number, peer: c.peer, sessions: make(map[*session]*remoteSession)}
}

func (rs *remoteServer) setStatus(s serverStatus) {
	rs.told.Store(int32(s.clients))
	rs.isQuiet.Store(s.quiet)
	rs.crowded.Store(s.crowded)
	if rs.fin.Swap(s.fin) != finMigrate && s.fin == finMigrate {
		rs.link.b.callRoomy() // the sweeper moves its clients
	}
}

func (rs *remoteServer) about() *peer     { return &rs.peer }
func (rs *remoteServer) name() string     { return rs.peer.serverID }
func (rs *remoteServer) draining() bool   { return rs.fin.Load() != finNone }
func (rs *remoteServer) clientCount() int { return int(rs.told.Load()) }

// quiet reports whether its own node has not heard the hub server for a while, or this one not its own node.
func (rs *remoteServer) quiet() bool {
	node, ok := rs.link.Peer.(gateway.Silent)
	return rs.isQuiet.Load() || ok && node.Silent()
}

func (rs *remoteServer) migrates() bool {
	if rs.fin.Load() != finMigrate {
		return false
	}
	_, moves := dialectOf(rs.peer.homes[0]).moves(rs.link.b.opts.Limits())
	return moves
}

// crowdRoom is the room on a link below which a client that is paced waits.
const crowdRoom = 8 << 20

func (rs *remoteServer) takesClient(paced bool) bool {
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if !paced {
		return !rs.crowded.Load()
	}
	if !rs.stopped && !l.Full(crowdRoom) {
		return true
	}
	rs.wanted = true
	return false
}

func (rs *remoteServer) add(s *session) bool {
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone || rs.gone {
		return false
	}
	if former := rs.sessions[s]; former != nil {
		l.endLocked(former, whyOwner, nil)
	}
	f := &remoteSession{s: s, server: rs, number: l.b.peers.sessions.Add(1)}
	rs.sessions[s], l.sessions[f.number] = f, f
	rs.told.Add(1) // until its node tells
	return true
}

// open implements hubServer.
func (rs *remoteServer) open(s *session, from string) {
	messages := s.dialect().opening(s, from)
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	f := rs.sessions[s]
	if f == nil {
		return
	}
	frame := binary.AppendUvarint([]byte{byte(opOpen)}, f.number)
	frame = fields.AppendText(binary.AppendUvarint(frame, rs.number), s.id())
	for _, m := range messages {
		frame = m.Append(frame)
	}
	l.Send(frame)
}

// data implements hubServer. While the credit is used up, or the link is full, the client is not read.
func (rs *remoteServer) data(s *session, payload []byte, tracing uint64) (taken bool) {
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	f := rs.sessions[s]
	switch {
	case f == nil:
		return false // serverLost decides about the client, and resumes it
	case rs.stopped || f.unacknowledged >= sessionCredit:
		f.waits = true
		return false
	case l.Full(len(payload)):
		l.waiting = append(l.waiting, s.conn)
		return false
	}
	f.sendLocked(payload, tracing)
	return true
}

// forward implements hubServer.
func (rs *remoteServer) forward(s *session, payload []byte) {
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := rs.sessions[s]; f != nil {
		f.sendLocked(payload, 0)
	}
}

func (f *remoteSession) sendLocked(payload []byte, tracing uint64) {
	id := f.s.id()
	frame := make([]byte, 0, len(payload)+len(id)+sessionRoom+32)
	frame = appendSession(frame, opData, false, f.number)
	start := len(frame)
	m := sp.ConnectionData{ConnectionID: id, Payload: payload, TracingID: tracing}
	frame = m.Append(frame)
	f.unacknowledged += len(frame) - start
	f.server.link.Send(frame)
}

// invoke implements hubServer.
func (rs *remoteServer) invoke(m *sp.ClientInvocation) { rs.put(m) }

// put sends a message to the hub server that is about no client.
func (rs *remoteServer) put(m sp.Message) {
	rs.link.Send(m.Append(binary.AppendUvarint([]byte{byte(opPut)}, rs.number)))
}

// remove implements hubServer.
func (rs *remoteServer) remove(s *session, tell bool) {
	if tell {
		rs.endSession(s, whyOwner, &sp.CloseConnection{ConnectionID: s.id()})
		return
	}
	rs.endSession(s, whyOwner, nil)
}

// moveAway implements hubServer.
func (rs *remoteServer) moveAway(s *session, to string) {
	rs.endSession(s, whyMoved, &sp.CloseConnection{ConnectionID: s.id(), Headers: []sp.Header{
		{Name: sp.HeaderMigrateTo, Values: []string{to}}}})
}

// removeFormer implements hubServer.
func (rs *remoteServer) removeFormer(s *session) { rs.endSession(s, whyOwner, nil) }

func (rs *remoteServer) endSession(s *session, why closeWhy, last sp.Message) {
	l := rs.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := rs.sessions[s]; f != nil {
		l.endLocked(f, why, last)
	}
}

// endLocked ends a client at a hub server, or makes it a former one. The last message is for the hub
// server.
func (l *peerLink) endLocked(f *remoteSession, why closeWhy, last sp.Message) {
	if !f.former {
		f.server.told.Add(-1)
	}
	if f.former = why == whyMoved; !f.former {
		delete(f.server.sessions, f.s)
		delete(l.sessions, f.number)
	}
	frame := append(appendSession(nil, opClose, false, f.number), byte(why))
	if last != nil {
		frame = last.Append(frame)
	}
	if f.unadopted {
		f.unsaid = append(f.unsaid, frame)
		return
	}
	l.Send(frame)
}

// close ends everything that depends on the server connection. It is not in the table of its hub any
// more.
func (rs *remoteServer) close(why End) {
	if why == EndShutdown {
		why = EndBroken // its node ends, not this one
	}
	l := rs.link
	l.mu.Lock()
	rs.gone = true
	lost := make([]*session, 0, len(rs.sessions))
	var waiting []resumed
	for s, f := range rs.sessions {
		delete(l.sessions, f.number)
		lost = append(lost, s)
		if f.waits {
			waiting = append(waiting, s.conn)
		}
	}
	clear(rs.sessions)
	l.mu.Unlock()
	resumeAll(waiting)
	for _, s := range lost {
		s.serverLost(rs, why)
	}
}

// setStopped follows the word that the hub server takes no data, or takes it again.
func (rs *remoteServer) setStopped(stopped bool) {
	l := rs.link
	l.mu.Lock()
	rs.stopped = stopped
	var list []resumed
	if !stopped {
		for s, f := range rs.sessions {
			if f.waits && f.unacknowledged < sessionCredit {
				f.waits = false
				list = append(list, s.conn)
			}
		}
	}
	roomy := rs.wanted && !stopped
	if roomy {
		rs.wanted = false
	}
	l.mu.Unlock()
	resumeAll(list)
	if roomy {
		l.b.callRoomy()
	}
}

// heard takes what the node of the hub server says about a client of this node.
func (f *remoteSession) heard(op peerOp, r *fields.Reader) error {
	switch op {
	case opData, opClose:
		return f.heardNow(op, r)
	case opParked:
		return f.heardParked(r)
	case opCredit:
		n := r.Number()
		if err := malformed(r); err != nil {
			return err
		}
		f.credited(n)
		return nil
	}
	return errPeer
}

// heardNow takes what the hub server says about the client, unless the client is handed over.
func (f *remoteSession) heardNow(op peerOp, r *fields.Reader) (err error) {
	l := f.server.link
	l.b.gw.InOrder(func() {
		if l.b.gw.HandsOver() && len(r.Rest) > 0 {
			own := bytes.Clone(r.Rest)
			if l.b.gw.Keep(f.s.hub(), f.s.id(), l.Name(), len(own), func(aside gateway.Aside) { f.heardLater(op, own, aside) }) {
				return
			}
		}
		if op == opClose {
			err = f.heardClose(r)
		} else {
			err = f.heardData(r.Rest, l.decoder)
		}
	})
	return err
}

// heardLater takes what was kept while the client was handed over, which it has not been.
func (f *remoteSession) heardLater(op peerOp, own []byte, aside gateway.Aside) {
	if why := closeWhy(own[0]); op == opClose && (why == whyLost || why == whyBehind) {
		_ = f.heardClose(&fields.Reader{Rest: own}) // it can be read
		return
	}
	f.s.heard(f.server, op, own, aside)
}

func (f *remoteSession) credited(n uint64) {
	l := f.server.link
	l.mu.Lock()
	f.unacknowledged -= int(min(n, uint64(f.unacknowledged)))
	resumes := f.waits && !f.server.stopped && f.unacknowledged < sessionCredit
	if resumes {
		f.waits = false
	}
	l.mu.Unlock()
	if resumes {
		f.s.conn.Resume()
	}
}

// heardData takes data of the hub server for the client.
func (f *remoteSession) heardData(body []byte, d *sp.Decoder) error {
	b := f.server.link.b
	m, err := d.Decode(body)
	data, ok := m.(*sp.ConnectionData)
	if err != nil || !ok {
		return errPeer
	}
	defer f.survive()
	if loss := f.s.dialect().deliver(f.s, f.server, data); loss != "" {
		b.counts.lose(loss)
	}
	f.noteBusy()
	return nil
}

// survive ends the client, rather than losing something between two of its records.
func (f *remoteSession) survive() {
	if p := recover(); p != nil {
		b := f.server.link.b
		b.panicked(b.opts.Logger.With("hub", f.s.hub(), "connection", f.s.id()), p)
		f.s.end(failed)
	}
}

// heardClose follows the end of the client at its hub server.
func (f *remoteSession) heardClose(r *fields.Reader) error {
	why := closeWhy(r.Uvarint(uint64(lastWhy)))
	if err := malformed(r); err != nil {
		return err
	}
	switch why {
	case whyServer:
		f.s.closeByServer(f.server, string(r.Rest))
	case whyDuplicate:
		f.s.openAgain(f.server)
	case whyLost:
		f.lost(EndBroken)
	case whyBehind:
		f.s.end(behind)
	default:
		return errPeer
	}
	return nil
}

// lost follows the end of the session alone.
func (f *remoteSession) lost(why End) {
	l := f.server.link
	l.mu.Lock()
	if f.server.sessions[f.s] == f {
		delete(f.server.sessions, f.s)
	}
	delete(l.sessions, f.number)
	l.mu.Unlock()
	f.s.serverLost(f.server, why)
}

// moveClients moves clients of this node away, as far as others have room.
func (rs *remoteServer) moveClients() {
	l := rs.link
	l.mu.Lock()
	list := make([]*session, 0, len(rs.sessions))
	for s := range rs.sessions {
		list = append(list, s)
	}
	l.mu.Unlock()
	now := l.b.now()
	for _, s := range list {
		if s.sweepMove(now) {
			return // roomy is called when there is room
		}
	}
}
