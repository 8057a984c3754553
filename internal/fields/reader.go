// Package fields reads what nodes say to each other, which another version may have said.
package fields

import (
	"encoding/binary"
)

// Reader reads fields from the front of bytes. After a failure all that it returns is zero, so that the failure
// has to be asked for once, at the end. It is not safe for concurrent use.
type Reader struct {
	// Rest is what has not been read.
	Rest []byte
	// Failed: a field was malformed. Who finds a value wrong may set it.
	Failed bool
}

// Uvarint reads a number that is limit at most.
func (r *Reader) Uvarint(limit uint64) uint64 {
	n, size := binary.Uvarint(r.Rest)
	if r.Failed || size <= 0 || n > limit {
		r.Failed = true
		return 0
	}
	r.Rest = r.Rest[size:]
	return n
}

// Number reads a number that may have any value.
func (r *Reader) Number() uint64 { return r.Uvarint(1<<64 - 1) }

// Varint reads a number that may be negative.
func (r *Reader) Varint() int64 {
	n, size := binary.Varint(r.Rest)
	if r.Failed || size <= 0 {
		r.Failed = true
		return 0
	}
	r.Rest = r.Rest[size:]
	return n
}

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if r.Failed || len(r.Rest) == 0 {
		r.Failed = true
		return 0
	}
	b := r.Rest[0]
	r.Rest = r.Rest[1:]
	return b
}

// Take reads so many bytes, which stay part of what is read.
func (r *Reader) Take(n int) []byte {
	if r.Failed || n < 0 || n > len(r.Rest) {
		r.Failed = true
		return nil
	}
	b := r.Rest[:n:n]
	r.Rest = r.Rest[n:]
	return b
}

// Fixed reads a number of eight bytes.
func (r *Reader) Fixed() uint64 {
	b := r.Take(8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// Bytes reads a length, limit at most, and so many bytes, which stay part of what is read.
func (r *Reader) Bytes(limit int) []byte {
	n := r.Uvarint(uint64(limit))
	if n > uint64(len(r.Rest)) {
		r.Failed = true
		return nil
	}
	return r.Take(int(n))
}

// Text reads a text of limit bytes at most.
func (r *Reader) Text(limit int) string { return string(r.Bytes(limit)) }

// Count reads the number of elements, limit at most, that take at least so many bytes each: there cannot be more than
// there are bytes for.
func (r *Reader) Count(limit, each int) int {
	n := r.Uvarint(uint64(limit))
	if n > uint64(len(r.Rest)/each) {
		r.Failed = true
		return 0
	}
	return int(n)
}

// Whole reports whether everything was read and nothing was malformed.
func (r *Reader) Whole() bool { return !r.Failed && len(r.Rest) == 0 }

// AppendText appends what Bytes and Text read.
func AppendText[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
