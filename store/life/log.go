package life

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store/batchlog"
	"github.com/hubgate/hubgate/store/stream"
)

// Recorder appends what is stored of a client.
type Recorder = interface{ AppendRecord(dst []byte) []byte }

// storage is where the logs are: a stream; tests put something in its place.
type storage interface {
	batchlog.Storage
	stream.Reader
}

// fence says whether this node may do nothing that must happen only once.
type fence interface{ Fenced() bool }

const (
	// commitEvery and commitSize say how long what is to be written waits for more.
	commitEvery = 5 * time.Millisecond
	commitSize  = 16 << 10
	// batchSize bounds what is new in a batch in bytes, but for its last record, and what belongs to a
	// snapshot.
	batchSize = 64 << 10
	// bornWithin is how long a client's first event waits for its birth to be in the log.
	bornWithin  = time.Second
	attemptTime = batchlog.AttemptTime
	retryPause  = batchlog.RetryPause
	// maxWaiting bounds what waits to be written, in bytes.
	maxWaiting = 8 << 20
	// itemSize is what an item takes beside its record, in bytes.
	itemSize = 64
)

// client is a client that has been born and has not ended.
type client struct {
	hub    string
	record Recorder
	size   int // of its birth in the log, in bytes
	// written: it may be in the log, and so other nodes may tell of its end.
	written bool
	// logged: it is in the log.
	logged bool
	ending bool
	held   bool
	// doubted: another node may tell of its end too, which must not be told past the outbox.
	doubted bool
}

// item is what waits to be written.
type item struct {
	kind kind
	id   string
	// record is that of kindBorn.
	record []byte
	done   chan struct{} // closed when it is written, or will not be; may be nil
}

func (i *item) size() int { return itemSize + len(i.id) + len(i.record) }

// lifeLog writes which clients this node has, see package life. One goroutine writes; what comes
// meanwhile is written at once afterwards. It implements batchlog.Log.
type lifeLog struct {
	writer *batchlog.Writer[*part]
	fence  fence
	counts *counts.Counts[Event]
	logger *slog.Logger
	// patience is how long a client's first event waits for its birth to be in the log; 0 is no bound.
	patience time.Duration

	mu      sync.Mutex
	inc     string
	open    map[string]*client
	claimed map[string]bool // those whose end another node tells
	waiting waiting
	held    held
	size    size

	snapshot snapshot // the writer's
}

// waiting is what waits to be written.
type waiting struct {
	items []item
	size  int // in bytes
	// anew: all clients are to be written, from a snapshot on.
	anew   bool
	closed bool
	busy   bool // a batch is being written
}

// size is how large the log is, in bytes.
type size struct {
	subject int // what was written since the last snapshot
	open    int // the births of those who are open
	above   int // what no log is too long with
}

// snapshot is a log that is being written anew: then what is before first goes.
type snapshot struct {
	ids   []string
	first uint64
	on    bool
}

func newLog(store storage, prefix, inc string, fence fence, counted *counts.Counts[Event]) *lifeLog {
	l := &lifeLog{
		fence: fence, counts: counted, logger: slog.New(slog.DiscardHandler), inc: inc, patience: bornWithin,
		open: make(map[string]*client), claimed: make(map[string]bool), size: size{above: snapshotAbove},
	}
	l.writer = batchlog.NewWriter(store, prefix, l, commitEvery)
	return l
}

// born notes a client, and waits until it is in the log, but not for long.
func (l *lifeLog) born(ctx context.Context, hub, id string, record Recorder) {
	born := item{kind: kindBorn, id: id, record: record.AppendRecord(nil), done: make(chan struct{})}
	if len(born.record) > maxRecord {
		l.counts.Add(EventUnlogged, 1)
		return
	}
	l.mu.Lock()
	l.open[id] = &client{hub: hub, record: record, size: born.size()}
	l.size.open += born.size()
	queued := l.queueLocked(born)
	l.mu.Unlock()
	if l.patience == 0 {
		l.logged(ctx, id, born.done, queued)
		return
	}
	if !queued {
		l.counts.Add(EventUnlogged, 1)
		return
	}
	patience := time.NewTimer(l.patience)
	defer patience.Stop()
	select {
	case <-born.done:
		l.mu.Lock()
		c := l.open[id]
		unlogged := c != nil && !c.written
		l.mu.Unlock()
		if unlogged {
			l.counts.Add(EventUnlogged, 1)
		}
	case <-patience.C:
		l.counts.Add(EventUnlogged, 1)
	case <-ctx.Done():
	}
}

