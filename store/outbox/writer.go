package outbox

import (
	"context"
	"errors"
	"slices"

	"github.com/hubgate/hubgate/store/stream"
)

// run writes until ctx ends.
func (l *log) run(ctx context.Context) {
	// A stream with copies takes seconds to be made: the first delivery is not to wait for that.
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

func (l *log) ensure(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	l.own.ensured = l.store.Ensure(ctx) == nil
	return l.own.ensured
}

// gather waits a moment for more to write.
func (l *log) gather(ctx context.Context) {
	l.mu.Lock()
	enough := l.bytes-l.kept >= commitSize
	l.mu.Unlock()
	if !enough {
		stream.Pause(ctx, commitEvery)
	}
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

// writeNext writes what waits, and reports whether there may be more.
func (l *log) writeNext(ctx context.Context) (more bool) {
	p := l.take()
	if p == nil {
		l.shorten(ctx)
		return false
	}
	l.own.mark++
	p.mark = l.own.mark
	data := p.append(nil)
	sequence := l.commit(ctx, p, data)
	l.finish(p, len(data), sequence)
	l.shorten(ctx)
	return ctx.Err() == nil
}

// take takes what is to be written next.
func (l *log) take() *part {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own.inc != l.inc {
		l.own = position{inc: l.inc, mark: l.own.mark, ensured: l.own.ensured}
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
			delete(l.own.parts, number)
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
	written := l.own.parts[number]
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
		if l.own.parts == nil {
			l.own.parts = make(map[uint64]int)
		}
		l.own.parts[number] = written + partSize
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

// commit writes a batch, for as long as it takes, and returns its sequence: 0 if the log was closed or the
// node ends.
func (l *log) commit(ctx context.Context, p *part, data []byte) uint64 {
	defer l.fails(nil)
	for failed := 1; ctx.Err() == nil && !l.givenUp(p); failed++ {
		sequence, err := l.attempt(ctx, p, data)
		if err == nil {
			l.counts.Add(EventBatch, 1)
			return sequence
		}
		l.counts.Add(EventBatchFailed, 1)
		if errors.Is(err, stream.ErrFull) {
			l.counts.Add(EventFull, 1)
			l.purge(ctx)
			l.fails(nil) // The store answers.
		} else if failed >= tellAfter {
			l.fails(err)
		}
		if failed == tellAfter {
			l.logger.Error("deliveries cannot be stored: clients wait", "error", err)
		}
		stream.Pause(ctx, retryPause)
	}
	return 0
}

// fails says why nothing can be written; nil says that it is not known.
func (l *log) fails(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = why
}

// givenUp reports whether the log has another subject by now, or was closed.
func (l *log) givenUp(p *part) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inc != p.inc || l.closed
}

// attempt writes once, and finds out what became of it.
func (l *log) attempt(ctx context.Context, p *part, data []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if !l.own.ensured {
		if err := l.store.Ensure(ctx); err != nil {
			return 0, err
		}
		l.own.ensured = true
	}
	subject := l.prefix + p.inc
	sequence, err := l.store.Write(ctx, subject, data, l.own.sequence, 0)
	if err == nil {
		l.own.sequence = sequence
		return sequence, nil
	}
	if errors.Is(err, stream.ErrFull) {
		return 0, err
	}
	last, readErr := l.store.Last(ctx, subject)
	switch {
	case errors.Is(readErr, stream.ErrNotFound) || errors.Is(readErr, stream.ErrNoStream):
		l.own.ensured = false
		if l.own.sequence != 0 {
			l.lost(p)
		}
	case readErr != nil:
	default:
		b, parseErr := parseBatch(last.Data)
		switch {
		case parseErr != nil:
		case b.closed():
			l.mu.Lock()
			l.closed = l.closed || l.inc == p.inc
			l.mu.Unlock()
		case b.mark == p.mark:
			l.own.sequence = last.Sequence
			return last.Sequence, nil
		default: // an earlier batch, whose answer was lost, or nobody has written and the refusal was wrong
			l.own.sequence = last.Sequence
		}
	}
	return 0, err
}

// finish takes what became of a batch, and tells those whose deliveries are stored.
func (l *log) finish(p *part, size int, sequence uint64) {
	var tell []func()
	l.mu.Lock()
	l.busy = false
	if sequence == 0 || l.inc != p.inc {
		if l.inc == p.inc && !l.closed { // the node ends
			l.finished = append(l.finished, p.finished...)
		}
		l.mu.Unlock()
		return
	}
	l.own.batches = append(l.own.batches, written{sequence: sequence, size: size})
	l.own.size += size
	for _, number := range p.first {
		if d := l.live[number]; d != nil {
			d.begun = sequence
		}
	}
	for _, number := range p.puts {
		delete(l.own.parts, number) // until now its beginning had to stay
		d := l.live[number]
		if d == nil {
			continue // done meanwhile, which is written next
		}
		if d.last != 0 { // it was moved
			l.own.release(d)
		} else {
			l.unstored--
			l.kept += len(d.record)
			l.counts.Add(EventStored, 1)
			if d.stored != nil {
				tell = append(tell, d.stored)
			}
		}
		d.stored, d.moving, d.first, d.last = nil, false, d.begun, sequence
		l.own.hold(d)
	}
	l.mu.Unlock()
	for _, stored := range tell {
		stored()
	}
}

// lost has all deliveries written again behind a batch that is being written.
func (l *log) lost(p *part) {
	l.counts.Add(EventLogLost, 1)
	l.logger.Error("the store has lost the deliveries of this node, which writes them again")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own = position{inc: l.own.inc, mark: l.own.mark}
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
	l.rouse()
}
