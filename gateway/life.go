package gateway

import (
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// announceOp makes the connection a receiver. What is sent to it is held until
// openOp.
type announceOp struct {
	conn     *Conn
	standing []pinnedGroup
}

// openOp sends the handshake answer, and behind it what was held.
type openOp struct {
	conn   *Conn
	answer []byte
}

// pinnedGroup is a membership of the user that the connection starts with.
type pinnedGroup struct {
	group      *group
	membership Membership
}

func (o *announceOp) apply(w *worker) {
	c := o.conn
	over := !c.out.hold()
	if !over {
		c.slot = int32(len(c.shard.conns))
		c.shard.conns = append(c.shard.conns, c)
	}
	for _, s := range o.standing {
		if !over {
			w.join(c, s.group, s.membership)
		}
		c.hub.groups.unpin(s.group, w.index)
	}
}

func (o *openOp) apply(w *worker) {
	c := o.conn
	switch c.out.release() {
	case releasedEmpty:
		op := &sendOp{to: c.alone(), one: OutRecord{Bytes: o.answer, control: true}}
		op.apply(w)
	case releasedHeld:
		c.out.putFirst(OutRecord{Bytes: o.answer, control: true})
		c.shard.books.queuedBytes.Add(int64(len(o.answer)))
		c.transport.Wake()
	}
}

// leaveHub takes the connection out of everything that finds receivers.
func (w *worker) leaveHub(c *Conn) {
	if c.slot >= 0 {
		conns := c.shard.conns
		last := conns[len(conns)-1]
		conns[c.slot], last.slot = last, c.slot
		conns[len(conns)-1] = nil
		c.shard.conns, c.slot = conns[:len(conns)-1], -1
	}
	c.leaveAll()
	if c.id.User != "" {
		c.hub.users.remove(c)
	}
}

// closeOp ends one connection in order with what was sent to it before.
type closeOp struct {
	conn  *Conn
	cause Cause
}

func (o *closeOp) apply(w *worker) {
	if o.conn.closesTooEarly() {
		// It hears nothing more from now on, only its Close record waits.
		w.leaveHub(o.conn)
		w.early = append(w.early, o)
		w.earlyCount.Store(int32(len(w.early)))
		return
	}
	w.beginClose(o.conn, o.cause)
}

// earlyClose is how long after its handshake a client on Server-Sent Events
// can be sent a Close record. The JavaScript clients are then still waiting for
// the answer to their first POST, in another request: a Close record that
// overtakes it leaves them connected for ever.
const earlyClose = time.Second

func (c *Conn) closesTooEarly() bool {
	opened := c.openedAt.Load()
	return opened != 0 && c.transport.Name() == ServerSentEvents && time.Now().UnixNano()-opened < int64(earlyClose)
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
func (w *worker) beginClose(c *Conn, cause Cause) {
	if !c.decide(cause) {
		return
	}
	cause = *c.CloseRequested()
	c.g.conns.kill(c)
	w.leaveHub(c)
	if c.out.release() == releasedHeld {
		// Nothing may come before a handshake error, and nothing makes sense behind it.
		deliveries, bytes := c.out.discard(false)
		c.shard.lose(DropConnectionClosed, deliveries, bytes)
		c.out.unclaim()
	}
	record := c.closeRecord(cause)
	queued, wake := c.out.finish(record, cause)
	if queued {
		c.shard.books.queuedBytes.Add(int64(len(record)))
	}
	if wake {
		c.transport.Wake()
	}
}

// closeSlow ends a client that is over its bound. What waits for it is given
// up; it is told why only if no write is in the middle of something.
func (w *worker) closeSlow(c *Conn) {
	cause := Cause{Reason: CloseSlowClient, Text: "The client reads too slowly: too many bytes are waiting for it.", AllowReconnect: true}
	deliveries, bytes := c.out.discard(true)
	c.shard.lose(DropSlowClient, deliveries, bytes)
	c.decide(cause)
	c.g.conns.kill(c)
	c.transport.Abort(cause)
}

// removeOp forgets a connection whose transport has ended.
type removeOp struct{ conn *Conn }

func (o *removeOp) apply(w *worker) {
	c := o.conn
	w.leaveHub(c)
	why := DropConnectionClosed
	if cause := c.CloseRequested(); cause != nil && cause.Reason == CloseSlowClient {
		why = DropSlowClient
	}
	deliveries, bytes := c.out.discard(true)
	c.shard.lose(why, deliveries, bytes)
	c.g.hubs.release(c.hub)
}

// ask remembers the first cause that Close was called with.
func (l *lifeCycle) ask(cause Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked == nil {
		l.asked = &cause
	}
}

// decide settles the cause of the end; false if one was settled before. A
// cause that was asked for earlier goes before the given one: a client that
// says goodbye and cuts the connection has left in order.
func (c *Conn) decide(cause Cause) bool {
	c.life.mu.Lock()
	defer c.life.mu.Unlock()
	if c.life.cause != nil {
		return false
	}
	if c.life.asked != nil {
		cause = *c.life.asked
	}
	c.life.cause = &cause
	c.closing.Store(time.Now().UnixNano())
	return true
}

// pending reports whether the application still has to answer the client.
func (c *Conn) pending() bool {
	p, ok := c.openSession().(Pending)
	return ok && p.Pending()
}

// abort ends the transport at once.
func (c *Conn) abort(cause Cause) {
	c.decide(cause)
	c.g.conns.kill(c)
	c.transport.Abort(cause)
}

// Ended says that the transport is gone. The first cause counts: the one the
// connection was closed with, if it was. Ended tells the session and must not
// be called with locks the session may need. Calls after the first do nothing.
func (c *Conn) Ended(cause Cause) {
	c.decide(cause)
	c.life.mu.Lock()
	if c.life.ended {
		c.life.mu.Unlock()
		return
	}
	c.life.ended = true
	c.life.mu.Unlock()

	c.reader.wake()
	c.g.conns.remove(c)
	c.shard.worker.queue.push(&removeOp{conn: c})
	final := *c.CloseRequested()
	c.g.closed.Add(final.Reason, 1)
	c.Logger().Info("connection closed", "reason", string(final.Reason), "text", final.Text,
		"transport", c.transport.Name(), "lasted", time.Duration(time.Now().UnixNano()-c.created).Round(time.Millisecond))
	c.tellEnd()
}

// tellEnd tells the session of the end, once, and not while the reader is in it.
func (c *Conn) tellEnd() {
	c.life.mu.Lock()
	s := c.life.session
	if s == nil || c.life.busy || c.life.told || !c.life.ended {
		c.life.mu.Unlock()
		return
	}
	c.life.told = true
	cause := *c.life.cause
	c.life.mu.Unlock()
	s.Closed(cause)
}

// enterSession keeps the session's Closed away until leaveSession.
func (c *Conn) enterSession() bool {
	c.life.mu.Lock()
	defer c.life.mu.Unlock()
	if c.life.ended {
		return false
	}
	c.life.busy = true
	return true
}

func (c *Conn) leaveSession() {
	c.life.mu.Lock()
	c.life.busy = false
	ended := c.life.ended
	c.life.mu.Unlock()
	if ended {
		c.tellEnd()
	}
}

// Open sends the handshake answer and lets multicast reach the client behind
// it. The gateway does it itself unless the session's traits say that the
// session answers. Calls after the first do nothing.
func (c *Conn) Open(answer []byte) {
	c.Announce()
	if !c.openedAt.CompareAndSwap(0, time.Now().UnixNano()) {
		return
	}
	c.shard.worker.queue.push(&openOp{conn: c, answer: answer})
	c.Logger().Info("connection opened", "transport", c.transport.Name(), "protocol", c.Protocol(), "remote", c.id.RemoteAddr)
}

// Announce makes the client a receiver before its handshake is answered: what is
// sent to it from now on, alone or with others, is held, within its bound, until
// Open, and is given up if it ends before. A session whose application knows the
// client earlier than the client knows of it calls it first (H37). Calls after
// the first do nothing.
func (c *Conn) Announce() {
	if !c.announced.CompareAndSwap(false, true) {
		return
	}
	var standing []pinnedGroup
	if c.id.User != "" {
		// In this order: a membership that is stored after it was listed finds
		// the connection among the user's and reaches it behind announceOp.
		c.hub.users.add(c)
		standing = c.standingGroups()
	}
	c.shard.worker.queue.push(&announceOp{conn: c, standing: standing})
	c.dropRevoked(standing)
}

// pingRecords are shared by all connections.
var pingRecords = map[string][]byte{
	hubprotocol.JSON:        hubprotocol.AppendPing(nil, hubprotocol.JSON),
	hubprotocol.MessagePack: hubprotocol.AppendPing(nil, hubprotocol.MessagePack),
}
