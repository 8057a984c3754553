package life

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store/stream"
)

const (
	// consumerName is the one consumer of the outbox, which all nodes share.
	consumerName = "workers"
	// maxUnacknowledged bounds the entries that all nodes together work at.
	maxUnacknowledged = 256
	// atOnce bounds those that one node works at.
	atOnce = 32
	// ackMargin is how much longer an entry belongs to a node than its webhook takes at most.
	ackMargin = 5 * time.Second
	// maxTries is how often an entry is given out, at most.
	maxTries = 10
	// fetchTime is how long the store is asked for entries at a time.
	fetchTime = time.Second
	// idlePause is how long a node that gets no entries waits before it asks again.
	idlePause = 250 * time.Millisecond
	// againAfter is how soon an entry that was left to others is given out again.
	againAfter = time.Second
)

// outbox calls the webhooks that are to be called for clients of dead nodes. All nodes do so that are
// not fenced, the oldest first.
type outbox struct {
	js       jetstream.JetStream
	stream   *stream.Stream
	name     string
	send     func(record []byte) error
	later    error
	sendTime func() time.Duration
	fence    fence
	counts   *counts.Counts[Event]
	logger   *slog.Logger
	// lasts is how long an entry belongs to the node that got it.
	lasts atomic.Int64

	slots chan struct{}
	wg    sync.WaitGroup
}

// run works until ctx ends, and finishes what it is at.
func (o *outbox) run(ctx context.Context) {
	defer o.wg.Wait()
	var consumer jetstream.Consumer
	for ctx.Err() == nil {
		if o.fence.Fenced() {
			stream.Pause(ctx, idlePause)
			continue
		}
		if consumer == nil || o.margin() <= 0 {
			if consumer = o.join(ctx); consumer == nil {
				stream.Pause(ctx, idlePause*4)
				continue
			}
		}
		if err := o.fetch(ctx, consumer); err != nil {
			consumer = nil
			stream.Pause(ctx, idlePause*4)
		}
	}
}

// margin is how long an entry may wait here before its webhook is called, so that it still belongs to
// this node when the webhook has answered.
func (o *outbox) margin() time.Duration { return time.Duration(o.lasts.Load()) - o.sendTime() }

// join sees to it that there are an outbox and its consumer, whose times are long enough.
func (o *outbox) join(ctx context.Context) jetstream.Consumer {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if o.stream.Ensure(ctx) != nil {
		return nil
	}
	want := o.sendTime() + ackMargin
	have, err := o.js.Consumer(ctx, o.name, consumerName)
	switch {
	case err == nil && have.CachedInfo().Config.AckWait >= want:
		o.lasts.Store(int64(have.CachedInfo().Config.AckWait))
		return have
	case err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil
	}
	consumer, err := o.js.CreateOrUpdateConsumer(ctx, o.name, jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: want,
		MaxAckPending: maxUnacknowledged, MaxDeliver: maxTries,
	})
	if err != nil {
		return nil
	}
	o.lasts.Store(int64(want))
	return consumer
}

// fetch asks for as many entries as can be worked at now.
func (o *outbox) fetch(ctx context.Context, consumer jetstream.Consumer) error {
	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	n := 1
	for n < atOnce && o.tryTake() {
		n++
	}
	defer func() {
		for range n {
			<-o.slots
		}
	}()
	messages, err := consumer.Fetch(n, jetstream.FetchMaxWait(fetchTime))
	if err != nil {
		return err
	}
	for m := range messages.Messages() {
		got := time.Now()
		n-- // its slot is the worker's
		o.wg.Go(func() {
			defer func() { <-o.slots }()
			o.work(ctx, m, got)
		})
	}
	return messages.Error()
}

func (o *outbox) tryTake() bool {
	select {
	case o.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// work calls one webhook.
func (o *outbox) work(ctx context.Context, m jetstream.Msg, got time.Time) {
	if ctx.Err() != nil || o.fence.Fenced() || time.Since(got) > o.margin() {
		o.counts.Add(EventAgain, 1)
		_ = m.NakWithDelay(againAfter) // if it is lost, the entry is given out again all the same
		return
	}
	switch err := o.send(m.Data()); {
	case err == nil:
		o.counts.Add(EventTold, 1)
	case errors.Is(err, o.later):
		o.counts.Add(EventAgain, 1)
		_ = m.NakWithDelay(againAfter)
		return
	default:
		o.counts.Add(EventDamaged, 1)
		o.logger.Error("an entry of the outbox is given up", "error", err)
	}
	o.acknowledge(ctx, m, got)
}

// acknowledge tells the store that an entry is done, for as long as it belongs to this node: if the
// store does not hear of it, it is given out again. A node that ends tries once more.
func (o *outbox) acknowledge(ctx context.Context, m jetstream.Msg, got time.Time) {
	for end := got.Add(time.Duration(o.lasts.Load())); ; {
		attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTime)
		err := m.DoubleAck(attempt)
		cancel()
		switch {
		case err == nil, errors.Is(err, jetstream.ErrMsgAlreadyAckd):
			return
		case ctx.Err() != nil, time.Now().After(end):
			o.counts.Add(EventUnacknowledged, 1)
			return
		}
		stream.Pause(ctx, retryPause)
	}
}
