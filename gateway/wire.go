package gateway

import (
	"slices"
	"unsafe"

	"github.com/hubgate/hubgate/hubprotocol"
)

// wire is what one kind of receiver gets of a pass.
type wire struct {
	lane    *lane
	bytes   []byte
	records []OutRecord
	// deliveries are the records that count, missing the messages without a form in the
	// protocol, faulty those that could not be framed.
	deliveries, missing, faulty int
	// units is what the records count for.
	units int
	// numbers: the numbers of the records have been counted.
	numbers bool
	// reach is what became of the receivers of this wire.
	reach reach
}

// wireFor returns the bytes of this pass for receivers like c.
func (f *fanout) wireFor(c *Conn) *wire {
	for i := range f.wires {
		if wr := &f.wires[i]; wr.lane == c.channel.lane {
			return wr
		}
	}
	if len(f.wires) < cap(f.wires) {
		f.wires = f.wires[:len(f.wires)+1]
	} else {
		f.wires = append(f.wires, wire{})
	}
	wr := &f.wires[len(f.wires)-1]
	*wr = wire{lane: c.channel.lane, bytes: wr.bytes[:0], records: wr.records[:0]}
	for _, o := range f.pass.ops {
		r, ok := o.(*sendOp).record(f.w, c.channel.lane.protocol)
		if !ok {
			wr.missing++
			continue
		}
		wr.records = append(wr.records, r)
		wr.units += r.units()
	}
	wr.deliveries = countDeliveries(wr.records)
	if c.channel.raw != nil {
		wr.bytes, wr.records = f.frame(wr.bytes, c.channel.lane.framing, wr.records)
		wr.faulty = wr.deliveries - countDeliveries(wr.records)
		wr.deliveries -= wr.faulty
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

// lastJoin remembers the join made last: receivers next to each other mostly get the same
// records.
type lastJoin struct {
	records []OutRecord
	framing Framing
	wire    []byte
	faulty  int         // deliveries that could not be framed
	framed  []OutRecord // then: those that are in wire
}

// join frames records, reusing the bytes of the last receiver if it got the same. Faulty are the
// deliveries that could not be framed and are not in the wire.
func (f *fanout) join(framing Framing, records []OutRecord) (wire []byte, framed []OutRecord, faulty int) {
	last := &f.last
	if framing != last.framing || !sameRecords(records, last.records) {
		last.records, last.framing = append(last.records[:0], records...), framing
		last.wire, framed = f.frame(last.wire[:0], framing, records)
		last.faulty = countDeliveries(last.records) - countDeliveries(framed)
		if last.framed = nil; last.faulty > 0 {
			last.framed = slices.Clone(framed)
		}
	}
	if last.faulty > 0 {
		records = last.framed
	}
	return last.wire, records, last.faulty
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

// frame appends records to dst in a framing. It returns those that are in it, in the array of
// records: one at which the framing panics is lost alone.
func (f *fanout) frame(dst []byte, framing Framing, records []OutRecord) ([]byte, []OutRecord) {
	if out, ok := f.tryFrame(dst, framing, records); ok {
		return out, records
	}
	framed := records[:0]
	for _, r := range records {
		alone := [1]OutRecord{r}
		if out, ok := f.tryFrame(dst, framing, alone[:]); ok {
			dst, framed = out, append(framed, r)
		}
	}
	clear(records[len(framed):])
	return dst, framed
}

func (f *fanout) tryFrame(dst []byte, framing Framing, records []OutRecord) (out []byte, ok bool) {
	defer func() {
		if p := recover(); p != nil && len(records) == 1 { // several are tried again one by one
			f.w.fault(p)
		}
	}()
	return framing.AppendFrames(dst, records), true
}

// number counts how many numbers the records take, once for all receivers of the wire.
func (wr *wire) number() {
	if wr.numbers || wr.lane.manner != nil {
		return
	}
	wr.numbers = true
	for i := range wr.records {
		if r := &wr.records[i]; !r.control {
			r.numbered = uint32(hubprotocol.CountNumbered(wr.lane.protocol, r.Bytes))
		}
	}
}

// counted is a record and how many numbers it takes: receivers next to each other mostly get the same.
type counted struct {
	data     *byte
	size     int
	protocol string
	numbers  uint32
}

// count returns how many numbers a record takes.
func (f *fanout) count(r OutRecord, protocol string) uint32 {
	if r.control || len(r.Bytes) == 0 {
		return 0
	}
	last := &f.counted
	if data := unsafe.SliceData(r.Bytes); last.data != data || last.size != len(r.Bytes) || last.protocol != protocol {
		*last = counted{data, len(r.Bytes), protocol, uint32(hubprotocol.CountNumbered(protocol, r.Bytes))}
	}
	return last.numbers
}
