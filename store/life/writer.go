package life

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/hubgate/hubgate/store/batchlog"
	"github.com/hubgate/hubgate/store/stream"
)

const (
	// A log is written anew when it has more than snapshotAbove bytes, and snapshotFactor times as many
	// as it needs.
	snapshotAbove  = 1 << 20
	snapshotFactor = 4
)

// Enough implements batchlog.Log.
func (l *lifeLog) Enough() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting.size >= commitSize
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
	// unsure: an attempt failed that may have written it.
	unsure bool
}

// Append implements batchlog.Part.
func (p *part) Append(dst []byte, number uint64) []byte {
	if len(p.entries) == 0 {
		return nil
	}
	p.number = number
	return p.append(dst)
}

// Take implements batchlog.Log.
func (l *lifeLog) Take(context.Context) (*part, bool) {
	p := l.take()
	return p, p != nil
}

// take takes what is to be written next, and makes the records.
func (l *lifeLog) take() *part {
	l.mu.Lock()
	if l.writer.Begin(l.inc) {
		l.snapshot = snapshot{}
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
	if !l.snapshot.on && (long || l.waiting.anew) {
		l.snapshot = snapshot{ids: slices.Collect(maps.Keys(l.open)), on: true}
		l.waiting.anew = false
		l.size.subject = 0
		l.counts.Add(EventSnapshot, 1)
	}
}

// takeSnapshotLocked takes some of those whose births are written again, and returns whose records are
// to be made, by the number of the entry. What becomes of them is written behind it.
func (l *lifeLog) takeSnapshotLocked(p *part) map[int]Recorder {
	s := &l.snapshot
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

// Failed implements batchlog.Log. Those who wait for a batch to tell of an end are let go when the node is fenced.
func (l *lifeLog) Failed(_ context.Context, p *part, attempt int, err error) {
	p.unsure = p.unsure || !errors.Is(err, stream.ErrConflict)
	if !p.unsure && errors.Is(err, batchlog.ErrClosed) {
		l.keep(p)
	}
	l.counts.Add(EventBatchFailed, 1)
	if attempt == batchlog.TellAfter {
		l.logger.Error("the life log cannot be written: the end of clients that come now is not told if this node dies", "error", err)
	}
	if l.fence.Fenced() {
		l.letGo(p)
	}
}

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

// GivenUp implements batchlog.Log: the log has another subject by now.
func (l *lifeLog) GivenUp(p *part) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inc != p.inc
}

// Parse implements batchlog.Log.
func (l *lifeLog) Parse(text []byte) (number uint64, closed bool, err error) {
	b, err := parseBatch(text)
	if err != nil {
		return 0, false, err
	}
	return b.number, slices.ContainsFunc(b.entries, func(e entry) bool { return e.kind == kindClosed }), nil
}

// Lost implements batchlog.Log. It has the log written from its beginning.
func (l *lifeLog) Lost(*part) {
	l.counts.Add(EventLogLost, 1)
	l.snapshot = snapshot{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting.anew = true
	l.writer.Rouse()
}

// Finish implements batchlog.Log.
func (l *lifeLog) Finish(_ context.Context, p *part, size int, sequence uint64, written bool) {
	if written && size > 0 {
		l.counts.Add(EventBatch, 1)
	}
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
	s := &l.snapshot
	if !s.on || !written {
		return
	}
	if s.first == 0 && size > 0 {
		s.first = sequence
	}
	if len(s.ids) == 0 {
		l.shorten(s.first)
		*s = snapshot{}
	}
}

// shorten removes what was before a snapshot. If it fails, the log is longer than it has to be.
func (l *lifeLog) shorten(first uint64) {
	if first > 0 {
		_ = l.writer.PurgeBefore(context.Background(), first)
	}
}
