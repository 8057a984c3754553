package life

import (
	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/internal/packed"
	"github.com/hubgate/hubgate/store/batchlog"
)

// kind is what an entry of the life log says of a client.
type kind uint8

// The values are stored.
const (
	// kindBorn: it is there. Said of one that is there already it means nothing.
	kindBorn kind = 1
	// kindEnding: its webhook is about to be called.
	kindEnding kind = 2
	// kindEnded: it was called, or never will be.
	kindEnded kind = 3
	// kindClosed is of no client: the node whose log it is was given up, and writes no more.
	kindClosed kind = 4
)

// entry is one thing that the log says.
type entry struct {
	kind kind
	id   string
	// hub and record are those of kindBorn.
	hub    string
	record []byte
}

// batch is what is written at once.
type batch struct {
	// number is new with each batch of one writer: who wrote it knows it again.
	number  uint64
	entries []entry
}

// maxRecord bounds the record of one client, in bytes.
const maxRecord = 128 << 10

// append writes a batch. Each entry is an array of kind, id, hub and record.
func (b *batch) append(dst []byte) []byte {
	dst = batchlog.AppendHeader(dst, b.number, len(b.entries))
	for i := range b.entries {
		e := &b.entries[i]
		dst = msgp.AppendArrayHeader(dst, 4)
		dst = msgp.AppendUint8(dst, uint8(e.kind))
		dst = msgp.AppendString(dst, e.id)
		dst = msgp.AppendString(dst, e.hub)
		dst = msgp.AppendBytes(dst, e.record)
	}
	return dst
}

// parseBatch reads a batch. Entries of kinds that this program does not know are left out. What it
// returns does not share the text.
func parseBatch(text []byte) (*batch, error) {
	b := new(batch)
	var err error
	b.number, err = batchlog.Parse(text, 4, func(p *packed.Reader) {
		e := entry{
			kind: kind(packed.Read(p, msgp.ReadUint8Bytes)), id: packed.Read(p, msgp.ReadStringBytes), hub: packed.Read(p, msgp.ReadStringBytes),
			record: p.Bytes(),
		}
		if p.Err == nil && e.kind >= kindBorn && e.kind <= kindClosed {
			b.entries = append(b.entries, e)
		}
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// reading is what is known after a part of a log was read.
type reading struct {
	// open are the clients that have not ended, by id, in no order.
	open map[string]entry
	// ending are those whose webhook may have been called.
	ending map[string]bool
	closed bool
	// damaged is how many parts could not be read.
	damaged int
}

func newReading() *reading {
	return &reading{open: make(map[string]entry), ending: make(map[string]bool)}
}

// take reads the next part.
func (r *reading) take(text []byte) {
	b, err := parseBatch(text)
	if err != nil {
		r.damaged++
		return
	}
	for _, e := range b.entries {
		switch e.kind {
		case kindBorn:
			r.open[e.id] = e
		case kindEnding:
			r.ending[e.id] = true
		case kindEnded:
			delete(r.open, e.id)
			delete(r.ending, e.id)
		case kindClosed:
			r.closed = true
		}
	}
}
