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
	// unacked are the bytes that have left and count all the same, see Conn.unacked.
	unacked int
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

// framed is how many records are in front that wait for nothing: frames of the transport's own, and the
// handshake's answer.
func (o *outbox) framed() int {
	n := slices.IndexFunc(o.records, func(r OutRecord) bool { return !r.framed && !r.ahead })
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
	o.records, o.tail, o.unacked = nil, nil, 0
	o.sub(lost, 0) // whoever waited was told of the end
	return lost
}

// sub takes out what has left. Below the soft bound, whoever waited for that is told and fills the
// outbox again at once, so that the sweeper may never see it below: it is noted here that the client
// reads.
func (o *outbox) sub(w waiting, soft int) {
	o.queued.bytes -= w.bytes
	o.queued.deliveries -= w.deliveries
	o.less(soft)
}

// less notes that less counts for the bounds than before.
func (o *outbox) less(soft int) {
	if o.queued.bytes+o.unacked <= soft {
		o.over = 0
	}
	o.tellDrained(soft)
}

// isOver reports whether more waits than the soft bound allows, for whoever waits for less.
func (o *outbox) isOver(bound int) bool { return o.queued.bytes+o.unacked+o.coming > bound }

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
	case o.queued.bytes+o.unacked > 0 && o.queued.bytes+o.unacked+len(r.Bytes) > w.bound:
		return putOver
	}
	if o.records == nil {
		o.records = w.fan.spare()
	}
	o.append(r)
	if !s.may(mayTake) || s.may(holds) && !((r.framed || r.ahead) && o.framed() == len(o.records)) {
		return putQueued
	}
	if o.claim(as) {
		return putClaimed
	}
	return putQueued
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
