package upstream

import (
	"errors"
	"time"

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

// Export implements gateway.Mover. From now on the next node may note the client as its own.
func (s *session) Export() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exported = true
	return nil, nil
}

// Stays implements gateway.Mover.
func (s *session) Stays() {
	s.mu.Lock()
	doubted := s.exported && s.born
	s.parked, s.exported = nil, false
	s.mu.Unlock()
	if doubted {
		s.backend.life.Doubted(s.conn.Identity().ID)
	}
}

// Moved implements gateway.Mover: the end of the client is told by the node that has it.
func (s *session) Moved(string) {
	s.mu.Lock()
	s.closed, s.parked = true, nil
	s.mu.Unlock()
	s.forget()
}

// noteTime bounds the wait for the note of a client that has come from another node.
const noteTime = 2 * time.Second

// Arrived implements gateway.Mover. It waits until the client is noted as one of this node: until then
// the former node has it, and its note. Else nobody would know of the client if this node died now.
func (s *session) Arrived() {
	s.mu.Lock()
	born := s.born
	s.mu.Unlock()
	t := s.match(kindDisconnected, "")
	if !born || t == nil {
		return
	}
	noted := make(chan struct{})
	s.put(event{kind: kindNoted, template: t, noted: noted})
	late := time.NewTimer(noteTime)
	defer late.Stop()
	select {
	case <-noted:
	case <-late.C:
	case <-s.backend.ctx.Done():
	}
}

// Resume implements gateway.Resumer.
func (b *Backend) Resume(c *gateway.Conn, _ []byte) (gateway.Session, error) { return b.resume(c), nil }

func (b *Backend) resume(c conn) *session {
	s := newSession(b, c)
	s.opened, s.moved = true, true
	if b.life != nil {
		s.bear()
	}
	return s
}
