//go:build unix

package gateway

import (
	"fmt"
	"slices"
	"time"
)

// modelChecked is what the rules remember of a connection from one step to the next.
type modelChecked struct {
	state   state
	cause   *Cause
	since   int64 // when it was attached
	over    int64 // since when more waits than the soft bound, 0 if not
	mayPing bool  // what it has said may contain a ping
	drained <-chan struct{}
	holding bool // records are held for the handshake answer
}

// check looks whether the rules hold. It is called between steps.
func (m *model) check() {
	m.readers()
	m.plane.check()
	var attempted, written, unfinished, bytes int64
	for _, c := range m.conns {
		c.check()
		held := c.conn.held()
		attempted -= int64(held.deliveries)
		bytes += int64(held.bytes)
		unfinished += c.conn.reader.unfinished.size
	}
	h := m.g.hubs.get(modelHub)
	if h == nil {
		return
	}
	for i := range h.shards {
		b := &h.shards[i].books
		attempted += int64(b.attempted.Load())
		written += int64(b.written.Load())
		for _, n := range b.dropped.Map() {
			written += int64(n)
		}
	}
	if attempted != written {
		m.breaks("rule 5: the books do not balance: %d deliveries attempted and not queued, %d written or dropped", attempted, written)
	}
	if n := int64(h.queuedBytes()); n != bytes {
		m.breaks("rule 5: %d bytes counted as queued, %d in outboxes", n, bytes)
	}
	if n := m.g.counts.unfinished.Load(); n != unfinished {
		m.breaks("%d bytes counted of unfinished records, %d held", n, unfinished)
	}
}

func (c *modelConn) check() {
	c.checkLife()
	c.checkWriter()
	c.checkOutbox()
	if c.comings != nil {
		c.checkReturns()
	}
	c.checkHeard()
	c.checkSession()
}

// checkLife: the state goes down the table, the first cause stays, and every end has its reason.
func (c *modelConn) checkLife() {
	l, m, seen := &c.conn.life, c.m, &c.checked
	now := l.state()
	if now < seen.state && !(seen.state == away && now == open) {
		m.breaks("%d: state %d follows %d", c.index, now, seen.state)
	}
	if now != seen.state {
		m.seen[fmt.Sprint("state ", now)]++
		if now == gone && seen.state <= announced && c.reader.feeding {
			m.seen["an end during the handshake"]++
		}
	}
	if seen.holding && now >= closing {
		m.seen["held records were given up"]++
	}
	seen.state, seen.holding = now, now.may(holds) && c.conn.out.framed() < len(c.conn.out.records)
	switch {
	case seen.cause != nil && l.cause != seen.cause:
		m.breaks("%d: the cause changed from %v to %v", c.index, seen.cause, l.cause)
	case seen.cause == nil && l.cause != nil:
		m.seen["reason "+string(l.cause.Reason)]++
		if !c.why[l.cause.Reason] {
			m.breaks("rule 6: %d ends without a reason: %v", c.index, l.cause)
		}
	case l.cause == nil && now >= closing:
		m.breaks("rule 6: %d is in state %d and has no cause", c.index, now)
	}
	seen.cause = l.cause
	if _, dead := m.g.conns.lookup(c.conn.id.ID); dead != (now >= closing) {
		m.breaks("%d: in state %d its id is dead: %v", c.index, now, dead)
	}
	if c.comings == nil && c.ended != (now == gone) {
		m.breaks("%d: ended %v, state %d", c.index, c.ended, now)
	}
	if now == cut && !c.closed {
		m.breaks("%d is cut and its transport goes on", c.index)
	}
}

