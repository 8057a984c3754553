package outbox

import (
	"context"
	"errors"
	"slices"

	"github.com/hubgate/hubgate/store/batchlog"
	"github.com/hubgate/hubgate/store/stream"
)

// Enough implements batchlog.Log.
func (l *log) Enough() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes-l.kept >= commitSize
}

// part is a batch on its way.
type part struct {
	batch
	inc  string
	size int
	puts []uint64 // whose end is in it
	// first are those that begin in it. finished is what it notes as done.
	first, finished []uint64
}

// Append implements batchlog.Part.
func (p *part) Append(dst []byte, number uint64) []byte {
	p.mark = number
	return p.append(dst)
}

// Take implements batchlog.Log.
func (l *log) Take(ctx context.Context) (*part, bool) {
	p := l.take()
	if p == nil {
		l.shorten(ctx)
	}
	return p, p != nil
}

// take takes what is to be written next.
func (l *log) take() *part {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writer.Begin(l.inc) {
		l.laid = layout{}
	}
	if l.closed {
		return nil // others have it, and will say so
	}
	p := &part{inc: l.inc}
	p.finished = l.finished[:min(len(l.finished), maxDone)]
	if l.finished = l.finished[len(p.finished):]; len(l.finished) == 0 {
		l.finished = nil
	}
	for _, number := range p.finished {
		p.add(entry{kind: kindDone, number: number})
	}
	l.noteLocked(p)
	l.moveLocked()
	l.urgent = l.takePutsLocked(p, l.urgent, true)
	l.waiting = l.takePutsLocked(p, l.waiting, false)
	if len(p.entries) == 0 {
		return nil
	}
	l.busy = true
	return p
}

// noteLocked notes how often deliveries were tried. One that is not stored yet takes that along when it is.
func (l *log) noteLocked(p *part) {
	n := min(len(l.tries), maxDone)
	for _, number := range l.tries[:n] {
		d := l.live[number]
		if d == nil {
			continue
		}
		d.noting = false
		if d.last != 0 {
			p.add(triedEntry(number, d.attempts))
		}
	}
	if l.tries = l.tries[n:]; len(l.tries) == 0 {
		l.tries = nil
	}
}

func (p *part) add(e entry) {
	p.entries = append(p.entries, e)
	p.size += entrySize + len(e.data)
}

// takePutsLocked takes deliveries while there is room for them in the batch and in memory.
func (l *log) takePutsLocked(p *part, numbers []uint64, always bool) (rest []uint64) {
	room := l.maxBytes - l.kept
	for len(numbers) > 0 && p.size < batchSize && (always || room > 0) {
		number := numbers[0]
		d := l.live[number]
		if d == nil { // It was done before it was written.
			delete(l.laid.parts, number)
		} else if !l.putLocked(p, number, d) {
			return numbers
		} else {
			room -= len(d.record)
		}
		numbers = numbers[1:]
	}
	if len(numbers) == 0 {
		return nil
	}
	return numbers
}

// putLocked puts a delivery into a batch, and reports whether it is whole: a large one goes in parts, one a
// batch.
func (l *log) putLocked(p *part, number uint64, d *delivery) (whole bool) {
	d.written = true
	written := l.laid.parts[number]
	rest := d.record[written:]
	if written == 0 {
		p.first = append(p.first, number)
	}
	if len(rest) > partSize {
		kind := kindPart
		if written == 0 {
			kind = kindBegin
		}
		p.add(entry{kind: kind, number: number, data: rest[:partSize]})
		if l.laid.parts == nil {
			l.laid.parts = make(map[uint64]int)
		}
		l.laid.parts[number] = written + partSize
		return false
	}
	kind := kindPut
	if written > 0 {
		kind = kindEnd
	}
	p.add(entry{kind: kind, number: number, data: rest})
	p.puts = append(p.puts, number)
	if d.attempts > 0 {
		p.add(triedEntry(number, d.attempts))
	}
	return true
}

// Failed implements batchlog.Log.
func (l *log) Failed(ctx context.Context, p *part, attempt int, err error) {
	l.counts.Add(EventBatchFailed, 1)
	if errors.Is(err, batchlog.ErrClosed) {
		l.mu.Lock()
		l.closed = l.closed || l.inc == p.inc
		l.mu.Unlock()
	}
	if errors.Is(err, stream.ErrFull) {
		l.counts.Add(EventFull, 1)
		l.purge(ctx)
		l.fails(nil) // The store answers.
	} else if attempt >= tellAfter {
		l.fails(err)
	}
	if attempt == tellAfter {
		l.logger.Error("deliveries cannot be stored: clients wait", "error", err)
	}
}

// fails says why nothing can be written; nil says that it is not known.
func (l *log) fails(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = why
}

// GivenUp implements batchlog.Log: the log has another subject by now, or was closed.
func (l *log) GivenUp(p *part) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inc != p.inc || l.closed
}

// Parse implements batchlog.Log.
func (l *log) Parse(text []byte) (number uint64, closed bool, err error) {
	b, err := parseBatch(text)
	if err != nil {
		return 0, false, err
	}
	return b.mark, b.closed(), nil
}

// Finish implements batchlog.Log: those whose deliveries are stored are told.
func (l *log) Finish(ctx context.Context, p *part, size int, sequence uint64, written bool) {
	if written {
		l.counts.Add(EventBatch, 1)
	}
	for _, stored := range l.finish(p, size, sequence, written) {
		stored()
	}
	l.shorten(ctx)
}

// finish takes what became of a batch, and returns who is to be told.
func (l *log) finish(p *part, size int, sequence uint64, isWritten bool) (tell []func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy, l.failing = false, nil
	if !isWritten || l.inc != p.inc {
		if l.inc == p.inc && !l.closed { // the node ends
			l.finished = append(l.finished, p.finished...)
		}
		return nil
	}
	l.laid.batches = append(l.laid.batches, written{sequence: sequence, size: size})
	l.laid.size += size
	for _, number := range p.first {
		if d := l.live[number]; d != nil {
			d.begun = sequence
		}
	}
	for _, number := range p.puts {
		delete(l.laid.parts, number) // until now its beginning had to stay
		d := l.live[number]
		if d == nil {
			continue // done meanwhile, which is written next
		}
		if d.last != 0 { // it was moved
			l.laid.release(d)
		} else {
			l.unstored--
			l.kept += len(d.record)
			l.counts.Add(EventStored, 1)
			if d.stored != nil {
				tell = append(tell, d.stored)
			}
		}
		d.stored, d.moving, d.first, d.last = nil, false, d.begun, sequence
		l.laid.hold(d)
	}
	return tell
}

// Lost implements batchlog.Log. It has all deliveries written again behind a batch that is being written.
func (l *log) Lost(p *part) {
	l.counts.Add(EventLogLost, 1)
	l.logger.Error("the store has lost the deliveries of this node, which writes them again")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.laid = layout{}
	slices.Sort(p.first)
	gone := sorted(without(p.puts, p.first)) // their beginning
	p.puts = without(p.puts, gone)
	again := append(l.urgent, gone...)
	for number, d := range l.live {
		if d.last != 0 {
			l.kept -= len(d.record)
			l.unstored++
			d.first, d.last = 0, 0
			again = append(again, number)
		}
		d.begun, d.moving = 0, false
	}
	l.urgent = sorted(again)
	l.waiting = without(l.waiting, l.urgent)
	l.writer.Rouse()
}
