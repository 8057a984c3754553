package gateway

import (
	"runtime"

	"github.com/hubgate/hubgate/internal/directwrite"
)

// maxJoin is how many bytes of records are joined before they are written.
const maxJoin = 64 << 10

// fanout is a worker's writing side. Nothing in it is allocated per receiver.
type fanout struct {
	w     *worker
	pass  fanoutPass
	tally tally
	last  lastJoin
	// counted is the record whose numbers were counted last.
	counted counted
	// wires are the bytes of this pass, shared by receivers of equal framing and protocol.
	wires []wire
	// claimed are the connections whose outbox this pass found idle.
	claimed []*Conn
	spares  spareRecords
	direct  *directwrite.Writer
	writes  uint // since the start; see breathe

	together  func(*Conn) // toOne, bound once
	collected func(*Conn) // collect, bound once
	spare     func() []OutRecord
}

// fanoutPass is the pass in progress.
type fanoutPass struct {
	ops []op
	op  *sendOp // the one whose receivers are being visited
	// open are the deliveries to the receiver being visited whose fate is not in the books yet.
	open int
	// told: somebody wants to know what becomes of one of the sends. index is the place of op among ops.
	told  bool
	index int
	// named are receivers of a pass with one wire for all.
	named namedList
}

func (f *fanout) init(w *worker) {
	f.w = w
	f.together, f.collected, f.spare = f.toOne, f.collect, f.spares.get
	f.direct = directwrite.New()
}

// deliver carries out sends. If they all have the same receivers, each connection is visited
// once with bytes made once; else the records are first collected in the outboxes, and each
// outbox is then written once.
//
// A panic is kept where it happens: a record that cannot be framed is lost alone, a connection
// that cannot be served ends alone. So the other sends and the other receivers of the pass miss
// nothing and get nothing twice.
func (f *fanout) deliver(ops []op) {
	if len(ops) > 1 && anyFaulty(ops) {
		for i := range ops { // faults decide about each send
			f.deliver(ops[i : i+1])
		}
		return
	}
	f.pass.ops, f.pass.told = ops, f.told(ops)
	if sameReceivers(ops) {
		f.resetWires()
		f.visit(ops[0].(*sendOp), f.together)
		f.tell(ops)
	} else {
		for i, o := range ops {
			f.pass.index = i
			f.visit(o.(*sendOp), f.collected)
		}
		f.flush()
	}
	f.pass = fanoutPass{}
	for _, o := range ops {
		o.(*sendOp).done(f.w.g)
	}
}

// visit goes to the receivers of a send and enters in the books what became of it.
func (f *fanout) visit(s *sendOp, receiver func(*Conn)) {
	defer f.w.survive()
	f.pass.op = s
	f.tally.begin(s.shard())
	defer f.tally.end()
	if s.to.shard.faults != nil && !s.late {
		receiver = f.faulty(s, receiver)
	}
	s.to.each(receiver)
}

