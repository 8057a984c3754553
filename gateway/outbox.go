package gateway

import "slices"

// outbox is what waits for one client. Only the connection's worker puts
// records in. Idle, it holds no memory. It is guarded by Conn.mu; what of it may
// leave depends on the connection's state.
type outbox struct {
	writer writer
	// records wait to be taken.
	records []OutRecord
	// tail is what a direct write left of its bytes. It is good for one transport only.
	tail []byte
	// queued counts records, tail and what a writer has taken and not reported yet.
	queued waiting
	// coming counts the bytes of sends for this client alone that wait for the worker. They are not
	// in the books.
	coming int
	// over is since when more bytes wait than the soft bound, 0 if fewer do, in the
	// gateway's nanoseconds.
	over int64
	// drained exists while somebody waits for the bytes to come below the bound.
	drained chan struct{}
}

// writer is who writes to the client's transport. There is one at a time.
//
//	writer      begins                                    ends
//	writerNone  nothing waits that may leave
//	worker      put on an idle socket of a worker that    settle: it has written; what the
//	            writes itself                             socket did not take is the pump's
//	pump        whoever finds writerNone wakes it         Take finds nothing
//
// A pump may be inside its socket for as long as it is the writer, whatever has
// become of the records: nothing but its own Take ends its turn, or that another
// transport takes the place of its own (replace.go). Behind a write that failed
// the pump of a transport that returns stays the writer, and takes nothing more.
type writer uint8

const (
	writerNone writer = iota
	writerWorker
	writerPump
)

// waiting is what waits for a client.
type waiting struct {
	bytes, deliveries int
}

// add counts one record. One that is given again counts nothing.
func (w *waiting) add(r OutRecord) {
	if r.again {
		return
	}
	w.bytes += len(r.Bytes)
	if !r.control {
		w.deliveries++
	}
}

// claim makes w the writer if nobody is and reports whether it did.
func (o *outbox) claim(w writer) bool {
	if o.writer != writerNone {
		return false
	}
	o.writer = w
	return true
}

// empty reports whether nothing waits to be taken.
func (o *outbox) empty() bool { return len(o.records) == 0 && o.tail == nil }

// append counts a record and puts it behind the others.
func (o *outbox) append(r OutRecord) {
	o.queued.add(r)
	o.records = append(o.records, r)
}

// putFirst puts a record in front of those that were held; frames of the
// transport's own that came before them stay first.
func (o *outbox) putFirst(r OutRecord) {
	o.queued.add(r)
	o.records = slices.Insert(o.records, o.framed(), r)
}

// framed is how many frames of the transport's own are in front.
func (o *outbox) framed() int {
	n := slices.IndexFunc(o.records, func(r OutRecord) bool { return !r.framed })
	if n < 0 {
		return len(o.records)
	}
	return n
}

// dropHeld gives up what was held for the handshake answer. soft is the soft bound.
func (o *outbox) dropHeld(soft int) (lost waiting) {
	keep := o.framed()
	lost = sumOf(o.records[keep:])
	if o.records = slices.Delete(o.records, keep, len(o.records)); keep == 0 {
		o.records = nil
	}
	o.sub(lost, soft)
	return lost
}

// giveUp empties the outbox and says what was lost. What a writer has taken is
// reported by that writer, unless the client could have come back for it.
func (o *outbox) giveUp(back *returning) (lost waiting) {
	lost = sumOf(o.records)
	switch owed := back.giveUp(); {
	case back != nil:
		lost.bytes += owed.bytes
		lost.deliveries += owed.deliveries
	case o.tail != nil:
		// A tail stands for deliveries that no record stands for any more, and
		// while there is one nothing is taken.
		lost.bytes += len(o.tail)
		lost.deliveries = o.queued.deliveries
	}
	o.records, o.tail = nil, nil
	o.sub(lost, 0) // whoever waited was told of the end
	return lost
}

// sub takes out what has left. Below the soft bound, whoever waited for that is told and fills the
// outbox again at once, so that the sweeper may never see it below: it is noted here that the client
// reads.
func (o *outbox) sub(w waiting, soft int) {
	o.queued.bytes -= w.bytes
	o.queued.deliveries -= w.deliveries
	if o.queued.bytes <= soft {
		o.over = 0
	}
	o.tellDrained(soft)
}

// isOver reports whether more waits than the soft bound allows, for whoever waits for less.
func (o *outbox) isOver(bound int) bool { return o.queued.bytes+o.coming > bound }

// tellDrained tells those who wait for the outbox that it is below the bound, if it is.
func (o *outbox) tellDrained(bound int) {
	if !o.isOver(bound) {
		o.release()
	}
}

// release ends the wait of those who wait for the outbox.
func (o *outbox) release() {
	if o.drained != nil {
		close(o.drained)
		o.drained = nil
	}
}

// coming counts bytes that have been handed to the worker, or with a negative n that have arrived.
func (c *Conn) coming(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.coming += n; n < 0 && c.out.drained != nil {
		c.out.tellDrained(c.g.opts.Limits().OutboxBytes)
	}
}

// putResult is what became of a put.
type putResult uint8

const (
	// putQueued: somebody is already writing, or will when the handshake is answered, or when
	// the client comes back.
	putQueued putResult = iota
	// putClaimed: the caller has to see to it that the writer it named writes.
	putClaimed
	// putOver: the client is over its bound.
	putOver
	// putGone: nothing more is accepted.
	putGone
)

