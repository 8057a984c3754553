package gateway

import (
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
		case <-g.ending.stop:
			return
		case <-g.crowded:
			g.relieveNode()
			g.relieveReaders()
		case <-tick.C:
			g.sweepConns()
			g.sweepHubs()
			g.relieveNode()
			g.relieveReaders()
			g.conns.forget(g.opts.Now())
			g.hubs.forgetEmpty(g.now())
			g.quota.tell()
			g.askAgain()
		}
	}
}

func (g *Gateway) sweepConns() {
	at := moment{now: g.now(), wall: g.opts.Now(), limits: g.opts.Limits()}
	g.conns.stroll(g.ending.stop, func(c *Conn) { c.sweep(&at) })
	for _, w := range g.workers {
		if w.earlyCount.Load() > 0 {
			w.queue.push(earlyOp{})
		}
	}
}

// moment is one sweep's view: now counts the gateway's nanoseconds, wall is for
// what tokens say and nothing else, since clocks are set.
type moment struct {
	now    int64
	wall   time.Time
	limits Limits
}

func (m *moment) passed(since int64, period time.Duration) bool {
	return m.now-since > int64(period)
}

// inspected is what a sweep wants to know of a connection, all at one moment.
type inspected struct {
	state      state
	asked      bool // an end was asked for
	since      int64
	slow       bool
	queued     waiting
	unfinished bool // and for too long
	// kept: the gateway keeps it alive with pings, and ends it when it is silent.
	kept      bool
	transport Transport
	numbers   *numbers // nil for clients without
}

func (c *Conn) inspect(m *moment) inspected {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, polled := &c.life, c.transport.Abilities().Polled
	if n := c.numbersOf(); n != nil {
		n.rest(&c.back.kept)
	} else if c.back != nil {
		c.back.kept.rest(&c.g.keeping, c.manner(), m.now)
	}
	return inspected{
		state: l.state(), asked: l.cause != nil, since: l.since,
		slow: c.out.tooSlow(m), queued: c.out.queued,
		unfinished: c.reader.unfinished.overdue(m),
		kept:       l.session != nil && (l.speaker != ApplicationSpeaks || c.manner() != nil) && !polled,
		transport:  c.transport, numbers: c.numbersOf(),
	}
}

// sweep ends the connection if a deadline has passed, and pings if it is time.
func (c *Conn) sweep(m *moment) {
	seen := c.inspect(m)
	switch seen.state {
	case closing, closed, cut:
		if m.passed(seen.since, closeGrace) {
			c.cutOff(Cause{Reason: CloseNormal})
		}
		return
	case gone:
		return
	}
	if d := c.clocks.detached.Load(); d != 0 && m.passed(d, c.awayTime(m.limits.Detached)) {
		c.endDetached(d)
		return
	}
	switch {
	case seen.asked: // its Close is on the way
	case seen.slow:
		c.cutOff(slowCause)
	case seen.state == away && m.passed(seen.since, c.awayTime(m.limits.Away)):
		c.cutOffIf(awayCause, func(c *Conn) bool { return c.life.state() == away && c.life.since == seen.since })
	case seen.unfinished:
		c.Close(Cause{Reason: CloseBadRequest, Text: "A message took too long to arrive.", AllowReconnect: true})
		c.reader.forget(c)
		_ = c.Hold(0) // its transport will find out
	case seen.state <= announced && m.passed(seen.since, c.handshakeTimeout(m)):
		c.Close(Cause{Reason: CloseHandshakeError, Text: "Handshake was canceled."})
	case c.expired(m):
		c.Close(Cause{Reason: CloseUnauthorized, Text: "The authentication of the connection has expired.", AllowReconnect: true})
	case m.limits.Stopped:
		c.Close(reloadCause)
	case m.limits.Lifetime > 0 && m.passed(c.born, m.limits.Lifetime):
		c.Close(Cause{Reason: CloseUnauthorized, Text: "The connection has lasted as long as the settings allow.", AllowReconnect: true})
	case seen.state == greeting:
		if m.passed(seen.since, greetTime-1) {
			c.shard.worker.queue.push(&greetedOp{conn: c})
		}
	case seen.state == open && c.silent(m, &seen):
		c.endSilent(seen.transport)
	case seen.state == open:
		if seen.numbers != nil {
			c.acknowledge(seen.numbers)
		}
		if seen.kept {
			c.keepAlive(m, seen.queued.deliveries)
		}
	}
}

