package bench

import (
	"bytes"
	"errors"
)

const (
	recordSeparator = 0x1e
	// headLength is how much of a record is looked at: its stamp is within it.
	headLength = 192
	// maxPrefix bounds the varint length prefix of MessagePack records.
	maxPrefix = 5
)

var errPrefix = errors.New("the server sent a length prefix over five bytes")

// recordCounter finds the records in a stream of hub protocol bytes, whatever
// the chunking, and shows the head of each. The zero value reads JSON.
type recordCounter struct {
	binary bool
	// head holds the start of a record that came in pieces.
	head   [headLength]byte
	filled int

	// of MessagePack only
	length    int // of the record that is being read
	prefixLen int
	need      int // bytes of it that have not come
}

// feed calls record with the first bytes of every record that p completes. The
// slice is only valid during the call.
func (r *recordCounter) feed(p []byte, record func(head []byte)) error {
	if r.binary {
		return r.feedBinary(p, record)
	}
	for {
		i := bytes.IndexByte(p, recordSeparator)
		if i < 0 {
			r.keep(p)
			return nil
		}
		r.finish(p[:i], record)
		p = p[i+1:]
	}
}

func (r *recordCounter) feedBinary(p []byte, record func(head []byte)) error {
	for len(p) > 0 {
		if r.need == 0 {
			b := p[0]
			p = p[1:]
			if r.prefixLen == maxPrefix {
				return errPrefix
			}
			r.length |= int(b&0x7f) << (7 * r.prefixLen)
			r.prefixLen++
			if b&0x80 == 0 {
				r.need = r.length
				r.length, r.prefixLen = 0, 0
			}
			continue
		}
		n := min(len(p), r.need)
		r.need -= n
		if r.need == 0 {
			r.finish(p[:n], record)
		} else {
			r.keep(p[:n])
		}
		p = p[n:]
	}
	return nil
}

func (r *recordCounter) keep(p []byte) {
	r.filled += copy(r.head[r.filled:], p)
}

func (r *recordCounter) finish(last []byte, record func(head []byte)) {
	if r.filled == 0 {
		record(last[:min(len(last), headLength)])
		return
	}
	r.keep(last)
	record(r.head[:r.filled])
	r.filled = 0
}
