package clientaspnet

import (
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// eventStream is the transport serverSentEvents: each frame is an event. It lives as long as its
// request.
type eventStream struct {
	transport.Stream
	*client
}

func newEventStream(cl *client) *eventStream {
	s := &eventStream{client: cl}
	s.Init()
	return s
}

func (s *eventStream) owner() *client { return s.client }

// Name implements gateway.Transport.
func (*eventStream) Name() string { return gateway.ServerSentEvents }

// Abilities implements gateway.Transport.
func (*eventStream) Abilities() gateway.Abilities {
	return gateway.Abilities{TextOnly: true, Returns: true}
}

// Manner implements gateway.MannerTransport.
func (s *eventStream) Manner() gateway.Manner { return manner{s.h} }

// Abort implements gateway.Transport.
func (s *eventStream) Abort(cause gateway.Cause) { s.finish(cause) }

// finish ends the transport. The first cause counts.
func (s *eventStream) finish(cause gateway.Cause) { s.lost(s, s.End(cause)) }

// openEvents answers a request for an event stream.
func (o *opening) openEvents() error {
	switch {
	case o.refusal != nil:
		o.refuseEvents(newEventStream(&client{h: o.h}), o.framesOf(o.refusal))
		return nil
	case o.client == nil:
		return o.newEvents()
	}
	s := newEventStream(o.client)
	o.end = s.finish
	if refusal := o.replace(s); refusal != nil {
		o.refuseEvents(s, o.framesOf(refusal))
		return nil
	}
	s.finish(s.run(o.call, o.client.conn.Load()))
	return nil
}

// newEvents makes a connection.
func (o *opening) newEvents() error {
	cl := &client{h: o.h}
	s := newEventStream(cl)
	conn, err := o.begin(s, cl)
	if err != nil {
		return err
	}
	o.end = s.finish
	s.finish(s.run(o.call, conn))
	return nil
}

// begin makes and starts the connection of a transport that is there already.
func (o *opening) begin(t gateway.Transport, cl *client) (*gateway.Conn, error) {
	cl.connecting.Lock()
	defer cl.connecting.Unlock()
	conn, err := o.attach(t, cl)
	if err != nil {
		return nil, err
	}
	o.end = func(cause gateway.Cause) { conn.Lost(t, cause) }
	_ = cl.start(conn) // a refusal is what the client is told next
	return conn, nil
}

// preamble is the first event, of which clients know that it is none.
var preamble = []byte("data: initialized\r\n\r\n")

// refuseEvents says some frames and ends.
func (o *opening) refuseEvents(s *eventStream, frames [][]byte) {
	transport.BeginEvents(o.w)
	events := append([]byte(nil), preamble...)
	for _, frame := range frames {
		events = transport.AppendEvent(events, []gateway.OutRecord{{Bytes: frame}})
	}
	_ = s.Write(o.w, events, o.h.sendTimeout()) // a client that is gone has heard of it
}

// run writes events until the transport ends and returns why.
func (s *eventStream) run(c *call, conn *gateway.Conn) gateway.Cause {
	transport.BeginEvents(c.w)
	if err := s.Write(c.w, preamble, s.h.sendTimeout()); err != nil {
		return transport.WriteFailed(err)
	}
	var batch gateway.Batch
	for {
		for conn.TakeFor(s, &batch, transport.BatchBytes) {
			err := s.writeEvents(c, batch.Records)
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

// writeEvents writes each record as an event of its own.
func (s *eventStream) writeEvents(c *call, records []gateway.OutRecord) error {
	if len(records) == 0 {
		return nil
	}
	buffer := transport.BorrowBuffer()
	defer transport.ReturnBuffer(buffer)
	events := (*buffer)[:0]
	for i := range records {
		if !records[i].Framed() { // what was meant for a WebSocket
			events = transport.AppendEvent(events, records[i:i+1])
		}
	}
	*buffer = events
	return s.Write(c.w, events, s.h.sendTimeout())
}
