package outbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/store/stream"
)

// closedLasts is how long the server keeps the mark that a log is closed. It keeps away what its writer may
// still have on the way.
const closedLasts = time.Hour

// errFenced says that this node may not go on.
var errFenced = errors.New("the node may not do it any more: it could not renew its own record")

// Delivery is one that this node has to make.
type Delivery struct {
	Number uint64
	Record []byte
	// Attempts is how often it was tried in vain, as far as the dead node has noted it.
	Attempts int
}

// burial remembers what was taken from the log of a dead node that could not be finished.
type burial struct {
	mu sync.Mutex
	// taken are the numbers here by the numbers there, by the name of the log.
	taken map[string]map[uint64]uint64
}

// Bury takes over the deliveries of a node that died, and returns them in the order in which they were put,
// those of each call once. It may have to be called again, by this node or another, until there is no error.
// If this node dies meanwhile, some of them may be in two logs, and are delivered twice.
func (o *Outbox) Bury(ctx context.Context, inc string) ([]Delivery, error) {
	o.burial.mu.Lock()
	defer o.burial.mu.Unlock()
	r, sequence, err := o.read(ctx, inc)
	if errors.Is(err, stream.ErrNoStream) || err == nil && sequence == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if sequence, err = o.shut(ctx, inc, sequence); err != nil {
		return nil, err
	}
	adopted, err := o.adopt(ctx, inc, r)
	if err != nil {
		return adopted, err
	}
	attempt, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if err := o.stream.PurgeBefore(attempt, o.prefix+inc, sequence); err != nil {
		return adopted, err
	}
	delete(o.burial.taken, inc)
	return adopted, nil
}

// read reads a log to its end.
func (o *Outbox) read(ctx context.Context, inc string) (*reading, uint64, error) {
	r := newReading()
	last, err := stream.Whole(ctx, o.stream, o.prefix+inc, attemptTime, func(m stream.Message) { r.take(m.Data) })
	if err != nil {
		return nil, 0, err
	}
	o.counts.Add(EventDamaged, uint64(r.damaged))
	return r, last, nil
}

// shut writes into a dead node's log that it is closed. If anybody else has written since, it fails.
func (o *Outbox) shut(ctx context.Context, inc string, sequence uint64) (uint64, error) {
	if o.opts.Fence.Fenced() {
		return 0, errFenced
	}
	b := batch{entries: []entry{{kind: kindClosed}}}
	attempt, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	written, err := o.stream.Write(attempt, o.prefix+inc, b.append(nil), sequence, closedLasts)
	if err != nil {
		return 0, fmt.Errorf("closing the log of a dead node's deliveries: %w", err)
	}
	return written, nil
}

// adopt puts what a dead node had to deliver into this node's log, and waits until it is there: also what was
// put there by a call before, which did not wait for so long.
func (o *Outbox) adopt(ctx context.Context, inc string, r *reading) ([]Delivery, error) {
	var adopted []Delivery
	missing, stored := new(atomic.Int64), make(chan struct{})
	missing.Store(1)
	arrived := func() {
		if missing.Add(-1) == 0 {
			close(stored)
		}
	}
	taken := o.burial.of(inc)
	for _, number := range slices.Sorted(maps.Keys(r.open)) {
		if _, ok := taken[number]; ok {
			continue
		}
		missing.Add(1)
		record, attempts := r.open[number], r.attempts[number]
		taken[number] = o.log.put(&delivery{record: record, stored: arrived, attempts: attempts}, true)
		adopted = append(adopted, Delivery{Number: taken[number], Record: record, Attempts: attempts})
	}
	o.counts.Add(EventAdopted, uint64(len(adopted)))
	arrived()
	select {
	case <-stored:
	case <-ctx.Done():
		return adopted, context.Cause(ctx)
	}
	for !o.log.stored(maps.Values(taken)) {
		if !stream.Pause(ctx, retryPause) {
			return adopted, context.Cause(ctx)
		}
	}
	return adopted, nil
}

// of is what was taken from a log.
func (b *burial) of(inc string) map[uint64]uint64 {
	if b.taken == nil {
		b.taken = make(map[string]map[uint64]uint64)
	}
	if b.taken[inc] == nil {
		b.taken[inc] = make(map[uint64]uint64)
	}
	return b.taken[inc]
}

// stored reports whether none of these deliveries is still to be stored.
func (l *log) stored(numbers iter.Seq[uint64]) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for number := range numbers {
		if d := l.live[number]; d != nil && d.last == 0 {
			return false
		}
	}
	return true
}
