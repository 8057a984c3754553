package gateway

import "time"

// A client whose transport has Abilities.Returns may lose it and come back with another one
// (replace.go). In between it is away: it is a receiver, what is sent to it is held, and nothing leaves.

// returning is what a connection has for that; others have none. It is guarded by Conn.mu.
//
// The last records that were handed to the transport are kept (replay). Those of them that the
// transport has not reported as written are still queued: they are in its batch, in the outbox's
// tail, or the write failed and they wait for the client to come back.
type returning struct {
	kept replay
	// owed is what those that are queued count for in outbox.queued.
	owed waiting
	// generation is the number of transports before the present one.
	generation uint32
	// inside: a pump of the present transport is between Take and Wrote.
	inside bool
	// broken: a write to the present transport has failed, and it is given nothing more.
	broken bool
	// untold is how often the client has come back and the session has not been told.
	untold int
	// handed: another node is being given the connection, which does nothing until it is clear who has
	// it. deferred is why it has to end then, if it has to.
	handed   bool
	deferred *Cause
	// numbers is there if the client's records are numbered: it says itself what it has read.
	numbers *numbers
}

// failed reports whether the present transport is given nothing more.
func (r *returning) failed() bool { return r != nil && r.broken }

// lend notes that a pump has taken a batch, which may begin with the tail.
func (r *returning) lend(b *Batch) {
	b.generation, r.inside, r.owed = r.generation, true, b.taken
}

// keep keeps records that are being handed to the transport. written says that nothing that was handed over is
// queued any more, these included. Called with c.mu held.
func (c *Conn) keep(records []OutRecord, now int64, written bool) {
	b := c.back
	if n := b.numbers; n != nil {
		if n.keep(&b.kept, records); written {
			b.settled()
		}
		c.trim(now)
		return
	}
	k, m, bounds := &b.kept, c.manner(), &c.g.keeping
	for i := range records {
		r := &records[i]
		if r.control {
			continue
		}
		k.makeRoom(bounds.records, m) // before it needs a larger ring
		k.add(r.Bytes, now)
		if len(r.Bytes) > bounds.bytes {
			k.isLarge(r.Bytes)
		}
		if !r.again {
			k.unsettled++
		}
	}
	if written {
		b.settled()
	}
	k.trim(bounds, m, now)
}

// trim gives up what does not have to be kept any more. Called with c.mu held.
func (c *Conn) trim(now int64) {
	if n := c.back.numbers; n != nil {
		n.trim(&c.back.kept)
		before := c.out.unacked
		if c.out.unacked = c.unacked(); c.out.unacked < before {
			c.out.less(c.g.opts.Limits().OutboxBytes)
		}
		return
	}
	c.back.kept.trim(&c.g.keeping, c.manner(), now)
}

// settle notes that a pump has come back with a batch. It reports false if that changes nothing in the
// books: the batch is not one of the present transport, or the client may come back for it.
func (r *returning) settle(b *Batch, mayComeBack bool) bool {
	if !r.inside || b.generation != r.generation {
		return false
	}
	r.inside = false
	if mayComeBack {
		r.broken = true
		return false
	}
	r.settled()
	return true
}

// settled notes that nothing that was handed over is still queued.
func (r *returning) settled() { r.owed, r.kept.unsettled = waiting{}, 0 }

// giveUp returns what is lost of what was handed over. A pump that is inside comes too late.
func (r *returning) giveUp() (lost waiting) {
	if r == nil {
		return waiting{}
	}
	lost = r.owed
	*r = returning{generation: r.generation + 1, numbers: r.numbers}
	return lost
}

// Lost says that a transport with Abilities.Returns has ended. If it is the present one and the
// connection is open, the client is away from now on: what is sent to it is held, within its bounds,
// until it comes back (Replace), is closed, or has been away for too long (Manner.Away). In any other
// state the connection has ended, as with Ended. Of a former transport Lost does nothing, and calls
// after the first do nothing. Cause says why; it is that of the connection's end if that follows at
// once. Lost may tell the session, and must not be called with locks the session may need.
func (c *Conn) Lost(t Transport, cause Cause) {
	c.mu.Lock()
	switch {
	case c.back != nil && (c.transport != t || c.life.state() == away):
		c.mu.Unlock()
	case c.goAway():
		c.mu.Unlock()
		c.reportLost(t, cause)
		c.forgetPartial()
	default:
		c.finish(cause)
	}
}

// lose ends a transport that is not good for its client any more, if it is the present one. The
// client may come back. It reports whether that has changed anything.
func (c *Conn) lose(t Transport, cause Cause) (lost bool) {
	c.mu.Lock()
	lost = c.transport == t && c.goAway()
	c.mu.Unlock()
	if lost {
		c.reportLost(t, cause)
		c.forgetPartial()
		t.Abort(cause)
	}
	return lost
}

// goAway begins the time without a transport, if the connection permits it. Called with c.mu held.
func (c *Conn) goAway() bool {
	if c.back == nil || c.life.cause != nil || !c.mayComeBack() || !c.life.step(away, c.g.now()) {
		return false
	}
	c.clocks.detached.Store(0)
	return true
}

// mayComeBack reports whether the client can come back if it loses its transport now. One whose
// records are numbered cannot before it has the answer to its handshake. Called with c.mu held.
func (c *Conn) mayComeBack() bool {
	return c.back.numbers == nil || c.life.state() > answering
}

func (c *Conn) reportLost(t Transport, cause Cause) {
	c.Logger().Info("connection lost its transport", "reason", string(cause.Reason), "text", cause.Text, "transport", t.Name())
	if o, ok := c.g.opts.Observer.(AwayObserver); ok {
		o.Lost(c, cause)
	}
}

// awayTime is how long the client may be without a transport, or without a poll, if its protocol does not say
// otherwise.
func (c *Conn) awayTime(otherwise time.Duration) time.Duration {
	if manner := c.manner(); manner != nil {
		return manner.Away()
	}
	return otherwise
}

var awayCause = Cause{Reason: CloseDisconnectTimeout, Text: "The client lost its transport and did not come back in time.", AllowReconnect: true}

// AttachedFor is Attached for a transport with Abilities.Returns; of a former one it does nothing.
func (c *Conn) AttachedFor(t Transport) {
	c.ifPresent(t, func() { c.clocks.detached.Store(0) })
}

// DetachedFor is Detached for a transport with Abilities.Returns; of a former one it does nothing.
func (c *Conn) DetachedFor(t Transport) {
	c.ifPresent(t, func() { c.clocks.detached.Store(c.g.now()) })
}

// HeardFor is Heard for a transport with Abilities.Returns; of a former one it does nothing.
func (c *Conn) HeardFor(t Transport) {
	c.ifPresent(t, func() { c.clocks.heard.Store(c.g.now()) })
}

// SendFrameFor is SendFrame for a transport with Abilities.Returns; a frame of a former one is dropped.
func (c *Conn) SendFrameFor(t Transport, bytes []byte) {
	c.shard.worker.queue.push(&frameOp{conn: c, frame: OutRecord{Bytes: bytes, control: true, framed: true}, of: t})
}

// ifPresent does something while t is the connection's transport and stays it.
func (c *Conn) ifPresent(t Transport, do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport == t && c.life.state() != away {
		do()
	}
}
