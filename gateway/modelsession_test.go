//go:build unix

package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// modelSession is the application's side of a connection.
type modelSession struct {
	speaker  Speaker
	accepted bool // Accept was called, and returned a session
	opened   int
	returned int
	received []int
	closed   []Cause
	full     bool
	// announces: Accept calls Announce. refuses: Accept returns an error.
	announces, refuses bool
	inside             bool
}

// parkResult is how a parked reader goes on.
type parkResult int

const (
	parkGo parkResult = iota
	parkPanic
)

// park lets the schedule do other things while the reader is in the application.
func (c *modelConn) park() {
	if !c.m.chance(40) {
		return
	}
	c.reader.parked = make(chan parkResult)
	result := <-c.reader.parked
	c.reader.parked = nil
	if result == parkPanic {
		panic("an error of the application")
	}
}

// unpark lets a parked reader go on.
func (c *modelConn) unpark(how parkResult) bool {
	if c.reader.parked == nil {
		return false
	}
	c.reader.parked <- how
	return true
}

type modelBackend struct{ m *model }

func (modelBackend) Supports(protocol string) bool { return hubprotocol.Supported(protocol) }

func (b modelBackend) Accept(conn *Conn, _ Handshake) (Session, error) {
	c := modelOf(conn)
	s := &c.session
	if s.accepted {
		b.m.breaks("%d: accepted twice", c.index)
	}
	b.m.plane.checkTold(conn)
	c.park()
	if s.announces {
		if conn.step(announced) { // Announce in two halves, since other goroutines may come between
			c.park()
			conn.introduce()
		}
		c.park()
	}
	if s.refuses {
		c.why[CloseHandshakeError] = true
		return nil, errors.New("not you")
	}
	s.accepted = true
	return c, nil
}

// Speaker implements Session.
func (c *modelConn) Speaker() Speaker { return c.session.speaker }

// Opened implements Session.
func (c *modelConn) Opened() {
	c.session.opened++
	c.entered("Opened")
	defer func() { c.session.inside = false }()
	c.park()
}

// Received implements Session.
func (c *modelConn) Received(r Record) bool {
	c.entered("Received")
	defer func() { c.session.inside = false }()
	if cause := c.conn.CloseRequested(); cause != nil {
		c.m.breaks("%d: a record is handed over though the connection ends: %v", c.index, cause)
	}
	c.park()
	if c.session.full {
		if c.session.speaker == GatewaySpeaks {
			c.why[CloseThrottled] = true
		}
		return false
	}
	if r.Type == hubprotocol.Invocation || c.isMarked() {
		var n int
		if i := bytes.Index(r.Body, []byte("#c")); i >= 0 {
			_, _ = fmt.Sscanf(string(r.Body[i+2:i+8]), "%d", &n)
		}
		if c.isMarked() {
			c.checkOrder(n)
		}
		c.session.received = append(c.session.received, n)
	}
	return true
}

func (c *modelConn) entered(what string) {
	s := &c.session
	if s.inside || len(s.closed) > 0 || s.opened != 1 {
		c.m.breaks("%d: %s was called at the wrong time: inside %v, opened %d, closed %v", c.index, what, s.inside, s.opened, s.closed)
	}
	s.inside = true
}

// Closed implements Session.
func (c *modelConn) Closed(cause Cause) {
	c.unlocked("Closed")
	s := &c.session
	if s.inside {
		c.m.breaks("%d: Closed overtakes what the session is being told", c.index)
	}
	s.closed = append(s.closed, cause)
}

// modelStore lists a membership, after a while.
type modelStore struct{ m *model }

func (modelStore) Put(context.Context, string, string, string, time.Time) error { return nil }
func (modelStore) Delete(context.Context, string, string, string) error         { return nil }
func (modelStore) DeleteAll(context.Context, string, string) error              { return nil }

func (s modelStore) List(_ context.Context, _, user string) ([]StandingGroup, error) {
	if c := s.m.running; c != nil && c.conn.id.User == user {
		c.park()
	}
	return []StandingGroup{{Group: "standing"}}, nil
}
