package servermode

import (
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// move is a client's way from one hub server to another (section 4.7). First it
// waits until the invocations that the old hub server has are completed, while
// new ones are held back; then it has moved, and only what the former hub
// server still had on its way is left of it.
type move struct {
	deadline time.Duration // Backend.now
	held     held
	// former is set when the client has moved. partial is the beginning of a record from there.
	former  hubServer
	partial []byte
}

// waits reports whether the client has not moved yet.
func (m *move) waits() bool { return m.former == nil }

// concerns reports whether a record must not go to the old hub server any
// more: new invocations, and what refers to one of those. All else has to,
// because invocations that are under way may wait for it.
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

// sweepMove begins a move that its hub server has asked for, if it was not possible before, and
// ends one that waits too long. True means that other hub servers have no room at the moment.
func (s *session) sweepMove(now time.Duration) (later bool) {
	s.locked(func() {
		switch {
		case s.state != stateOpen || s.server == nil || !s.server.migrates():
		case s.move == nil || !s.move.waits():
			later = s.beginMove()
		case s.calls.empty() || now > s.move.deadline:
			later = s.finishMove()
		}
	})
	return later
}

// beginMove starts the client's way to another hub server, if there is one; see sweepMove. A
// client with nothing under way moves at once.
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

// finishMove ends the wait: the client moves, or stays if there is no other hub server any more.
// True means that those that are there have no room at the moment, and that the wait goes on.
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

// elsewhere is what the client asks of its next server connection.
func (s *session) elsewhere() wish { return wish{not: s.server.name(), level: 1} }

// changeServer gives the client to another hub server, and what is held back for it. What is still
// open at the old one is answered with an error.
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

// dropMove forgets a move, what was held back for it, and the former hub server.
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
	for _, id := range s.calls.take() {
		s.b.counts.lose(why)
		s.conn.Send(hubprotocol.AppendCompletionError(nil, s.conn.Protocol(), id, text))
	}
}

// moveClients lets the clients of hub servers that leave move on as far as others have room.
func (b *Backend) moveClients() {
	for _, sc := range b.conns.all() {
		if sc.migrates() {
			sc.moveClients()
		}
	}
}

func (sc *serverConn) moveClients() {
	now := sc.b.now()
	for _, s := range sc.clients.all() {
		if s.sweepMove(now) {
			return // the writers report when there is room
		}
	}
}
