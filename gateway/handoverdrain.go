package gateway

import "time"

// A node that drains parks the clients that can be handed over: their transports end, without a word,
// whereupon they dial again, and come to other nodes. Those that come back to this one are served, and
// parked again.

const (
	// parkedTime is how long a client that was parked may take to come to another node.
	parkedTime = 15 * time.Second
	// parkedAgain is how long a client that has come back to a node that drains is served there.
	parkedAgain = 2 * time.Second
)

var parkedCause = Cause{Reason: CloseServiceReload, Text: "The client is to come to another node.", AllowReconnect: true}

// drains tells the other nodes that this one takes nothing more.
func (m *moves) drains() {
	if !m.on {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.draining = true
	for _, p := range m.peers {
		p.Send(moveMessage{kind: moveDrains}.append(nil))
	}
}

// takers reports whether there is a node that takes connections over.
func (m *moves) takers() bool {
	if !m.on {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		if !m.drained[p] {
			return true
		}
	}
	return false
}

// mayMove reports whether the client can be handed over, as far as this node knows.
func (c *Conn) mayMove() bool {
	if !c.hasNumbers() {
		return false
	}
	_, ok := c.Session().(Mover)
	return ok && c.CloseRequested() == nil
}

// park has the client dial again, if it is not doing so already. It reports false if it cannot.
func (c *Conn) park() bool {
	return c.lose(c.Transport(), parkedCause) || c.IsAway()
}

// parked are the clients that a node which drains would like to hand over, and until when.
type parked struct {
	g     *Gateway
	until map[*Conn]time.Time
}

// park parks a client. It reports false if it cannot be handed over.
func (p *parked) park(c *Conn) bool {
	if !c.mayMove() || !p.g.moves.takers() || !c.park() {
		return false
	}
	p.until[c] = time.Now().Add(parkedTime)
	return true
}

// look parks again those that have come back here, and returns those whom nobody has taken in time. It
// returns all of them if nobody can take them any more.
func (p *parked) look() (left []*Conn) {
	now, takers := time.Now(), p.g.moves.takers()
	for c, until := range p.until {
		switch s := c.life.state(); {
		case s == gone:
			delete(p.until, c)
		case !takers || !now.Before(until):
			delete(p.until, c)
			left = append(left, c)
		case s == open && c.openFor() >= parkedAgain:
			c.park()
		}
	}
	return left
}

// openFor is how long the client has had its present transport.
func (c *Conn) openFor() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.g.now() - c.life.since)
}
