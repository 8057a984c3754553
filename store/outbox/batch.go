package outbox

import (
	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/internal/packed"
	"github.com/hubgate/hubgate/store/batchlog"
)

// kind is what an entry of a log says.
type kind uint8

// The values are stored.
const (
	// kindPut: there is a delivery. Said of one that is there already it means nothing.
	kindPut kind = 1
	// kindDone: it was delivered, or never will be.
	kindDone kind = 2
	// kindClosed: the node whose log it is was given up, and writes no more.
	kindClosed kind = 3
	// kindBegin, kindPart, kindEnd: there is a delivery that is too large for one batch. What begins again
	// replaces what was begun, and an end without a beginning is nothing.
	kindBegin kind = 4
	kindPart  kind = 5
	kindEnd   kind = 6
	// kindTried: a delivery that is there was tried so often in vain. Programs that do not know it leave it out.
	kindTried kind = 7
)

// entry is one thing that a log says of the delivery with a number.
type entry struct {
	kind   kind
	number uint64
	data   []byte
}

// batch is what is written at once.
type batch struct {
	// mark is new with each batch of one writer: who wrote it knows it again.
	mark    uint64
	entries []entry
}

const (
	// batchSize is how much is put into a batch, in bytes, but for its last part.
	batchSize = 256 << 10
	// partSize bounds a part of a delivery.
	partSize = 512 << 10
	// MaxRecord bounds a delivery, in bytes: what is larger is stored, but cannot be read again.
	MaxRecord = 65 << 20
	// entrySize is what an entry takes beside its data.
	entrySize = 24
)

// append writes a batch. Each entry is an array of kind, number and data.
func (b *batch) append(dst []byte) []byte {
	dst = batchlog.AppendHeader(dst, b.mark, len(b.entries))
	for i := range b.entries {
		e := &b.entries[i]
		dst = msgp.AppendArrayHeader(dst, 3)
		dst = msgp.AppendUint8(dst, uint8(e.kind))
		dst = msgp.AppendUint64(dst, e.number)
		dst = msgp.AppendBytes(dst, e.data)
	}
	return dst
}

// parseBatch reads a batch. Entries of kinds that this program does not know are left out. What it returns
// does not share the text.
func parseBatch(text []byte) (*batch, error) {
	b := new(batch)
	var err error
	b.mark, err = batchlog.Parse(text, 3, func(p *packed.Reader) {
		e := entry{kind: kind(packed.Read(p, msgp.ReadUint8Bytes)), number: packed.Read(p, msgp.ReadUint64Bytes), data: p.Bytes()}
		if p.Err == nil && e.kind >= kindPut && e.kind <= kindTried {
			b.entries = append(b.entries, e)
		}
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *batch) closed() bool {
	for i := range b.entries {
		if b.entries[i].kind == kindClosed {
			return true
		}
	}
	return false
}

// reading is what is known after a part of a log was read.
type reading struct {
	// open are the deliveries that are not done, by number; parts the beginnings of others.
	open, parts map[uint64][]byte
	attempts    map[uint64]int // of open ones that were tried
	closed      bool
	// damaged is how many parts could not be read.
	damaged int
}

func newReading() *reading {
	return &reading{open: make(map[uint64][]byte), parts: make(map[uint64][]byte), attempts: make(map[uint64]int)}
}

// take reads the next batch.
func (r *reading) take(text []byte) {
	b, err := parseBatch(text)
	if err != nil {
		r.damaged++
		return
	}
	for _, e := range b.entries {
		switch e.kind {
		case kindBegin:
			r.parts[e.number] = e.data
		case kindPart, kindEnd:
			r.goOn(&e)
		case kindPut:
			r.open[e.number] = e.data
			delete(r.parts, e.number)
		case kindDone:
			delete(r.open, e.number)
			delete(r.parts, e.number)
			delete(r.attempts, e.number)
		case kindTried:
			r.tried(&e)
		case kindClosed:
			r.closed = true
		}
	}
}

// maxAttempts bounds what is believed: an event is tried every other moment for a day or for weeks.
const maxAttempts = 1 << 30

func triedEntry(number uint64, attempts int) entry {
	return entry{kind: kindTried, number: number, data: msgp.AppendUint64(nil, uint64(max(attempts, 0)))}
}

func (r *reading) tried(e *entry) {
	attempts, rest, err := msgp.ReadUint64Bytes(e.data)
	if err != nil || len(rest) > 0 || attempts > maxAttempts {
		r.damaged++
		return
	}
	if _, ok := r.open[e.number]; ok {
		r.attempts[e.number] = int(attempts)
	}
}

// goOn takes a further part of a large delivery.
func (r *reading) goOn(e *entry) {
	begun, ok := r.parts[e.number]
	if !ok || len(begun)+len(e.data) > MaxRecord {
		delete(r.parts, e.number)
		return
	}
	whole := append(begun, e.data...)
	if e.kind == kindPart {
		r.parts[e.number] = whole
		return
	}
	r.open[e.number] = whole
	delete(r.parts, e.number)
}
