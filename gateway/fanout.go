package gateway

import (
	"runtime"
	"unsafe"
)

// maxJoin is how many bytes of records are joined before they are written.
const maxJoin = 64 << 10

// fanout is a worker's writing side. Nothing in it is allocated per receiver.
type fanout struct {
	current
	lastJoin
	// wires are the bytes of this pass, shared by receivers of equal framing and protocol.
	wires []wire
	// claimed are the connections whose outbox this pass found idle.
	claimed []*Conn
	spares  spareRecords
	direct  directWriter
	writes  uint // since the start; see breathe

	together  func(*Conn) // toOne, bound once
	collected func(*Conn) // collect, bound once
	spare     func() []OutRecord
}

// current is what a fanout is at.
type current struct {
	w     *worker
	ops   []op
	op    *sendOp
	tally tally
}

// lastJoin remembers the join made last: receivers next to each other mostly
// get the same records.
type lastJoin struct {
	lastRecords []OutRecord
	lastFraming Framing
	lastWire    []byte
}

// wire is what one kind of receiver gets of a pass.
type wire struct {
	lane    *lane
	bytes   []byte
	records []OutRecord
	// deliveries are the records that count, missing the messages without a
	// form in the protocol.
	deliveries, missing int
}

func (f *fanout) init() {
	f.together, f.collected, f.spare = f.toOne, f.collect, f.spares.get
	f.direct.init()
}

// deliver carries out sends. If they all have the same receivers, each
// connection is visited once with bytes made once; else the records are first
// collected in the outboxes, and each outbox is then written once.
func (f *fanout) deliver(w *worker, ops []op) {
	f.w, f.ops = w, ops
	if sameReceivers(ops) {
		f.resetWires()
		f.tally.begin(ops[0].(*sendOp).shard())
		ops[0].(*sendOp).to.each(f.together)
		f.tally.end()
	} else {
		for _, o := range ops {
			f.op = o.(*sendOp)
			f.tally.begin(f.op.shard())
			f.op.to.each(f.collected)
			f.tally.end()
		}
		f.flush()
	}
	f.ops, f.op, f.w = nil, nil, nil
	for _, o := range ops {
		o.(*sendOp).done()
	}
}

// sameReceivers reports whether all ops go to all connections of one hub, or there is one op.
func sameReceivers(ops []op) bool {
	if len(ops) == 1 {
		return true
	}
	first := ops[0].(*sendOp)
	for _, o := range ops {
		s := o.(*sendOp)
		if s.to.kind != TargetAll || len(s.to.except) > 0 || len(s.to.exceptUsers) > 0 || s.to.shard != first.to.shard {
			return false
		}
	}
	return true
}

// breathe lets other goroutines run now and then: where there are as many
// workers as processors, a pass over thousands of sockets would keep requests
// and readers waiting, and what they bring could not be joined.
func (f *fanout) breathe() {
	if f.writes++; f.writes%writesPerBreath == 0 {
		runtime.Gosched()
	}
}

// writesPerBreath is about a third of a millisecond of writes.
const writesPerBreath = 64

// toOne writes the pass's wire to one receiver.
func (f *fanout) toOne(c *Conn) {
	wr := f.wireFor(c)
	f.tally.attempted += wr.deliveries + wr.missing
	f.tally.drop(DropNoPayloadForProtocol, wr.missing)
	if len(wr.records) == 0 {
		return
	}
	if c.raw == nil || !c.out.idle() {
		f.queue(c, wr.records)
		return
	}
	f.breathe()
	n, err := f.direct.write(c.raw, wr.bytes)
	switch {
	case err != nil:
		f.tally.drop(DropConnectionClosed, wr.deliveries)
		c.transport.Abort(Cause{Reason: CloseNormal})
	case n == len(wr.bytes):
		f.tally.written += wr.deliveries
		f.tally.bytes += n
		c.lastWrite.Store(f.w.now)
	default:
		f.leaveTail(c, wr.bytes[n:], wr.deliveries)
	}
}

// leaveTail hands what the socket did not take to the transport's pump.
func (f *fanout) leaveTail(c *Conn, left []byte, deliveries int) {
	if !c.out.leave(left, deliveries) {
		f.tally.drop(DropConnectionClosed, deliveries)
		return
	}
	f.tally.queuedBytes += len(left)
	c.transport.Wake()
}