// logged waits until the birth of a client is in the log, or the node ends. One for which there was no room
// is written with all others.
func (l *lifeLog) logged(ctx context.Context, id string, done <-chan struct{}, queued bool) {
	if queued {
		select {
		case <-done:
		case <-ctx.Done():
		}
		return
	}
	for stream.Pause(ctx, retryPause) {
		l.mu.Lock()
		c := l.open[id]
		over := c == nil || c.logged
		l.writer.Rouse()
		l.mu.Unlock()
		if over {
			return
		}
	}
}

// queueLocked has something written. If too much waits, everything is written anew later.
func (l *lifeLog) queueLocked(i item) (queued bool) {
	w := &l.waiting
	if w.closed {
		return false
	}
	if w.size > maxWaiting {
		w.anew = true
		return false
	}
	w.items = append(w.items, i)
	w.size += i.size()
	l.writer.Rouse()
	return true
}

// ending notes that the end of a client is about to be told, and reports whether this node may tell it.
func (l *lifeLog) ending(ctx context.Context, id string, record Recorder) (tell bool) {
	l.mu.Lock()
	if l.claimed[id] {
		delete(l.claimed, id)
		l.mu.Unlock()
		l.counts.Add(EventElsewhere, 1)
		return false
	}
	c := l.open[id]
	if c == nil || !c.written && !c.doubted {
		// Nobody else knows of it. If its birth still waits, it is not written any more.
		l.forgetLocked(id, c)
		l.mu.Unlock()
		return true
	}
	done := make(chan struct{})
	c.ending = true
	if l.fence.Fenced() || !l.queueLocked(item{kind: kindEnding, id: id, done: done}) {
		l.holdLocked(id, c, record)
		l.mu.Unlock()
		return false
	}
	l.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return false // It stays in the log: another node tells it.
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.claimed[id] {
		delete(l.claimed, id)
		l.counts.Add(EventElsewhere, 1)
		return false
	}
	if l.fence.Fenced() {
		l.holdLocked(id, c, record)
		return false
	}
	return true
}

// doubt notes that another node may have noted the client too.
func (l *lifeLog) doubt(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.open[id]; c != nil {
		c.doubted = true
	}
}

// isDoubted reports whether another node may tell of the client's end, and its hub.
func (l *lifeLog) isDoubted(id string) (hub string, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.open[id]
	if c == nil {
		return "", false
	}
	return c.hub, c.doubted
}

// hold keeps an end that was about to be told.
func (l *lifeLog) hold(id string, record Recorder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.open[id]; c != nil {
		l.holdLocked(id, c, record)
	}
}

// ended notes that the end of a client was told.
func (l *lifeLog) ended(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.claimed, id)
	c := l.open[id]
	if c == nil {
		return
	}
	l.forgetLocked(id, c)
	if c.written {
		l.queueLocked(item{kind: kindEnded, id: id})
	}
}

func (l *lifeLog) forgetLocked(id string, c *client) {
	if c != nil {
		delete(l.open, id)
		l.size.open -= c.size
	}
}

// abandon begins a new log: the node was given up, and others tell of the end of its clients. Those
// that were never in the log are this node's to tell. Of those that were on their way into it nobody knows: this
// node puts their ends into the outbox, which takes each once.
func (l *lifeLog) abandon(next string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, c := range l.open {
		switch {
		case !c.written:
			continue
		case !c.logged:
			c.written, c.doubted = false, true
			continue
		case c.held:
			l.counts.Add(EventElsewhere, 1)
		default:
			l.claimed[id] = true
		}
		l.forgetLocked(id, c)
	}
	for _, i := range l.waiting.items {
		if i.done != nil {
			close(i.done)
		}
	}
	l.keepHeldLocked()
	l.size.subject = 0
	l.waiting.items, l.waiting.size, l.waiting.anew = nil, 0, len(l.open) > 0
	l.inc = next
	l.writer.Rouse()
}

// empty reports whether nothing is left to be told, and nothing to be written.
func (l *lifeLog) empty() (told, written bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open) == 0, len(l.waiting.items) == 0 && !l.waiting.busy
}
