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

var behind = gateway.Cause{
	Reason: gateway.CloseServerConnectionClosed, AllowReconnect: true, Text: "Too much waits between the nodes of the gateway.",
}

// finish ends the client. Every end of a session passes through here or through Closed, and the
// first one counts. tell is false if the hub server knows already.
func (s *session) finish(cause gateway.Cause, tell bool) {
	if !s.leave(tell) {
		return
	}
	s.conn.Close(cause)
	s.conn.Resume() // a reader that waits for the hub server waits no more
}

// leave removes the client from everything that knows it. False means that this was done before.
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
	s.incoming.partial = nil
	s.calls.end(callClosed)
	return true
}

// Closed implements gateway.Session: it tells the hub server that its client has gone.
func (s *session) Closed(gateway.Cause) {
	defer s.b.results.clientGone(s.id()) // when nobody asks the client any more
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(true)
}

// end closes the client and tells its hub server.
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

// closeByServer ends the client because its hub server said so. The text is for the client.
func (s *session) closeByServer(by hubServer, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeByServerLocked(by, text)
}

func (s *session) closeByServerLocked(by hubServer, text string) {
	if s.server != by {
		return // the client has moved, or has gone
	}
	// Without a text, that for the client is in the Close record that the hub has sent, if it has.
	cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer, Told: s.incoming.closed, Text: text}
	if s.state == stateOpening && text == "" {
		cause.Text = "The hub server refused the connection."
	}
	s.finish(cause, false)
}

// serverLost handles the end of a server connection that the client was on, or had been on before
// it moved. The client is closed (H46), or waits if there is a grace period.
func (s *session) serverLost(lost hubServer, why End) {
	s.locked(func() {
		if s.parked == nil || !s.defersLoss(lost, why) {
			s.loseServer(lost, why)
		}
	})
	s.conn.Resume() // with what the lost one did not take
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
