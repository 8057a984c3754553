package serviceprotocol

import (
	"encoding/binary"
	"errors"

	"github.com/tinylib/msgp/msgp"
)

// reader reads the elements of one message, one after the other. Elements that are not
// there read as empty: the catalogue says how many have to be. The first thing that is
// wrong is kept, and all that is read afterwards is empty.
type reader struct {
	b      []byte // what follows
	left   int    // elements of the message that follow
	field  string
	reason Reason
	reuse  *reuse // nil: everything is made anew
	// tracing is the tracing id of the message, 0 if it has none.
	tracing uint64
}

// further passes over elements of a version to come (H19).
func (r *reader) further() {
	for r.next() {
		r.skip("further elements")
	}
}

// end passes over all that may follow: elements, but not bytes.
func (r *reader) end() {
	r.further()
	if len(r.b) > 0 {
		r.fail("message", ReasonTrailing)
	}
}

// fresh returns the struct that takes a message of type t, nil if there is nothing to take.
func (r *reader) fresh(t Type, elements int, body []byte) Message {
	if r.reason != "" {
		return nil
	}
	if t <= 0 || int(t) >= len(catalogue) || catalogue[t].fresh == nil {
		return &Unknown{Number: t, Body: body}
	}
	if elements < catalogue[t].least {
		r.fail("message", ReasonTooFew)
		return nil
	}
	if r.reuse != nil {
		if message := r.reuse.message(t); message != nil {
			return message
		}
	}
	return catalogue[t].fresh()
}

func (r *reader) fail(field string, reason Reason) {
	if r.reason == "" {
		r.field, r.reason = field, reason
	}
	r.b, r.left = nil, 0
}

// failed tells whether err is one, and then fails with the reason for it.
func (r *reader) failed(field string, err error) bool {
	if err == nil {
		return false
	}
	reason := ReasonWrongType
	switch err.(type) {
	case msgp.IntOverflow, msgp.UintOverflow, msgp.UintBelowZero:
		reason = ReasonOutOfRange
	default:
		if errors.Is(err, msgp.ErrShortBytes) {
			reason = ReasonTruncated
		}
	}
	r.fail(field, reason)
	return true
}

// next steps to the message's next element, if there is one.
func (r *reader) next() bool {
	if r.left == 0 {
		return false
	}
	r.left--
	return true
}

// null passes over a nil, if there is one: lists, maps and texts may be nil.
func (r *reader) null() bool {
	if !msgp.IsNil(r.b) {
		return false
	}
	r.b = r.b[1:]
	return true
}

// array reads the header of a list. The entries are known to have a byte each, so that
// memory for them may be asked for.
func (r *reader) array(field string, max uint64) int {
	if r.null() {
		return 0
	}
	n, rest, err := msgp.ReadArrayHeaderBytes(r.b)
	return r.entries(field, uint64(n), uint64(n), max, rest, err)
}

// pairs is array for a map.
func (r *reader) pairs(field string) int {
	if r.null() {
		return 0
	}
	n, rest, err := msgp.ReadMapHeaderBytes(r.b)
	return r.entries(field, uint64(n), 2*uint64(n), MaxPairs, rest, err)
}

func (r *reader) entries(field string, n, values, max uint64, rest []byte, err error) int {
	switch {
	case r.failed(field, err):
		return 0
	case n > max:
		r.fail(field, ReasonTooMany)
		return 0
	case values > uint64(len(rest)):
		r.fail(field, ReasonTruncated)
		return 0
	}
	r.b = rest
	return int(n)
}

// value reads a text that is no element of its own; nil reads as empty.
func (r *reader) value(field string) []byte {
	if r.null() {
		return nil
	}
	if overlong(r.b) {
		r.fail(field, ReasonTruncated)
		return nil
	}
	v, rest, err := msgp.ReadStringZC(r.b)
	if r.failed(field, err) {
		return nil
	}
	r.b = rest
	return v
}

// bytes is value for binary. The result aliases the body.
func (r *reader) bytes(field string) []byte {
	if r.null() {
		return nil
	}
	if overlong(r.b) {
		r.fail(field, ReasonTruncated)
		return nil
	}
	v, rest, err := msgp.ReadBytesZC(r.b)
	if r.failed(field, err) {
		return nil
	}
	r.b = rest
	return v[:len(v):len(v)]
}

// overlong tells whether a text, binary or extension value with a length of four bytes says
// more than there is. Where an int has 32 bits, the library takes such a length for a
// negative one.
func overlong(b []byte) bool {
	const header = 5
	if len(b) < header {
		return false
	}
	switch b[0] {
	case 0xc6, 0xc9, 0xdb:
		return uint64(binary.BigEndian.Uint32(b[1:])) > uint64(len(b)-header)
	}
	return false
}

// number reads an integer that is no element of its own.
func (r *reader) number(field string) int32 {
	v, rest, err := msgp.ReadInt32Bytes(r.b)
	if r.failed(field, err) {
		return 0
	}
	r.b = rest
	return v
}

// skip passes over one value.
func (r *reader) skip(field string) {
	rest, reason := skip(r.b, MaxDepth)
	if reason != "" {
		r.fail(field, reason)
		return
	}
	r.b = rest
}

// skip returns what follows the value at the start of b, in which at most depth containers
// may be open. A count asks for nothing: each value that it announces has to be there.
func skip(b []byte, depth int) ([]byte, Reason) {
	var n uint64
	var rest []byte
	var err error
	switch msgp.NextType(b) {
	case msgp.ArrayType:
		var size uint32
		size, rest, err = msgp.ReadArrayHeaderBytes(b)
		n = uint64(size)
	case msgp.MapType:
		var size uint32
		size, rest, err = msgp.ReadMapHeaderBytes(b)
		n = 2 * uint64(size)
	default:
		if overlong(b) {
			return nil, ReasonTruncated
		}
		rest, err = msgp.Skip(b)
	}
	switch {
	case errors.Is(err, msgp.ErrShortBytes) || n > uint64(len(rest)):
		return nil, ReasonTruncated
	case err != nil:
		return nil, ReasonWrongType
	case n > 0 && depth == 0:
		return nil, ReasonTooDeep
	}
	for ; n > 0; n-- {
		var reason Reason
		if rest, reason = skip(rest, depth-1); reason != "" {
			return nil, reason
		}
	}
	return rest, ""
}
