package gatewaytest

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// life is what carries a client's connection. The transports differ in who ends
// it, and that is where the core is easily wrong:
//
//	transport          the client's records come    Conn.Ended, or Conn.Lost, is called
//	WebSockets         from the reader              by the reader, when it has come back from Conn.Feed
//	ServerSentEvents   from POST requests           by the GET request, which may be beside a POST in Conn.Feed
//	LongPolling        from POST requests           at once by whoever ends it
type life struct {
	// said is what the reader is to feed.
	said chan feeding
	// closed says that the socket or the request is no more.
	closed chan struct{}
	close  sync.Once
	cause  gateway.Cause
	// pumped says that the pump has ended.
	pumped chan struct{}
	// conn is there when Attach has returned; the transport may have ended before.
	conn atomic.Pointer[gateway.Conn]
}

type feeding struct {
	data []byte
	err  chan error
}

func (l *life) init() {
	l.said, l.closed, l.pumped = make(chan feeding), make(chan struct{}), make(chan struct{})
}

// begin starts the goroutines of the transport.
func (c *Client) begin(conn *gateway.Conn) {
	c.Conn = conn
	c.life.conn.Store(conn)
	select {
	case <-c.life.closed:
		c.leave(c.life.cause)
	default:
	}
	c.wg.Go(c.pump)
	if c.name == gateway.WebSockets {
		c.wg.Go(c.read)
	}
}

// Feed is the client saying something, one record if it returns. It returns what
// Conn.Feed or Conn.Record returned. A WebSocket that is gone does not listen.
func (c *Client) Feed(data []byte) error {
	if c.name != gateway.WebSockets {
		return c.feed(data)
	}
	f := feeding{data, make(chan error, 1)}
	select {
	case c.life.said <- f:
		return <-f.err
	case <-c.life.closed:
		return errGone
	}
}

// errGone is what writes to a transport that has ended return.
var errGone = errors.New("gatewaytest: the transport is gone")

// read is the reader of a WebSocket.
func (c *Client) read() {
	for {
		select {
		case f := <-c.life.said:
			f.err <- c.feed(f.data)
		case <-c.life.closed:
			<-c.life.pumped
			c.ended(c.Conn)
			return
		}
	}
}

// feed ends the transport if it panics, as real ones do.
func (c *Client) feed(data []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errGone
			c.leave(gateway.Cause{Reason: gateway.CloseServiceTransientError})
		}
	}()
	if c.manner != nil {
		return c.Conn.Record(data)
	}
	if c.numbers {
		return c.Conn.FeedFor(c, data)
	}
	return c.Conn.Feed(data)
}

// Leave is the client going away without a word.
func (c *Client) Leave() { c.leave(gateway.Cause{Reason: gateway.CloseNormal}) }

// leave ends the transport. The first cause counts.
func (c *Client) leave(cause gateway.Cause) {
	c.life.close.Do(func() {
		c.life.cause = cause
		close(c.life.closed)
	})
	if conn := c.life.conn.Load(); conn != nil && c.name == gateway.LongPolling {
		c.ended(conn)
	}
}

// ended says that the transport is no more.
func (c *Client) ended(conn *gateway.Conn) {
	if c.manner != nil || c.numbers {
		conn.Lost(c, c.life.cause)
		return
	}
	conn.Ended(c.life.cause)
}

// Name implements gateway.Transport.
func (c *Client) Name() string { return c.name }

// Abilities implements gateway.Transport.
func (c *Client) Abilities() gateway.Abilities {
	returns := c.manner != nil
	switch c.name {
	case gateway.LongPolling:
		return gateway.Abilities{Polled: true, Returns: returns}
	case gateway.ServerSentEvents:
		return gateway.Abilities{TextOnly: true, EarliestClose: time.Second, Returns: returns}
	}
	return gateway.Abilities{Returns: returns, Numbers: c.numbers}
}

// Wake implements gateway.Transport.
func (c *Client) Wake() {
	c.mu.Lock()
	if c.pumping.inside && !c.pumping.paused {
		c.broken = append(c.broken, "the pump was woken while it was writing: another would have been started")
	}
	c.mu.Unlock()
	c.signal()
}

func (c *Client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Abort implements gateway.Transport.
func (c *Client) Abort(cause gateway.Cause) {
	c.mu.Lock()
	if c.heard.aborted == nil {
		c.heard.aborted = &cause
	}
	c.notifyLocked()
	c.mu.Unlock()
	c.leave(cause)
}

// pump is the writing goroutine, and for Server-Sent Events the GET request.
func (c *Client) pump() {
	defer close(c.life.pumped)
	for c.awake() {
		var b gateway.Batch
		for c.take(&b) {
			err := c.write(&b)
			c.Conn.Wrote(&b, err)
			if b.End != nil {
				c.leave(*b.End)
			} else if err != nil {
				c.Leave()
			}
		}
	}
	if c.name == gateway.ServerSentEvents {
		c.ended(c.Conn)
	}
}

func (c *Client) take(b *gateway.Batch) bool {
	if c.manner != nil || c.numbers {
		return c.Conn.TakeFor(c, b, 64<<10)
	}
	return c.Conn.Take(b, 64<<10)
}

// awake waits until there may be something to take. False is the end.
func (c *Client) awake() bool {
	for {
		select {
		case <-c.life.closed:
			return false
		case <-c.wake:
		}
		c.mu.Lock()
		stalled := c.pumping.stalled
		c.mu.Unlock()
		if !stalled {
			return true
		}
	}
}

// write keeps a batch, after a while if the client is held.
func (c *Client) write(b *gateway.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pumping.inside = true
	for c.pumping.hold {
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-c.life.closed:
			c.mu.Lock()
			c.pumping.inside = false
			return errGone
		}
		c.mu.Lock()
	}
	c.pumping.inside = false
	c.takeRawLocked()
	c.streamLocked(string(b.Tail))
	for i, r := range b.Records {
		if i == c.pumping.cut-1 {
			break
		}
		c.heard.got = append(c.heard.got, string(r.Bytes))
	}
	if c.pumping.cut > 0 {
		c.notifyLocked()
		return errGone
	}
	if b.End != nil {
		c.heard.end = b.End
	}
	c.notifyLocked()
	return nil
}

// streamLocked keeps bytes of a raw client's socket, divided into JSON records.
func (c *Client) streamLocked(text string) {
	for len(text) > 0 {
		n := strings.IndexByte(text, hubprotocol.RecordSeparator) + 1
		whole := n > 0
		if !whole {
			n = len(text)
		}
		if c.heard.partial {
			c.heard.got[len(c.heard.got)-1] += text[:n]
		} else {
			c.heard.got = append(c.heard.got, text[:n])
		}
		c.heard.partial, text = !whole, text[n:]
	}
}
