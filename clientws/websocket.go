package clientws

import (
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/transport"
)

// wsConn is the WebSocket transport: the bytes of its messages are the client's, wherever messages
// begin and end, and whatever their opcode (C31, C32).
type wsConn struct {
	transport.WebSocket
	h    *Handler
	conn *gateway.Conn
	v0   bool
	// stateful is what the sockets of one connection share, nil if its client was not granted stateful
	// reconnect.
	stateful *stateful
}

func newWSConn(h *Handler, version0 bool, s *stateful) *wsConn {
	t := &wsConn{h: h, v0: version0, stateful: s}
	t.Init(t)
	return t
}

// Abilities implements gateway.Transport.
func (t *wsConn) Abilities() gateway.Abilities {
	return gateway.Abilities{Numbers: t.stateful != nil}
}

func (t *wsConn) negotiatedV0() bool { return t.v0 }

// Framing implements gateway.DirectTransport: text for JSON and for what is
// said before a protocol is known, binary for all others (C29, C30).
func (t *wsConn) Framing() gateway.Framing {
	if protocol := t.conn.Protocol(); protocol != "" && hubprotocol.Binary(protocol) {
		return transport.Binary
	}
	return transport.Text
}

// What follows implements transport.Owner.

func (t *wsConn) Take(b *gateway.Batch, limit int) bool { return t.conn.TakeFor(t, b, limit) }
func (t *wsConn) Wrote(b *gateway.Batch, err error)     { t.conn.Wrote(b, err) }
func (t *wsConn) SendFrame(frame []byte)                { t.conn.SendFrameFor(t, frame) }
func (t *wsConn) Heard()                                { t.conn.HeardFor(t) }
func (t *wsConn) Close(cause gateway.Cause)             { t.conn.Close(cause) }
func (t *wsConn) Ended(cause gateway.Cause)             { t.conn.Lost(t, cause) }
func (t *wsConn) Gone()                                 { t.h.sockets.Done() }
func (t *wsConn) Panicked(p any)                        { t.h.panicked(p, t.conn.Logger()) }

func (t *wsConn) Received(m transport.Message) error {
	if len(m.Bytes) == 0 {
		return nil
	}
	return t.conn.FeedFor(t, m.Bytes)
}

// Left implements transport.Owner. A client that says goodbye does not come back.
func (t *wsConn) Left(cause gateway.Cause, _ bool) bool {
	if t.conn.Transport() != gateway.Transport(t) {
		return false
	}
	t.conn.Close(cause)
	return true
}

func (h *Handler) serveWebSocket(c *call) error {
	if h.cors.Refuses(c.r) {
		return transport.ErrOrigin
	}
	t, err := h.webSocketTarget(c)
	if err != nil {
		return err
	}
	if err := transport.CheckUpgrade(c.r, c.w.Header()); err != nil {
		return err
	}
	if t.elsewhere != "" {
		return h.fetch(c, t.id, t.elsewhere, nil)
	}
	if !h.sockets.Begin() {
		return transport.ErrDraining
	}
	if t.conn != nil {
		return h.replaceSocket(c, t.conn)
	}
	ws := newWSConn(h, t.version0, t.granted(c))
	// Attached before the upgrade is answered, so that a refusal has a status (C21, C35).
	if err := h.attachSocket(c, &t, ws); err != nil {
		h.sockets.Done()
		if t.elsewhere != "" && t.stateful {
			return h.fetch(c, t.id, t.elsewhere, nil)
		}
		return err
	}
	c.end = ws.Abandon
	early := t.posted
	if t.home == "" {
		early = h.pending.take(t.id)
	}
	unread, err := ws.Upgrade(c.w, c.r, h.sendTimeout)
	if err != nil {
		return err
	}
	ws.Start(early, unread)
	return nil
}

// attachSocket makes the connection, here and at the home of its id.
func (h *Handler) attachSocket(c *call, t *target, ws *wsConn) (err error) {
	if err := h.claim(c, t); err != nil {
		return err
	}
	if ws.conn, err = h.attach(c, *t, ws); err != nil {
		h.giveBack(t)
	}
	return err
}

// webSocketTarget finds out which connection to make, or to give another socket. Without an id the client
// has skipped negotiation (C23).
func (h *Handler) webSocketTarget(c *call) (target, error) {
	if !c.claims.Transports.Allows(auth.TransportWebSockets) {
		return target{}, transport.ErrNotOffered(gateway.WebSockets)
	}
	if !c.query.hasID {
		return target{id: h.mint.New(), expires: h.options.Now()}, nil
	}
	t, err := h.find(c)
	switch {
	case err == transport.ErrUnknown:
		if id, node := h.whereabouts(c, c.claims.UserID); node != "" {
			return target{id: id, foreign: foreign{elsewhere: node}}, nil
		}
		return target{}, err
	case err != nil:
		return target{}, err
	case t.dead:
		return target{}, transport.ErrEnded
	case t.elsewhere != "" && !t.stateful:
		return target{}, transport.ErrBusy
	case t.elsewhere != "":
		return t, nil
	case t.conn == nil:
		return t, nil
	case statefulOf(t.conn) != nil:
		return t, mayReturn(t.conn)
	case t.conn.Transport().Name() == gateway.WebSockets:
		return target{}, transport.ErrBusy
	}
	return target{}, errChange
}
