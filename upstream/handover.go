package upstream

import (
	"errors"

	"github.com/hubgate/hubgate/gateway"
)

// A client that is handed over to another node takes nothing with it: its events are delivered here
// before it goes, and the node that has it goes on with the next one.

var errRejected = errors.New("the upstream has rejected the client")

// Park implements gateway.Mover: done is called when no event of the client waits for a webhook or its
// answer.
func (s *session) Park(done func(err error)) {
	s.mu.Lock()
	if s.working {
		s.parked = done
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.tellParked(done)
}

// tellParked says that no event waits.
func (s *session) tellParked(done func(err error)) {
	s.mu.Lock()
	var err error
	if s.rejected || s.closed || !s.opened {
		err = errRejected
	}
	s.mu.Unlock()
	done(err)
}

// Export implements gateway.Mover.
func (s *session) Export() ([]byte, error) { return nil, nil }

// Stays implements gateway.Mover.
func (s *session) Stays() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked = nil
}

// Moved implements gateway.Mover: the end of the client is told by the node that has it.
func (s *session) Moved(string) {
	s.mu.Lock()
	s.closed, s.parked = true, nil
	s.mu.Unlock()
	s.forget()
}

// Arrived implements gateway.Mover.
func (s *session) Arrived() {}

// Resume implements gateway.Resumer.
func (b *Backend) Resume(c *gateway.Conn, _ []byte) (gateway.Session, error) { return b.resume(c), nil }

func (b *Backend) resume(c conn) *session {
	s := newSession(b, c)
	s.opened = true
	if b.life != nil {
		s.bear()
	}
	return s
}
