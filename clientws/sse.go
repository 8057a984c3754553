package clientws

import (
	"net/http"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// eventStream is the Server-Sent Events transport: the GET that opened it lives
// as long as the connection.
type eventStream struct{ exchange }

// Name implements gateway.Transport.
func (*eventStream) Name() string { return gateway.ServerSentEvents }

// earlyClose is how long after its handshake answer a client cannot be sent a
// Close record. The JavaScript clients are then still waiting for the answer to
// their first POST, in another request: a Close record that overtakes it leaves
// them connected forever.
const earlyClose = time.Second

// Abilities implements gateway.Transport.
func (*eventStream) Abilities() gateway.Abilities {
	return gateway.Abilities{TextOnly: true, EarliestClose: earlyClose}
}

// acceptsEvents reports whether the request asks for Server-Sent Events, of
// which the Accept header is the only mark (C46).
func acceptsEvents(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for item := range strings.SplitSeq(line, ",") {
			kind, _, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(kind), "text/event-stream") {
				return true
			}
		}
	}
	return false
}

func (h *Handler) serveEvents(c *call) error {
	t, err := h.find(c)
	switch {
	case err != nil:
		return err
	case t.dead:
		return transport.ErrEnded
	case t.conn != nil:
		if t.conn.Transport().Name() == gateway.ServerSentEvents {
			return transport.ErrBusy
		}
		return errChange
	case t.elsewhere != "":
		return errChange
	case !c.claims.Transports.Allows(auth.TransportServerSentEvents):
		return transport.ErrNotOffered(gateway.ServerSentEvents)
	}
	s := new(eventStream)
	s.init(h, c.query.id, t.version0, c.token)
	conn, err := h.attach(c, t, s)
	if err != nil {
		return err
	}
	c.end = s.finish
	s.attached(conn)
	s.finish(s.run(c, conn))
	return nil
}

// preamble lets browsers fire onopen before there is any data (C42).
var preamble = []byte(":\r\n")

// run writes events until the connection ends and returns why.
func (s *eventStream) run(c *call, conn *gateway.Conn) gateway.Cause {
	transport.BeginEvents(c.w)
	if err := s.Write(c.w, preamble, s.h.sendTimeout()); err != nil {
		return transport.WriteFailed(err)
	}
	s.feedEarly(conn)
	var batch gateway.Batch
	for {
		for conn.Take(&batch, transport.BatchBytes) {
			err := s.writeEvent(c.w, batch.Records)
			conn.Wrote(&batch, err)
			if err != nil {
				return transport.WriteFailed(err)
			}
			if batch.End != nil {
				return *batch.End
			}
		}
		clear(batch.Records[:cap(batch.Records)]) // an idle client keeps no message alive
		select {
		case <-s.Woken():
		case <-s.Gone():
			return s.Cause()
		case <-c.r.Context().Done():
			return gateway.Cause{Reason: gateway.CloseNormal}
		}
	}
}

func (s *eventStream) writeEvent(w http.ResponseWriter, records []gateway.OutRecord) error {
	if len(records) == 0 {
		return nil
	}
	buffer := transport.BorrowBuffer()
	defer transport.ReturnBuffer(buffer)
	*buffer = transport.AppendEvent((*buffer)[:0], records)
	return s.Write(w, *buffer, s.h.sendTimeout())
}
