package gateway

import (
	"time"
	"unsafe"
)

// keeping bounds what is kept for one client.
type keeping struct {
	records, bytes int
	time           time.Duration
}

var defaultKeeping = keeping{records: 128, bytes: 64 << 10, time: 40 * time.Second}

// replay is what is kept of what one client was given, the oldest first, in case that it loses its
// transport before it has read it. The bytes are shared with other receivers, and are kept by
// reference. Only deliveries are kept: pings, answers of the handshake and frames of a transport's own
// mean nothing to a later transport.
//
// In the books they are of two kinds: what was handed to a transport that has reported it as written is
// settled there, and a record of that kind that is given again is no second delivery; what was handed
// to a transport that has not reported it yet is still queued. The second kind comes behind the first,
// and is kept in any case.
type replay struct {
	ring        []keptRecord // circular, from first on
	first, size int
	bytes       int
	// large is the last of them that is larger than all may be together, which does not count for that: a
	// large message must not cost the small ones around it.
	large []byte
	// unsettled is how many of the last are still queued in the books.
	unsettled int
	// mark is the last record with a cursor that was given up. Records behind it that were given up had none.
	mark []byte
}

type keptRecord struct {
	bytes []byte
	// at is when it was handed over, in the gateway's nanoseconds. For a client whose records are numbered
	// it is the number of the record, of the last if it is several.
	at int64
}

func (r *replay) at(i int) *keptRecord { return &r.ring[(r.first+i)&(len(r.ring)-1)] }

// add keeps a record that is being handed to a transport.
func (r *replay) add(bytes []byte, now int64) {
	if r.size == len(r.ring) {
		r.resize(max(4, 2*r.size))
	}
	r.size++
	*r.at(r.size - 1) = keptRecord{bytes, now}
	r.bytes += len(bytes)
}

// maxLarge bounds a record that does not count, in bytes.
const maxLarge = 1 << 20

// isLarge notes a record that is being kept and is larger than all may be together.
func (r *replay) isLarge(record []byte) {
	if len(record) <= maxLarge {
		r.large = record
	}
}

func (r *replay) notLarge(record []byte) {
	if r.large != nil && unsafe.SliceData(r.large) == unsafe.SliceData(record) {
		r.large = nil
	}
}

// resize moves what is kept to a ring of another size, a power of two.
func (r *replay) resize(size int) {
	ring := make([]keptRecord, size)
	for i := range r.size {
		ring[i] = *r.at(i)
	}
	r.ring, r.first = ring, 0
}

// trim gives up what is settled and more, or older, than is kept.
func (r *replay) trim(k *keeping, m Manner, now int64) {
	for r.size > r.unsettled {
		if r.size <= k.records && r.bytes-len(r.large) <= k.bytes && now-r.at(0).at <= int64(k.time) {
			return
		}
		r.giveUp(m)
	}
}

// makeRoom gives up what is settled until there is room for another record.
func (r *replay) makeRoom(records int, m Manner) {
	for r.size >= records && r.size > r.unsettled {
		r.giveUp(m)
	}
}

// giveUp gives up the oldest, and remembers how far that is.
func (r *replay) giveUp(m Manner) {
	if oldest := r.at(0); m == nil || m.Marked(oldest.bytes) {
		r.mark = oldest.bytes
	}
	r.drop()
}

// drop gives up the oldest.
func (r *replay) drop() {
	oldest := r.at(0)
	r.bytes -= len(oldest.bytes)
	r.notLarge(oldest.bytes)
	*oldest = keptRecord{}
	r.first = (r.first + 1) & (len(r.ring) - 1)
	r.size--
}

// rest is trim for a client to which nothing is being handed: an idle one holds no buffer.
func (r *replay) rest(k *keeping, m Manner, now int64) {
	if r.trim(k, m, now); r.size == 0 {
		r.ring, r.first = nil, 0
	}
}

// cut takes out everything from a position on. It returns what was settled, marked as given again, and
// behind that what is still queued, and says how much of what stays was not known to be settled.
func (r *replay) cut(from int) (again []OutRecord, arrived waiting) {
	settled := r.size - r.unsettled
	for i := settled; i < from; i++ {
		arrived.add(OutRecord{Bytes: r.at(i).bytes})
	}
	again = make([]OutRecord, 0, r.size-from)
	for i := from; i < r.size; i++ {
		k := r.at(i)
		again = append(again, OutRecord{Bytes: k.bytes, again: i < settled})
		r.bytes -= len(k.bytes)
		r.notLarge(k.bytes)
		*k = keptRecord{}
	}
	r.size, r.unsettled = from, 0
	return again, arrived
}

// queued is what is still queued, as records.
func (r *replay) queued() (w waiting) {
	for i := r.size - r.unsettled; i < r.size; i++ {
		w.add(OutRecord{Bytes: r.at(i).bytes})
	}
	return w
}

// whence decides from which of the records that are kept on a client that comes back has missed them.
// Not ok means that it has missed others too. It is asked by the worker, with Conn.mu held.
type whence func(r *replay, m Manner) (from int, ok bool)

// fromTheStart is the cursor of a client that has read nothing.
const fromTheStart = "0"

// behind is whence for a client that names the cursor of the last record that it has read. If several
// records carry the same, the last counts: copies follow each other.
func behind(cursor string) whence {
	return func(r *replay, m Manner) (int, bool) {
		for i := r.size - 1; i >= 0 && m != nil; i-- {
			if m.HasCursor(r.at(i).bytes, cursor) {
				return i + 1, true
			}
		}
		if r.mark == nil {
			return 0, cursor == fromTheStart
		}
		return 0, m != nil && m.HasCursor(r.mark, cursor)
	}
}
