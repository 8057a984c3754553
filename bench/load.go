package bench

import (
	"context"
	"fmt"
	"time"
)

// load sends the messages, warm-up first, and waits for the last delivery.
func (r *run) load(ctx context.Context) (*LoadReport, error) {
	s := newSender(&r.o)
	defer s.close()
	r.setPhase("warming up")
	if _, err := r.send(ctx, s, r.o.Load.Warmup, 0); err != nil {
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
	messages, err := r.send(ctx, s, r.o.Load.Count, r.o.Load.Duration)
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

// send sends count messages, or as many as fit into duration if that is set,
// and waits until all have arrived.
func (r *run) send(ctx context.Context, s *sender, count int, duration time.Duration) (sent int, err error) {
	timeout := r.o.Clients.Timeout
	for start := time.Now(); sent < count || duration > 0; sent++ {
		if duration > 0 && time.Since(start) >= duration {
			break
		}
		slot, err := r.tracker.acquire(ctx, timeout)
		if err != nil {
			return sent, err
		}
		user, receivers := "", len(r.clients)
		if r.o.Load.Kind == ToUsers {
			user, receivers = randomUser(len(r.clients)), 1
		}
		r.tracker.expect(slot, receivers)
		if err := s.send(ctx, r.stamps, slot, user); err != nil {
			return sent, err
		}
	}
	return sent, r.tracker.drain(ctx, timeout)
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
