package life

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hubgate/hubgate/store/stream"
)

const (
	// A log is written anew when it has more than snapshotAbove bytes, and snapshotFactor times as many
	// as it needs.
	snapshotAbove  = 1 << 20
	snapshotFactor = 4
	// tellAfter is the attempt to write that is logged if it fails.
	tellAfter = 10
)

// run writes until ctx ends.
func (l *lifeLog) run(ctx context.Context) {
	// A stream with copies takes seconds to be made: the first client is not to wait for that.
	for !l.ensure(ctx) && stream.Pause(ctx, retryPause) {
	}
	for {
		select {
		case <-l.wake:
		case <-ctx.Done():
			return
		}
		l.gather(ctx)
		for l.writeNext(ctx) {
		}
	}
}

// ensure sees to it that there is a stream.
func (l *lifeLog) ensure(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	l.own.ensured = l.store.Ensure(ctx) == nil
	return l.own.ensured
}

// gather waits a moment for more to write.
func (l *lifeLog) gather(ctx context.Context) {
	l.mu.Lock()
	enough := l.waiting.size >= commitSize
	l.mu.Unlock()
	if enough {
		return
	}
	stream.Pause(ctx, commitEvery)
}

// part is a batch on its way.
type part struct {
	batch
	inc  string
	size int      // of its entries, in bytes
	born int      // births that are no part of a snapshot
	news []string // whose they are
	done []chan struct{}
	ends []chan struct{} // of those that are ending
}

// writeNext writes what waits, and reports whether there may be more.
func (l *lifeLog) writeNext(ctx context.Context) (more bool) {
	p := l.take()
	if p == nil {
		return false
	}
	l.own.number++
	p.number = l.own.number
	data := p.append(nil)
	written := l.commit(ctx, p, data)
	l.finish(p, len(data), written)
	return ctx.Err() == nil
}

// take takes what is to be written next, and makes the records.
func (l *lifeLog) take() *part {
	l.mu.Lock()
	if l.own.inc != l.inc {
		l.own = position{inc: l.inc, number: l.own.number, ensured: l.own.ensured}
	}
	l.startSnapshotLocked()
	p := &part{inc: l.inc}
	again := l.takeSnapshotLocked(p) // first, or it would never come to its end under load
	l.takeItemsLocked(p)
	l.waiting.busy = len(p.entries) > 0 || len(p.done) > 0
	busy := l.waiting.busy
	l.mu.Unlock()
	if !busy {
		return nil
	}
	for i, r := range again {
		p.entries[i].record = r.AppendRecord(nil)
	}
	return p
}

// takeItemsLocked takes what waits.
func (l *lifeLog) takeItemsLocked(p *part) {
	w := &l.waiting
	n, most := 0, p.size+batchSize
	for ; n < len(w.items) && p.size < most; n++ {
		i := w.items[n]
		w.size -= i.size()
		if i.done != nil {
			p.done = append(p.done, i.done)
			if i.kind == kindEnding {
				p.ends = append(p.ends, i.done)
			}
		}
		e, c := entry{kind: i.kind, id: i.id, record: i.record}, l.open[i.id]
		if i.kind != kindEnded && c == nil {
			continue // It ended before it was written.
		}
		if i.kind == kindBorn {
			e.hub, c.written = c.hub, true
			p.born++
			p.news = append(p.news, i.id)
		}
		p.size += i.size()
		p.entries = append(p.entries, e)
	}
	if w.items = w.items[n:]; len(w.items) == 0 {
		w.items = nil
	}
}

// startSnapshotLocked begins to write the log anew, if it is too long or has to be.
func (l *lifeLog) startSnapshotLocked() {
	long := l.size.subject > l.size.above && l.size.subject > snapshotFactor*l.size.open
	if !l.own.snapshot.on && (long || l.waiting.anew) {
		l.own.snapshot = snapshot{ids: slices.Collect(maps.Keys(l.open)), on: true}
		l.waiting.anew = false
		l.size.subject = 0
		l.counts.Add(EventSnapshot, 1)
	}
}

// takeSnapshotLocked takes some of those whose births are written again, and returns whose records are
// to be made, by the number of the entry. What becomes of them is written behind it.
func (l *lifeLog) takeSnapshotLocked(p *part) map[int]Recorder {
	s := &l.own.snapshot
	records := make(map[int]Recorder)
	for len(s.ids) > 0 && p.size < batchSize {
		id := s.ids[0]
		s.ids = s.ids[1:]
		c := l.open[id]
		if c == nil {
			continue
		}
		c.written = true
		p.size += c.size
		records[len(p.entries)] = c.record
		p.entries = append(p.entries, entry{kind: kindBorn, id: id, hub: c.hub})
		if c.ending {
			p.entries = append(p.entries, entry{kind: kindEnding, id: id})
		}
	}
	return records
}

