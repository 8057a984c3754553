package batchlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hubgate/hubgate/store/stream"
)

const (
	// AttemptTime bounds one question to the store; RetryPause is the time between two.
	AttemptTime = 2 * time.Second
	RetryPause  = 100 * time.Millisecond
	// TellAfter is the attempt to write from which on a failure is worth telling.
	TellAfter = 10
)

// ErrClosed says that another node has closed the log. With stream.ErrConflict in the same error what was to be
// written by that attempt is not in it; else nobody knows.
var ErrClosed = errors.New("the log was closed by another node")

// errUnfounded is the ErrConflict of a write that a voter refuses although nobody has written: one that has hung or was cut off
// takes itself for the one that leads until it hears of another.
var errUnfounded = fmt.Errorf("%w, says a voter, and nobody has: another one may lead by now", stream.ErrConflict)

// Storage is a *stream.Stream, or what tests put in its place.
type Storage interface {
	Ensure(ctx context.Context) error
	Last(ctx context.Context, subject string) (stream.Message, error)
	Write(ctx context.Context, subject string, data []byte, sequence uint64, lasts time.Duration) (uint64, error)
	PurgeBefore(ctx context.Context, subject string, sequence uint64) error
}

// Part is a batch that is being written.
type Part interface {
	// Append writes the batch with its number. Nothing: there is nothing to write, and the part is done.
	Append(dst []byte, number uint64) []byte
}

// Log has what is to be written. Its methods are called by the goroutine of Run, one at a time.
type Log[P Part] interface {
	// Enough says that what waits is not to wait for more.
	Enough() bool
	// Take returns what is to be written next; false is nothing. First it says into which log, by Begin.
	Take(ctx context.Context) (P, bool)
	// GivenUp says that a part is not to be written any more.
	GivenUp(P) bool
	// Failed is told of each attempt that failed, the first of which is 1.
	Failed(ctx context.Context, part P, attempt int, err error)
	// Lost is told that the store has lost the log: it begins again with the part.
	Lost(P)
	// Finish is told what became of a part: it has the sequence, or was not written. Size is that of the batch; 0 if
	// there was nothing to write.
	Finish(ctx context.Context, part P, size int, sequence uint64, written bool)
	// Parse reads the number of a batch, and whether it closes the log.
	Parse(batch []byte) (number uint64, closed bool, err error)
}

// Writer writes the log of a node. Make it with its exported fields set, and call its methods from the goroutine of
// Run, or when that has ended; Rouse may be called concurrently.
type Writer[P Part] struct {
	Store Storage
	// Prefix begins the subjects of logs; the name of the log follows.
	Prefix string
	Log    Log[P]
	// Every is how long what is to be written waits for more.
	Every time.Duration
	wake  chan struct{}

	inc string // of the subject
	// sequence is that of the last batch in the log, number that of the last one that was begun: it is new with each
	// batch of one writer, so that who wrote it knows it again.
	sequence, number uint64
	ensured          bool
}

// NewWriter returns a writer for a log.
func NewWriter[P Part](store Storage, prefix string, log Log[P], every time.Duration) *Writer[P] {
	return &Writer[P]{Store: store, Prefix: prefix, Log: log, Every: every, wake: make(chan struct{}, 1)}
}

// Rouse says that there is something to write.
func (w *Writer[P]) Rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends.
func (w *Writer[P]) Run(ctx context.Context) {
	// A stream with copies takes seconds to be made: the first entry is not to wait for that.
	for !w.ensure(ctx) && stream.Pause(ctx, RetryPause) {
	}
	for {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
		if !w.Log.Enough() {
			stream.Pause(ctx, w.Every)
		}
		for w.writeNext(ctx) {
		}
	}
}

// ensure sees to it that there is a stream.
func (w *Writer[P]) ensure(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, AttemptTime)
	defer cancel()
	w.ensured = w.Store.Ensure(ctx) == nil
	return w.ensured
}

// Begin says which log is written from now on, and reports whether that is another one.
func (w *Writer[P]) Begin(inc string) (anew bool) {
	if w.inc == inc {
		return false
	}
	w.inc, w.sequence = inc, 0
	return true
}

// writeNext writes what waits, and reports whether there may be more.
func (w *Writer[P]) writeNext(ctx context.Context) (more bool) {
	part, ok := w.Log.Take(ctx)
	if !ok {
		return false
	}
	w.number++
	data := part.Append(nil, w.number)
	written := len(data) == 0 || w.commit(ctx, part, data)
	w.Log.Finish(ctx, part, len(data), w.sequence, written)
	return ctx.Err() == nil
}

// commit writes a batch, for as long as it takes. It reports false if the part was given up or the node ends.
func (w *Writer[P]) commit(ctx context.Context, part P, data []byte) (written bool) {
	for attempt := 1; ctx.Err() == nil && !w.Log.GivenUp(part); attempt++ {
		err := w.attempt(ctx, part, data)
		if err == nil {
			return true
		}
		w.Log.Failed(ctx, part, attempt, err)
		stream.Pause(ctx, RetryPause)
	}
	return false
}

// attempt writes once, and finds out what became of it.
func (w *Writer[P]) attempt(ctx context.Context, part P, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, AttemptTime)
	defer cancel()
	if !w.ensured {
		if err := w.Store.Ensure(ctx); err != nil {
			return err
		}
		w.ensured = true
	}
	subject := w.Prefix + w.inc
	sequence, err := w.Store.Write(ctx, subject, data, w.sequence, 0)
	if err == nil {
		w.sequence = sequence
		return nil
	}
	if errors.Is(err, stream.ErrFull) {
		return err
	}
	last, readErr := w.Store.Last(ctx, subject)
	if errors.Is(readErr, stream.ErrNotFound) || errors.Is(readErr, stream.ErrNoStream) {
		w.ensured = false
		if w.sequence != 0 {
			w.sequence = 0
			w.Log.Lost(part)
		}
		return err
	}
	if readErr != nil {
		return err
	}
	switch number, closed, parseErr := w.Log.Parse(last.Data); {
	case parseErr != nil:
		return err
	case closed: // The node will find out that it was given up.
		return fmt.Errorf("%w: %w", ErrClosed, err)
	case number == w.number:
		err = nil
	case err == stream.ErrConflict && last.Sequence == w.sequence:
		err = errUnfounded
	}
	// It is this batch, or an earlier one, whose answer was lost, or nobody has written and the refusal was wrong.
	w.sequence = last.Sequence
	return err
}

// PurgeBefore removes what is in the log before a sequence. If it fails, the log is longer than it has to be.
func (w *Writer[P]) PurgeBefore(ctx context.Context, sequence uint64) error {
	ctx, cancel := context.WithTimeout(ctx, AttemptTime)
	defer cancel()
	return w.Store.PurgeBefore(ctx, w.Prefix+w.inc, sequence)
}

// Remove removes the whole log.
func (w *Writer[P]) Remove(ctx context.Context) error {
	if w.sequence == 0 {
		return nil
	}
	return w.PurgeBefore(ctx, w.sequence+1)
}
