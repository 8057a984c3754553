package gateway

import "github.com/hubgate/hubgate/hubprotocol"

// Start is the handshake of a client that sends no request for one: its transport knows all of it.
// h.Protocol names the client's protocol. The Backend accepts the client as it accepts others, but
// the session opens the connection itself (Conn.Open), whatever its Speaker is. Start is called once,
// before the first Record; it does not wait for more than Backend.Accept and Session.Opened do. It
// returns a Cause if the client is refused or the connection is ending: what the client is told then
// is on its way.
func (c *Conn) Start(h Handshake) error {
	if c.back != nil {
		defer c.tellReturns()
	}
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	if err := c.enterSession(); err != nil {
		return err
	}
	defer c.leaveSession()
	if c.life.session != nil {
		return nil
	}
	if a := c.reader.arrival; a != nil {
		a.request = &h
	}
	if !c.mayBeTold() {
		return nil
	}
	if err := c.accept(h); err != nil {
		return err
	}
	if cause := c.CloseRequested(); cause != nil {
		return *cause // it was closed while the application accepted it
	}
	return nil
}

// Record takes one whole record of a client that was started (Start). It is not parsed and not kept.
// Order, errors and back-pressure are those of Feed: it waits while the session has no room, and
// returns a Cause once the connection is ending. A record over Limits.MessageBytes closes the
// connection. Before Start it returns ErrNotStarted. The records of a client that has come back may
// come from several transports; concurrent calls are carried out one after another.
func (c *Conn) Record(text []byte) error {
	r := &c.reader
	if c.back != nil {
		defer c.tellReturns()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.clocks.lastRead.Store(c.g.now())
	c.shard.books.bytesIn.Add(uint64(len(text)))
	if err := c.enterSession(); err != nil {
		return err
	}
	defer c.leaveSession() // also when the session panics: it is still told the end
	if c.life.session == nil {
		if a := r.arrival; a != nil && a.request != nil {
			return c.keepRecord(text)
		}
		return ErrNotStarted
	}
	c.hearReturns()
	if len(text) > c.g.opts.Limits().MessageBytes {
		return c.reject(hubprotocol.ErrTooLarge)
	}
	if err := c.pass(text); err != nil {
		return err
	}
	if cause := c.CloseRequested(); cause != nil {
		return *cause
	}
	return nil
}
