package hubprotocol

import (
	"bytes"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// The records of version 2 of the hub protocols (stateful reconnect). In each direction the records of
// some types are numbered from 1 on, in the order in which they are sent.

// Numbered reports whether records of the type are numbered: all that carry an invocation are.
func (t Type) Numbered() bool { return t >= Invocation && t <= CancelInvocation }

// AppendAck appends an Ack: the records up to number n have been received.
func AppendAck(dst []byte, protocol string, n uint64) []byte {
	return appendNumber(dst, protocol, Ack, n)
}

// AppendSequence appends a Sequence: the next numbered record has number n.
func AppendSequence(dst []byte, protocol string, n uint64) []byte {
	return appendNumber(dst, protocol, Sequence, n)
}

func appendNumber(dst []byte, protocol string, t Type, n uint64) []byte {
	switch {
	case protocol == JSON:
		dst = append(append(dst, `{"type":`...), '0'+byte(t))
		dst = strconv.AppendUint(append(dst, `,"sequenceId":`...), n, 10)
		return append(dst, '}', RecordSeparator)
	case packed(protocol):
		dst, at := openRecord(dst, 2, t)
		return closeFrame(msgp.AppendUint64(dst, n), at)
	}
	return dst
}

// CountNumbered counts the numbered records among whole framed records of a protocol, as many as can be
// told apart: what follows a malformed record, or one of an unknown protocol, is not counted. It does
// not allocate. For a single record as servers write it, with its type first, it looks at a few bytes.
func CountNumbered(protocol string, frames []byte) (n int) {
	for len(frames) > 0 {
		_, body, rest, err := Cut(protocol, frames, len(frames))
		if err != nil || body == nil {
			return n
		}
		if typeOf(protocol, body).Numbered() {
			n++
		}
		frames = rest
	}
	return n
}

var typeFirst = []byte(`{"type":`)

// typeOf returns the type of a record, 0 if it has none.
func typeOf(protocol string, body []byte) Type {
	if protocol == JSON {
		// A record has one type. If it has several the last counts, and a longer look finds that.
		after := len(typeFirst)
		if len(body) > after+1 && bytes.HasPrefix(body, typeFirst) && body[after] >= '1' && body[after] <= '9' &&
			(body[after+1] == ',' || body[after+1] == '}') &&
			!bytes.Contains(body[after:], typeMember) && !bytes.Contains(body[after:], escape) {
			return Type(body[after] - '0')
		}
	} else if len(body) > 1 && body[0] >= 0x91 && body[0] <= 0x9f && body[1] <= 0x7f {
		return Type(body[1])
	}
	p, err := Peek(protocol, body)
	if err != nil {
		return 0
	}
	return p.Type
}

var (
	typeMember = []byte(`"type"`)
	escape     = []byte(`\u`)
)
