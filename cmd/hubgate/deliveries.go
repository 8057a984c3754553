package main

import (
	"context"
	"errors"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/store/outbox"
	"github.com/hubgate/hubgate/upstream"
)

// The largest message fits into a delivery, with all that is to be known of its client.
const _ = uint(outbox.MaxRecord - config.MaxKeptMessage - 1<<20)

// deliveries are the events that this node keeps until webhooks have them. It is a life.Beside and, as
// deliveryView, an admin.Deliveries.
type deliveries struct {
	webhooks *upstream.Backend
	outbox   *outbox.Outbox
}

// keepEvents has events kept. It is called before there are clients.
func (s *server) keepEvents(webhooks *upstream.Backend) {
	n, c := &s.nodes, s.config
	n.deliveries.outbox = outbox.New(outbox.Options{
		Store: outbox.Store{
			JetStream: n.engine.JetStream(), Prefix: c.NATS.Prefix, Replicas: n.engine.Replicas(), Storage: n.engine.Storage(), MaxBytes: outboxShare(c),
		},
		Inc: n.life.Inc(), Fence: n.life, Dead: outbox.Dead{Count: c.Outbox.OutboxDeadLetters},
		Logger: s.log.With("part", partUpstream),
	})
	webhooks.UseOutbox(upstream.OutboxOptions{
		Outbox: n.deliveries.outbox, Age: c.Outbox.OutboxAge, Lives: s.lives, Closes: s.closeAnywhere,
	})
}

// outboxShare is what events may take of the store.
func outboxShare(c *config.Config) int64 {
	if c.External() {
		return int64(c.Outbox.OutboxBytes)
	}
	return min(int64(c.Outbox.OutboxBytes), int64(c.Data.MaxBytes)/4)
}

// TakeOver implements life.Beside.
func (d *deliveries) TakeOver(ctx context.Context, inc string) error {
	list, err := d.outbox.Bury(ctx, inc)
	adopted := make([]upstream.Adopted, 0, len(list))
	for _, one := range list {
		adopted = append(adopted, upstream.Adopted(one))
	}
	d.webhooks.Adopt(adopted)
	return err
}

// TellEnds implements life.Beside.
func (d *deliveries) TellEnds(ctx context.Context) error { return d.webhooks.TellEnds(ctx) }

// Tell implements life.Beside.
func (d *deliveries) Tell(ctx context.Context, record []byte) error {
	err := d.webhooks.Keep(ctx, record)
	if errors.Is(err, upstream.ErrRecord) {
		return nil // It will not be better the next time.
	}
	return err
}

// Abandon implements life.Beside.
func (d *deliveries) Abandon(next string) { d.outbox.Abandon(next) }

// Left implements life.Beside.
func (d *deliveries) Left() bool { return d.outbox.Left() }

// notReady is why a node that is alone should get no clients: it cannot store what they say. Several nodes write to one
// store: another one would do no better.
func (d *deliveries) notReady() string {
	if d == nil {
		return ""
	}
	if err := d.outbox.Failing(); err != nil {
		return "the outbox cannot be stored: " + err.Error()
	}
	return ""
}

// deliveryView is what the admin address shows and asks of deliveries.
type deliveryView struct {
	webhooks *upstream.Backend
	outbox   *outbox.Outbox // nil without
}

func (s *server) deliveryView(webhooks *upstream.Backend) deliveryView {
	if d := s.nodes.deliveries; d != nil {
		return deliveryView{webhooks, d.outbox}
	}
	return deliveryView{webhooks: webhooks}
}

// On implements admin.Deliveries.
func (v deliveryView) On() bool { return v.outbox != nil }

// Stats implements admin.Deliveries.
func (v deliveryView) Stats() admin.DeliveryStats {
	tried := v.webhooks.OutboxStats()
	s := admin.DeliveryStats{
		Dead: texts(tried.Dead), Retries: tried.Retries, Repeats: tried.Repeats, CircuitsOpen: tried.CircuitsOpen, CircuitsOpened: tried.CircuitsOpened,
		Events: texts(outbox.Never()),
	}
	if v.outbox != nil {
		stored := v.outbox.Stats()
		s.Waiting, s.Bytes, s.Unstored, s.Events = stored.Waiting, stored.Bytes, stored.Unstored, texts(stored.Events)
	}
	return s
}

// Letters implements admin.Deliveries.
func (v deliveryView) Letters(ctx context.Context, from uint64, most int) ([]admin.Delivery, error) {
	letters, err := v.outbox.Letters(ctx, from, most)
	list := make([]admin.Delivery, 0, len(letters))
	for _, l := range letters {
		read, err := upstream.ParseLetter(l.Text, nil)
		if err != nil {
			list = append(list, admin.Delivery{Number: l.Number, Detail: err.Error()})
			continue
		}
		d := shownLetter(l.Number, read)
		d.Resendable = d.Resendable || l.Size > 0
		list = append(list, d)
	}
	return list, err
}

func shownLetter(number uint64, l *upstream.Letter) admin.Delivery {
	return admin.Delivery{
		Number: number, Event: l.Event, Connection: l.Connection, Hub: l.Hub, User: l.User, Category: l.Category, Name: l.Name,
		Since: l.Since, Died: l.Died, Reason: string(l.Reason), Attempts: l.Attempts, Result: string(l.Result), Status: l.Status,
		Detail: l.Detail, Answer: l.Answer, Resendable: l.Record != nil,
	}
}

// read reads one dead letter.
func (v deliveryView) read(ctx context.Context, number uint64) (*upstream.Letter, error) {
	l, err := v.outbox.Letter(ctx, number)
	if errors.Is(err, outbox.ErrNoLetter) {
		return nil, admin.ErrNoDelivery
	}
	if err != nil {
		return nil, err
	}
	return upstream.ParseLetter(l.Text, l.Record)
}

// Letter implements admin.Deliveries.
func (v deliveryView) Letter(ctx context.Context, number uint64) (admin.Delivery, error) {
	l, err := v.read(ctx, number)
	if err != nil {
		return admin.Delivery{}, err
	}
	d := shownLetter(number, l)
	d.Body = string(l.Body())
	return d, nil
}

// Waiting implements admin.Deliveries.
func (v deliveryView) Waiting(ctx context.Context, most int) (list []admin.Delivery, more bool, err error) {
	all, more, err := v.outbox.Waiting(ctx, most)
	for _, w := range all {
		l, err := upstream.Waiting(w.Record)
		if err != nil {
			list = append(list, admin.Delivery{Node: w.Node, Detail: err.Error()})
			continue
		}
		d := shownLetter(0, l)
		d.Node, d.Attempts, d.Resendable = w.Node, w.Attempts, false
		list = append(list, d)
	}
	return list, more, err
}

var errNotKept = errors.New("the event is not kept whole, because it was too large or others needed the room: it cannot be delivered again")

// Resend implements admin.Deliveries.
func (v deliveryView) Resend(ctx context.Context, number uint64) error {
	l, err := v.read(ctx, number)
	if err != nil {
		return err
	}
	if l.Record == nil {
		return errNotKept
	}
	record, err := l.Fresh(time.Now())
	if err != nil {
		return err
	}
	n, err := v.outbox.Resend(ctx, number, record)
	if n == 0 {
		return err
	}
	v.webhooks.Deliver(upstream.Adopted{Number: n, Record: record})
	return err
}
