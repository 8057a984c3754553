package gatewaytest

import (
	"sync"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// Backend is an application that records what it is told.
type Backend struct {
	// Speaker is that of every session.
	Speaker gateway.Speaker
	// Refuse, if set, is asked for each client.
	Refuse func(c *gateway.Conn) error
	// Full, if set, is asked for each record; true means not taken.
	Full func() bool
	// Storing, if set, says whether a record that was not taken is on its way into a store.
	Storing func() bool
	// Pending, if set, says whether a session has answers to come.
	Pending func() bool
	// Moves: clients may be handed over to other nodes.
	Moves bool
	// Arrived, if set, is called when a client has been handed over to this node, while the former one still
	// has it.
	Arrived func()
	// OnRecord, if set, is called for each record taken.
	OnRecord func(c *gateway.Conn, r gateway.Record)

	mu     sync.Mutex
	events []string
}

// Events are "opened ID", "record ID TARGET", "returned ID" and "closed ID REASON TEXT", in
// order. The target of a record of Marked is its text.
func (b *Backend) Events() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.events...)
}

func (b *Backend) add(event string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, event)
}

// Supports implements gateway.Backend.
func (b *Backend) Supports(protocol string) bool { return hubprotocol.Supported(protocol) }

// Accept implements gateway.Backend.
func (b *Backend) Accept(c *gateway.Conn, _ gateway.Handshake) (gateway.Session, error) {
	if b.Refuse != nil {
		if err := b.Refuse(c); err != nil {
			return nil, err
		}
	}
	if b.Moves {
		return &movingSession{session{b, c}}, nil
	}
	return &session{b, c}, nil
}

// Resume implements gateway.Resumer: "resumed ID" is noted.
func (b *Backend) Resume(c *gateway.Conn, _ []byte) (gateway.Session, error) {
	b.add("resumed " + c.Identity().ID)
	return &movingSession{session{b, c}}, nil
}

// movingSession is a session whose client may be handed over; "moved ID" or "stays ID" is noted.
type movingSession struct{ session }

// Park implements gateway.Mover.
func (s *movingSession) Park(done func(error)) { done(nil) }

// Export implements gateway.Mover.
func (s *movingSession) Export() ([]byte, error) { return nil, nil }

// Arrived implements gateway.Mover.
func (s *movingSession) Arrived() {
	if s.backend.Arrived != nil {
		s.backend.Arrived()
	}
}

// Stays implements gateway.Mover.
func (s *movingSession) Stays() { s.backend.add("stays " + s.conn.Identity().ID) }

// Moved implements gateway.Mover.
func (s *movingSession) Moved(string) { s.backend.add("moved " + s.conn.Identity().ID) }

type session struct {
	backend *Backend
	conn    *gateway.Conn
}

// Speaker implements gateway.Session.
func (s *session) Speaker() gateway.Speaker { return s.backend.Speaker }

// Pending implements gateway.Pending.
func (s *session) Pending() bool { return s.backend.Pending != nil && s.backend.Pending() }

// Storing implements gateway.Storing.
func (s *session) Storing() bool { return s.backend.Storing != nil && s.backend.Storing() }

func (s *session) Opened() {
	s.backend.add("opened " + s.conn.Identity().ID)
	if s.conn.Protocol() == Marked {
		s.conn.Open(Init)
	}
}

// Returned implements gateway.Returner.
func (s *session) Returned() { s.backend.add("returned " + s.conn.Identity().ID) }

func (s *session) Received(r gateway.Record) bool {
	if s.backend.Full != nil && s.backend.Full() {
		return false
	}
	target := ""
	switch {
	case r.Message != nil:
		target = r.Message.Target
	case s.conn.Protocol() == Marked:
		target = string(r.Body)
	}
	s.backend.add("record " + s.conn.Identity().ID + " " + target)
	if s.backend.OnRecord != nil {
		s.backend.OnRecord(s.conn, r)
	}
	return true
}

func (s *session) Closed(cause gateway.Cause) {
	s.backend.add("closed " + s.conn.Identity().ID + " " + cause.Error())
}
