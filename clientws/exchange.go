package clientws

import (
	"strings"
	"sync/atomic"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// exchange is what Server-Sent Events and long polling have in common: the
// client's records come by POST, and an HTTP request carries what it is sent.
type exchange struct {
	transport.Stream
	h *Handler
	// key is the id that requests carry; v0 says that it is the public one.
	key string
	v0  bool

	conn atomic.Pointer[gateway.Conn]
	// feeding holds a token while a POST is read and fed: they come one at a time.
	feeding chan struct{}
	// tokens stay good for the connection (see vouch).
	tokens transport.Tokens
}

// init prepares the transport of a connection whose requests carry the key; the
// first of them came with the token.
func (x *exchange) init(h *Handler, key string, version0 bool, token string) {
	x.Init()
	x.h, x.key, x.v0 = h, strings.Clone(key), version0
	x.feeding = make(chan struct{}, 1)
	x.tokens.Used(token)
}

// attached makes the connection known to the requests that follow.
func (x *exchange) attached(conn *gateway.Conn) {
	x.conn.Store(conn)
	x.h.posted.add(x.key, conn)
	if x.IsGone() {
		x.finish(x.Cause())
	}
}

func (x *exchange) negotiatedV0() bool { return x.v0 }

// Abort implements gateway.Transport.
func (x *exchange) Abort(cause gateway.Cause) { x.finish(cause) }

// finish ends the connection. The first cause counts.
func (x *exchange) finish(cause gateway.Cause) {
	cause = x.End(cause)
	if conn := x.conn.Load(); conn != nil {
		x.h.posted.remove(x.key)
		conn.Ended(cause)
	}
}

// feed hands over what was posted before the transport came (D5), then data.
// Its caller holds the feeding token.
func (x *exchange) feed(conn *gateway.Conn, data []byte) {
	// What Feed returns is the connection's end, which the client learns from
	// its transport: the POST itself was carried out.
	if early := x.h.pending.take(conn.Identity().ID); len(early) > 0 {
		_ = conn.Feed(early)
	}
	if len(data) > 0 {
		_ = conn.Feed(data)
	}
}

// feedEarly hands over what was posted before the transport came, if anything.
// It does not wait: feeding may have to, until the transport has written something.
func (x *exchange) feedEarly(conn *gateway.Conn) {
	if !x.h.pending.waits(conn.Identity().ID) || !x.h.sockets.Begin() {
		return
	}
	go func() {
		defer x.h.sockets.Done()
		defer x.recover(conn)
		select {
		case x.feeding <- struct{}{}:
			defer func() { <-x.feeding }()
			x.feed(conn, nil)
		case <-x.Gone():
		}
	}()
}

func (x *exchange) recover(conn *gateway.Conn) {
	if p := recover(); p != nil {
		x.h.panicked(p, conn.Logger())
		x.finish(transport.InternalCause)
	}
}
