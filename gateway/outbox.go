package gateway

import (
	"slices"
	"sync"
)

// outbox is what waits for one client. Only the connection's worker puts
// records in; whoever has the claim takes them out. Idle, it holds no memory.
type outbox struct {
	mu sync.Mutex
	// records wait to be taken.
	records []OutRecord
	// tail is what a direct write left of its bytes.
	tail []byte
	// bytes and waiting (deliveries) count records, tail and what a pump has
	// taken and not reported yet.
	bytes, waiting int
	// holding: nothing may be taken yet, the handshake answer comes first.
	holding bool
	// claimed: the transport's pump has been woken, or the worker is about to write.
	claimed bool
	// end is decided: nothing more is put in, and after the last record the transport ends.
	end *Cause
	// endTaken: the pump has been told of the end.
	endTaken bool
	// gone: the transport has ended.
	gone bool
	// over is since when bytes is over the soft bound, 0 if it is not.
	over int64
	// drained exists while somebody waits for bytes to come below the bound.
	drained chan struct{}
}

// Over reports whether more bytes wait for the client than its soft bound allows
// (Limits.OutboxBytes). Whoever produces for one client and can be slowed down
// waits for Drained before it goes on, for a time that it bounds itself: a
// client that stays over its bound is closed (D17).
func (c *Conn) Over() bool {
	bytes, _ := c.out.held()
	return bytes > c.g.opts.Limits().OutboxBytes
}

// Drained returns a channel that is closed as soon as the client is not over its
// soft bound, or has ended. For a client that is not over it is closed already.
func (c *Conn) Drained() <-chan struct{} {
	bound := c.g.opts.Limits().OutboxBytes
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.gone || c.out.bytes <= bound {
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

// tellDrained wakes those who wait for the outbox to come below its bound. Whoever waited fills it
// again at once, so the sweeper may never see it below: it is noted here that the client reads.
func (o *outbox) tellDrained(bound int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes <= bound {
		o.over = 0
	}
	if o.drained != nil && (o.gone || o.bytes <= bound) {
		close(o.drained)
		o.drained = nil
	}
}

// idle reports whether a worker may write past the outbox. Only the worker
// puts and wakes, so the answer stays true until the worker itself changes it,
// or the transport ends, which a write then notices by its error.
func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.claimed && !o.gone && o.end == nil
}

// hold keeps what is put from now on; false if the connection is at its end.
func (o *outbox) hold() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone || o.end != nil {
		return false
	}
	o.holding, o.claimed = true, true
	return true
}

// releaseResult is what an outbox held.
type releaseResult uint8

const (
	// releasedNot: nothing was held back.
	releasedNot releaseResult = iota
	// releasedEmpty: nothing was put; the outbox is idle again.
	releasedEmpty
	// releasedHeld: records wait, and the caller has to see to it that somebody writes.
	releasedHeld
)

// release ends hold.
func (o *outbox) release() releaseResult {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.holding {
		return releasedNot
	}
	o.holding = false
	if o.gone || len(o.records) == 0 {
		o.claimed = false
		return releasedEmpty
	}
	return releasedHeld
}

// unclaim gives up a claim on an outbox that holds nothing.
func (o *outbox) unclaim() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.claimed = false
}

// putFirst puts a record in front of those that were held; frames of the
// transport's own that came before them stay first.
func (o *outbox) putFirst(r OutRecord) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := slices.IndexFunc(o.records, func(have OutRecord) bool { return !have.framed })
	if at < 0 {
		at = len(o.records)
	}
	o.records = slices.Insert(o.records, at, r)
	o.bytes += len(r.Bytes)
}

// putResult is what became of a put.
type putResult uint8

const (
	// putQueued: somebody is already writing.
	putQueued putResult = iota
	// putClaimed: the caller has to see to it that somebody writes.
	putClaimed
	// putOver: the client is over its bound.
	putOver
	// putGone: nothing more is accepted.
	putGone
)

