package clientws

import (
	"net/http"
	"strconv"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// longPoll is the long-polling transport (section 2.4 of the client
// compatibility table). At most one poll is served at a time; while there is
// none, the core counts the time (C58).
type longPoll struct {
	exchange
	// interval is how long a poll without data is held; 0 means the configured time.
	interval time.Duration

	polls transport.Polls

	// The rest belongs to the poll that is being served.

	// started: the first poll has been answered.
	started bool
	// shaken: the handshake answer has left, or a refusal in its place.
	shaken bool
	// farewell: the Close record has left, and what remains to be said is 204.
	farewell bool
}

// Name implements gateway.Transport.
func (*longPoll) Name() string { return gateway.LongPolling }

// Abilities implements gateway.Transport.
func (*longPoll) Abilities() gateway.Abilities { return gateway.Abilities{Polled: true} }

func (h *Handler) servePoll(c *call) error {
	t, err := h.find(c)
	if err != nil {
		return err
	}
	if t.elsewhere != "" {
		return errChange // only WebSockets are elsewhere
	}
	if t.conn == nil {
		if t.conn, err = h.attachPoll(c, t); err != nil {
			return err
		}
	}
	l, ok := t.conn.Transport().(*longPoll)
	switch {
	case ok:
		c.end = l.finish
		l.serve(c, t.conn)
		return nil
	case t.dead:
		return transport.ErrEnded
	}
	return errChange
}

func (h *Handler) attachPoll(c *call, t target) (*gateway.Conn, error) {
	if !c.claims.Transports.Allows(auth.TransportLongPolling) {
		return nil, transport.ErrNotOffered(gateway.LongPolling)
	}
	l := &longPoll{interval: c.claims.LongPollInterval}
	l.init(h, c.query.id, t.version0, c.token)
	conn, err := h.attach(c, t, l)
	if err != nil {
		return nil, err
	}
	l.attached(conn)
	l.feedEarly(conn)
	return conn, nil
}

// serve answers one poll.
func (l *longPoll) serve(c *call, conn *gateway.Conn) {
	p := l.polls.Enter(conn.Attached)
	defer l.polls.Leave(p, conn.Detached)
	switch {
	case l.IsGone(), p.IsSuperseded():
		l.answer(c, http.StatusNoContent, "", nil)
	case l.farewell:
		l.answer(c, http.StatusNoContent, "", nil)
		l.finish(gateway.Cause{Reason: gateway.CloseNormal})
	case !l.started:
		// At once, and 200: anything else leaves clients hanging (C51).
		l.started = true
		l.answer(c, http.StatusOK, "application/octet-stream", nil)
	default:
		l.hold(c, conn, p)
	}
}

// hold answers with data as soon as there is some, or empty after the interval.
func (l *longPoll) hold(c *call, conn *gateway.Conn, p *transport.Poll) {
	interval := l.interval
	if interval <= 0 {
		interval = l.h.options.Limits().LongPollInterval
	}
	timer := time.NewTimer(interval)
	defer timer.Stop()
	expired := timer.C
	// A read deadline would end the request as if the client had gone.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{})
	var batch gateway.Batch
	for {
		switch {
		case l.IsGone(), p.IsSuperseded():
			l.answer(c, http.StatusNoContent, "", nil)
			return
		case c.r.Context().Err() != nil:
			return // what would be taken now would be lost
		case conn.Take(&batch, transport.BatchBytes):
			l.deliver(c, conn, &batch)
			return
		}
		select {
		case <-l.Woken():
		case <-l.Gone():
		case <-p.Superseded():
		case <-c.r.Context().Done():
		case <-expired:
			if l.shaken {
				l.answer(c, http.StatusOK, "text/plain", nil)
				return
			}
			// An empty poll instead of the handshake answer breaks clients (C52);
			// the core's handshake timeout bounds the wait.
			expired = nil
		}
	}
}

// deliver answers a poll with a batch.
func (l *longPoll) deliver(c *call, conn *gateway.Conn, batch *gateway.Batch) {
	if len(batch.Records) == 0 { // the end, and nothing before it
		l.answer(c, http.StatusNoContent, "", nil)
		conn.Wrote(batch, nil)
		l.finish(*batch.End)
		return
	}
	l.shaken = true
	buffer := transport.BorrowBuffer()
	defer transport.ReturnBuffer(buffer)
	body := (*buffer)[:0]
	for _, r := range batch.Records {
		body = append(body, r.Bytes...)
	}
	*buffer = body
	err := l.answer(c, http.StatusOK, "application/octet-stream", body)
	conn.Wrote(batch, err)
	switch {
	case err != nil:
		// The records are gone; a client must not go on with a hole in its stream.
		l.finish(transport.WriteFailed(err))
	case batch.End != nil:
		l.farewell = true // if no further poll comes the core aborts
	}
}

// answer ends a poll's request.
func (l *longPoll) answer(c *call, status int, contentType string, body []byte) error {
	header := c.w.Header()
	if status != http.StatusNoContent {
		header.Set("Content-Type", contentType)
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(status)
	if len(body) == 0 {
		return nil
	}
	return l.Write(c.w, body, l.h.sendTimeout())
}

// serveDelete ends a long-polling connection at the client's wish (C57), also
// one that is ending anyway: such a client does not poll again.
func (h *Handler) serveDelete(c *call) error {
	t, err := h.find(c)
	if err != nil {
		return err
	}
	if t.conn == nil {
		return errDelete
	}
	l, ok := t.conn.Transport().(*longPoll)
	switch {
	case !ok && t.dead:
		return transport.ErrEnded
	case !ok:
		return errDelete
	}
	l.finish(gateway.Cause{Reason: gateway.CloseNormal})
	transport.WriteText(c.w, http.StatusAccepted, "")
	return nil
}
