package gateway

import (
	"sync/atomic"

	"github.com/hubgate/hubgate/hubprotocol"
)

// Stateful reconnect of ASP.NET Core SignalR (section 4 of the client compatibility table). In each
// direction the records that carry an invocation are numbered from 1 on. Each side keeps what it has
// sent until the other acknowledges it, and gives it again on another transport, behind a Sequence
// record that says which number comes first. The application notices nothing: its side of the
// connection has no numbers.
//
// What makes such a connection is numbers. The rest is what every client that comes back has: the time
// without a transport (away.go), the replacement (replace.go) and what is kept (replay.go).

// numbers is what is to be known of such a connection to go on with it, besides the records that are
// kept (returning.kept): everything else of it could be made anew.
type numbers struct {
	// given is the number of the last record that is kept no more. Guarded by Conn.mu.
	given uint64
	// acked is the last number that the client has acknowledged. It may be ahead of what is kept: a
	// client can be faster than the worker that has just written to it. Guarded by Conn.mu.
	acked uint64
	// received is the number of the last record of the client that was handed to the session; told is
	// what the client was told of it on the present transport.
	received, told atomic.Uint64

	incoming incomingNumbers // the reader's
	redials  redials         // guarded by Conn.mu
	// heard: the client has said something since its handshake. Guarded by Conn.mu.
	heard bool
	// rested: nothing was kept at the sweep before. The sweeper's.
	rested bool
}

// incomingNumbers is what the reader knows of the records that are coming.
type incomingNumbers struct {
	// from is the transport whose bytes are read.
	from Transport
	// next is the number of the record that comes next.
	next uint64
	// waits: nothing counts before the Sequence record of a new transport.
	waits bool
	// untold are the bytes of records behind the last acknowledgement.
	untold int
	// greeted: the client has said something since its handshake.
	greeted bool
}

const (
	// greetTime is how long numbered records wait for the first word of a client that says nothing:
	// some clients do not count what comes together with the handshake's answer (C121).
	greetTime = sweepInterval
	// ackBytes is behind how many bytes of records the client gets an Ack at once, instead of at the
	// next sweep: the client may hold back what it sends until it gets one.
	ackBytes = 32 << 10
)

// beginNumbers begins to number the records of a client, if its handshake asks for that. It reports
// false if the client cannot have what it was promised: of its protocol the core does not know what a
// record is. It is called by the reader, before the application is asked.
func (c *Conn) beginNumbers(request *Handshake) bool {
	t := c.Transport()
	if !t.Abilities().Numbers || request.Version < 2 {
		return true
	}
	if c.opaque() {
		return false
	}
	// The application sees version 1, in which nothing is numbered.
	request.Version, request.Raw = 1, hubprotocol.AppendHandshakeRequest(nil, request.Protocol, 1)
	n := &numbers{incoming: incomingNumbers{from: t, next: 1}}
	c.reader.numbers = n
	c.mu.Lock()
	defer c.mu.Unlock()
	// A pump may be writing frames of the transport's own.
	inside := c.out.queued
	waits := sumOf(c.out.records)
	inside.bytes -= waits.bytes
	c.back = &returning{numbers: n, owed: inside, inside: inside.bytes > 0}
	return true
}

// keep keeps the records that are being handed to the transport. Those that are given again are kept
// already. Called with Conn.mu held.
func (n *numbers) keep(k *replay, records []OutRecord) {
	last := n.sent(k)
	for _, r := range records {
		if r.control || r.again {
			continue
		}
		last += uint64(r.numbered)
		k.add(r.Bytes, int64(last))
		k.unsettled++
	}
}

// sent is the number of the last record that was handed over. Called with Conn.mu held.
func (n *numbers) sent(k *replay) uint64 {
	if k.size == 0 {
		return n.given
	}
	return uint64(k.at(k.size - 1).at)
}

// trim gives up what is acknowledged and known to be written. Called with Conn.mu held.
func (n *numbers) trim(k *replay) {
	for k.size > k.unsettled && uint64(k.at(0).at) <= n.acked {
		n.given = uint64(k.at(0).at)
		k.drop()
	}
}

// again is what a client gets first on another transport: which number comes first, what it has not
// acknowledged, and what is still queued. Of what stays kept, arrived was not known to be written.
// Called with Conn.mu held.
func (n *numbers) again(k *replay, protocol string) (records []OutRecord, arrived waiting) {
	from := k.size - k.unsettled
	for from < k.size && uint64(k.at(from).at) <= n.acked {
		from++
	}
	queued, arrived := k.cut(from)
	n.trim(k)
	records = make([]OutRecord, 0, 1+k.size+len(queued))
	first := hubprotocol.AppendSequence(nil, protocol, n.given+1)
	records = append(records, OutRecord{Bytes: first, control: true})
	for i := range k.size {
		records = append(records, OutRecord{Bytes: k.at(i).bytes, again: true})
	}
	for _, r := range queued {
		r.numbered = uint32(hubprotocol.CountNumbered(protocol, r.Bytes))
		records = append(records, r)
	}
	return records, arrived
}

// rest lets an idle client hold no buffer. Called by the sweeper, with Conn.mu held.
func (n *numbers) rest(k *replay) {
	n.trim(k)
	switch {
	case k.size > 0:
		n.rested = false
		if len(k.ring) >= 64 && k.size <= len(k.ring)/8 {
			k.resize(len(k.ring) / 4)
		}
	case !n.rested:
		n.rested = true // one that gets a record now and then keeps its buffer
	default:
		k.ring, k.first = nil, 0
	}
}

