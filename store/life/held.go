package life

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hubgate/hubgate/store/stream"
)

// maxHeld bounds the records of clients whose end is held back, in bytes.
const maxHeld = 64 << 20

const (
	// releaseEvery is how often a node looks whether it may tell what it holds back; releaseAtOnce how
	// many ends it tells at the same time.
	releaseEvery  = 250 * time.Millisecond
	releaseAtOnce = 32
)

// held are clients whose end must not be told now, because the node is fenced.
type held struct {
	order []string
	bytes int
}

// kept is a record that was made.
type kept []byte

// AppendRecord implements Recorder.
func (k kept) AppendRecord(dst []byte) []byte { return append(dst, k...) }

// holdLocked keeps the end of a client until it may be told.
func (l *lifeLog) holdLocked(id string, c *client, record Recorder) {
	text := record.AppendRecord(nil)
	if l.held.bytes+len(text) > maxHeld {
		l.counts.Add(EventHeldFull, 1)
		return // It stays in the log: it is told when the node ends.
	}
	l.counts.Add(EventHeld, 1)
	c.record, c.held = kept(text), true
	l.held.order = append(l.held.order, id)
	l.held.bytes += len(text)
}

// nextHeld takes the oldest client whose end was held back.
func (l *lifeLog) nextHeld() (id string, record kept, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.held.order) > 0 {
		id = l.held.order[0]
		l.held.order = l.held.order[1:]
		c := l.open[id]
		if c == nil || !c.held {
			continue
		}
		record, ok = c.record.(kept)
		if !ok {
			continue
		}
		c.held = false
		l.held.bytes -= len(record)
		return id, record, true
	}
	l.held = held{}
	return "", nil, false
}

// heldNow is how many ends are held back.
func (l *lifeLog) heldNow() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held.order)
}

// release tells of the ends that were held back, when the node may, until ctx ends.
func (l *lifeLog) release(ctx context.Context, hook Webhook) {
	slots := make(chan struct{}, releaseAtOnce)
	var wg sync.WaitGroup
	defer wg.Wait()
	for stream.Pause(ctx, releaseEvery) {
		for !l.fence.Fenced() && ctx.Err() == nil {
			id, record, ok := l.nextHeld()
			if !ok {
				break
			}
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				l.releaseOne(ctx, hook, id, record)
			})
		}
	}
}

func (l *lifeLog) releaseOne(ctx context.Context, hook Webhook, id string, record kept) {
	if !l.ending(ctx, id, record) {
		return // It is held again, or another node tells it.
	}
	switch err := hook.Send(record); {
	case errors.Is(err, hook.Later):
		return // It stays in the log.
	case err != nil:
		l.logger.Error("the end of a client that was held back is not told", "connection", id, "error", err)
	}
	l.counts.Add(EventReleased, 1)
	l.ended(id)
}
