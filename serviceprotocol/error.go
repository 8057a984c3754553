package serviceprotocol

import (
	"errors"
	"slices"
)

var (
	// ErrTooLarge is returned for a frame that is larger than the reader allows.
	ErrTooLarge = errors.New("service message too large")
	// ErrMalformed is returned for an invalid length prefix. Every *Error wraps it.
	ErrMalformed = errors.New("malformed service message")
)

// Reason is why a body is not a valid message. The list is closed, so that it can be a
// metric label.
type Reason string

const (
	// ReasonTruncated: the body ends before all that it announces.
	ReasonTruncated Reason = "Truncated"
	// ReasonWrongType: an element has the wrong MessagePack type.
	ReasonWrongType Reason = "WrongType"
	// ReasonOutOfRange: an integer does not fit.
	ReasonOutOfRange Reason = "OutOfRange"
	// ReasonTooFew: the array is shorter than any known version of the message.
	ReasonTooFew Reason = "TooFewElements"
	// ReasonTooMany: a list or a map has more than MaxNames or MaxPairs entries.
	ReasonTooMany Reason = "TooManyEntries"
	// ReasonTooDeep: an element nests deeper than MaxDepth.
	ReasonTooDeep Reason = "TooDeep"
	// ReasonTrailing: bytes follow the end of the array.
	ReasonTrailing Reason = "TrailingBytes"
)

// Reasons returns every Reason, for metrics that start at zero.
func Reasons() []Reason { return slices.Clone(reasons[:]) }

var reasons = [...]Reason{
	ReasonTruncated, ReasonWrongType, ReasonOutOfRange, ReasonTooFew, ReasonTooMany, ReasonTooDeep, ReasonTrailing,
}

// Error says why a body is not a valid message. It shows nothing of the body. The frame
// around the body was complete, so the stream can be read further.
type Error struct {
	// Type is the message's type, 0 if it could not be read.
	Type Type
	// Field names the wrong element.
	Field  string
	Reason Reason
}

func (e *Error) Error() string {
	return ErrMalformed.Error() + ": " + e.Type.String() + " " + e.Field + ": " + string(e.Reason)
}

// Unwrap makes every Error an ErrMalformed.
func (e *Error) Unwrap() error { return ErrMalformed }
