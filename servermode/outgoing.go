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
	// announced is how much of buf the gateway itself has chosen the moment of: clients that are
	// handed to the hub server. It is no sign that the hub server is slow.
	announced int
	// writing is what the writer has taken and not written yet.
	writing int
	// stopped are clients that are not read from until there is room.
	stopped []*gateway.Conn
	// wanted: a client waits until there is room for it, and roomy is called then.
	wanted bool
	roomy  func()
	// over: the queue has passed the bound that ends the connection.
	over bool
	// closed: nobody takes anything any more.
	closed bool
}

const (
	// overflow is how many times the bound ends a connection: acks and other
	// answers are not held back by it.
	overflow = 4
	// crowded is how many times the bound may be announced before no client is added at all.
	crowded = 16
)

func (o *outgoing) init(bound int, roomy func()) {
	o.bound, o.roomy, o.wake = bound, roomy, make(chan struct{}, 1)
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

// prepare appends the first message; flush, or what is appended after it, sends it.
func (o *outgoing) prepare(m serviceprotocol.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = m.Append(o.buf)
}

// flush wakes the writer.
func (o *outgoing) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.signal()
}

// announce appends messages that belong to a client whose turn the gateway has chosen.
func (o *outgoing) announce(messages ...serviceprotocol.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.over {
		return
	}
	before := len(o.buf)
	for _, m := range messages {
		o.buf = m.Append(o.buf)
	}
	o.announced += len(o.buf) - before
	o.signal()
}

// takesClient reports whether a client may be announced. Paced ones keep half of the bound free
// for what all others have to say; somebody asks again when roomy was called.
func (o *outgoing) takesClient(paced bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	held := len(o.buf) + o.writing
	if !paced {
		return held <= crowded*o.bound
	}
	if held <= o.bound/2 {
		return true
	}
	o.wanted = true
	return false
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
	o.over = len(o.buf)-o.announced > overflow*o.bound
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take exchanges what waits for an empty buffer. False ends the writer.
func (o *outgoing) take(empty []byte) (buf []byte, over, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	buf, o.buf, o.announced = o.buf, empty, 0
	o.writing = len(buf)
	return buf, o.over, !o.closed
}

// wrote says how much of what was taken has been written, and lets clients go
// on if there is room again.
func (o *outgoing) wrote(n int) {
	o.mu.Lock()
	o.writing -= n
	var resumed []*gateway.Conn
	held := len(o.buf) + o.writing
	if held <= o.bound/2 {
		resumed, o.stopped = o.stopped, nil
	}
	roomy := o.wanted && held <= o.bound/4
	if roomy {
		o.wanted = false
	}
	o.mu.Unlock()
	if roomy {
		o.roomy()
	}
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
