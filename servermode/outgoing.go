package servermode

import (
	"sync"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// outgoing is what waits for one hub server: bytes of the service protocol,
// which its writer takes all at once.
type outgoing struct {
	// bound is Limits.QueueBytes, immutable.
	bound int
	// wake holds one signal: there is something to take.
	wake chan struct{}

	mu  sync.Mutex
	buf []byte
	// writing is what the writer has taken and not written yet.
	writing int
	// stopped are clients that are not read from until there is room.
	stopped []*gateway.Conn
	// over: the queue has passed the bound that ends the connection.
	over bool
	// closed: nobody takes anything any more.
	closed bool
}

// overflow is how many times the bound ends a connection: acks and other
// answers are not held back by it.
const overflow = 4

func (o *outgoing) init(bound int) {
	o.bound, o.wake = bound, make(chan struct{}, 1)
}

// put appends a message of the gateway itself.
func (o *outgoing) put(m serviceprotocol.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.over {
		return
	}
	o.buf = m.Append(o.buf)
	o.signal()
}

// data appends what a client sent. False means that there is no room; the
// client is resumed when there is.
func (o *outgoing) data(c *gateway.Conn, id string, payload []byte) (taken bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return true // the end of the connection decides what becomes of the client
	}
	if held := len(o.buf) + o.writing; held > 0 && held+len(payload) > o.bound {
		o.stopped = append(o.stopped, c)
		return false
	}
	m := serviceprotocol.ConnectionData{ConnectionID: id, Payload: payload}
	o.buf = m.Append(o.buf)
	o.signal()
	return true
}

func (o *outgoing) signal() {
	o.over = len(o.buf) > overflow*o.bound
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take exchanges what waits for an empty buffer. False ends the writer.
func (o *outgoing) take(empty []byte) (buf []byte, over, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	buf, o.buf = o.buf, empty
	o.writing = len(buf)
	return buf, o.over, !o.closed
}

// wrote says how much of what was taken has been written, and lets clients go
// on if there is room again.
func (o *outgoing) wrote(n int) {
	o.mu.Lock()
	o.writing -= n
	var resumed []*gateway.Conn
	if len(o.buf)+o.writing <= o.bound/2 {
		resumed, o.stopped = o.stopped, nil
	}
	o.mu.Unlock()
	for _, c := range resumed {
		c.Resume()
	}
}

// close gives up what waits; clients that were stopped try again and find the end.
func (o *outgoing) close() {
	o.mu.Lock()
	o.closed, o.buf = true, nil
	resumed := o.stopped
	o.stopped = nil
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	for _, c := range resumed {
		c.Resume()
	}
}

func (o *outgoing) size() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) + o.writing
}
