package cluster

import (
	"encoding/binary"
	"errors"
)

// errMalformed says that bytes of another node are not what they should be.
var errMalformed = errors.New("cluster: malformed bytes of another node")

func appendText[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// wireReader reads the fields of packets and frames. After a failure all that it returns is zero,
// so that the failure has to be asked for once, at the end.
type wireReader struct {
	rest   []byte
	failed bool
}

// uvarint reads a number that is limit at most.
func (r *wireReader) uvarint(limit uint64) uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.failed || size <= 0 || n > limit {
		r.failed = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// number reads a number that may have any value.
func (r *wireReader) number() uint64 { return r.uvarint(1<<64 - 1) }

func (r *wireReader) byte() byte {
	if r.failed || len(r.rest) == 0 {
		r.failed = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// take reads so many bytes, which stay part of the packet.
func (r *wireReader) take(n int) []byte {
	if r.failed || n > len(r.rest) {
		r.failed = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// fixed reads a number of eight bytes.
func (r *wireReader) fixed() uint64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// bytes reads a length and so many bytes, limit at most, which stay part of the packet.
func (r *wireReader) bytes(limit int) []byte { return r.take(int(r.uvarint(uint64(limit)))) }

// text reads a text of limit bytes at most.
func (r *wireReader) text(limit int) string { return string(r.bytes(limit)) }

// inc reads an incarnation; none, the zero Inc, is allowed.
func (r *wireReader) inc() Inc {
	i := Inc{Tag: r.text(maxTag), Random: r.fixed()}
	if i != (Inc{}) && !validTag(i.Tag) {
		r.failed = true
	}
	return i
}

func appendInc(dst []byte, i Inc) []byte {
	return binary.BigEndian.AppendUint64(appendText(dst, i.Tag), i.Random)
}

// end returns an error if a field was malformed or if bytes are left.
func (r *wireReader) end() error {
	if r.failed || len(r.rest) > 0 {
		return errMalformed
	}
	return nil
}

// varint reads a number that may be negative.
func (r *wireReader) varint() int64 {
	n, size := binary.Varint(r.rest)
	if r.failed || size <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}
