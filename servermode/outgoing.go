package servermode

import (
	"sync"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// resumed is whoever sends no more until Resume is called: the connection of a client, or another
// node. Resume is called without locks, and needlessly sometimes.
type resumed interface{ Resume() }

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
	// stopped are whoever sends no more until there is room.
	stopped []resumed
	// emptying are channels that are closed when nothing waits any more.
	emptying []chan struct{}
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

// append appends messages that are encoded already, whatever waits. So does announce.
func (o *outgoing) append(bytes []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.appendLocked(bytes)
}

func (o *outgoing) appendLocked(bytes []byte) {
	if o.closed || o.over {
		return
	}
	o.buf = append(o.buf, bytes...)
	o.announced += len(bytes)
	o.signal()
}

// relay is append for data of another node's client. If the queue exceeds its bound then, both the
// client and its lane are stopped, and resumed when there is room.
func (o *outgoing) relay(bytes []byte, client, lane stoppable) (room bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.appendLocked(bytes)
	if o.closed || len(o.buf)+o.writing <= o.bound {
		return true
	}
	if client.stop() {
		o.stopped = append(o.stopped, client)
	}
	if lane.stop() {
		o.stopped = append(o.stopped, lane)
	}
	return false
}

// stoppable is somebody on another node who can be told to send no more.
type stoppable interface {
	resumed
	// stop returns false if it waits for Resume already. It is called with the lock of the queue
	// held.
	stop() bool
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

// data appends a record of a client, with its tracing id, 0 for none. False means that there is no room. The client is resumed when
// there is.
func (o *outgoing) data(c resumed, id string, payload []byte, tracing uint64) (taken bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false // serverLost decides about the client, and resumes it
	}
	if held := len(o.buf) + o.writing; held > 0 && held+len(payload) > o.bound {
		o.stopped = append(o.stopped, c)
		return false
	}
	m := serviceprotocol.ConnectionData{ConnectionID: id, Payload: payload, TracingID: tracing}
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
	var list []resumed
	held := len(o.buf) + o.writing
	if held <= o.bound/2 {
		list, o.stopped = o.stopped, nil
	}
	roomy := o.wanted && held <= o.bound/4
	if roomy {
		o.wanted = false
	}
	if held == 0 {
		o.tellEmptyLocked()
	}
	o.mu.Unlock()
	if roomy {
		o.roomy()
	}
	for _, c := range list {
		c.Resume()
	}
}

// emptied returns a channel that is closed when nothing waits to be written, or nothing will be written any more.
func (o *outgoing) emptied() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	empty := make(chan struct{})
	o.emptying = append(o.emptying, empty)
	if o.closed || len(o.buf)+o.writing == 0 {
		o.tellEmptyLocked()
	}
	return empty
}

func (o *outgoing) tellEmptyLocked() {
	for _, empty := range o.emptying {
		close(empty)
	}
	o.emptying = nil
}

// close drops what waits and ends the writer. Stopped clients are resumed.
func (o *outgoing) close() {
	o.mu.Lock()
	o.closed, o.buf = true, nil
	list := o.stopped
	o.stopped = nil
	o.tellEmptyLocked()
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	for _, c := range list {
		c.Resume()
	}
}

func (o *outgoing) size() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) + o.writing
}
