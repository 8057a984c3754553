package bench

import (
	"context"
	"errors"
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
		Load: r.o.Load, Messages: messages, Refused: int(r.refused.Load()), Deliveries: r.tracker.delivered.Load() - delivered,
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
	senders := make([]sender, max(1, r.o.Load.InFlight))
	for i := range senders {
		senders[i] = r.newSender()
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
func (r *run) send(ctx context.Context, senders []sender, count int, duration time.Duration) (sent int, err error) {
	var done atomic.Int64
	p := pace{start: time.Now(), count: int64(count), duration: duration, rate: r.o.Load.Rate}
	group, sending := errgroup.WithContext(ctx)
	for _, s := range senders {
		group.Go(func() error {
			for p.more(sending) {
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

// pace says when the next message may be sent, and for how long there is one.
type pace struct {
	start    time.Time
	count    int64         // of messages, unless
	duration time.Duration // is positive: then as many as fit into it
	rate     float64       // a second; 0 is no bound
	taken    atomic.Int64
}

// more waits for the time of the next message and reports whether there is one.
func (p *pace) more(ctx context.Context) bool {
	n := p.taken.Add(1)
	if p.duration <= 0 && n > p.count {
		return false
	}
	if p.rate > 0 {
		due := p.start.Add(time.Duration(float64(n-1) / p.rate * float64(time.Second)))
		if wait(ctx, time.Until(due)) != nil {
			return true // whoever sends finds ctx ended
		}
	}
	return p.duration <= 0 || time.Since(p.start) < p.duration
}

// sendOne sends one message when a slot for it is free, again and again while the server is busy.
func (r *run) sendOne(ctx context.Context, s sender) error {
	slot, err := r.tracker.acquire(ctx, r.o.Clients.Timeout)
	if err != nil {
		return err
	}
	user, receivers := "", len(r.clients)
	if r.o.Load.Kind == ToUsers {
		user, receivers = randomUser(len(r.clients)), 1
	}
	r.tracker.expect(slot, receivers)
	for begun := time.Now(); ; {
		err := s.send(ctx, r.stamps, slot, user)
		if !errors.Is(err, errBusy) || time.Since(begun) > r.o.Clients.Timeout {
			return err
		}
		r.refused.Add(1)
		if err := wait(ctx, busyPause); err != nil {
			return err
		}
	}
}

// busyPause is how long a sender waits after a refusal. The server asks for more; but this is to
// find out when it takes messages again.
const busyPause = 50 * time.Millisecond

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