// checkWriter: there is one writer, and if something may leave there is one.
func (c *modelConn) checkWriter() {
	o, p, s := &c.conn.out, &c.pump, c.conn.life.state()
	ready := len(o.records)
	if s.may(holds) {
		ready = o.framed()
	}
	leaves := s.may(mayTake) && (ready > 0 || o.tail != nil || s == closing)
	switch {
	case o.writer == writerWorker:
		c.m.breaks("%d: the worker is the writer between its passes", c.index)
	case p.inside && o.writer != writerPump:
		c.m.breaks("rule 2: %d: the pump is writing and not the writer", c.index)
	case leaves && o.writer != writerPump:
		c.m.breaks("rule 3: %d: something waits and nobody writes", c.index)
	case o.writer == writerPump && !p.inside && !p.awake && !c.closed && !p.goodbye && c.kind != kindPolling:
		c.m.breaks("rule 3: %d: the pump is the writer and was not woken", c.index)
	case o.writer == writerPump && c.kind == kindPolling && p.polling && !p.inside && !p.awake && !c.closed:
		c.m.breaks("rule 3: %d: a poll waits for what is there", c.index)
	}
	if o.tail != nil {
		c.m.seen["a worker left a tail"]++
	}
}

// checkOutbox: what is counted is what waits, within the bound; an idle one holds nothing.
func (c *modelConn) checkOutbox() {
	o, now := &c.conn.out, c.m.g.now()
	want := sumOf(o.records)
	want.bytes += len(o.tail)
	if c.conn.back != nil {
		want.bytes += c.conn.back.owed.bytes - len(o.tail) // see checkReturns
	} else if c.pump.inside {
		want.bytes += c.pump.batch.taken.bytes
	}
	if want.bytes != o.queued.bytes || o.queued.deliveries < 0 {
		c.m.breaks("%d: %d bytes wait, %+v are counted", c.index, want.bytes, o.queued)
	}
	if largest := 4000 + modelLimits.OutboxMaxBytes; o.queued.bytes > largest {
		c.m.breaks("rule 2: %d: %d bytes wait", c.index, o.queued.bytes)
	}
	if len(o.records) == 0 && o.records != nil {
		c.m.breaks("rule 3: %d: an idle connection holds a buffer", c.index)
	}
	switch {
	case o.queued.bytes+o.unacked <= modelLimits.OutboxBytes:
		c.checked.over = 0
	case c.checked.over == 0:
		c.checked.over = now
	}
	if c.checked.drained != nil && !c.conn.isOver(modelLimits.OutboxBytes) {
		select {
		case <-c.checked.drained:
			c.checked.drained = nil
		default:
			c.m.breaks("%d: a producer waits for room that there is", c.index)
		}
	}
}

// checkHeard: what has come is the beginning of what was sent, the answer first, a Close last.
func (c *modelConn) checkHeard() {
	for i, r := range c.client.got {
		switch {
		case r == "broken" || r == "a broken stream":
			c.m.breaks("%d: its stream is broken: %v", c.index, c.client.got)
		case (r == "answer" || r == "refusal") != (i == 0):
			c.m.breaks("rule 4: %d: the handshake answer is not the first: %v", c.index, c.client.got)
		case r == "close" && i != len(c.client.got)-1, r == "refusal" && len(c.client.got) > 1 && !slices.Equal(c.client.got[1:], []string{"close"}):
			c.m.breaks("rule 4: %d: the last record is not the last: %v", c.index, c.client.got)
		}
	}
	messages, expected := c.messages(), c.client.expected
	ok, rest := c.hears(messages, expected)
	if !ok {
		c.m.breaks("rule 4: %d heard %v, was sent %v", c.index, messages, expected)
	}
	if c.client.ended && c.client.got != nil && c.client.got[0] == "answer" && len(rest) > 0 {
		c.m.breaks("%d ended politely and missed some: heard %v, was sent %v", c.index, messages, expected)
	}
}

// messages are what has come to the client but for what the gateway says of itself.
func (c *modelConn) messages() (messages []string) {
	for _, r := range c.client.got {
		if r[0] == '#' || r == "completion" {
			messages = append(messages, r)
		}
	}
	return messages
}

