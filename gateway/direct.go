package gateway

// What leaves past the outbox: a worker writes to the socket itself.

// writeOutcome is what a direct write came to.
type writeOutcome uint8

const (
	wroteNone writeOutcome = iota // the connection has ended
	wrotePart                     // the rest waits
	wroteAll
)

// handed is what a worker hands to a socket: records, their bytes in the transport's framing, and how
// many deliveries they are.
type handed struct {
	records    []OutRecord
	bytes      []byte
	deliveries int
}

// written enters the result of a direct write in the books and hands what the socket did not
// take to the transport's pump.
func (f *fanout) written(c *Conn, h handed, n int, err error) writeOutcome {
	if c.back != nil {
		return f.writtenReturning(c, h, n, err)
	}
	f.pass.open = 0
	switch {
	case err != nil:
		f.tally.drop(DropConnectionClosed, h.deliveries)
		c.transport.Abort(Cause{Reason: CloseNormal})
	case n == len(h.bytes):
		f.wroteAll(c, h)
		return wroteAll
	case !c.leave(h.bytes[n:], h.deliveries):
		f.tally.drop(DropConnectionClosed, h.deliveries)
	default:
		f.tally.queuedBytes += len(h.bytes) - n
		c.transport.Wake()
		return wrotePart
	}
	return wroteNone
}

// writtenReturning is written for a client that may come back for what its socket did not take.
func (f *fanout) writtenReturning(c *Conn, h handed, n int, err error) writeOutcome {
	outcome, queued, wake := c.hand(h, n, err, f.w.now)
	f.pass.open = 0
	f.tally.queuedBytes += queued
	switch outcome {
	case wroteAll:
		f.wroteAll(c, h)
	case wroteNone:
		f.tally.drop(DropConnectionClosed, h.deliveries)
	}
	switch {
	case wake:
		c.transport.Wake()
	case err != nil:
		c.transport.Abort(Cause{Reason: CloseNormal})
	}
	return outcome
}

func (f *fanout) wroteAll(c *Conn, h handed) {
	f.tally.written += h.deliveries
	f.tally.bytes += len(h.bytes)
	c.spoke(f.w.now)
}

// idle reports whether a worker may write to the client past the outbox. Only
// the worker makes anybody a writer, so the answer stays true until the worker
// itself changes it, or until the connection ends, which a write notices by its
// error. With more unacknowledged bytes than the bound it is not: the outbox is where that is noticed.
func (c *Conn) idle(bound int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.state() == open && c.out.writer == writerNone && c.out.unacked <= bound
}

// collected hands the worker what it has put since it became the writer.
func (c *Conn) collected() []OutRecord {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.writer != writerWorker {
		return nil
	}
	records := c.out.records
	c.out.records = nil
	if len(records) == 0 { // given up meanwhile
		c.out.writer = writerNone
	}
	return records
}

// settle ends the worker's turn: what it took has left the outbox.
func (c *Conn) settle(took waiting, w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.sub(took, w.soft)
	c.out.writer = writerNone
}

// leave puts back what a socket did not take of a direct write and makes the
// pump the writer; false if the connection has ended.
func (c *Conn) leave(left []byte, deliveries int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.life.state().may(mayTake) {
		return false
	}
	c.out.leave(left, deliveries)
	return true
}

// hand is leave for a client that may come back. What was handed to its socket is kept for that. What
// the socket did not take is left to the pump; if it is broken, or was lost meanwhile, it waits
// for the client. It says how many bytes are queued for that, and whether the pump has to be woken.
func (c *Conn) hand(h handed, n int, err error, now int64) (outcome writeOutcome, queued int, wake bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, b, s := &c.out, c.back, c.life.state()
	all := err == nil && n == len(h.bytes)
	if !all && !s.may(idAlive) {
		return wroteNone, 0, false
	}
	c.keep(h.records, now, all)
	switch {
	case all:
		return wroteAll, 0, false
	case err == nil && s.may(mayTake):
		b.owed = waiting{len(h.bytes) - n, h.deliveries}
		o.leave(h.bytes[n:], h.deliveries)
		wake = true
	default:
		b.owed, b.broken, o.writer = b.kept.queued(), true, writerPump
		o.queued.bytes += b.owed.bytes
		o.queued.deliveries += b.owed.deliveries
	}
	o.unacked = c.unacked()
	return wrotePart, b.owed.bytes, wake
}

func (o *outbox) leave(left []byte, deliveries int) {
	o.tail = append([]byte(nil), left...)
	o.queued.bytes += len(left)
	o.queued.deliveries += deliveries
	o.writer = writerPump
}
