package gateway

import "syscall"

// Replaced is the cause with which a transport is aborted in whose place another one was put. It is
// no end of the connection.
var Replaced = Cause{Reason: CloseNormal, Text: "The client has come back on another transport.", AllowReconnect: true}

var missedCause = Cause{
	Reason: CloseMissedMessages, Text: "The client has missed messages that are not kept any more.", AllowReconnect: true,
}

// Replace puts t in place of the connection's present transport, which may be lost already. One that
// is still there is aborted with Replaced, and whatever it still does has no effect. Both have
// Abilities.Returns, and t was never given to a connection before. What the client gets on t is
// first, if it is not nil, then every record behind the one that carries the cursor, then what waits:
// each record once and in order. With cursor "0" that is everything from the beginning. What was
// written to the client is kept for that, in small (see replay).
//
// first is for clients that have not heard that they are connected (a fallback): they get it instead of
// what Open was called with, if they are not getting that on t anyway, and then what is kept: they were
// promised nothing before. It must not be changed afterwards. With first nil the client has come back,
// and its session is told (Returner).
//
// Replace waits for the worker of the connection, and must not be called from a method of a Transport
// or of a Session. t.Wake may be called before it returns. Errors: ErrConnectionEnded, if the
// connection is ending, has ended, or has a transport that does not return; ErrMissed if records
// behind the cursor are not kept any more, and then the connection ends with CloseMissedMessages. With
// an error t is not the connection's, and none of its methods is called any more.
func (c *Conn) Replace(t Transport, cursor string, first []byte) error {
	if c.back == nil {
		return ErrConnectionEnded
	}
	o := &replaceOp{conn: c, by: t, first: first, from: behind(cursor), done: make(chan error, 1)}
	if err := c.replaceBy(o); err != nil {
		return err
	}
	if first == nil {
		c.tellReturns()
	}
	return nil
}

// Return is Replace for a client whose records are numbered (Abilities.Numbers): it says itself what it
// has read. It gets a Sequence record, then what it has not acknowledged, then what waits. The session
// notices nothing. MayReturn should be asked before. Return waits for the worker of the connection,
// and must not be called from a method of a Transport or of a Session. Errors: ErrConnectionEnded, and
// ErrConnectionExists for a connection without numbers, or whose handshake was not answered yet. With an
// error t is not the connection's.
func (c *Conn) Return(t Transport) error {
	if !c.hasNumbers() {
		return ErrConnectionExists
	}
	return c.replaceBy(&replaceOp{conn: c, by: t, done: make(chan error, 1)})
}

// MayReturn reports whether the client may give the connection another transport now: the errors that
// Return would return, and ErrTooManyReturns for one that does so all the time. A nil answer counts as
// one of its times.
func (c *Conn) MayReturn() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s := c.life.state(); {
	case !s.may(idAlive) || c.life.cause != nil:
		return ErrConnectionEnded
	case c.numbersOf() == nil || s < greeting:
		return ErrConnectionExists
	case !c.back.numbers.redials.admit(c.g.now()):
		return ErrTooManyReturns
	}
	return nil
}

func (c *Conn) hasNumbers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.numbersOf() != nil
}

func (c *Conn) replaceBy(o *replaceOp) error {
	if !c.shard.worker.queue.push(o) {
		return ErrConnectionEnded
	}
	return <-o.done
}

// replaceOp replaces a connection's transport, in order with what is sent to it.
type replaceOp struct {
	conn  *Conn
	by    Transport
	first []byte
	from  whence
	done  chan error
}

func (o *replaceOp) apply(w *worker) {
	err := errFault // of a panic that is on its way up: whoever waits must not wait forever
	defer func() { o.done <- err }()
	c := o.conn
	var r replaced
	if r, err = o.replace(w); err == ErrMissed {
		c.cutOff(missedCause)
	}
	if err != nil {
		return
	}
	books := &c.shard.books
	books.written.Add(uint64(r.arrived.deliveries))
	books.bytesOut.Add(uint64(r.arrived.bytes))
	books.queuedBytes.Add(int64(r.queued))
	if r.former != nil {
		r.former.Abort(Replaced)
	}
	if r.wake {
		o.by.Wake()
	}
	c.Logger().Info("connection has another transport", "transport", o.by.Name(), "again", r.again)
	if a, ok := w.g.opts.Observer.(AwayObserver); ok {
		a.Returned(c)
	}
}