// commit writes a batch, for as long as it takes: nil is returned when the node was given up. Those who
// wait for it to tell of an end are let go when the node is fenced.
func (l *lifeLog) commit(ctx context.Context, p *part, data []byte) (written bool) {
	if len(p.entries) == 0 {
		return true
	}
	refused := true // each attempt so far
	for failed := 1; ctx.Err() == nil && !l.givenUp(p); failed++ {
		err := l.attempt(ctx, p, data)
		refused = refused && (errors.Is(err, stream.ErrConflict) || errors.Is(err, errClosed))
		if refused && errors.Is(err, errClosed) {
			l.keep(p)
		}
		if err == nil {
			l.counts.Add(EventBatch, 1)
			return true
		}
		l.counts.Add(EventBatchFailed, 1)
		if failed == tellAfter {
			l.logger.Error("the life log cannot be written: the end of clients that come now is not told if this node dies", "error", err)
		}
		if l.fence.Fenced() {
			l.letGo(p)
		}
		stream.Pause(ctx, retryPause)
	}
	return false
}

// errClosed says that the log was closed: this node was given up, and will find out.
var errClosed = errors.New("the life log was closed by another node")

// errUnfounded is the ErrConflict of a write that a voter refuses although nobody has written: one that has hung or was cut off
// takes itself for the one that leads until it hears of another.
var errUnfounded = fmt.Errorf("%w, says a voter, and nobody has: another one may lead by now", stream.ErrConflict)

// keep notes that a batch is not in the log, which was closed before. Nobody else knows of the clients that were
// born in it: their ends are this node's to tell.
func (l *lifeLog) keep(p *part) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range p.news {
		if c := l.open[id]; c != nil && l.inc == p.inc {
			c.written = false
		}
	}
}

// letGo lets those go who wait to tell of an end: those of a batch, and those behind it. What they wait
// for is written all the same.
func (l *lifeLog) letGo(p *part) {
	for _, done := range p.ends {
		close(done)
	}
	p.done = slices.DeleteFunc(p.done, func(d chan struct{}) bool { return slices.Contains(p.ends, d) })
	p.ends = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	items := l.waiting.items
	for i := range items {
		if items[i].kind == kindEnding && items[i].done != nil {
			close(items[i].done)
			items[i].done = nil
		}
	}
}

// givenUp reports whether the log has another subject by now.
func (l *lifeLog) givenUp(p *part) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inc != p.inc
}

// attempt writes once, and finds out what became of it.
func (l *lifeLog) attempt(ctx context.Context, p *part, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if !l.own.ensured {
		if err := l.store.Ensure(ctx); err != nil {
			return err
		}
		l.own.ensured = true
	}
	subject := l.prefix + p.inc
	sequence, err := l.store.Write(ctx, subject, data, l.own.sequence, 0)
	if err == nil {
		l.own.wrote(sequence)
		return nil
	}
	if errors.Is(err, stream.ErrFull) {
		return err
	}
	last, readErr := l.store.Last(ctx, subject)
	switch {
	case errors.Is(readErr, stream.ErrNotFound) || errors.Is(readErr, stream.ErrNoStream):
		l.own.ensured = false
		if l.own.sequence != 0 {
			l.lost()
		}
	case readErr != nil:
	case l.wrote(last, p.number):
		l.own.wrote(last.Sequence)
		return nil
	default:
		// An earlier batch, whose answer was lost, or nobody has written and the refusal was wrong. A log
		// that was closed stays as it is: the node will find out that it was given up.
		switch b, parseErr := parseBatch(last.Data); {
		case parseErr != nil:
		case !b.closed():
			if err == stream.ErrConflict && last.Sequence == l.own.sequence {
				err = errUnfounded
			}
			l.own.sequence = last.Sequence
		case errors.Is(err, stream.ErrConflict):
			return errClosed
		}
	}
	return err
}

func (b *batch) closed() bool {
	return slices.ContainsFunc(b.entries, func(e entry) bool { return e.kind == kindClosed })
}

// wrote reports whether a message is the batch with a number of this node.
func (l *lifeLog) wrote(m stream.Message, number uint64) bool {
	b, err := parseBatch(m.Data)
	return err == nil && b.number == number && !b.closed()
}

func (p *position) wrote(sequence uint64) {
	p.sequence = sequence
	if p.snapshot.on && p.snapshot.first == 0 {
		p.snapshot.first = sequence
	}
}

// lost has the log written from its beginning.
func (l *lifeLog) lost() {
	l.counts.Add(EventLogLost, 1)
	l.own.sequence, l.own.snapshot = 0, snapshot{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting.anew = true
	l.rouse()
}

// finish takes what became of a batch.
func (l *lifeLog) finish(p *part, size int, written bool) {
	l.mu.Lock()
	l.waiting.busy = false
	if written && l.inc == p.inc {
		l.size.subject += size
		l.counts.Add(EventLogged, uint64(p.born))
		for i := range p.entries {
			if c := l.open[p.entries[i].id]; c != nil && p.entries[i].kind == kindBorn {
				c.logged = true
			}
		}
	}
	l.mu.Unlock()
	for _, done := range p.done {
		close(done)
	}
	s := &l.own.snapshot
	if s.on && len(s.ids) == 0 && written {
		l.shorten(p.inc, s.first)
		*s = snapshot{}
	}
}

// remove removes the log. The writer has ended.
func (l *lifeLog) remove(ctx context.Context) error {
	if l.own.sequence == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return l.store.PurgeBefore(ctx, l.prefix+l.own.inc, l.own.sequence+1)
}

// shorten removes what was before a snapshot. If it fails, the log is longer than it has to be.
func (l *lifeLog) shorten(inc string, first uint64) {
	if first == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), attemptTime)
	defer cancel()
	_ = l.store.PurgeBefore(ctx, l.prefix+inc, first)
}