// expired reports whether the time has come at which the client's token wanted the connection to end.
func (c *Conn) expired(m *moment) bool {
	at := c.Identity().CloseAt
	return !at.IsZero() && !m.wall.Before(at)
}

func (c *Conn) handshakeTimeout(m *moment) time.Duration {
	if c.id.HandshakeTimeout > 0 {
		return c.id.HandshakeTimeout
	}
	return m.limits.Handshake
}

var silentCause = Cause{Reason: ClosePingTimeout, Text: "Connection ping timeout.", AllowReconnect: true}

// silent reports whether the client has to be taken for dead. One that ever pinged is when it stops
// (C68). One that never pings may be silent for as long as it likes, if it is there at all: where
// the transport can, its peer is asked.
func (c *Conn) silent(m *moment, seen *inspected) bool {
	if c.clocks.held.Load() {
		return false
	}
	if c.clocks.pinged.Load() {
		return seen.kept && m.passed(c.clocks.lastRead.Load(), m.limits.Timeout)
	}
	t, ok := seen.transport.(ProbingTransport)
	if !ok {
		return false
	}
	if seen.queued.bytes > 0 {
		// It is slow, which has rules of its own: what it is asked would wait behind the rest.
		c.clocks.heard.Store(m.now)
		return false
	}
	heard, probed := max(c.clocks.lastRead.Load(), c.clocks.heard.Load()), c.clocks.probed.Load()
	if probed > heard {
		return m.passed(probed, m.limits.Timeout)
	}
	if m.passed(heard, silentKeepAlives*c.keepAliveTime(m)) && c.notesProbe(t, m.now) {
		t.Probe()
	}
	return false
}

// notesProbe notes that the transport is told to probe, if it is still the connection's.
func (c *Conn) notesProbe(t Transport, now int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.back != nil && c.transport != t {
		return false
	}
	c.clocks.probed.Store(now)
	return true
}

// endSilent ends a connection whose peer is silent, or only its transport if the client may come back.
func (c *Conn) endSilent(t Transport) {
	if c.back != nil {
		c.lose(t, silentCause)
		return
	}
	c.Close(silentCause)
}

// endDetached ends the client of a polled transport that has not polled since a time.
func (c *Conn) endDetached(since int64) {
	cause := silentCause
	if c.back != nil {
		cause = awayCause
	}
	c.cutOffIf(cause, func(c *Conn) bool { return c.clocks.detached.Load() == since })
}

func (c *Conn) keepAliveTime(m *moment) time.Duration {
	if manner := c.manner(); manner != nil {
		return manner.KeepAlive()
	}
	return m.limits.KeepAlive
}

// silentKeepAlives is how many keep-alives a client may be silent before its peer is asked.
const silentKeepAlives = 2

// spoke notes that the client was written to. One with a Manner takes not every record for a sign of
// life, such as the answer to a call: it gets pings all the same.
func (c *Conn) spoke(now int64) {
	if c.manner() == nil {
		c.clocks.lastWrite.Store(now)
	}
}

// keepAlive fills the gateway's own silence.
func (c *Conn) keepAlive(m *moment, deliveries int) {
	// The sweep after next might come late by its own interval. What waits will
	// keep the client alive (see spoke for one that it will not), or end it as slow.
	if !m.passed(c.clocks.lastWrite.Load(), c.keepAliveTime(m)-sweepInterval/2-1) || deliveries > 0 && c.manner() == nil {
		return
	}
	// A ping counts as sent when it is queued: while the socket is full there
	// must be one, not one each second.
	c.clocks.lastWrite.Store(m.now)
	c.SendControl(c.pingRecord())
}

func (c *Conn) pingRecord() []byte {
	if manner := c.manner(); manner != nil {
		return manner.Ping()
	}
	if record, ok := pingRecords[c.Protocol()]; ok {
		return record
	}
	return hubprotocol.AppendPing(nil, c.Protocol())
}

// pingRecords are shared by all connections.
var pingRecords = map[string][]byte{
	hubprotocol.JSON:        hubprotocol.AppendPing(nil, hubprotocol.JSON),
	hubprotocol.MessagePack: hubprotocol.AppendPing(nil, hubprotocol.MessagePack),
}
