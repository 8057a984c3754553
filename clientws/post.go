package clientws

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

const (
	// bodyGrace is how long a body may take whatever its size.
	bodyGrace = 15 * time.Second
	// bodyRate is how many bytes a second it must bring beyond that.
	bodyRate = 4 << 10
	// bodyChunk is how much of a body is read before its deadline moves.
	bodyChunk = 8 << 10
)

// boundBody limits the time for a body that nobody asked for: the HTTP server
// reads what is left of a body when the request is done.
func (c *call) boundBody() {
	if c.r.ContentLength != 0 {
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(bodyGrace))
	}
}

// servePost takes records from clients of the HTTP transports.
func (h *Handler) servePost(c *call) error {
	t, err := h.find(c)
	switch {
	case err != nil:
		return err
	case t.dead:
		return errEnded
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
	switch transport := conn.Transport().(type) {
	case *longPoll:
		return &transport.exchange
	case *eventStream:
		return &transport.exchange
	}
	return nil
}

// post feeds one body. The answer means that its records were taken; requests
// that overlap are served in the order in which they came.
func (x *exchange) post(c *call, conn *gateway.Conn) error {
	select {
	case x.feeding <- struct{}{}:
		defer func() { <-x.feeding }()
	case <-x.gone:
		return errEnded
	case <-c.r.Context().Done():
		return errBodyRead
	}
	body := postBuffers.Get().(*bytes.Buffer)
	defer returnPostBuffer(body)
	if err := c.readBody(body); err != nil {
		return err
	}
	if x.isGone() {
		return errEnded
	}
	c.end = conn.Close
	x.feed(conn, body.Bytes())
	writeText(c.w, http.StatusOK, "")
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
	body := postBuffers.Get().(*bytes.Buffer)
	defer returnPostBuffer(body)
	if err := c.readBody(body); err != nil {
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
	writeText(c.w, http.StatusOK, "")
	return nil
}

// readBody reads the request's body, at most Limits.PostBytes and not slower
// than bodyRate.
func (c *call) readBody(dst *bytes.Buffer) error {
	limit := c.h.options.Limits().PostBytes
	if c.r.ContentLength > limit {
		return errBodySize
	}
	if c.r.ContentLength == 0 {
		return nil
	}
	rc := http.NewResponseController(c.w)
	body := http.MaxBytesReader(c.w.ResponseWriter, c.r.Body, limit)
	deadline := time.Now().Add(bodyGrace)
	for {
		_ = rc.SetReadDeadline(deadline.Add(time.Duration(dst.Len()) * time.Second / bodyRate))
		dst.Grow(bodyChunk)
		n, err := body.Read(dst.AvailableBuffer()[:bodyChunk])
		dst.Write(dst.AvailableBuffer()[:n])
		if err == nil {
			continue
		}
		if err = bodyError(err); err == nil {
			// Left in place where reading failed: the server reads what remains.
			_ = rc.SetReadDeadline(time.Time{})
		}
		return err
	}
}

// bodyError is nil at the body's ordinary end.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case err == io.EOF:
		return nil
	case errors.As(err, &tooLarge):
		return errBodySize
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errBodySlow
	}
	return errBodyRead
}
