package clientws

import (
	"net/http"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// servePost takes records from clients of the HTTP transports.
func (h *Handler) servePost(c *call) error {
	t, err := h.find(c)
	switch {
	case err != nil:
		return err
	case t.dead:
		return transport.ErrEnded
	case t.elsewhere != "":
		return errPost // only WebSockets are elsewhere
	case t.conn == nil:
		return h.postEarly(c, t)
	}
	x := exchangeOf(t.conn)
	if x == nil {
		return errPost
	}
	return x.post(c, t.conn)
}

// exchangeOf returns the HTTP transport of a connection, nil for a WebSocket.
func exchangeOf(conn *gateway.Conn) *exchange {
	switch t := conn.Transport().(type) {
	case *longPoll:
		return &t.exchange
	case *eventStream:
		return &t.exchange
	}
	return nil
}

// post feeds one body. The answer means that its records were taken; requests
// that overlap are served in the order in which they came.
func (x *exchange) post(c *call, conn *gateway.Conn) error {
	select {
	case x.feeding <- struct{}{}:
		defer func() { <-x.feeding }()
	case <-x.Gone():
		return transport.ErrEnded
	case <-c.r.Context().Done():
		return transport.ErrBodyRead
	}
	body := transport.BorrowBody()
	defer transport.ReturnBody(body)
	if err := transport.ReadBody(body, c.w, c.r, x.h.options.Limits().PostBytes); err != nil {
		return err
	}
	if x.IsGone() {
		return transport.ErrEnded
	}
	c.end = conn.Close
	x.feed(conn, body.Bytes())
	transport.WriteText(c.w, http.StatusOK, "")
	return nil
}

// pendingOwner is whose share of the waiting data this request counts into. It
// shares no memory with the request.
func (c *call) pendingOwner() pendingOwner {
	if c.claims.UserID == "" {
		return pendingOwner{hub: c.hub, address: c.remote()}
	}
	return pendingOwner{hub: c.hub, user: c.claims.UserID}
}

// postEarly keeps a body until the id's transport comes (D5).
func (h *Handler) postEarly(c *call, t target) error {
	body := transport.BorrowBody()
	defer transport.ReturnBody(body)
	if err := transport.ReadBody(body, c.w, c.r, h.options.Limits().PostBytes); err != nil {
		return err
	}
	if err := h.pending.hold(t.id, c.pendingOwner(), t.expires, body.Bytes(), h.options.Limits().PostBytes); err != nil {
		return err
	}
	// The transport may have come while the body was read, and looked for data
	// before there was any.
	if conn, dead := h.options.Gateway.Lookup(t.id); conn != nil && !dead {
		if x := exchangeOf(conn); x != nil {
			x.feedEarly(conn)
		}
	}
	transport.WriteText(c.w, http.StatusOK, "")
	return nil
}