// replaced is what a replacement came to.
type replaced struct {
	former Transport // nil if it was lost before
	wake   bool
	// arrived are deliveries that the client has read and that were not known to be written.
	arrived waiting
	// queued is by how many bytes more is queued than before, again how many records are given again.
	queued, again int
}

// replace puts the new transport in its place.
func (o *replaceOp) replace(w *worker) (r replaced, err error) {
	c := o.conn
	for {
		var raw syscall.RawConn
		l := c.channel.spoken.Load()
		spoken := l
		if l != nil {
			raw, l = wayTo(o.by, l)
		}
		c.mu.Lock()
		if spoken == c.channel.spoken.Load() {
			defer c.mu.Unlock()
			if r, err = o.swap(w); err == nil && l != nil {
				c.channel.raw, c.channel.lane = raw, l
			}
			return r, err
		}
		c.mu.Unlock() // the client's protocol became known meanwhile
	}
}

// swap is replace but for how the worker writes. Called with c.mu held.
func (o *replaceOp) swap(w *worker) (r replaced, err error) {
	c, b, s := o.conn, o.conn.back, o.conn.life.state()
	if !s.may(idAlive) || c.life.cause != nil {
		return r, ErrConnectionEnded
	}
	if b.numbers != nil && s < greeting {
		return r, ErrConnectionExists
	}
	before := c.out.queued.bytes
	var again []OutRecord
	if b.numbers != nil {
		again, r.arrived = b.numbers.again(&b.kept, c.channel.lane.protocol)
	} else {
		from, ok := o.from(&b.kept, c.manner())
		if !ok && o.first == nil {
			return r, ErrMissed
		}
		again, r.arrived = b.kept.cut(from)
	}
	if s != away {
		r.former = c.transport
	}
	r.again = len(again)
	if s >= greeting {
		c.life.since = w.now
		c.life.step(open, w.now)
		if o.first != nil {
			again = append([]OutRecord{{Bytes: o.first, control: true}}, again...)
		} else if b.numbers == nil {
			b.untold++
		}
	}
	if b.numbers != nil {
		b.owed = waiting{} // it is queued as all else
		c.out.unacked = c.unacked()
	}
	c.out.anew(again, b.numbers != nil, w.soft)
	r.queued = c.out.queued.bytes - before
	r.wake = s >= greeting && len(c.out.records) > 0 && c.out.claim(writerPump)
	c.transport = o.by
	*b = returning{kept: b.kept, generation: b.generation + 1, untold: b.untold, numbers: b.numbers}
	if b.numbers != nil {
		b.numbers.told.Store(0) // what the client was told may be lost
		c.reader.unfinished.since = w.now
	}
	c.clocks.renew(w.now)
	return r, nil
}

// anew makes the outbox that of another transport: first what is given again, then what waits. Frames
// and control records of the former transport are dropped. kept says that what was to be given again on
// it is kept, and among what is given again now.
func (o *outbox) anew(again []OutRecord, kept bool, soft int) {
	records := again
	for _, r := range o.records {
		if !r.control && !(kept && r.again) {
			records = append(records, r)
		}
	}
	if len(records) == 0 {
		records = nil
	}
	o.records, o.tail, o.writer = records, nil, writerNone
	now := sumOf(records)
	o.sub(waiting{o.queued.bytes - now.bytes, o.queued.deliveries - now.deliveries}, soft)
}

// renew begins the deadlines of another transport. That it is there is a sign of life.
func (c *clocks) renew(now int64) {
	c.lastRead.Store(now)
	c.lastWrite.Store(now)
	c.detached.Store(0)
	c.probed.Store(0)
	c.heard.Store(now)
}

// tellReturns tells the session of each time that its client has come back. If a reader is inside, it
// does that itself: before the next record, or when it comes out.
func (c *Conn) tellReturns() {
	for c.owesReturns() && c.reader.mu.TryLock() {
		c.tellReturnsNow()
	}
}

func (c *Conn) tellReturnsNow() {
	defer c.reader.mu.Unlock()
	if c.enterSession() == nil {
		defer c.leaveSession()
		c.hearReturns()
	}
}

func (c *Conn) owesReturns() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.back.untold > 0 && c.life.cause == nil
}

// hearReturns tells the session, from within the reader.
func (c *Conn) hearReturns() {
	if c.back == nil {
		return
	}
	c.mu.Lock()
	n, session := c.back.untold, c.life.session
	c.back.untold = 0
	c.mu.Unlock()
	if s, ok := session.(Returner); ok {
		for range n {
			s.Returned()
		}
	}
}