// unacked is how many bytes of records that were written wait for their acknowledgement. They count
// for the bounds of the connection (D9). Called with c.mu held.
func (c *Conn) unacked() int {
	if c.numbersOf() == nil {
		return 0
	}
	return max(0, c.back.kept.bytes-c.back.owed.bytes)
}

// numbered decides about a record of a client whose records are numbered. It reports whether that is
// all that happens with the record. If not, the number is that of the record, 0 if it has none. Called
// by the reader.
func (c *Conn) numbered(t hubprotocol.Type, body []byte) (number uint64, done bool, err error) {
	n := c.reader.numbers
	in := &n.incoming
	if !in.greeted {
		in.greeted = true
		c.greeted(n)
	}
	switch {
	case t == hubprotocol.Ack || t == hubprotocol.Sequence:
		m, err := hubprotocol.Parse(c.Protocol(), body)
		switch {
		case err != nil:
			return 0, true, c.reject(err)
		case t == hubprotocol.Sequence:
			return 0, true, c.resumeAt(m.SequenceID)
		case !in.waits:
			c.acknowledged(m.SequenceID)
		}
		return 0, true, nil
	case in.waits:
		return 0, true, nil
	case !t.Numbered():
		return 0, false, nil
	}
	number = in.next
	in.next++
	return number, number <= n.received.Load(), nil
}

type sequenceError string

func (e sequenceError) Error() string { return string(e) }

// resumeAt is the client saying which number its next record has.
func (c *Conn) resumeAt(number uint64) error {
	n := c.reader.numbers
	if number > n.received.Load()+1 {
		return c.reject(sequenceError("Sequence ID greater than amount of messages we've received."))
	}
	n.incoming.next, n.incoming.waits = number, false
	if number <= n.received.Load() {
		c.acknowledge(n) // it does not know, and says again what was received
	}
	return nil
}

// handedOver notes that the session has a record of the client.
func (c *Conn) handedOver(number uint64, size int) {
	n := c.reader.numbers
	n.received.Store(number)
	if n.incoming.untold += size; n.incoming.untold >= ackBytes {
		c.acknowledge(n)
		n.incoming.untold = 0
	}
}

// acknowledge tells the client what of it was received, if it does not know.
func (c *Conn) acknowledge(n *numbers) {
	received := n.received.Load()
	if n.told.Swap(received) < received {
		c.SendControl(hubprotocol.AppendAck(nil, c.Protocol(), received))
	}
}

// acknowledged is the client telling what it has received.
func (c *Conn) acknowledged(number uint64) {
	soft := c.g.opts.Limits().OutboxBytes
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.back
	if number <= b.numbers.acked {
		return
	}
	b.numbers.acked = number
	b.numbers.trim(&b.kept)
	c.out.unacked = c.unacked()
	c.out.less(soft)
}

// greeted notes that the client has said something: it counts what it gets from now on.
func (c *Conn) greeted(n *numbers) {
	c.mu.Lock()
	first := !n.heard
	n.heard = true
	waits := first && c.life.state() == greeting
	c.mu.Unlock()
	if waits {
		c.shard.worker.queue.push(&greetedOp{conn: c})
	}
}

// greetedOp lets out what was held for the client's first word.
type greetedOp struct{ conn *Conn }

func (o *greetedOp) apply(w *worker) {
	c := o.conn
	c.mu.Lock()
	wake := c.life.state() == greeting && c.life.step(open, w.now) && len(c.out.records) > 0 && c.out.claim(writerPump)
	c.mu.Unlock()
	if wake {
		c.transport.Wake()
	}
}

// readFrom prepares the reader for bytes of a transport. It returns an error if that is not the
// connection's any more. What the transport before has left of a record is forgotten: the client says
// it again. Called with reader.mu held.
func (c *Conn) readFrom(t Transport) error {
	in := &c.reader.numbers.incoming
	present := false
	c.ifPresent(t, func() { present = true })
	if !present {
		return Replaced
	}
	if in.from != t {
		*in = incomingNumbers{from: t, next: in.next, waits: true, greeted: in.greeted}
		c.reader.partial = nil
		c.reader.account(c, true)
	}
	return nil
}

// forgetPartial gives up the record that was arriving on a transport that is lost: the client says it
// again. A reader at work has a whole record, and finds out.
func (c *Conn) forgetPartial() {
	if c.hasNumbers() {
		c.reader.forget(c)
	}
}

// numbersOf returns the connection's numbers, nil if it has none. Called with c.mu held.
func (c *Conn) numbersOf() *numbers {
	if c.back == nil {
		return nil
	}
	return c.back.numbers
}

// redials bounds how often a client gives its connection another transport.
type redials struct {
	// spent is when the client may dial as often as ever, in the gateway's nanoseconds.
	spent int64
}

const (
	redialsAtOnce = 100
	redialEvery   = sweepInterval / 10
)

// admit reports whether the client may dial now, and counts it if so.
func (r *redials) admit(now int64) bool {
	r.spent = max(r.spent, now)
	if r.spent-now >= redialsAtOnce*int64(redialEvery) {
		return false
	}
	r.spent += int64(redialEvery)
	return true
}
