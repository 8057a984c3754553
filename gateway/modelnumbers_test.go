//go:build unix

package gateway

import (
	"slices"

	"github.com/hubgate/hubgate/hubprotocol"
)

// Some of the clients that may come back have stateful reconnect. They number their records as official
// clients do, and are written here as those are: what they have not heard to be received they say again.

// modelNumbers is what such a client knows.
type modelNumbers struct {
	// unacked are the records that it may have to say again. first is the number of the first of them.
	unacked [][]byte
	first   uint64
	// next is the number of the record that comes next, latest that of the last one that was new.
	next, latest uint64
	// acked is what it has said of that.
	acked uint64
	// waits: it hears nothing before a Sequence record.
	waits bool
}

// isNumbered reports whether the client has stateful reconnect.
func (c *modelConn) isNumbered() bool { return c.client.numbers != nil }

// isMarked reports whether the client may come back with a cursor.
func (c *modelConn) isMarked() bool { return c.comings != nil && c.client.numbers == nil }

// says notes a record that the client has decided on, and adds it to what it has to say.
func (l *modelClient) says(record []byte) {
	l.input = append(l.input, record...)
	if l.numbers != nil {
		l.numbers.unacked = append(l.numbers.unacked, record)
	}
}

// readNumbered names a record, "" for one that is dropped.
func (c *modelConn) readNumbered(record []byte) string {
	l, n := &c.client, c.client.numbers
	if len(l.got) == 0 {
		return l.readPlain(record)
	}
	_, body, _, err := hubprotocol.Cut(l.protocol, record, 1<<20)
	if err != nil || body == nil {
		return "broken"
	}
	m, err := hubprotocol.Parse(l.protocol, body)
	switch {
	case err != nil:
		return "broken"
	case m.Type == hubprotocol.Sequence:
		if m.SequenceID > n.next || !n.waits {
			c.m.breaks("%d: Sequence %d, expected up to %d, waits %v", c.index, m.SequenceID, n.next, n.waits)
		}
		if m.SequenceID <= n.acked {
			c.m.breaks("%d: Sequence %d behind Ack %d", c.index, m.SequenceID, n.acked)
		}
		n.next, n.waits = m.SequenceID, false
		return "sequence"
	case n.waits:
		return ""
	case m.Type == hubprotocol.Ack:
		c.acked(m.SequenceID)
		return "ack"
	case m.Type.Numbered():
		number := n.next
		if n.next++; number <= n.latest {
			c.m.seen["a record came again"]++
			return ""
		}
		n.latest = number
	}
	return l.readPlain(record)
}

// acked is the gateway acknowledging what the client has said.
func (c *modelConn) acked(number uint64) {
	n := c.client.numbers
	if number < n.first {
		return
	}
	count := int(number - n.first + 1)
	if count > len(n.unacked) {
		c.m.breaks("%d: Ack %d, and it has said %d", c.index, number, n.first+uint64(len(n.unacked))-1)
		return
	}
	n.unacked, n.first = n.unacked[count:], number+1
	c.m.seen["records of a client were acknowledged"]++
}

// saysAck is the client acknowledging what it has received.
func (c *modelConn) saysAck() bool {
	l, n := &c.client, c.client.numbers
	if n == nil || n.waits || n.latest == n.acked || !l.said || len(l.got) == 0 {
		return false
	}
	n.acked = n.latest
	l.input = append(l.input, hubprotocol.AppendAck(nil, l.protocol, n.latest)...)
	return true
}

// redials is comeBack for such a client.
func (c *modelConn) redials() bool {
	l, n := &c.client, c.client.numbers
	if len(l.got) == 0 {
		return false // it does not know that it is connected
	}
	if data := l.on.raw.drain(); len(data) > 0 {
		l.on.arrived(data[:c.m.rand.IntN(len(data)+1)])
	}
	if slices.Contains(l.got, "close") {
		c.leave()
		return true
	}
	d := &modelDial{t: newModelTransport(c)}
	l.stream, l.on, n.waits, n.acked = nil, d.t, true, 0
	l.input = hubprotocol.AppendSequence(nil, l.protocol, n.first)
	for _, record := range n.unacked {
		l.input = append(l.input, record...)
	}
	d.op = &replaceOp{conn: c.conn, by: d.t.transport(), done: make(chan error, 1)}
	c.conn.shard.worker.queue.push(d.op)
	c.comings.dialed = append(c.comings.dialed, d)
	c.m.seen["a client with numbers dialed again"]++
	return true
}

// checkNumbers sees that what is kept has the numbers that follow each other.
func (c *modelConn) checkNumbers() {
	b, o := c.conn.back, &c.conn.out
	n, k := b.numbers, &b.kept
	number := n.given
	for i := range k.size {
		kept := k.at(i)
		number += uint64(hubprotocol.CountNumbered(c.client.protocol, kept.bytes))
		if uint64(kept.at) != number {
			c.m.breaks("%d: record %d of those that are kept has number %d, should be %d", c.index, i, kept.at, number)
		}
	}
	if k.size > k.unsettled && uint64(k.at(0).at) <= n.acked {
		c.m.breaks("%d: it keeps what was acknowledged", c.index)
	}
	if c.conn.life.state() != gone && o.unacked != c.conn.unacked() {
		c.m.breaks("%d: %d unacknowledged bytes are counted, %d kept", c.index, o.unacked, c.conn.unacked())
	}
	if most := modelLimits.OutboxMaxBytes + 4000; o.unacked > most {
		c.m.breaks("rule 2: %d: %d bytes are not acknowledged", c.index, o.unacked)
	}
	if n.received.Load() > uint64(c.client.invoked) {
		c.m.breaks("%d: it has received %d records of %d", c.index, n.received.Load(), c.client.invoked)
	}
}

// readPlain names a record of a client of JSON or MessagePack.
func (l *modelClient) readPlain(record []byte) string {
	switch {
	case len(l.got) == 0 && string(record) == "{}\x1e":
		return "answer"
	case len(l.got) == 0:
		return "refusal"
	}
	_, body, _, err := hubprotocol.Cut(l.protocol, record, 1<<20)
	if err != nil || body == nil {
		return "broken"
	}
	peeked, err := hubprotocol.Peek(l.protocol, body)
	switch {
	case err != nil:
		return "broken"
	case peeked.Type == hubprotocol.Ping:
		return "ping"
	case peeked.Type == hubprotocol.Close:
		return "close"
	}
	return modelKey(body)
}

// cameBack is the end of Return.
func (c *modelConn) cameBack(d *modelDial) {
	c.m.seen["a client with numbers came back"]++
	if len(c.conn.reader.partial) > 0 {
		c.m.seen["a partial record was forgotten"]++
	}
	c.comings.former = append(c.comings.former, c.modelTransport)
	c.modelTransport = d.t
	d.t.born = c.m.g.now()
	c.reader.deaf = false
}
