package outbox

import (
	"context"
	"slices"
)

const (
	// purgeAbove is how much is removed at once, at least, in bytes.
	purgeAbove = 1 << 20
	// A log that is longer than moveAbove, and moveFactor times as long as it has to be, has what is at its
	// front written again behind the rest.
	moveAbove  = 4 << 20
	moveFactor = 4
)

// layout is what is where in the log.
type layout struct {
	// parts is how much of a large delivery is written, until its end is stored.
	parts map[uint64]int
	// batches are those that have not been removed, size their bytes, removable those at the front that
	// nothing holds.
	batches []written
	size    int
	// held is how many deliveries hold a batch, because they begin there.
	held map[uint64]int
}

// written is a batch that is stored.
type written struct {
	sequence uint64
	size     int
}

// hold notes where a delivery is.
func (p *layout) hold(d *delivery) {
	if p.held == nil {
		p.held = make(map[uint64]int)
	}
	p.held[d.first]++
}

// release notes that a delivery is not needed where it is.
func (p *layout) release(d *delivery) {
	if p.held[d.first]--; p.held[d.first] <= 0 {
		delete(p.held, d.first)
	}
}

// moveLocked writes again some of what is at the front of a log that is too long.
func (l *log) moveLocked() {
	laid := &l.laid
	if laid.size < moveAbove || laid.size < moveFactor*l.kept {
		return
	}
	front := slices.IndexFunc(laid.batches, func(b written) bool { return laid.held[b.sequence] > 0 })
	if front < 0 || front == len(laid.batches)-1 {
		return
	}
	for number, d := range l.live {
		if d.last == 0 || d.moving || d.first != laid.batches[front].sequence {
			continue
		}
		l.counts.Add(EventMoved, 1)
		d.moving = true
		l.urgent = append(l.urgent, number)
	}
}

// shorten removes what is at the front and not needed any more, if it is worth a request.
func (l *log) shorten(ctx context.Context) {
	l.mu.Lock()
	worth := l.removableLocked() >= purgeAbove
	l.mu.Unlock()
	if worth {
		l.purge(ctx)
	}
}

// removableLocked returns how many bytes could be removed. The last batch stays: it says how far the log is.
func (l *log) removableLocked() (size int) {
	for i := 0; i < len(l.laid.batches)-1 && size < purgeAbove; i++ {
		if l.keepsLocked(l.laid.batches[i].sequence) {
			break
		}
		size += l.laid.batches[i].size
	}
	return size
}

// keepsLocked reports whether a batch is needed: something begins in it, or may begin in it.
func (l *log) keepsLocked(sequence uint64) bool {
	if l.laid.held[sequence] > 0 {
		return true
	}
	for number := range l.laid.parts {
		if d := l.live[number]; d != nil && d.begun == sequence {
			return true
		}
	}
	return false
}

// purge removes what is at the front and not needed. If it fails, the log is longer than it has to be.
func (l *log) purge(ctx context.Context) {
	l.mu.Lock()
	laid := &l.laid
	n := 0
	for n < len(laid.batches)-1 && !l.keepsLocked(laid.batches[n].sequence) {
		laid.size -= laid.batches[n].size
		n++
	}
	if n == 0 {
		l.mu.Unlock()
		return
	}
	laid.batches = slices.Clone(laid.batches[n:])
	first := laid.batches[0].sequence
	l.mu.Unlock()
	_ = l.writer.PurgeBefore(ctx, first)
}

// remove removes the whole log. The writer has ended.
func (l *log) remove(ctx context.Context) {
	if !l.closed {
		_ = l.writer.Remove(ctx)
	}
}

// sorted is what was put first comes first, each once.
func sorted(numbers []uint64) []uint64 {
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// without returns numbers that are not among others, which are sorted.
func without(numbers, others []uint64) []uint64 {
	return slices.DeleteFunc(slices.Clone(numbers), func(n uint64) bool {
		_, found := slices.BinarySearch(others, n)
		return found
	})
}