// hears reports whether the messages are the first of the expected; rest are those behind them.
func (c *modelConn) hears(messages, expected []string) (ok bool, rest []string) {
	switch {
	case c.isMarked():
		return c.comings.hears(messages, expected)
	case len(messages) > len(expected):
		return false, nil
	}
	return slices.Equal(messages, expected[:len(messages)]), expected[len(messages):]
}

// checkSession: opened first, closed last, what the client said between them in order; nobody waits
// for a session whose client is gone.
func (c *modelConn) checkSession() {
	s := &c.session
	if c.waits() {
		c.m.seen["the reader waited"]++
		if c.conn.life.cause != nil {
			c.m.breaks("%d: the reader waits though the connection ends", c.index)
		}
	}
	for i, n := range s.received {
		if s.speaker == ApplicationSpeaks && n != i+1 || i > 0 && n <= s.received[i-1] {
			c.m.breaks("rule 4: %d: the application has heard %v", c.index, s.received)
		}
	}
	wantClosed := 0
	if c.conn.life.state() == gone && c.conn.life.session != nil && c.conn.life.turn != inside {
		wantClosed = 1
	}
	if len(s.closed) != wantClosed {
		c.m.breaks("rule 4: %d: the session was told %d ends", c.index, len(s.closed))
	}
	if len(s.closed) > 0 && s.closed[0] != *c.conn.life.cause {
		c.m.breaks("rule 6: %d: the session was told %v, the cause is %v", c.index, s.closed[0], c.conn.life.cause)
	}
}

// expectSweep says which deadlines have passed, by what the model knows.
func (c *modelConn) expectSweep(at *moment) {
	if c.comings != nil {
		c.noteAway()
	}
	passed := func(since int64, d time.Duration) bool { return at.now-since > int64(d) }
	for why, may := range map[CloseReason]bool{
		CloseHandshakeError: c.conn.life.state() <= announced && passed(c.checked.since, at.limits.Handshake),
		ClosePingTimeout: c.comings == nil && (c.checked.mayPing && passed(c.reader.at, at.limits.Timeout) ||
			c.kind == kindSocket && passed(max(c.reader.at, c.reader.heard), at.limits.Timeout+2*at.limits.KeepAlive) ||
			c.kind == kindPolling && !c.pump.polling && passed(c.conn.clocks.detached.Load(), at.limits.Detached)),
		CloseDisconnectTimeout: c.comings != nil && (c.conn.life.state() == away && passed(c.comings.lostAt, modelAway) ||
			c.kind == kindPolling && !c.pump.polling && passed(c.conn.clocks.detached.Load(), c.conn.awayTime(at.limits.Detached))),
		CloseSlowClient:   c.checked.over != 0 && passed(c.checked.over, OverPatience-2),
		CloseBadRequest:   c.conn.reader.unfinished.size > 0 && passed(c.reader.at, 0),
		CloseUnauthorized: !c.conn.id.CloseAt.IsZero() && !at.wall.Before(c.conn.id.CloseAt),
	} {
		if may {
			c.why[why] = true
		}
	}
}

// checkSwept sees that no deadline was missed.
func (c *modelConn) checkSwept(at *moment) {
	if c.comings != nil {
		c.noteAway()
	}
	l := &c.conn.life
	if c.waits() {
		if l.cause != nil {
			c.m.seen["the reader waited when it was ended"]++
		}
		c.m.readers()
	}
	passed := func(since int64, d time.Duration) bool { return at.now-since > int64(d) }
	missed := ""
	switch {
	case l.cause != nil && l.state() >= closing && l.state() < gone && !c.closed && passed(l.since, closeGrace):
		missed = "its end"
	case l.cause != nil:
	case l.state() <= announced && passed(c.checked.since, at.limits.Handshake):
		missed = "the handshake"
	case l.state() == away && passed(c.comings.lostAt, modelAway):
		missed = "that the client did not come back"
	case !c.conn.id.CloseAt.IsZero() && !at.wall.Before(c.conn.id.CloseAt):
		missed = "the end of the authentication"
	case c.conn.clocks.pinged.Load() && l.state() == open && l.speaker != ApplicationSpeaks && c.kind != kindPolling && passed(max(c.reader.at, c.born), at.limits.Timeout):
		missed = "silence"
	}
	if missed != "" {
		c.m.breaks("%d: a sweep has missed %s", c.index, missed)
	}
}

