package life

import (
	"context"
	"errors"
	"log/slog"
	"sync"
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
	// entryTime is how long an entry belongs to the node that got it and says nothing of it: one that was lost on the
	// way, or with its node, is given out again after that. It is longer than the store takes to find another
	// leader, and the node says five times as often that it is at it, while the webhook runs.
	entryTime = 15 * time.Second
	workEvery = 5
	// maxTries is how often an entry is given out, at most.
	maxTries = 100
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
	js     jetstream.JetStream
	stream *stream.Stream
	name   string
	send   func(record []byte) error
	later  error
	fence  fence
	counts *counts.Counts[Event]
	logger *slog.Logger
	// lasts is how long an entry belongs to the node that got it: entryTime, but in tests.
	lasts time.Duration

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
		if consumer == nil {
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

// join sees to it that there are an outbox and its consumer.
func (o *outbox) join(ctx context.Context) jetstream.Consumer {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if o.stream.Ensure(ctx) != nil {
		return nil
	}
	have, err := o.js.Consumer(ctx, o.name, consumerName)
	switch {
	case err == nil && have.CachedInfo().Config.AckWait == o.lasts && have.CachedInfo().Config.MaxDeliver == maxTries:
		return have
	case err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil
	}
	consumer, err := o.js.CreateOrUpdateConsumer(ctx, o.name, jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: o.lasts,
		MaxAckPending: maxUnacknowledged, MaxDeliver: maxTries,
	})
	if err != nil {
		return nil
	}
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
	if ctx.Err() != nil || o.fence.Fenced() || time.Since(got) > o.lasts/workEvery {
		o.counts.Add(EventAgain, 1)
		_ = m.NakWithDelay(againAfter) // if it is lost, the entry is given out again all the same
		return
	}
	working := o.keeps(m)
	err := o.send(m.Data())
	working()
	switch {
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
	o.acknowledge(ctx, m)
}

// keeps tells the store again and again that this node is at an entry, until the result is called.
func (o *outbox) keeps(m jetstream.Msg) (over func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(o.lasts / workEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = m.InProgress() // what is lost is said again
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}

// acknowledge tells the store that an entry is done, for as long as it belongs to this node: if the
// store does not hear of it, it is given out again. A node that ends tries once more.
func (o *outbox) acknowledge(ctx context.Context, m jetstream.Msg) {
	for end := time.Now().Add(o.lasts); ; {
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
