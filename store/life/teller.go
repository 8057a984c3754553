package life

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/hubgate/hubgate/store/stream"
)

// teller tells of the ends of this node's clients, each once.
type teller struct {
	log    *lifeLog
	buries *undertaker
	hook   Webhook
	// beside: there is something in place of the outbox.
	beside bool
	logger *slog.Logger
}

// ending notes that the end of a client is about to be told, and reports whether the caller has to tell it.
func (t *teller) ending(ctx context.Context, id string, record Recorder) (tell bool) {
	if !t.log.ending(ctx, id, record) {
		return false
	}
	hub, doubted := t.log.isDoubted(id)
	return !doubted || !t.handIn(ctx, hub, id, record)
}

// handIn puts the end of a client into the outbox, which takes it once: if the other node that may have noted it dies,
// whoever has its log puts the same end there. While the store does not answer, the end is held back. False says that it
// is not there: the caller tells it. So it is with the outbox of all webhooks in place of this one (Beside): that may deliver
// an end twice, and its request then has the header X-Hubgate-Repeat.
func (t *teller) handIn(ctx context.Context, hub, id string, record Recorder) bool {
	if t.beside {
		return false
	}
	err := t.buries.ensure(ctx)
	if err == nil {
		err = t.buries.putEnd(ctx, hub, id, record.AppendRecord(nil))
	}
	switch {
	case errors.Is(err, stream.ErrUnavailable):
		t.log.hold(id, record)
		return true
	case err != nil:
		t.logger.Warn("the end of a client that another node may tell too could not be put into the outbox: it is told now, and may be told again", "connection", id, "error", err)
		return false
	}
	t.log.ended(id)
	return true
}

// release tells of the ends that were held back, when the node may, until ctx ends.
func (t *teller) release(ctx context.Context) {
	slots := make(chan struct{}, releaseAtOnce)
	var wg sync.WaitGroup
	defer wg.Wait()
	for stream.Pause(ctx, releaseEvery) {
		var again atomic.Bool // one is held back again: the others wait for the next look
		for !again.Load() && !t.log.fence.Fenced() && ctx.Err() == nil {
			id, record, ok := t.log.nextHeld()
			if !ok {
				break
			}
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if t.releaseOne(ctx, id, record); t.log.holds(id) {
					again.Store(true)
				}
			})
		}
	}
}

func (t *teller) releaseOne(ctx context.Context, id string, record kept) {
	if !t.ending(ctx, id, record) {
		return // It is held again, or another node tells it.
	}
	switch err := t.hook.Send(record); {
	case errors.Is(err, t.hook.Later):
		return // It stays in the log.
	case err != nil:
		t.logger.Error("the end of a client that was held back is not told", "connection", id, "error", err)
	}
	t.log.counts.Add(EventReleased, 1)
	t.log.ended(id)
}
