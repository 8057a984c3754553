package servermode

import (
	"github.com/hubgate/hubgate/gateway"
)

var modeSwitched = gateway.Cause{
	Reason: gateway.CloseServiceModeSwitched, AllowReconnect: true, Text: "The service mode of the hub was switched.",
}

var serverClosed = gateway.Cause{
	Reason: gateway.CloseServerConnectionClosed, AllowReconnect: true, Text: "The connection to the hub server was lost.",
}

// finish ends the client, for whatever cause; only the first end counts. Every end of a session
// comes through here or through Closed. The hub server is told unless it said so itself.
func (s *session) finish(cause gateway.Cause, tell bool) {
	if !s.leave(tell) {
		return
	}
	s.conn.Close(cause)
	s.conn.Resume() // a reader that waits for the hub server waits no more
}

// leave takes the client from everything that knows it. False means that it was done before.
func (s *session) leave(tell bool) bool {
	if s.state == stateClosed {
		return false
	}
	s.state = stateClosed
	if s.server != nil {
		s.server.remove(s, tell)
	}
	s.stopWaiting()
	s.dropMove()
	s.incoming.partial, s.calls = nil, openCalls{}
	return true
}

// Closed tells the hub server that its client is gone.
func (s *session) Closed(gateway.Cause) {
	s.b.results.clientGone(s.id())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(true)
}

// end closes the client and takes it from its hub server.
func (s *session) end(cause gateway.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish(cause, true)
}

func (s *session) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateClosed
}

// closeByServer ends the client because its hub server said so.
func (s *session) closeByServer(by hubServer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != by {
		return // it has moved away, or is gone
	}
	// What failed in a hub is for its log; the client hears of it in the hub's
	// own Close record, if at all.
	cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer, Told: s.incoming.closed}
	if s.state == stateOpening {
		cause.Text = "The hub server refused the connection."
	}
	s.finish(cause, false)
}

// serverLost says that a server connection of the client has ended. The client
// is closed (H46), or held for a grace period if there is one.
func (s *session) serverLost(lost hubServer, why End) {
	s.locked(func() { s.loseServer(lost, why) })
}

func (s *session) loseServer(lost hubServer, why End) {
	switch {
	case s.state == stateClosed:
	case s.server != lost:
		if s.move != nil && s.move.former == lost {
			s.move = nil
		}
	case why == EndModeSwitched:
		s.finish(modeSwitched, false)
	case why == EndShutdown:
		s.finish(serverClosed, false)
	case s.move != nil && s.move.waits() && s.changeServer(s.elsewhere()) == choseOne:
		// The wait is over: nothing more comes from the old one.
	case s.b.opts.Limits().Grace <= 0:
		s.finish(serverClosed, false)
	default:
		s.await(lost)
	}
}
