package clientaspnet

import (
	"errors"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// opening is a request for a transport of a connection.
type opening struct {
	*call
	given given
	// client is nil for a new connection.
	client *client
	// cursor and first are those of gateway.Conn.Replace.
	cursor string
	first  []byte
	// refusal is the only frame that the client gets, instead of a connection.
	refusal []byte
}

// connect makes the connection, or gives it another transport: a client that gets no first frame
// tries its transports one after the other, with the same connection token.
func (h *Handler) connect(c *call) error {
	if done, err := c.admit(); done || err != nil {
		return err
	}
	given, way, err := c.read()
	if err != nil {
		return err
	}
	if err := way.offered(c.claims); err != nil {
		return err
	}
	if err := c.checkHubs(); err != nil {
		return err
	}
	o := opening{call: c, given: given, cursor: aspnetprotocol.NoCursor, first: aspnetprotocol.Init}
	if o.client, err = h.target(c, given); err != nil {
		return err
	}
	if err = o.open(way); !errors.Is(err, transport.ErrBusy) {
		return err
	}
	// Another request of the client has made the connection meanwhile.
	if o.client, err = h.target(c, given); err != nil {
		return err
	}
	return o.open(way)
}

// target returns the client whose transport the request brings, nil for a new connection.
func (h *Handler) target(c *call, given given) (*client, error) {
	if client, _ := h.find(given.id); client != nil {
		client.tokens.Used(c.token)
		return client, nil
	}
	_, ended := h.options.Gateway.Lookup(given.id)
	switch {
	case ended:
		return nil, transport.ErrEnded
	case h.options.Now().After(given.expires), h.owner(c) != "", h.former(given.id):
		return nil, transport.ErrUnknown
	case h.options.Serverless(c.claims.Application):
		return nil, errServerless
	}
	return nil, nil
}

// reconnect gives a connection another transport. A client whose connection is no more would try again
// for half a minute if it was refused; so it is let in and told.
func (h *Handler) reconnect(c *call) error {
	done, err := c.admit()
	var bad *auth.TokenError
	switch {
	case done:
		return nil
	case errors.As(err, &bad) && bad.Failure == auth.TokenExpired:
		// The connection that outlives the token is not here (vouch).
		return h.tellGone(c, err)
	case err != nil:
		return err
	}
	given, way, err := c.read()
	if err != nil && !errors.Is(err, errToken) {
		return err
	}
	if err := way.offered(c.claims); err != nil {
		return err
	}
	o := opening{call: c, given: given, cursor: c.values.messageID.text}
	if err == nil {
		o.client, _ = h.find(given.id)
	}
	if o.client == nil {
		h.refuser.Note(c.r, h.absent(given, err), c.key, c.remote())
		o.refusal = lastFrame(goneText)
	} else {
		o.client.tokens.Used(c.token)
	}
	return o.open(way)
}

// tellGone is reconnect for a client of which nothing is known but that its token was good.
func (h *Handler) tellGone(c *call, why error) error {
	if err := c.readForm(); err != nil {
		return err
	}
	way, err := wayOf(c.values.transport.text)
	if err != nil {
		return err
	}
	h.refuser.Note(c.r, why, c.key, c.remote())
	o := opening{call: c, refusal: lastFrame(goneText)}
	return o.open(way)
}

// replace puts the transport in the place of the client's present one. refusal is all that the client
// gets if that is not possible.
func (o *opening) replace(t gateway.Transport) (refusal []byte) {
	if refusal = o.client.replace(t, o.cursor, o.first); refusal != nil {
		o.h.refuser.Note(o.r, transport.ErrEnded, o.key, o.remote())
	}
	return refusal
}

// framesOf is how a client is told a refusal: one that has heard no beginning does not understand an end.
func (o *opening) framesOf(refusal []byte) [][]byte {
	if o.command == "connect" {
		return [][]byte{aspnetprotocol.Init, refusal}
	}
	return [][]byte{refusal}
}

// absent is why there is no client for the request. bad is what was wrong with its connection token.
func (h *Handler) absent(given given, bad error) error {
	if bad != nil {
		return bad
	}
	if _, ended := h.options.Gateway.Lookup(given.id); ended {
		return transport.ErrEnded
	}
	return transport.ErrUnknown
}

// open serves the transport.
func (o *opening) open(way way) error {
	switch way {
	case webSockets:
		return o.openSocket()
	case serverSentEvents:
		return o.openEvents()
	}
	return o.openPoll()
}

// attach makes the connection of a new client for its first transport. The client stays connecting until the
// caller has started it.
func (o *opening) attach(t gateway.Transport, cl *client) (*gateway.Conn, error) {
	conn, err := o.h.options.Gateway.Attach(o.identity(o.given.id, o.given.expires), t)
	if err != nil {
		return nil, transport.Admission(err)
	}
	o.h.options.Metrics.Opened(t.Name())
	cl.transports = o.claims.Transports
	cl.tokens.Used(o.token) // from now on transports are read
	cl.conn.Store(conn)
	return conn, nil
}