// checkComplete: a client that was not ended has got everything, and was heard.
func (c *modelConn) checkComplete() {
	if s := c.conn.life.state(); c.conn.life.cause != nil && s < closing && len(c.conn.shard.worker.early) == 0 {
		c.m.breaks("%d: its end was asked for and nobody is at it", c.index)
	} else if c.conn.life.cause != nil || s != open {
		return
	}
	c.m.seen["everything was delivered"]++
	if ok, rest := c.hears(c.messages(), c.client.expected); !ok || len(rest) > 0 {
		c.m.breaks("%d heard %v of %v: %v", c.index, c.messages(), c.client.expected, c.client.got)
	}
	if c.comings != nil && c.session.returned != len(c.comings.answered) {
		c.m.breaks("%d: its session was told %d returns of %d", c.index, c.session.returned, len(c.comings.answered))
	}
	if c.session.speaker == ApplicationSpeaks && len(c.client.input) == 0 && len(c.session.received) != c.client.invoked {
		c.m.breaks("%d: the application has heard %v of %d", c.index, c.session.received, c.client.invoked)
	}
	if c.conn.out.writer != writerNone && c.kind != kindPolling || c.conn.out.queued != (waiting{}) {
		c.m.breaks("rule 3: %d: at rest there is a writer: %+v", c.index, c.conn.out)
	}
}

// checkNothingDropped: as long as no connection ends, nothing is given up but messages without a form.
func (m *model) checkNothingDropped() {
	h := m.g.hubs.get(modelHub)
	if h == nil || slices.ContainsFunc(m.conns, func(c *modelConn) bool { return c.conn.life.cause != nil }) {
		return
	}
	m.seen["nothing was dropped"]++
	for i := range h.shards {
		for why, n := range h.shards[i].books.dropped.Map() {
			if n > 0 && why != DropNoPayloadForProtocol {
				m.breaks("rule 5: %d deliveries are dropped as %s, and every client is there", n, why)
			}
		}
	}
}

// checkGone: in the end nothing is left of a connection.
func (c *modelConn) checkGone() {
	conn := c.conn
	if conn.life.state() != gone || conn.place.slot >= 0 || len(conn.place.groups) > 0 || conn.link.inUsers {
		c.m.breaks("%d: something is left of it: state %v, slot %d, %d groups, among its user's %v", c.index, conn.life.state(), conn.place.slot, len(conn.place.groups), conn.link.inUsers)
	}
	if c.reader.feeding {
		c.m.breaks("%d: its reader is still there", c.index)
	}
	if conn.out.coming != 0 {
		c.m.breaks("%d: %d bytes are still on their way to it", c.index, conn.out.coming)
	}
	if c.session.accepted != (len(c.session.closed) == 1) {
		c.m.breaks("%d: accepted %v, told %v", c.index, c.session.accepted, c.session.closed)
	}
}

func (m *model) checkEmpty() {
	if err := m.g.Check(); err != nil {
		m.breaks("%v", err)
	}
	m.plane.checkEmpty()
	s := m.g.Stats()
	closed, panics := uint64(0), uint64(0)
	if m.plane != nil {
		panics = m.plane.panics
	}
	for _, n := range s.Closed {
		closed += n
	}
	if s.Opened != closed || s.Backlog != 0 || s.Unfinished != 0 || s.Panics != panics || m.g.conns.count() != 0 || m.g.Connections(modelHub) != 0 {
		m.breaks("something is left: %+v", s)
	}
	if h := m.g.hubs.get(modelHub); h != nil && len(h.groups.groups) > 0 {
		m.breaks("groups are left: %v", h.groups.groups)
	}
}
