package gateway

import "github.com/hubgate/hubgate/hubprotocol"

// The steps of a connection's life (life.go) that its worker carries out, in
// order with what is sent to it.

// announceOp makes the connection a receiver. What is sent to it is held until
// openOp.
type announceOp struct {
	conn     *Conn
	standing []pinnedGroup
}

// pinnedGroup is a membership of the user that the connection starts with.
type pinnedGroup struct {
	group      *group
	membership Membership
}

func (o *announceOp) apply(w *worker) {
	c := o.conn
	hears := c.life.state().may(mayHear)
	if hears {
		c.place.slot = int32(len(c.shard.conns))
		c.shard.conns = append(c.shard.conns, c)
	}
	if p := c.place.prepared; p != nil {
		o.standing, p.standing = p.standing, nil
	}
	w.arrive(c, o.standing, hears)
	if !hears {
		// It ended on the way here: what removes it from the tables may have run
		// before Announce put it there.
		w.leaveHub(c)
	}
}

// openOp sends the handshake answer, and behind it what was held.
type openOp struct {
	conn   *Conn
	answer []byte
}

func (o *openOp) apply(w *worker) {
	c, answer := o.conn, OutRecord{Bytes: o.answer, control: true}
	c.mu.Lock()
	next := open
	if n := c.numbersOf(); n != nil && !n.heard {
		next = greeting
		answer.ahead = true
	}
	if c.life.state() != answering || !c.life.step(next, w.now) {
		// It has ended, or has lost its transport already: a client that comes back is
		// not answered any more.
		c.mu.Unlock()
		return
	}
	if c.out.empty() {
		c.mu.Unlock()
		op := &sendOp{to: c.alone(), one: answer}
		op.apply(w)
		return
	}
	c.out.putFirst(answer)
	wake := c.out.claim(writerPump)
	c.mu.Unlock()
	c.shard.books.queuedBytes.Add(int64(len(o.answer)))
	if wake {
		c.transport.Wake()
	}
}

// closeOp ends one connection in order with what was sent to it before.
type closeOp struct {
	conn  *Conn
	cause Cause
}

func (o *closeOp) apply(w *worker) {
	c := o.conn
	c.mu.Lock()
	c.life.ask(o.cause)
	early := c.closesTooEarly(w.now)
	c.mu.Unlock()
	if early {
		// It hears nothing more from now on, only its Close record waits.
		w.leaveHub(c)
		w.early = append(w.early, o)
		w.earlyCount.Store(int32(len(w.early)))
		return
	}
	w.beginClose(c)
}

// closesTooEarly reports whether the transport cannot carry a Close record yet.
// Called with c.mu held.
func (c *Conn) closesTooEarly(now int64) bool {
	return c.life.state() == open && now-c.life.since < int64(c.transport.Abilities().EarliestClose)
}

// earlyOp tries closes again that came too early.
type earlyOp struct{}

func (earlyOp) apply(w *worker) {
	again := w.early
	w.early = nil
	for _, o := range again {
		o.apply(w)
	}
	w.earlyCount.Store(int32(len(w.early)))
}

// beginClose makes the connection's last record the Close record. Its id is
// dead from here on (C96).
func (w *worker) beginClose(c *Conn) {
	var lost waiting
	c.mu.Lock()
	if c.life.state() == away {
		c.mu.Unlock()
		c.cutOff(*c.CloseRequested())
		return
	}
	answered := c.life.state() == greeting || c.life.state() == open
	if !answered && c.life.state().may(holds) {
		// Nothing may come before a handshake error, and nothing makes sense behind it.
		lost = c.out.dropHeld(w.soft)
	}
	if !c.life.step(closing, w.now) {
		c.mu.Unlock()
		return
	}
	c.out.release() // nothing more is taken: whoever waits for room waits in vain
	first, last := c.closeRecords(c.life.cause, answered)
	for _, record := range [...][]byte{first, last} {
		if record != nil {
			c.out.append(OutRecord{Bytes: record, control: true})
		}
	}
	wake := c.out.claim(writerPump)
	c.mu.Unlock()

	c.shard.lose(DropConnectionClosed, lost)
	c.shard.books.queuedBytes.Add(int64(len(first) + len(last)))
	w.leaveHub(c)
	if wake {
		c.transport.Wake()
	}
}

// closeRecords are the last record a client gets, and one that has to come before it; nil for none. Before
// its handshake was answered the last record is a handshake error (C67), if there is anything to say.
// Called with c.mu held.
func (c *Conn) closeRecords(cause *Cause, answered bool) (first, last []byte) {
	manner := c.manner()
	if manner == nil {
		manner = mannerOf(c.transport) // it is closed before it was started
	}
	switch {
	case cause.Told:
		return nil, nil
	case manner != nil:
		if last = manner.Close(*cause, c.transport.Abilities().Polled); last != nil && !answered {
			first = manner.First()
		}
		return first, last
	case answered:
		return nil, hubprotocol.AppendClose(nil, c.channel.lane.protocol, cause.Text, cause.AllowReconnect)
	case cause.Text == "":
		return nil, nil // the client itself is leaving
	}
	return nil, hubprotocol.AppendHandshakeResponse(nil, cause.Text)
}

// slowOp closes a client as slow.
type slowOp struct{ conn *Conn }

func (o *slowOp) apply(w *worker) { w.closeSlow(o.conn) }

// closeSlow ends a client that is over its bound, or takes nothing.
func (w *worker) closeSlow(c *Conn) { c.cutOff(slowCause) }

var slowCause = Cause{
	Reason: CloseSlowClient, Text: "The client reads too slowly: too many bytes are waiting for it.", AllowReconnect: true,
}

// removeOp forgets a connection whose transport has ended.
type removeOp struct{ conn *Conn }

func (o *removeOp) apply(w *worker) {
	c := o.conn
	w.leaveHub(c)
	w.forgetNoted(c)
	w.forgetPrepared(c)
	c.withdrawNames()
	c.mu.Lock()
	lost, why := c.out.giveUp(c.back), c.life.cause.dropped()
	c.mu.Unlock()
	c.shard.lose(why, lost)
	w.g.hubs.release(c.shard.hub)
}

// leaveHub takes the connection out of everything that finds receivers.
func (w *worker) leaveHub(c *Conn) {
	if c.place.slot >= 0 {
		conns := c.shard.conns
		last := conns[len(conns)-1]
		conns[c.place.slot], last.place.slot = last, c.place.slot
		conns[len(conns)-1] = nil
		c.shard.conns, c.place.slot = conns[:len(conns)-1], -1
	}
	c.leaveAll()
	if c.id.User != "" {
		c.shard.hub.users.remove(c)
	}
}
