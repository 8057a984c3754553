package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// tracker knows which messages are under way and who has them. Each message
// has a slot; the slots are what bounds the messages in flight.
type tracker struct {
	slots []slot
	free  chan int

	delivered  atomic.Uint64
	unexpected atomic.Uint64
	latency    atomic.Pointer[histogram]
}

type slot struct {
	missing atomic.Int64
}

func newTracker(inFlight int) *tracker {
	t := &tracker{slots: make([]slot, inFlight), free: make(chan int, inFlight)}
	for i := range inFlight {
		t.free <- i
	}
	t.latency.Store(&histogram{})
	return t
}

// acquire waits for a slot whose message has arrived everywhere.
func (t *tracker) acquire(ctx context.Context, timeout time.Duration) (int, error) {
	select {
	case i := <-t.free:
		return i, nil
	default:
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case i := <-t.free:
		return i, nil
	case <-timer.C:
		return 0, fmt.Errorf("%d deliveries did not arrive within %s", t.missing(), timeout)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (t *tracker) missing() (n int64) {
	for i := range t.slots {
		n += max(t.slots[i].missing.Load(), 0)
	}
	return n
}

// expect is called before the slot's message is sent.
func (t *tracker) expect(slot, receivers int) { t.slots[slot].missing.Store(int64(receivers)) }

// arrived counts one delivery and reports whether it was the message's last: then
// the slot is the caller's. A delivery nobody waits for, a duplicate for example,
// is counted apart.
func (t *tracker) arrived(slot int, age time.Duration) (last bool) {
	if slot >= len(t.slots) {
		t.unexpected.Add(1)
		return false
	}
	left := t.slots[slot].missing.Add(-1)
	if left < 0 {
		t.unexpected.Add(1)
		return false
	}
	t.delivered.Add(1)
	t.latency.Load().add(age)
	return left == 0
}

// release frees a slot for the next message.
func (t *tracker) release(slot int) { t.free <- slot }

// drain waits until nothing is under way.
func (t *tracker) drain(ctx context.Context, timeout time.Duration) error {
	for range t.slots {
		if _, err := t.acquire(ctx, timeout); err != nil {
			return err
		}
	}
	for i := range t.slots {
		t.free <- i
	}
	return nil
}