// put appends a record unless that exceeds the bound. An empty outbox takes a
// record of any size (D12). spare is an array to use if the outbox has none.
func (o *outbox) put(r OutRecord, bound int, spare func() []OutRecord) putResult {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.gone || o.end != nil:
		return putGone
	case o.bytes > 0 && o.bytes+len(r.Bytes) > bound:
		return putOver
	}
	if o.records == nil {
		o.records = spare()
	}
	o.records = append(o.records, r)
	o.bytes += len(r.Bytes)
	if !r.control {
		o.waiting++
	}
	if o.claimed {
		return putQueued
	}
	o.claimed = true
	return putClaimed
}

// takeAll hands the worker what it has put since it claimed the outbox.
func (o *outbox) takeAll() []OutRecord {
	o.mu.Lock()
	defer o.mu.Unlock()
	records := o.records
	o.records = nil
	return records
}

// settle ends a worker's claim: what it took has left the outbox.
func (o *outbox) settle(size, deliveries int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= size
	o.waiting -= deliveries
	o.claimed = false
}

// leave puts back what a socket did not take of a direct write, for the pump.
func (o *outbox) leave(left []byte, deliveries int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone {
		return false
	}
	o.tail = append([]byte(nil), left...)
	o.bytes += len(left)
	o.waiting += deliveries
	o.claimed = true
	return true
}

// finish decides the end: last is the final record, if there is one. It reports whether it was
// queued, and whether the pump has to be woken for it.
func (o *outbox) finish(last []byte, cause Cause) (queued, wake bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone || o.end != nil {
		return false, false
	}
	if len(last) > 0 {
		o.records = append(o.records, OutRecord{Bytes: last, control: true})
		o.bytes += len(last)
	}
	o.end = &cause
	wake = !o.claimed
	o.claimed = true
	return true, wake
}

// take fills a batch for the pump; false releases the claim.
func (o *outbox) take(b *Batch, limit int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	b.Tail, b.Records, b.End, b.bytes, b.deliveries = nil, b.Records[:0], nil, 0, 0
	if o.holding {
		return false // whoever releases it wakes the pump
	}
	if o.gone || len(o.records) == 0 && o.tail == nil && (o.end == nil || o.endTaken) {
		o.claimed = false
		return false
	}
	o.claimed = true
	if o.tail != nil {
		b.Tail, o.tail = o.tail, nil
		// Its deliveries are those that no record stands for any more.
		b.bytes, b.deliveries = len(b.Tail), o.waiting-countDeliveries(o.records)
	}
	n := 0
	for n < len(o.records) && (b.Empty() || b.bytes+len(o.records[n].Bytes) <= limit) {
		r := o.records[n]
		b.Records = append(b.Records, r)
		b.bytes += len(r.Bytes)
		if !r.control {
			b.deliveries++
		}
		n++
	}
	if n == len(o.records) {
		o.records = nil
		b.End, o.endTaken = o.end, o.end != nil
	} else {
		o.records = o.records[n:]
	}
	return true
}

// wrote takes a batch out of the counts.
func (o *outbox) wrote(b *Batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= b.bytes
	o.waiting -= b.deliveries
}

// discard empties the outbox and says what was lost. What a pump has taken is
// reported by that pump.
func (o *outbox) discard(gone bool) (deliveries, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	deliveries = countDeliveries(o.records)
	for _, r := range o.records {
		bytes += len(r.Bytes)
	}
	if o.tail != nil {
		bytes += len(o.tail)
		deliveries = o.waiting
		o.tail = nil
	}
	o.bytes -= bytes
	o.waiting -= deliveries
	o.records = nil
	o.gone = o.gone || gone
	if gone && o.drained != nil {
		close(o.drained)
		o.drained = nil
	}
	return deliveries, bytes
}

// held is what waits, for choosing the largest holder and for the books.
func (o *outbox) held() (bytes, deliveries int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes, o.waiting
}

func countDeliveries(records []OutRecord) int {
	n := 0
	for _, r := range records {
		if !r.control {
			n++
		}
	}
	return n
}
