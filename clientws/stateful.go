package clientws

import (
	"errors"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// Stateful reconnect (section 4 of the client compatibility table): a client that was granted it may
// lose its WebSocket and come back with another one, under the same connection token. The core numbers
// the records and gives them again; here is what becomes of its requests.

// stateful is what the WebSockets of one such connection share.
type stateful struct {
	// tokens stay good for the connection (see vouch).
	tokens transport.Tokens
}

// granted returns what a new connection has if its client was granted stateful reconnect, else nil.
func (t *target) granted(c *call) *stateful {
	if !t.stateful {
		return nil
	}
	s := new(stateful)
	s.tokens.Used(c.token)
	return s
}

// statefulOf returns what the connection's WebSocket shares with the next, nil if there is none.
func statefulOf(conn *gateway.Conn) *stateful {
	if ws, ok := conn.Transport().(*wsConn); ok {
		return ws.stateful
	}
	return nil
}

// tokensOf returns the access tokens that stay good for a connection, nil if none do.
func tokensOf(conn *gateway.Conn) *transport.Tokens {
	if x := exchangeOf(conn); x != nil {
		return &x.tokens
	}
	if s := statefulOf(conn); s != nil {
		return &s.tokens
	}
	return nil
}

// unverified returns the connection that the request's id stands for, if it belongs to the user that
// the access token names, which was not accepted. Whether the request may reach it is for the caller
// to find out.
func (h *Handler) unverified(c *call) *gateway.Conn {
	user, ok := h.options.Verifier.UnverifiedUser(c.token)
	if !ok || !c.query.hasID {
		return nil
	}
	id, _, err := h.options.Sealer.Open(c.query.id, c.hub, user)
	if err != nil {
		return nil
	}
	conn, _ := h.options.Gateway.Lookup(id)
	return conn
}

// mayReturn reports whether a connection may get another WebSocket now.
func mayReturn(conn *gateway.Conn) error { return returnRefusal(conn.MayReturn()) }

func returnRefusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gateway.ErrTooManyReturns):
		return errRedials
	case errors.Is(err, gateway.ErrConnectionExists):
		return transport.ErrBusy // its client has asked for version 1, or was not answered yet
	}
	return transport.ErrEnded
}

// replaceSocket gives a connection the WebSocket of the request, in the place of the one it has or has
// lost.
func (h *Handler) replaceSocket(c *call, conn *gateway.Conn) error {
	ws := newWSConn(h, false, statefulOf(conn))
	ws.conn = conn
	c.end = ws.Abandon
	unread, err := ws.Upgrade(c.w, c.r, h.sendTimeout)
	if err != nil {
		return err
	}
	if err := conn.Return(ws); err != nil {
		// It has ended in this moment. The client finds that out when it dials again.
		h.refuser.Note(c.r, returnRefusal(err), c.hub, c.remote())
		ws.Abandon(gateway.Cause{Reason: gateway.CloseNormal})
		return nil
	}
	ws.Start(nil, unread)
	return nil
}
