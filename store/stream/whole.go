package stream

import (
	"context"
	"errors"
	"time"
)

// Reader is what Whole reads; a Stream is one.
type Reader interface {
	Following(ctx context.Context, filter string, from uint64) ([]Message, error)
	Next(ctx context.Context, filter string, from uint64) (Message, error)
}

// ErrShortened says that the beginning of what was read is not there any more: its writer has made it shorter meanwhile.
// What was read of it may miss something. It does no harm to read again.
var ErrShortened = errors.New("it was made shorter while it was read")

// Whole reads what a subject has from its beginning to its end, many messages at a time, and returns the sequence of
// the last one, 0 if there is none. A question lasts for attempt at most. Who writes behind the sequence that is
// returned learns whether more has come. If there is an error, what was taken is of no use.
func Whole(ctx context.Context, r Reader, subject string, attempt time.Duration, take func(Message)) (last uint64, err error) {
	first := uint64(0)
	for {
		some, err := following(ctx, r, subject, last+1, attempt)
		if errors.Is(err, ErrNotFound) {
			return last, unshortened(ctx, r, subject, attempt, first)
		}
		if err != nil {
			return 0, err
		}
		if first == 0 {
			first = some[0].Sequence
		}
		for _, m := range some {
			take(m)
			last = m.Sequence
		}
	}
}

func following(ctx context.Context, r Reader, subject string, from uint64, attempt time.Duration) ([]Message, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return r.Following(ctx, subject, from)
}

// unshortened returns ErrShortened if a subject does not begin with the sequence first any more.
func unshortened(ctx context.Context, r Reader, subject string, attempt time.Duration, first uint64) error {
	if first == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	m, err := r.Next(ctx, subject, 1)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && m.Sequence != first:
		return ErrShortened
	default:
		return err
	}
}