// put appends a record for the client unless that exceeds the bound. An empty
// outbox takes a record of any size (D12). as is who writes if nobody does.
// Called by the connection's worker only.
func (c *Conn) put(r OutRecord, w *worker, as writer) putResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, s := &c.out, c.life.state()
	switch {
	case !s.may(mayPut):
		return putGone
	case s == away && r.control:
		return putGone // it would be nothing to the transport with which the client comes back
	case o.queued.bytes > 0 && o.queued.bytes+len(r.Bytes) > w.bound:
		return putOver
	}
	if o.records == nil {
		o.records = w.fan.spare()
	}
	o.append(r)
	if !s.may(mayTake) || s.may(holds) && !(r.framed && o.framed() == len(o.records)) {
		return putQueued
	}
	if o.claim(as) {
		return putClaimed
	}
	return putQueued
}

// idle reports whether a worker may write to the client past the outbox. Only
// the worker makes anybody a writer, so the answer stays true until the worker
// itself changes it, or until the connection ends, which a write notices by its
// error.
func (c *Conn) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.state() == open && c.out.writer == writerNone
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
	c.keep(h.records, now)
	switch {
	case all:
		b.settled()
		b.kept.trim(c.g.keeping, c.manner(), now, 0)
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
	return wrotePart, b.owed.bytes, wake
}

func (o *outbox) leave(left []byte, deliveries int) {
	o.tail = append([]byte(nil), left...)
	o.queued.bytes += len(left)
	o.queued.deliveries += deliveries
	o.writer = writerPump
}

// Take fills a batch with what waits, at most limit bytes but at least one
// record. It returns false when there is nothing: then Wake will be called
// when something comes. Only one pump may be between Take and Wrote. Transports
// that may be replaced call TakeFor instead.
func (c *Conn) Take(b *Batch, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.reset()
	return c.take(b, limit)
}

// TakeFor is Take for a transport with Abilities.Returns. It returns false if t
// is not, or no more, the connection's transport. Behind a batch that was not
// written (Wrote with an error) nothing more is taken for t, which then calls Lost.
func (c *Conn) TakeFor(t Transport, b *Batch, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.reset()
	return c.transport == t && c.take(b, limit)
}

// take is Take. Called with c.mu held.
func (c *Conn) take(b *Batch, limit int) bool {
	o, s := &c.out, c.life.state()
	ready := len(o.records)
	if s.may(holds) {
		ready = o.framed()
	}
	switch {
	case o.writer == writerWorker, c.back.failed():
		return false
	case !s.may(mayTake), ready == 0 && o.tail == nil && s != closing:
		o.writer = writerNone
		return false
	}
	o.writer = writerPump
	o.fill(b, ready, limit)
	if c.back != nil {
		c.back.lend(b)
		c.keep(b.Records, c.g.now())
	}
	if s == closing && o.empty() {
		c.life.step(closed, 0)
		b.End = c.life.cause
	}
	return true
}

func (o *outbox) fill(b *Batch, ready, limit int) {
	if o.tail != nil {
		// Its deliveries are those that no record stands for any more.
		b.Tail, o.tail = o.tail, nil
		b.taken = waiting{len(b.Tail), o.queued.deliveries - sumOf(o.records).deliveries}
	}
	n, size := 0, len(b.Tail)
	for n < ready && (b.Empty() || size+len(o.records[n].Bytes) <= limit) {
		r := o.records[n]
		b.Records = append(b.Records, r)
		b.taken.add(r)
		size += len(r.Bytes)
		n++
	}
	if o.records = o.records[n:]; len(o.records) == 0 {
		o.records = nil
	}
}

// Wrote reports that the batch was written, or with an error that it was not: then
// it is lost, or kept for a client that may come back. Of a batch that was taken
// for a former transport it does nothing.
func (c *Conn) Wrote(b *Batch, err error) {
	soft := c.g.opts.Limits().OutboxBytes
	c.mu.Lock()
	if c.back != nil && !c.back.settle(b, err != nil && c.life.state().may(idAlive)) {
		c.mu.Unlock()
		return
	}
	c.out.sub(b.taken, soft)
	c.mu.Unlock()
	books := &c.shard.books
	books.queuedBytes.Add(-int64(b.taken.bytes))
	if err != nil {
		books.dropped.Add(DropConnectionClosed, uint64(b.taken.deliveries))
		return
	}
	books.written.Add(uint64(b.taken.deliveries))
	books.bytesOut.Add(uint64(b.taken.bytes))
	c.clocks.lastWrite.Store(c.g.now())
}

// Over reports whether more bytes wait for the client than its soft bound allows
// (Limits.OutboxBytes). Sends for this client alone count before they reach its
// outbox. Whoever produces for one client and can be slowed down waits for Drained
// before it goes on, for a time that it bounds itself: a client that stays over its
// bound is closed (D17). A client that is ending takes nothing more, and is not over.
func (c *Conn) Over() bool {
	bound := c.g.opts.Limits().OutboxBytes
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isOver(bound)
}

func (c *Conn) isOver(bound int) bool { return c.life.state().may(mayPut) && c.out.isOver(bound) }

// Drained returns a channel that is closed as soon as the client is not over its
// soft bound, or is ending. For a client that is not over it is closed already.
func (c *Conn) Drained() <-chan struct{} {
	bound := c.g.opts.Limits().OutboxBytes
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isOver(bound) {
		return alreadyDrained
	}
	if c.out.drained == nil {
		c.out.drained = make(chan struct{})
	}
	return c.out.drained
}

var alreadyDrained = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// held is what waits, for choosing the largest holder and for the books.
func (c *Conn) held() waiting {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.queued
}

func sumOf(records []OutRecord) (w waiting) {
	for _, r := range records {
		w.add(r)
	}
	return w
}

func countDeliveries(records []OutRecord) int { return sumOf(records).deliveries }
