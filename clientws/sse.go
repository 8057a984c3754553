package clientws

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
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
		return errEnded
	case t.conn != nil:
		if t.conn.Transport().Name() == gateway.ServerSentEvents {
			return errBusy
		}
		return errChange
	case !c.claims.Transports.Allows(auth.TransportServerSentEvents):
		return errNotOffered(gateway.ServerSentEvents)
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
	header := c.w.Header()
	noStore(header)
	header.Del("Expires")
	header.Set("Content-Type", "text/event-stream")
	header.Set("Content-Encoding", "identity")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	// A read deadline would end the request as if the client had gone.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{})
	c.w.WriteHeader(http.StatusOK)
	if err := s.write(c.w, preamble); err != nil {
		return writeFailed(err)
	}
	s.feedEarly(conn)
	var batch gateway.Batch
	for {
		for conn.Take(&batch, batchBytes) {
			err := s.writeEvent(c.w, batch.Records)
			conn.Wrote(&batch, err)
			if err != nil {
				return writeFailed(err)
			}
			if batch.End != nil {
				return *batch.End
			}
		}
		clear(batch.Records[:cap(batch.Records)]) // an idle client keeps no message alive
		select {
		case <-s.wake:
		case <-s.gone:
			return s.cause
		case <-c.r.Context().Done():
			return gateway.Cause{Reason: gateway.CloseNormal}
		}
	}
}

func (s *eventStream) writeEvent(w http.ResponseWriter, records []gateway.OutRecord) error {
	if len(records) == 0 {
		return nil
	}
	buffer := borrowBuffer()
	defer returnBuffer(buffer)
	*buffer = appendEvent((*buffer)[:0], records)
	return s.write(w, *buffer)
}

// appendEvent appends one event that carries the records joined: a `data: `
// line for each of their lines, then an empty one. Some clients accept no other
// field, and the space is not optional for them (C43, C44).
func appendEvent(dst []byte, records []gateway.OutRecord) []byte {
	dst = append(dst, "data: "...)
	afterCR := false
	for _, r := range records {
		for b := r.Bytes; len(b) > 0; {
			if afterCR && b[0] == '\n' {
				b = b[1:] // CR LF is one line end, also across records
			}
			afterCR = false
			// A lone CR ends a line for browsers, so it must not get through either.
			end := bytes.IndexAny(b, "\r\n")
			if end < 0 {
				dst = append(dst, b...)
				break
			}
			dst = append(dst, b[:end]...)
			dst = append(dst, "\r\ndata: "...)
			afterCR = b[end] == '\r'
			b = b[end+1:]
		}
	}
	return append(dst, "\r\n\r\n"...)
}
