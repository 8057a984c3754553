// Package batchlog is the log of one node in a stream: batches under a subject of the node's own, each written by
// compare-and-set on the one before. So whoever closes the log of a dead node shuts its writer out by the same means.
// What the entries of a log say is known to those who have one.
package batchlog

import (
	"errors"
	"fmt"

	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/internal/packed"
)

const (
	format = 1
	// MaxBatch bounds what is read as a batch, in bytes; the engine takes no more.
	MaxBatch = 1 << 20
)

// ErrBatch is the error for what is no batch.
var ErrBatch = errors.New("a part of a log cannot be read")

// AppendHeader writes the beginning of a batch: a MessagePack array of format, number and the entries, of which so
// many follow. Each is an array.
func AppendHeader(dst []byte, number uint64, entries int) []byte {
	dst = msgp.AppendArrayHeader(dst, 3)
	dst = msgp.AppendInt(dst, format)
	dst = msgp.AppendUint64(dst, number)
	return msgp.AppendArrayHeader(dst, uint32(entries))
}

// Parse reads a batch whose entries have so many fields. Entry reads the fields of one; it is called for each until
// there is an error. What entry keeps of it must not share the text.
func Parse(text []byte, fields int, entry func(p *packed.Reader)) (number uint64, err error) {
	if len(text) > MaxBatch {
		return 0, fmt.Errorf("%w: it has %d bytes", ErrBatch, len(text))
	}
	p := packed.Reader{Rest: text}
	p.Format(format, 3)
	number = packed.Read(&p, msgp.ReadUint64Bytes)
	for range p.Length() {
		if n := p.Length(); p.Err == nil && n != fields {
			p.Err = fmt.Errorf("an entry of %d fields", n)
		}
		if entry(&p); p.Err != nil {
			return 0, fmt.Errorf("%w: %w", ErrBatch, p.Err)
		}
	}
	if p.Err != nil {
		return 0, fmt.Errorf("%w: %w", ErrBatch, p.Err)
	}
	return number, nil
}
