package servermode

import (
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// move is a client's move from one hub server to another. It has two phases. In the first one the
// client waits for the answers of the old hub server to its open invocations, and new invocations
// are held. In the second one the client has moved, and what the former hub server had sent before
// still arrives.
type move struct {
	// deadline ends the first phase (Backend.now).
	deadline time.Duration
	held     held
	// former is the old hub server in the second phase, nil in the first.
	former hubServer
	// partial is the beginning of a record from the former hub server.
	partial []byte
}

// waits reports whether the move is in its first phase.
func (m *move) waits() bool { return m.former == nil }

// concerns reports whether a record of the client is held for the next hub server: new invocations,
// and records that refer to one of those. All other records go to the old hub server, whose open
// invocations may wait for them.
func (m *move) concerns(r *gateway.Record) bool {
	if !m.waits() {
		return false
	}
	switch r.Type {
	case hubprotocol.Invocation, hubprotocol.StreamInvocation:
		return true
	case hubprotocol.StreamItem, hubprotocol.Completion, hubprotocol.CancelInvocation:
		return m.held.refersTo(r)
	}
	return false
}

// sweepMove begins a move that was not possible before, and ends a first phase that takes too long.
// True means that other hub servers have no room at the moment.
func (s *session) sweepMove(now time.Duration) (later bool) {
	s.locked(func() {
		switch {
		case s.state != stateOpen || s.server == nil || s.parked != nil || !s.server.migrates():
		case s.move == nil || !s.move.waits():
			later = s.beginMove()
		case s.calls.empty() || now > s.move.deadline:
			later = s.finishMove()
		}
	})
	return later
}

// beginMove begins the client's move, if there is another hub server. A client without open
// invocations moves at once. The result is that of sweepMove.
func (s *session) beginMove() (later bool) {
	if isRequired(s.conn.Identity()) {
		return false
	}
	if s.calls.empty() {
		return s.finishMove()
	}
	if _, found := s.b.servers.choose(s.hub(), s.elsewhere()); found == choseNone {
		return false // it stays (H76)
	}
	s.dropMove()
	s.move = &move{deadline: s.b.now() + s.b.opts.Limits().Migration}
	return false
}

// finishMove ends the first phase: the client moves, or stays if there is no other hub server. True
// means that the others have no room at the moment, and that the phase goes on.
func (s *session) finishMove() (later bool) {
	w := s.elsewhere()
	w.paced = true
	switch s.changeServer(w) {
	case choseLater:
		return true
	case choseNone:
		if s.move != nil && s.move.waits() {
			records := s.move.held.take(s.b)
			s.dropMove()
			s.release(records)
		}
	}
	return false
}

// elsewhere is the wish of a client that leaves its hub server.
func (s *session) elsewhere() wish {
	level, _ := s.dialect().moves(s.b.opts.Limits())
	return wish{not: s.server.name(), level: level}
}

// changeServer gives the client, and what is held of it, to another hub server. Invocations that are
// still open at the old one are answered with an error.
func (s *session) changeServer(w wish) choice {
	old, from := s.server, s.server.name()
	if found := s.assign(w); found != choseOne {
		return found
	}
	var records []heldRecord
	if s.move != nil {
		records = s.move.held.take(s.b)
	}
	s.dropMove()
	s.abandonCalls(LossMigration, "The hub server that was handling the invocation has shut down.")
	old.moveAway(s, s.server.name())
	s.move = &move{former: old, partial: s.incoming.partial}
	s.incoming.partial, s.incoming.repeats = nil, true
	s.server.open(s, from)
	s.release(records)
	s.b.results.clientMoved(s.id(), from, s.server)
	s.b.counts.migrated.Add(1)
	s.conn.Logger().Debug("client moved to another hub server", "from", from, "to", s.server.name())
	return choseOne
}

// dropMove ends the move. What is held is dropped, and the former hub server no longer reaches the
// client.
func (s *session) dropMove() {
	m := s.move
	if m == nil {
		return
	}
	s.b.held.Add(-int64(m.held.bytes))
	if m.former != nil {
		m.former.removeFormer(s)
	}
	s.move = nil
}

// abandonCalls answers every open invocation with an error.
func (s *session) abandonCalls(why Loss, text string) {
	for _, id := range s.calls.take(string(why)) {
		s.b.counts.lose(why)
		s.conn.Send(s.dialect().callError(s, id, text))
	}
}

// moveClients moves clients of hub servers that leave, as far as others have room.
func (b *Backend) moveClients() {
	for _, sc := range b.conns.all() {
		if sc.migrates() {
			sc.moveClients()
		}
	}
	for _, rs := range b.peers.servers() {
		if rs.migrates() {
			rs.moveClients()
		}
	}
}

func (sc *serverConn) moveClients() {
	now := sc.b.now()
	for _, s := range sc.clients.all() {
		if s.sweepMove(now) {
			return // roomy is called when there is room
		}
	}
}
