package clientaspnet

import (
	"errors"
	"net/http"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// start confirms that the client has got its first frame.
func (h *Handler) start(c *call) error {
	if done, err := c.admit(); done || err != nil {
		return err
	}
	// A client that polls may hear at the same time that its connection has ended, and why: that is what
	// stops it, not this request, of whose failure it would tell instead.
	if _, err := h.live(c); err != nil && !errors.Is(err, transport.ErrEnded) {
		return err
	}
	writeJSON(c.w, []byte(`{"Response":"started"}`))
	return nil
}

// live reads the request and returns its connection, which must not have ended.
func (h *Handler) live(c *call) (*gateway.Conn, error) {
	given, _, err := c.read()
	if err != nil {
		return nil, err
	}
	if client, conn := h.find(given.id); client != nil {
		client.tokens.Used(c.token)
		return conn, nil
	}
	if _, ended := h.options.Gateway.Lookup(given.id); ended {
		return nil, transport.ErrEnded
	}
	return nil, transport.ErrUnknown
}

// send takes one call of a client. What it is answered comes with the other frames.
func (h *Handler) send(c *call) error {
	if done, err := c.admit(); done || err != nil {
		return err
	}
	// Before the body is read: of the calls that wait for the application, one takes memory.
	release, err := h.takeTurn(c)
	if err != nil {
		return err
	}
	defer release()
	conn, err := h.live(c)
	if err != nil {
		return err
	}
	c.end = conn.Close
	switch err := say(conn, []byte(c.values.data.text)); {
	case errors.Is(err, errCall):
		return err
	case err != nil:
		return transport.ErrEnded
	}
	transport.WriteText(c.w, http.StatusOK, "")
	return nil
}

// takeTurn waits until no other request brings a call of the connection. Clients name that in the query.
func (h *Handler) takeTurn(c *call) (release func(), err error) {
	given, err := h.openToken(c.values.connectionToken.text)
	if err != nil {
		return func() {}, nil // an error, if the form does not know better
	}
	client, _ := h.find(given.id)
	if client == nil || !c.owns(given.owner) {
		return func() {}, nil
	}
	turns := client.turns()
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-c.r.Context().Done():
		return nil, transport.ErrBodyRead
	}
}

// abort ends a connection at the client's wish. Its transport ends behind what was sent before.
func (h *Handler) abort(c *call) error {
	if done, err := c.admit(); done || err != nil {
		return err
	}
	given, _, err := c.read()
	if err != nil {
		return err
	}
	if _, conn := h.find(given.id); conn != nil {
		h.aborted.add(conn.Identity().ID)
		cause := gateway.Cause{Reason: gateway.CloseNormal}
		conn.Close(cause)
		if l, ok := conn.Transport().(*pollTransport); ok {
			l.endIdle(cause)
		}
	}
	transport.WriteText(c.w, http.StatusOK, "")
	return nil
}
