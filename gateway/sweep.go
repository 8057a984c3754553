package gateway

import (
	"cmp"
	"slices"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// sweepInterval is how often deadlines are looked at. One sweep for all
// connections replaces timers: an idle connection needs none.
const sweepInterval = time.Second

// closeGrace is how long a decided end may take before the transport is aborted.
const closeGrace = 10 * time.Second

// sweep watches every deadline of every connection until the gateway stops.
func (g *Gateway) sweep() {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-g.stop:
			return
		case now := <-tick.C:
			g.sweepConns(now)
			g.sweepHubs(now)
			g.conns.forget(now)
			g.hubs.forgetEmpty(now)
		}
	}
}

func (g *Gateway) sweepConns(now time.Time) {
	limits := g.opts.Limits()
	g.conns.each(func(c *Conn) {
		if c.sweep(now, limits) {
			c.ping(now.UnixNano())
		}
	})
	for _, w := range g.workers {
		if w.earlyCount.Load() > 0 {
			w.queue.push(earlyOp{})
		}
	}
}

// sweep ends the connection if a deadline has passed and reports whether a
// ping is due.
func (c *Conn) sweep(now time.Time, l Limits) (ping bool) {
	nanos := now.UnixNano()
	since := func(t int64) time.Duration { return time.Duration(nanos - t) }
	if closing := c.closing.Load(); closing != 0 {
		if since(closing) > closeGrace {
			c.transport.Abort(Cause{Reason: CloseNormal})
		}
		return false
	}
	if c.tooSlow(nanos, l.OutboxBytes) {
		c.shard.worker.queue.push(&slowOp{conn: c})
		return false
	}
	if d := c.detached.Load(); d != 0 && since(d) > l.Detached {
		c.abort(Cause{Reason: ClosePingTimeout, Text: "Connection ping timeout.", AllowReconnect: true})
		return false
	}
	if !c.isOpen() {
		timeout := l.Handshake
		if c.id.HandshakeTimeout > 0 {
			timeout = c.id.HandshakeTimeout
		}
		if since(c.created) > timeout {
			c.Close(Cause{Reason: CloseHandshakeError, Text: "Handshake was canceled."})
		}
		return false
	}
	if !c.id.CloseAt.IsZero() && !now.Before(c.id.CloseAt) {
		c.Close(Cause{Reason: CloseUnauthorized, Text: "The authentication of the connection has expired.", AllowReconnect: true})
		return false
	}
	return c.sweepAlive(since, l)
}

// tooSlow reports whether the client has been over its soft bound for too long.
func (c *Conn) tooSlow(nanos int64, bound int) bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	switch {
	case c.out.bytes <= bound:
		c.out.over = 0
	case c.out.over == 0:
		c.out.over = nanos
	}
	return c.out.over != 0 && nanos-c.out.over >= int64(OverPatience)
}

// sweepAlive watches the silence of both sides.
func (c *Conn) sweepAlive(since func(int64) time.Duration, l Limits) (ping bool) {
	session := c.openSession()
	if session == nil || !c.pings(session) {
		return false
	}
	if c.pinged.Load() && since(c.lastRead.Load()) > l.Timeout {
		c.Close(Cause{Reason: ClosePingTimeout, Text: "Connection ping timeout.", AllowReconnect: true})
		return false
	}
	// The sweep after next might come late by its own interval.
	return since(c.lastWrite.Load()) >= l.KeepAlive-sweepInterval/2
}

func (c *Conn) openSession() Session {
	c.life.mu.Lock()
	defer c.life.mu.Unlock()
	return c.life.session
}

// ping sends a keep-alive record.
func (c *Conn) ping(nanos int64) {
	if _, waiting := c.out.held(); waiting > 0 {
		return // what waits will keep the client alive, or end it as slow
	}
	record, ok := pingRecords[c.Protocol()]
	if !ok {
		record = hubprotocol.AppendPing(nil, c.Protocol())
	}
	// A ping counts as sent when it is queued: while the socket is full there must be one, not
	// one each second.
	c.lastWrite.Store(nanos)
	c.SendControl(record)
}

// overPatience is how long a hub may be over its bound before the largest
// holders are closed (D12).
const overPatience = 2 * time.Second

func (g *Gateway) sweepHubs(now time.Time) {
	limits := g.opts.Limits()
	bound, all := limits.HubQueuedBytes, 0
	for _, h := range g.hubs.all() {
		all += h.queuedBytes()
		for i := range h.shards {
			if s := &h.shards[i]; s.expires.Load() > 0 {
				s.worker.queue.push(&expireOp{shard: s, now: now})
			}
		}
		switch queued := h.queuedBytes(); {
		case queued <= bound:
			h.overSince = time.Time{}
		case h.overSince.IsZero():
			h.overSince = now
		case now.Sub(h.overSince) >= overPatience:
			g.relieve(h, queued-bound)
		}
	}
	if limits.QueuedBytes > 0 && all > limits.QueuedBytes {
		g.relieve(nil, all-limits.QueuedBytes)
	}
}

// relieve closes the clients of the hub, or of all hubs if it is nil, that hold
// the most until the excess is gone.
func (g *Gateway) relieve(h *hub, excess int) {
	type holder struct {
		conn  *Conn
		bytes int
	}
	var holders []holder
	g.conns.each(func(c *Conn) {
		if h != nil && c.hub != h {
			return
		}
		if bytes, _ := c.out.held(); bytes > 0 {
			holders = append(holders, holder{c, bytes})
		}
	})
	slices.SortFunc(holders, func(a, b holder) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, held := range holders {
		if excess <= 0 {
			return
		}
		held.conn.shard.worker.queue.push(&slowOp{conn: held.conn})
		excess -= held.bytes
	}
}

// slowOp closes a client as slow.
type slowOp struct{ conn *Conn }

func (o *slowOp) apply(w *worker) { w.closeSlow(o.conn) }
