package hubserver

import (
	"context"
	"sync"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// outboxRoom is how many bytes may wait on one connection to the gateway before those
// who can wait have to.
const outboxRoom = 4 << 20

// outbox is what waits to be written to the gateway, in order.
type outbox struct {
	more chan struct{} // has a value when there is something to write

	mu     sync.Mutex
	bytes  []byte
	closed bool
	free   chan struct{} // closed when there is room again; nil if nobody waits
}

func newOutbox() *outbox { return &outbox{more: make(chan struct{}, 1)} }

// put appends a message without waiting, and reports whether it can still be written.
func (o *outbox) put(m serviceprotocol.Message) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.bytes = m.Append(o.bytes)
	o.wakeLocked()
	return true
}

// room waits until there is room, or the outbox is closed.
func (o *outbox) room(ctx context.Context) error {
	for {
		o.mu.Lock()
		if o.closed || len(o.bytes) < outboxRoom {
			o.mu.Unlock()
			return nil
		}
		if o.free == nil {
			o.free = make(chan struct{})
		}
		free := o.free
		o.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take returns all that waits, exchanged for a buffer, and whether nothing more will come.
func (o *outbox) take(buffer []byte) (bytes []byte, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	bytes, o.bytes = o.bytes, buffer[:0]
	o.freeLocked()
	return bytes, o.closed
}

// close lets what waits be written, and nothing more.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.freeLocked()
	o.wakeLocked()
}

func (o *outbox) wakeLocked() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

func (o *outbox) freeLocked() {
	if o.free != nil {
		close(o.free)
		o.free = nil
	}
}