// guard is deferred around everything that is done for one receiver. After a panic the
// connection ends, and the deliveries that were not in the books yet are dropped.
func (f *fanout) guard(c *Conn) {
	if p := recover(); p != nil {
		f.tally.drop(DropFault, f.pass.open)
		f.pass.open = 0
		f.w.fault(p)
		f.w.abort(c)
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
		if s.to.kind != TargetAll || s.to.filter != nil || len(s.to.except) > 0 || len(s.to.exceptUsers) > 0 || s.to.shard != first.to.shard {
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

// writesPerBreath is about a third of a millisecond of writes (BenchmarkWrite of directwrite).
const writesPerBreath = 64

// toOne writes the pass's wire to one receiver.
func (f *fanout) toOne(c *Conn) {
	defer f.guard(c)
	wr := f.wireFor(c)
	wr.reach.receivers++
	f.tally.attempted += wr.deliveries + wr.missing + wr.faulty
	f.tally.units += wr.units
	f.tally.drop(DropNoPayloadForProtocol, wr.missing)
	f.tally.drop(DropFault, wr.faulty)
	if len(wr.records) == 0 {
		f.name(ReceiverReport{Conn: c, Dropped: DropFault})
		return
	}
	if c.back != nil {
		wr.number()
	}
	f.pass.open = wr.deliveries
	if c.channel.raw == nil || !c.idle(f.w.bound) {
		dropped := f.queue(c, wr.records)
		wr.reach.put(dropped)
		f.name(ReceiverReport{Conn: c, Dropped: dropped})
		return
	}
	f.breathe()
	n, err := f.direct.Write(c.channel.raw, wr.bytes)
	switch f.written(c, handed{wr.records, wr.bytes, wr.deliveries}, n, err) {
	case wroteAll:
		wr.reach.written++
		f.name(ReceiverReport{Conn: c, Written: true})
	case wrotePart:
		wr.reach.queued++
		f.name(ReceiverReport{Conn: c})
	default:
		wr.reach.closed++
		f.name(ReceiverReport{Conn: c, Dropped: DropConnectionClosed})
	}
}

// queue puts records into an outbox whose transport is busy or has a pump only. If the connection has
// ended, or is ended for that, it returns why they were dropped.
func (f *fanout) queue(c *Conn, records []OutRecord) (dropped DropReason) {
	wake := false
	for i, r := range records {
		switch c.put(r, f.w, writerPump) {
		case putOver:
			f.pass.open = 0
			f.tally.drop(DropSlowClient, countDeliveries(records[i:]))
			f.w.closeSlow(c)
			return DropSlowClient
		case putGone:
			f.pass.open = 0
			f.tally.drop(DropConnectionClosed, countDeliveries(records[i:]))
			return DropConnectionClosed
		case putClaimed:
			wake = true
		}
		f.tally.queuedBytes += len(r.Bytes)
		if !r.control {
			f.pass.open--
		}
	}
	if wake {
		c.transport.Wake()
	}
	return ""
}

// collect puts one op's record into one receiver's outbox.
func (f *fanout) collect(c *Conn) {
	defer f.guard(c)
	r, ok := f.pass.op.record(f.w, c.channel.lane.protocol)
	if !r.control {
		f.tally.attempted++
	}
	if !ok {
		f.tally.drop(DropNoPayloadForProtocol, 1)
		f.collectedFor(c, DropNoPayloadForProtocol)
		return
	}
	r.sent = uint8(f.pass.index)
	f.tally.units += r.units()
	if c.back != nil && c.channel.lane.manner == nil {
		r.numbered = f.count(r, c.channel.lane.protocol)
	}
	as := writerWorker
	if c.channel.raw == nil {
		as = writerPump // flush wakes it
	}
	result := c.put(r, f.w, as)
	if result == putOver && c.channel.raw != nil {
		// It may be this pass alone that has filled the outbox: the socket is asked first.
		f.flushOne(c)
		result = c.put(r, f.w, as)
	}
	switch result {
	case putOver:
		f.tally.dropRecord(r, DropSlowClient)
		f.collectedFor(c, DropSlowClient)
		f.w.closeSlow(c)
		return
	case putGone:
		f.tally.dropRecord(r, DropConnectionClosed)
		f.collectedFor(c, DropConnectionClosed)
		return
	case putClaimed:
		f.claimed = append(f.claimed, c)
	}
	f.collectedFor(c, "")
	f.tally.queuedBytes += len(r.Bytes)
}

// collectedFor notes what became of the send for a receiver, if somebody wants to know.
func (f *fanout) collectedFor(c *Conn, dropped DropReason) {
	if f.pass.told && f.pass.op.told(f.w.g) {
		f.pass.op.put(c, dropped, f.w.g)
	}
}

// flush writes every outbox that this pass claimed.
func (f *fanout) flush() {
	for _, c := range f.claimed {
		f.tally.begin(c.shard)
		f.flushOne(c)
		f.tally.end()
	}
	clear(f.claimed)
	f.claimed = f.claimed[:0]
	f.last.records, f.last.framed, f.last.framing = nil, nil, nil
	f.counted = counted{}
}

func (f *fanout) flushOne(c *Conn) {
	defer f.guard(c)
	if c.channel.raw == nil {
		c.transport.Wake()
		return
	}
	records := c.collected()
	if len(records) == 0 { // the transport ended meanwhile
		return
	}
	f.pass.open = countDeliveries(records)
	h, n, err := f.writeTaken(c, records)
	f.wrote(c, records, h, f.written(c, h, n, err))
	f.spares.put(records)
}

// writeTaken writes records that were taken from the outbox. They have left it, whatever
// happens to them.
func (f *fanout) writeTaken(c *Conn, records []OutRecord) (h handed, n int, err error) {
	took := sumOf(records)
	defer func() {
		c.settle(took, f.w)
		f.tally.queuedBytes -= took.bytes
	}()
	bytes, framed, faulty := f.join(c.channel.lane.framing, records)
	if faulty > 0 {
		f.tally.drop(DropFault, faulty)
		f.pass.open -= faulty
	}
	h = handed{framed, bytes, f.pass.open}
	f.breathe()
	n, err = f.direct.Write(c.channel.raw, bytes)
	return h, n, err
}
