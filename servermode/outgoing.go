package servermode

import (
	"sync"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// outgoing is the queue of one server connection: encoded messages, which the writer takes all at
// once.
type outgoing struct {
	// bound is Limits.QueueBytes. It does not change.
	bound int
	// wake holds one signal for the writer: there is something to take.
	wake chan struct{}

	mu  sync.Mutex
	buf []byte
	// announced counts the bytes of buf that hand clients to the hub server. The gateway has chosen
	// their moment, so they do not mean that the hub server is slow.
	announced int
	// writing counts the bytes that the writer has taken and not written yet.
	writing int
	// stopped are the clients that are not read until there is room.
	stopped []*gateway.Conn
	// wanted: a client was refused for want of room. roomy is called when there is room.
	wanted bool
	roomy  func()
	// over: the queue has exceeded the bound that ends the connection.
	over bool
	// closed: the connection has ended, and nothing is taken from the queue.
	closed bool
}

const (
	// overflow times the bound, the connection is ended. Data of clients stops at the bound, but acks
	// and other answers do not.
	overflow = 4
	// crowded times the bound, the connection gets no client at all.
	crowded = 16
)

func (o *outgoing) init(bound int, roomy func()) {
	o.bound, o.roomy, o.wake = bound, roomy, make(chan struct{}, 1)
}

// put appends a message that no client has sent, such as a ping or an ack.
func (o *outgoing) put(m serviceprotocol.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.over {
		return
	}
	o.buf = m.Append(o.buf)
	o.signal()
}

// prepare appends the first message of the connection. It is sent by flush, or together with the
// next message.
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

// announce appends messages that hand a client to the hub server.
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

// takesClient reports whether there is room for another client. A paced client leaves half of the
// bound to the data of all others; if it is refused, roomy is called when it may be tried again.
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

// data appends a record of a client. False means that there is no room. The client is resumed when
// there is.
func (o *outgoing) data(c *gateway.Conn, id string, payload []byte) (taken bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return true // serverLost decides about the client
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

// take returns all bytes that wait and puts an empty buffer in their place. ok is false when the
// writer has to end.
func (o *outgoing) take(empty []byte) (buf []byte, over, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	buf, o.buf, o.announced = o.buf, empty, 0
	o.writing = len(buf)
	return buf, o.over, !o.closed
}

// wrote tells that n of the taken bytes have been written. If there is room again, stopped clients
// are resumed.
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

// close drops what waits and ends the writer. Stopped clients are resumed.
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