// queue puts records into an outbox whose transport is busy or has a pump only.
func (f *fanout) queue(c *Conn, records []OutRecord) {
	wake := false
	for i, r := range records {
		switch c.out.put(r, f.w.bound, f.spare) {
		case putOver:
			f.tally.drop(DropSlowClient, countDeliveries(records[i:]))
			f.w.closeSlow(c)
			return
		case putGone:
			f.tally.drop(DropConnectionClosed, countDeliveries(records[i:]))
			return
		case putClaimed:
			wake = true
		}
		f.tally.queuedBytes += len(r.Bytes)
	}
	if wake {
		c.transport.Wake()
	}
}

// collect puts one op's record into one receiver's outbox.
func (f *fanout) collect(c *Conn) {
	r, ok := f.op.record(c.lane.protocol)
	if !r.control {
		f.tally.attempted++
	}
	if !ok {
		f.tally.drop(DropNoPayloadForProtocol, 1)
		return
	}
	switch c.out.put(r, f.w.bound, f.spare) {
	case putOver:
		f.tally.dropRecord(r, DropSlowClient)
		f.w.closeSlow(c)
		return
	case putGone:
		f.tally.dropRecord(r, DropConnectionClosed)
		return
	case putClaimed:
		f.claimed = append(f.claimed, c)
	}
	f.tally.queuedBytes += len(r.Bytes)
}

// flush writes every outbox that this pass claimed.
func (f *fanout) flush() {
	for _, c := range f.claimed {
		if c.raw == nil {
			c.transport.Wake()
			continue
		}
		f.tally.begin(c.shard)
		f.flushOne(c)
		f.tally.end()
	}
	clear(f.claimed)
	f.claimed = f.claimed[:0]
	f.lastRecords, f.lastFraming = nil, nil
}

func (f *fanout) flushOne(c *Conn) {
	records := c.out.takeAll()
	if len(records) == 0 { // the transport ended meanwhile
		return
	}
	deliveries, size := countDeliveries(records), 0
	for _, r := range records {
		size += len(r.Bytes)
	}
	bytes := f.join(c.lane.framing, records)
	f.breathe()
	n, err := f.direct.write(c.raw, bytes)
	c.out.settle(size, deliveries)
	f.tally.queuedBytes -= size
	switch {
	case err != nil:
		f.tally.drop(DropConnectionClosed, deliveries)
		c.transport.Abort(Cause{Reason: CloseNormal})
	case n == len(bytes):
		f.tally.written += deliveries
		f.tally.bytes += n
		c.lastWrite.Store(f.w.now)
	default:
		f.leaveTail(c, bytes[n:], deliveries)
	}
	f.spares.put(records)
}

// join frames records, reusing the bytes of the last receiver if it got the same.
func (f *fanout) join(framing Framing, records []OutRecord) []byte {
	if framing == f.lastFraming && sameRecords(records, f.lastRecords) {
		return f.lastWire
	}
	f.lastWire = framing.AppendFrames(f.lastWire[:0], records)
	f.lastRecords, f.lastFraming = append(f.lastRecords[:0], records...), framing
	return f.lastWire
}

func sameRecords(a, b []OutRecord) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if len(a[i].Bytes) != len(b[i].Bytes) || unsafe.SliceData(a[i].Bytes) != unsafe.SliceData(b[i].Bytes) {
			return false
		}
	}
	return true
}

// wireFor returns the bytes of this pass for receivers like c.
func (f *fanout) wireFor(c *Conn) *wire {
	for i := range f.wires {
		if wr := &f.wires[i]; wr.lane == c.lane {
			return wr
		}
	}
	if len(f.wires) < cap(f.wires) {
		f.wires = f.wires[:len(f.wires)+1]
	} else {
		f.wires = append(f.wires, wire{})
	}
	wr := &f.wires[len(f.wires)-1]
	wr.lane = c.lane
	wr.bytes, wr.records, wr.deliveries, wr.missing = wr.bytes[:0], wr.records[:0], 0, 0
	for _, o := range f.ops {
		r, ok := o.(*sendOp).record(c.lane.protocol)
		if !ok {
			wr.missing++
			continue
		}
		wr.records = append(wr.records, r)
	}
	wr.deliveries = countDeliveries(wr.records)
	if c.raw != nil {
		wr.bytes = c.lane.framing.AppendFrames(wr.bytes, wr.records)
	}
	return wr
}

// maxKeptWire bounds the buffer that a worker keeps between passes.
const maxKeptWire = 256 << 10

func (f *fanout) resetWires() {
	for i := range f.wires {
		wr := &f.wires[i]
		clear(wr.records)
		if cap(wr.bytes) > maxKeptWire {
			wr.bytes = nil
		}
	}
	f.wires = f.wires[:0]
}
