package gateway

import (
	"cmp"
	"slices"
	"time"
)

// Who is slow (D17): a client that is over its soft bound for a while, or over its
// hard bound, and the largest holders where a hub or the node holds too much. The
// hard bound is put's. That a client takes no byte at all is noticed by its
// transport, which sees its writes.

// OverPatience is how long what waits for a client may be over its soft bound (D17).
const OverPatience = 30 * time.Second

// tooSlow reports whether the client has been over its soft bound for too long.
func (o *outbox) tooSlow(m *moment) bool {
	switch {
	case o.queued.bytes+o.unacked <= m.limits.OutboxBytes:
		o.over = 0
	case o.over == 0:
		o.over = m.now
	}
	return o.over != 0 && m.passed(o.over, OverPatience-1)
}

// hubPatience is how long a hub may be over its bound before the largest
// holders are closed (D12).
const hubPatience = 2 * time.Second

func (g *Gateway) sweepHubs() {
	limits, now := g.opts.Limits(), g.now()
	for _, h := range g.hubs.all() {
		for i := range h.shards {
			if s := &h.shards[i]; s.expires.Load() > 0 {
				s.worker.queue.push(&expireOp{shard: s, now: g.opts.Now()})
			}
		}
		switch excess := h.queuedBytes() - limits.HubQueuedBytes; {
		case excess <= 0:
			h.overSince = 0
		case h.overSince == 0:
			h.overSince = now
		case now-h.overSince >= int64(hubPatience):
			g.relieve(excess, queuedIn(h), func(c *Conn) { c.cutOff(slowCause) })
		}
	}
}

// relieveNode closes the clients for whom the most waits while that is more than the node's bound.
func (g *Gateway) relieveNode() {
	bound, all := g.opts.Limits().QueuedBytes, 0
	for _, h := range g.hubs.all() {
		all += h.queuedBytes()
	}
	if excess := all - bound; bound > 0 && excess > 0 {
		g.relieve(excess, queuedIn(nil), func(c *Conn) { c.cutOff(slowCause) })
	}
}

// crowd wakes the sweeper when more waits for one hub's clients than the node may hold. The sum of
// several hubs is left to the next sweep.
func (h *hub) crowd(g *Gateway) {
	bound := g.opts.Limits().QueuedBytes
	if bound <= 0 || h.queuedBytes() <= bound {
		return
	}
	select {
	case g.crowded <- struct{}{}:
	default:
	}
}

// queuedIn measures what waits for clients of the hub, or of any hub if it is nil.
func queuedIn(h *hub) func(*Conn) int {
	return func(c *Conn) int {
		if h != nil && c.shard.hub != h {
			return 0
		}
		return c.held().bytes
	}
}

// relieve ends the connections that hold the most until the excess is gone.
func (g *Gateway) relieve(excess int, holds func(*Conn) int, end func(*Conn)) {
	type holder struct {
		conn  *Conn
		bytes int
	}
	var holders []holder
	g.conns.each(func(c *Conn) {
		if bytes := holds(c); bytes > 0 {
			holders = append(holders, holder{c, bytes})
		}
	})
	slices.SortFunc(holders, func(a, b holder) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, held := range holders {
		if excess <= 0 {
			return
		}
		end(held.conn)
		excess -= held.bytes
	}
}
