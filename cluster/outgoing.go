package cluster

import (
	"encoding/binary"
	"slices"
	"time"
)

// unitHead is more than a unit has beside its bytes, and unitCost what a unit costs in memory
// beside them.
const (
	unitHead = 1 + binary.MaxVarintLen32
	unitCost = 64
)

// unit is a frame or a piece of one. Units are numbered from 1 on in each session.
type unit struct {
	// bytes and, behind them, tail are parts of a frame that several links may share.
	bytes, tail []byte

	kind    frameType
	command bool // it completes a command
}

func (u *unit) size() int { return len(u.bytes) + len(u.tail) }
func (u *unit) cost() int { return u.size() + unitCost }

// outgoing is what a session sends: units that are sent and not acknowledged, and behind them those
// that wait to be sent. Whoever misses one has all from it on sent again.
type outgoing struct {
	units []unit
	// urgent are units that go before all that was never sent. They get their place, and so their numbers, when
	// it is their turn.
	urgent []unit
	// placed is the number of the last unit that was urgent.
	placed uint64
	// mid: the last unit that was ever sent is not the end of its frame.
	mid   bool
	head  int    // units before it are acknowledged
	first uint64 // the number of units[head]
	next  uint64 // the number of the unit that is sent next
	sent  uint64 // the highest number that was ever sent
	// unacked and waiting are the cost of the units before next and from it on.
	unacked, waiting int
	// commands is how many were acknowledged in this session.
	commands uint64
	// progress is when the first unit was acknowledged, or sent with none before it.
	progress time.Duration
}

func (o *outgoing) init() { *o = outgoing{units: o.units[:0], first: 1, next: 1} }

// total is the cost of all units that are kept.
func (o *outgoing) total() int { return o.unacked + o.waiting }

// push queues a frame, which is bytes and tail, in pieces.
func (o *outgoing) push(kind frameType, bytes, tail []byte, piece int) {
	o.units = o.cut(o.units, kind, bytes, tail, piece)
}

// pushUrgent queues a frame that overtakes what waits, but for other urgent ones.
func (o *outgoing) pushUrgent(kind frameType, bytes []byte, piece int) {
	o.urgent = o.cut(o.urgent, kind, bytes, nil, piece)
	if o.at(o.next) == len(o.units) {
		o.place()
	}
}

// place gives urgent units their place, unless what is sent next was sent before.
func (o *outgoing) place() {
	if len(o.urgent) == 0 || o.next <= o.sent {
		return
	}
	at := max(o.at(o.next), o.at(o.placed+1))
	for more := o.mid && at == o.at(o.next); more && at < len(o.units); at++ {
		more = o.units[at].kind&frameMore != 0
	}
	o.units = slices.Insert(o.units, at, o.urgent...)
	o.placed = o.first + uint64(at-o.head+len(o.urgent)-1)
	clear(o.urgent)
	o.urgent = o.urgent[:0]
}

// cut appends a frame in pieces to units that wait.
func (o *outgoing) cut(units []unit, kind frameType, bytes, tail []byte, piece int) []unit {
	for more := true; more; {
		u := unit{kind: kind, command: kind == frameCommand}
		u.bytes, bytes = cutAt(bytes, piece)
		u.tail, tail = cutAt(tail, piece-len(u.bytes))
		if more = len(bytes)+len(tail) > 0; more {
			u.kind, u.command = kind|frameMore, false
		}
		units = append(units, u)
		o.waiting += u.cost()
	}
	return units
}

// cutAt cuts at most n bytes off.
func cutAt(b []byte, n int) (first, rest []byte) {
	n = min(n, len(b))
	return b[:n:n], b[n:]
}

// fill appends units to a packet as far as it has room and the window permits. A unit that is alone
// in the window may be of any size.
func (o *outgoing) fill(packet []byte, limit, window int, now time.Duration) []byte {
	if o.unacked == 0 {
		o.progress = now
	}
	for o.place(); o.at(o.next) < len(o.units); o.place() {
		u := &o.units[o.at(o.next)]
		if len(packet)+unitHead+u.size() > limit || o.unacked > 0 && o.unacked+u.cost() > window {
			break
		}
		packet = binary.AppendUvarint(append(packet, byte(u.kind)), uint64(u.size()))
		packet = append(append(packet, u.bytes...), u.tail...)
		o.unacked += u.cost()
		o.waiting -= u.cost()
		if o.next > o.sent {
			o.sent, o.mid = o.next, u.kind&frameMore != 0
		}
		o.next++
	}
	return packet
}

func (o *outgoing) at(number uint64) int { return o.head + int(number-o.first) }

// mayFill reports whether fill would append something to an empty packet.
func (o *outgoing) mayFill(window int) bool {
	at := o.at(o.next)
	return at < len(o.units) && (o.unacked == 0 || o.unacked+o.units[at].cost() <= window)
}

// acknowledged takes out all units up to a number, and returns how many commands they completed.
// False says that such a unit was never sent.
func (o *outgoing) acknowledged(upTo uint64, now time.Duration) (commands uint64, ok bool) {
	if upTo > o.sent {
		return 0, false
	}
	for ; o.first <= upTo; o.first++ {
		u := &o.units[o.head]
		if u.command {
			commands++
		}
		if o.first < o.next {
			o.unacked -= u.cost()
		} else {
			o.waiting -= u.cost() // it was to be sent again, and had arrived
			o.next++
		}
		*u = unit{}
		o.head++
		o.progress = now
	}
	o.commands += commands
	o.compact()
	return commands, true
}

// compact keeps the space for units from growing.
func (o *outgoing) compact() {
	switch {
	case o.head == len(o.units):
		o.units, o.head = o.units[:0], 0
		if cap(o.units) > 1<<12 {
			o.units = nil
		}
	case o.head > 1<<10 && o.head > len(o.units)/2:
		n := copy(o.units, o.units[o.head:])
		clear(o.units[n:])
		o.units, o.head = o.units[:n], 0
	}
}

// again has everything that is not acknowledged sent once more.
func (o *outgoing) again() {
	o.waiting += o.unacked
	o.unacked, o.next = 0, o.first
}

// undone counts the commands that are not acknowledged: those whose last piece was sent, and those
// that cannot have arrived.
func (o *outgoing) undone() (sent, unsent uint64) {
	for at, number := o.head, o.first; at < len(o.units); at, number = at+1, number+1 {
		switch {
		case !o.units[at].command:
		case number <= o.sent:
			sent++
		default:
			unsent++
		}
	}
	return sent, unsent
}
