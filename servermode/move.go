package servermode

import (
	"bytes"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// move is a client's way from one hub server to another (section 4.7). First it
// waits until the invocations that the old hub server has are completed, while
// new ones are held back; then it has moved, and only what the former hub
// server still had on its way is left of it.
type move struct {
	deadline  time.Time
	held      []heldRecord
	heldBytes int
	// ids are of held invocations and of the streams that they announce.
	ids map[string]struct{}
	// former is set when the client has moved.
	former *serverConn
}

type heldRecord struct {
	frame []byte
	call  string // id of an invocation that will be completed
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
		if len(m.ids) == 0 {
			return false
		}
		_, held := m.ids[string(r.InvocationID)]
		return held
	}
	return false
}

// hold keeps a record for the next hub server. False means that no more fits.
func (s *session) hold(r *gateway.Record) (taken bool) {
	m := s.move
	if m.heldBytes > 0 && m.heldBytes+len(r.Frame) > s.b.opts.Limits().HeldBytes {
		return false
	}
	rec := heldRecord{frame: bytes.Clone(r.Frame)}
	if r.Type == hubprotocol.Invocation || r.Type == hubprotocol.StreamInvocation {
		if r.HasID {
			rec.call = plainID(s.conn.Protocol(), r.InvocationID, r.Body)
		}
		m.note(s.conn.Protocol(), r)
	}
	m.held = append(m.held, rec)
	m.heldBytes += len(r.Frame)
	return true
}

// note remembers the ids that later records may refer to, as they are written.
func (m *move) note(protocol string, r *gateway.Record) {
	if m.ids == nil {
		m.ids = make(map[string]struct{})
	}
	if r.HasID {
		m.ids[string(r.InvocationID)] = struct{}{}
	}
	if parsed, err := hubprotocol.Parse(protocol, r.Body); err == nil {
		for _, id := range parsed.StreamIDs {
			m.ids[id] = struct{}{}
		}
	}
}

// beginMove starts the client's way to another hub server, if there is one.
func (s *session) beginMove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startMove()
}

func (s *session) startMove() {
	switch {
	case s.state != stateOpen || s.server == nil || isRequired(s.conn.Identity()):
		return
	case s.move != nil && s.move.waits():
		return
	case s.b.hubs.choose(s.conn.Identity().Hub, s.elsewhere()) == nil:
		return // it stays (H76)
	}
	if s.move != nil {
		s.move.former.clients.leave(s.conn.Identity().ID, false)
	}
	s.move = &move{deadline: time.Now().Add(s.b.opts.Limits().Migration)}
	if s.calls.empty() {
		s.finishMove()
	}
}

// elsewhere is what the client asks of its next server connection.
func (s *session) elsewhere() wish { return wish{not: s.server.serverID, level: 1} }

// sweepMove ends the wait if its time is over, and begins a move that was not
// possible before. Called for clients of hub servers that leave.
func (s *session) sweepMove(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != stateOpen || s.server == nil || s.server.leaving.Load() != leavingMigrate:
	case s.move == nil || !s.move.waits():
		s.startMove()
	case now.After(s.move.deadline):
		s.finishMove()
	}
}

// finishMove gives the client to another hub server. What is still open at the
// old one is answered with an error. Without another one the client stays. It
// reports whether the client has moved.
func (s *session) finishMove() bool {
	old, m, id := s.server, s.move, s.conn.Identity()
	if !s.assign(s.elsewhere()) {
		s.move = nil
		s.release(m)
		return false
	}
	s.abandonCalls(LossMigration, "The hub server that was handling the invocation has shut down.")
	old.clients.leave(id.ID, true)
	old.out.put(&serviceprotocol.CloseConnection{ConnectionID: id.ID, Headers: []serviceprotocol.Header{
		{Name: serviceprotocol.HeaderMigrateTo, Values: []string{s.server.serverID}}}})
	s.partial, s.moved = nil, true
	s.openOn(s.server, old.serverID)
	s.move = &move{former: old}
	s.release(m)
	s.b.results.clientMoved(id.ID, old, s.server)
	s.b.counts.migrated.Add(1)
	s.conn.Logger().Debug("client moved to another hub server", "from", old.serverID, "to", s.server.serverID)
	return true
}

// release sends what was held back to the client's hub server, and lets the reader go on.
func (s *session) release(m *move) {
	id := s.conn.Identity().ID
	for _, r := range m.held {
		s.server.out.put(&serviceprotocol.ConnectionData{ConnectionID: id, Payload: r.frame})
		if r.call != "" {
			s.calls.add(r.call)
		}
	}
	s.conn.Resume()
}

// abandonCalls answers every open invocation with an error.
func (s *session) abandonCalls(why Loss, text string) {
	for _, id := range s.calls.take() {
		s.b.counts.lose(why)
		s.conn.Send(hubprotocol.AppendCompletionError(nil, s.conn.Protocol(), id, text))
	}
}
