package serviceprotocol

import "errors"

var (
	// ErrTooLarge is returned for a frame larger than the reader allows.
	ErrTooLarge = errors.New("service message too large")
	// ErrMalformed is returned for a length prefix that is none; every *Error is one too.
	ErrMalformed = errors.New("malformed service message")
)

// Reason is why a body is no message. The list is closed: it serves as metric label.
type Reason string

const (
	// ReasonTruncated: the body ends before what it announces.
	ReasonTruncated Reason = "Truncated"
	// ReasonWrongType: an element has another MessagePack type than its place asks for.
	ReasonWrongType Reason = "WrongType"
	// ReasonOutOfRange: an integer is too large for its place.
	ReasonOutOfRange Reason = "OutOfRange"
	// ReasonTooFew: the array is shorter than any known version of the message.
	ReasonTooFew Reason = "TooFewElements"
	// ReasonTooMany: a list or a map is over MaxNames or MaxPairs.
	ReasonTooMany Reason = "TooManyEntries"
	// ReasonTooDeep: an element nests deeper than MaxDepth.
	ReasonTooDeep Reason = "TooDeep"
	// ReasonTrailing: bytes follow the end of the array.
	ReasonTrailing Reason = "TrailingBytes"
)

// Reasons lists every Reason, for metrics that start at zero.
func Reasons() []Reason { return reasons[:] }

var reasons = [...]Reason{
	ReasonTruncated, ReasonWrongType, ReasonOutOfRange, ReasonTooFew, ReasonTooMany, ReasonTooDeep, ReasonTrailing,
}

// Error says why a body is no message. It shows nothing of the body. The frame around the
// body was whole, so the stream can be read on.
type Error struct {
	// Type is the message's type, 0 if that could not be read.
	Type Type
	// Field is the element that is wrong, a name of this package's.
	Field  string
	Reason Reason
}

func (e *Error) Error() string {
	return ErrMalformed.Error() + ": " + e.Type.String() + " " + e.Field + ": " + string(e.Reason)
}

// Unwrap makes every Error an ErrMalformed.
func (e *Error) Unwrap() error { return ErrMalformed }
