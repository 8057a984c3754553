package modes

import (
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// idleSession is a client of a Classic hub that connected while there was no hub server. It has no
// application until it reconnects: it receives messages, and its invocations are answered with an
// error.
type idleSession struct {
	b    *Backend
	conn *gateway.Conn
}

// Speaker implements gateway.Session.
func (s *idleSession) Speaker() gateway.Speaker { return gateway.NobodyListens }

// Opened implements gateway.Session.
func (s *idleSession) Opened() {}

// Received implements gateway.Session: it answers invocations and ignores everything else.
func (s *idleSession) Received(r gateway.Record) (taken bool) {
	if !r.HasID || r.Type != hubprotocol.Invocation && r.Type != hubprotocol.StreamInvocation {
		return true
	}
	if m, err := hubprotocol.Parse(s.conn.Protocol(), r.Body); err == nil {
		s.b.unanswered.Add(1)
		s.conn.Send(hubprotocol.AppendCompletionError(nil, s.conn.Protocol(), m.InvocationID,
			"No hub server was connected when this client connected. Reconnect to reach one."))
	}
	return true
}

// idleState is the state of an idle session that is handed over.
const idleState = "i"

// Park implements gateway.Mover.
func (s *idleSession) Park(done func(error)) { done(nil) }

// Export implements gateway.Mover.
func (s *idleSession) Export() ([]byte, error) { return []byte(idleState), nil }

// Stays implements gateway.Mover.
func (s *idleSession) Stays() {}

// Moved implements gateway.Mover.
func (s *idleSession) Moved(string) {}

// Arrived implements gateway.Mover.
func (s *idleSession) Arrived() {}

// Closed implements gateway.Session.
func (s *idleSession) Closed(gateway.Cause) {}
