package stream

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/store"
)

var (
	// ErrConflict says that somebody else has written.
	ErrConflict = errors.New("somebody else wrote at the same time")
	// ErrNotFound says that there is nothing.
	ErrNotFound = errors.New("not stored")
	// ErrNoStream says that nobody has ever stored anything.
	ErrNoStream = errors.New("there is no stream")
	// ErrFormat says that a stream is of another version, or of another program.
	ErrFormat = errors.New("the store cannot be read")
	// ErrFull is the error of a stream that has no room.
	ErrFull = store.ErrFull
)

// errUndecided is the ErrConflict of a write behind another one that most voters have not confirmed, and may never confirm:
// as a rule an earlier attempt of the same writer. JetStream takes one write at a time under a subject. So that is what a
// writer hears again and again of a leader that has lost the others and does not know it yet, about ten seconds long.
var errUndecided error = undecided{}

type undecided struct{}

func (undecided) Error() string {
	return "most voters do not confirm what was written before, or somebody else writes at the same time"
}
func (undecided) Is(target error) bool { return target == ErrConflict }

// Codes of JetStream that nats.go has no names for.
const (
	codeMessageNotFound   = 10037
	codeSequenceNotFound  = 10043
	codeInsufficient      = 10047
	codeStreamNotFound    = 10059
	codeWrongLast         = 10071
	codeStoreFailed       = 10077
	codeWrongLastConstant = 10164
)

// classify sorts the errors of JetStream: nothing there, somebody else wrote,
// full, or not to be had now.
func classify(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return ErrNoStream
	case !errors.As(err, &api):
		return Unavailable(err)
	}
	switch int(api.ErrorCode) {
	case codeMessageNotFound, codeSequenceNotFound:
		return ErrNotFound
	case codeStreamNotFound:
		return ErrNoStream
	case codeWrongLast:
		return ErrConflict
	case codeWrongLastConstant:
		return errUndecided
	case codeInsufficient:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case codeStoreFailed:
		if strings.Contains(api.Description, "maximum") {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	return Unavailable(err)
}

// ErrUnavailable is the error of a store that does not answer now: voters choose
// a leader, or too many of them are gone. Whether a change was carried out is
// then unknown; it does no harm to ask for it again. Its method Unavailable tells
// those who do not know this package.
var ErrUnavailable error = unavailable{}

type unavailable struct{ cause error }

func (e unavailable) Error() string {
	if e.cause == nil {
		return "the store does not answer"
	}
	return "the store does not answer: " + e.cause.Error()
}
func (e unavailable) Unavailable() bool    { return true }
func (e unavailable) Unwrap() error        { return e.cause }
func (e unavailable) Is(target error) bool { return target == ErrUnavailable }

// Unavailable wraps the cause why a store does not answer, unless that says so already.
func Unavailable(cause error) error {
	if errors.Is(cause, ErrUnavailable) {
		return cause
	}
	return unavailable{cause}
}
