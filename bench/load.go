package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// load sends the messages, warm-up first, and waits for the last delivery.
func (r *run) load(ctx context.Context) (*LoadReport, error) {
	send, end := r.sending()
	defer end()
	r.setPhase("warming up")
	if _, err := send(ctx, r.o.Load.Warmup, 0); err != nil {
		return nil, err
	}
	r.tracker.latency.Store(&histogram{})
	delivered, received := r.tracker.delivered.Load(), r.received.Load()
	before, err := r.sample()
	if err != nil {
		return nil, err
	}
	r.setPhase("sending")
	start := time.Now()
	messages, err := send(ctx, r.o.Load.Count, r.o.Load.Duration)
	if err != nil {
		return nil, err
	}
	elapsed := time.Since(start)
	after, err := r.sample()
	if err != nil {
		return nil, err
	}
	report := &LoadReport{
		Load: r.o.Load, Messages: messages, Deliveries: r.tracker.delivered.Load() - delivered,
		Seconds: elapsed.Seconds(), ReceivedBytes: r.received.Load() - received,
		Latency: r.tracker.latency.Load().latency(),
	}
	report.PerSecond = float64(report.Deliveries) / elapsed.Seconds()
	if report.Deliveries > 0 {
		report.ServerCPU = (after.CPU - before.CPU) / time.Duration(report.Deliveries)
	}
	return report, r.verify(messages + r.o.Load.Warmup)
}

// sending returns what sends count messages, or as many as fit into duration if that is set.
func (r *run) sending() (send func(ctx context.Context, count int, duration time.Duration) (int, error), end func()) {
	if r.echoes != nil {
		return r.echoes.send, func() {}
	}
	senders := make([]*sender, max(1, r.o.Load.InFlight))
	for i := range senders {
		senders[i] = newSender(&r.o)
	}
	send = func(ctx context.Context, count int, duration time.Duration) (int, error) {
		return r.send(ctx, senders, count, duration)
	}
	return send, func() {
		for _, s := range senders {
			s.close()
		}
	}
}

// send sends count messages, or as many as fit into duration if that is set,
// and waits until all have arrived. The senders work at the same time: with one
// connection for all, messages would wait for each other's answers.
func (r *run) send(ctx context.Context, senders []*sender, count int, duration time.Duration) (sent int, err error) {
	var taken, done atomic.Int64
	start := time.Now()
	more := func() bool {
		if duration > 0 {
			return time.Since(start) < duration
		}
		return taken.Add(1) <= int64(count)
	}
	group, sending := errgroup.WithContext(ctx)
	for _, s := range senders {
		group.Go(func() error {
			for more() {
				if err := r.sendOne(sending, s); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return int(done.Load()), err
	}
	return int(done.Load()), r.tracker.drain(ctx, r.o.Clients.Timeout)
}

// sendOne sends one message when a slot for it is free.
func (r *run) sendOne(ctx context.Context, s *sender) error {
	slot, err := r.tracker.acquire(ctx, r.o.Clients.Timeout)
	if err != nil {
		return err
	}
	user, receivers := "", len(r.clients)
	if r.o.Load.Kind == ToUsers {
		user, receivers = randomUser(len(r.clients)), 1
	}
	r.tracker.expect(slot, receivers)
	return s.send(ctx, r.stamps, slot, user)
}

// verify compares what each client counted with what was sent.
func (r *run) verify(messages int) error {
	if n := r.tracker.unexpected.Load(); n > 0 {
		return fmt.Errorf("%d deliveries were not expected: duplicates", n)
	}
	if r.o.Load.Kind != Broadcast {
		return nil
	}
	for i, c := range r.clients {
		if n := c.delivered.Load(); n != uint64(messages) {
			return fmt.Errorf("client %d got %d messages where %d were expected", i, n, messages)
		}
	}
	return nil
}
