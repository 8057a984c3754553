package hubserver

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// longestDelay is the longest time between two attempts to connect.
const longestDelay = 60 * time.Second

// backoff is shared by all connections of a hub: after a failure one of them tries while
// the others wait for what comes of it, after a success all of them try at once.
type backoff struct {
	mu       sync.Mutex
	failures int
	probing  bool
	changed  chan struct{} // closed with the next result
}

func newBackoff() *backoff { return &backoff{changed: make(chan struct{})} }

// turn waits until it is time for an attempt. It is false if ctx ended before.
func (b *backoff) turn(ctx context.Context) (probe, ok bool) {
	for {
		b.mu.Lock()
		if b.failures == 0 {
			b.mu.Unlock()
			return false, ctx.Err() == nil
		}
		if !b.probing {
			b.probing = true
			wait := delay(b.failures)
			b.mu.Unlock()
			if !sleep(ctx, wait) {
				b.result(true, false)
				return false, false
			}
			return true, true
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false, false
		}
	}
}

// result takes what came of an attempt, and whether it was the probe. It reports whether the
// attempt counts: of those that began together and fail together one does.
func (b *backoff) result(probe, success bool) (counts bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case success:
		b.failures = 0
		counts = true
	case probe || b.failures == 0:
		b.failures++
		counts = true
	}
	if probe {
		b.probing = false
	}
	close(b.changed)
	b.changed = make(chan struct{})
	return counts
}

// delay is 1, 2, 4 … 60 seconds after as many failures, and up to a second more so that
// hub servers do not come all at once.
func delay(failures int) time.Duration {
	wait := longestDelay
	if failures <= 6 {
		wait = min(wait, time.Second<<(failures-1))
	}
	return wait + rand.N(time.Second)
}

// sleep waits, and is false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
