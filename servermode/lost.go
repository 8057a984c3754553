package servermode

import (
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// serverLost says that a server connection of the client has ended. The client
// is closed (H46), or held for a grace period if there is one.
func (s *session) serverLost(sc *serverConn, why End) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateClosed:
		return
	case s.server != sc:
		if s.move != nil && s.move.former == sc {
			s.move = nil
		}
		return
	case why == EndModeSwitched:
		s.endLocked(modeSwitched)
		return
	case why != EndShutdown && s.move != nil && s.move.waits() && s.finishMove():
		return // the wait is over, nothing more comes from the old one
	}
	if why == EndShutdown || s.b.opts.Limits().Grace <= 0 {
		s.endLocked(serverClosed)
		return
	}
	s.await(sc)
}

var serverClosed = gateway.Cause{
	Reason: gateway.CloseServerConnectionClosed, AllowReconnect: true, Text: "The connection to the hub server was lost.",
}

// await holds the client until another hub server takes it.
func (s *session) await(lost *serverConn) {
	s.abandonCalls(LossServerGone, "The connection to the hub server that was handling the invocation was lost.")
	if s.move != nil && s.move.former != nil {
		s.move.former.clients.leave(s.conn.Identity().ID, false)
	}
	s.move, s.partial = nil, nil
	s.server = nil
	s.lost = lost.serverID
	if s.recoverLocked() {
		return
	}
	until := time.Now().Add(s.b.opts.Limits().Grace)
	s.b.hubs.update(s.conn.Identity().Hub, func(h *hub) { h.waiting[s] = until })
	// One may have come after the first look and before the client was listed.
	s.recoverLocked()
}

// takeWaiting gives waiting clients to the hub's servers.
func (b *Backend) takeWaiting(key string) {
	h := b.hubs.get(key)
	if h == nil {
		return
	}
	for _, s := range h.waitingSince(time.Time{}) {
		s.mu.Lock()
		s.recoverLocked()
		s.mu.Unlock()
	}
}

// waitingSince returns the clients whose grace period is over at that moment;
// the zero time stands for all.
func (h *hub) waitingSince(now time.Time) []*session {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []*session
	for s, until := range h.waiting {
		if now.IsZero() || now.After(until) {
			list = append(list, s)
		}
	}
	return list
}

// recoverLocked gives a waiting client to a hub server, if there is one.
func (s *session) recoverLocked() bool {
	id := s.conn.Identity()
	if s.state == stateClosed || s.server != nil || !s.assign(wishOf(id, s.b.opts.Mode(id.Hub))) {
		return false
	}
	s.b.hubs.update(id.Hub, func(h *hub) { delete(h.waiting, s) })
	from := s.lost
	if s.state == stateOpening {
		from = "" // nobody has answered the client's handshake
	}
	s.openOn(s.server, from)
	s.moved = s.state == stateOpen
	s.lost = ""
	s.b.counts.recovered.Add(1)
	s.conn.Resume()
	return true
}
