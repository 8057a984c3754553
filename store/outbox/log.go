package outbox

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store/batchlog"
	"github.com/hubgate/hubgate/store/stream"
)

const (
	// commitEvery and commitSize say how long what is to be written waits for more.
	commitEvery = 3 * time.Millisecond
	commitSize  = 32 << 10
	// maxDone bounds what is noted as done in one batch.
	maxDone     = 4096
	attemptTime = batchlog.AttemptTime
	retryPause  = batchlog.RetryPause
	tellAfter   = batchlog.TellAfter
)

// storage is a stream; tests put something in its place.
type storage interface {
	batchlog.Storage
	stream.Reader
}

// delivery is one that is not done.
type delivery struct {
	record []byte
	stored func() // nil when it was called
	// first and last are where it is in the log: its first part and its end. 0: it is not yet. begun is where
	// what is being written of it begins.
	first, last, begun uint64
	// attempts is how often it was tried in vain.
	attempts int
	// written: it may be in the log. moving: it is in urgent to be written again. noting: it is in tries.
	written, moving, noting bool
}

// log is the log of this node, see package outbox. It implements batchlog.Log.
type log struct {
	writer *batchlog.Writer[*part]
	counts *counts.Counts[Event]
	logger *slog.Logger

	mu     sync.Mutex
	inc    string
	busy   bool   // a batch is being written
	closed bool   // by another node
	load          // guarded by mu
	laid   layout // guarded by mu
}

// load is what a log has to keep, and what of it is to be written.
type load struct {
	maxBytes int // that are kept
	next     uint64
	live     map[uint64]*delivery
	bytes    int // of all live ones
	// unstored is how many of them are not stored yet, kept the bytes of the others.
	unstored, kept int
	// urgent is written whatever there is: what was taken from dead nodes, which had it in memory too.
	// waiting is written while there is room.
	urgent, waiting []uint64
	finished        []uint64 // that is to be noted
	tries           []uint64 // whose attempts are to be noted
	// failing is why nothing can be written; nil while that is possible, or not known.
	failing error
}

func newLog(store storage, prefix, inc string, counted *counts.Counts[Event]) *log {
	l := &log{
		counts: counted, logger: slog.New(slog.DiscardHandler), inc: inc,
		load: load{maxBytes: MaxMemory, live: make(map[uint64]*delivery)},
	}
	l.writer = batchlog.NewWriter(store, prefix, l, commitEvery)
	return l
}

func (l *log) put(d *delivery, urgent bool) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	l.live[l.next] = d
	l.bytes += len(d.record)
	l.unstored++
	if urgent {
		l.urgent = append(l.urgent, l.next)
	} else {
		l.waiting = append(l.waiting, l.next)
	}
	l.writer.Rouse()
	return l.next
}

func (l *log) done(number uint64) {
	if stored := l.forget(number); stored != nil {
		stored()
	}
}

// forget forgets a delivery that is done, and returns who waits until it is stored, if anybody does.
func (l *log) forget(number uint64) (stored func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.live[number]
	if d == nil {
		return nil
	}
	l.forgetLocked(number, d)
	l.counts.Add(EventDone, 1)
	if d.written {
		l.finished = append(l.finished, number)
	}
	l.writer.Rouse()
	return d.stored
}

func (l *log) forgetLocked(number uint64, d *delivery) {
	delete(l.live, number)
	l.bytes -= len(d.record)
	if d.last == 0 {
		l.unstored--
	} else {
		l.kept -= len(d.record)
		l.laid.release(d)
	}
}

// tried has the number of attempts noted, unless that is to be written already.
func (l *log) tried(number uint64, attempts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.live[number]
	if d == nil {
		return
	}
	d.attempts = attempts
	if !d.noting {
		d.noting = true
		l.tries = append(l.tries, number)
	}
	l.writer.Rouse()
}

func (l *log) mine(number uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live[number] != nil
}

// written reports whether nothing waits to be written.
func (l *log) written() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.urgent)+len(l.waiting)+len(l.finished)+len(l.tries) == 0 && !l.busy
}

// abandon begins a new log. What is in the former one others have. What may be in it or not, this node keeps:
// it may be delivered twice, rather than not at all.
func (l *log) abandon(next string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.urgent, l.waiting, l.finished, l.tries = nil, nil, nil, nil
	numbers := make([]uint64, 0, len(l.live))
	for number, d := range l.live {
		if d.last != 0 {
			l.forgetLocked(number, d)
			l.counts.Add(EventElsewhere, 1)
			continue
		}
		d.begun, d.written, d.moving, d.noting = 0, false, false, false
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	l.waiting = numbers
	l.inc, l.closed = next, false
	l.writer.Rouse()
}
