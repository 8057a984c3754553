// Package packed reads what stores keep in MessagePack, which may be damaged or of another version.
package packed

import (
	"fmt"

	"github.com/tinylib/msgp/msgp"
)

// Reader reads MessagePack until the first error. After it all that is read is zero.
type Reader struct {
	// Rest is what has not been read.
	Rest []byte
	// Err is the first error. Who finds a value wrong may set it.
	Err error
}

// Read takes one thing from the front, unless there was an error before.
func Read[T any](r *Reader, next func([]byte) (T, []byte, error)) T {
	var v T
	if r.Err == nil {
		v, r.Rest, r.Err = next(r.Rest)
	}
	return v
}

// Bytes reads bytes, which do not share what is read.
func (r *Reader) Bytes() []byte {
	return Read(r, func(b []byte) ([]byte, []byte, error) { return msgp.ReadBytesBytes(b, nil) })
}

// Length reads the length of an array, which cannot have more elements than there are bytes.
func (r *Reader) Length() int {
	n := Read(r, msgp.ReadArrayHeaderBytes)
	if r.Err == nil && int64(n) > int64(len(r.Rest)) {
		r.Err = fmt.Errorf("an array of %d in %d bytes", n, len(r.Rest))
	}
	if r.Err != nil {
		return 0
	}
	return int(n)
}

// Format reads the beginning of what is kept: an array of at least so many fields, of which the first one is the
// format that this program knows.
func (r *Reader) Format(known, fields int) {
	if n := r.Length(); r.Err == nil && n < fields {
		r.Err = fmt.Errorf("%d fields", n)
	}
	if format := Read(r, msgp.ReadIntBytes); r.Err == nil && format != known {
		r.Err = fmt.Errorf("format %d; this program knows %d", format, known)
	}
}
