package servermode

import (
	"bytes"
	"encoding/json"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// deliver sends the data of a hub server to the client, cut into whole records. It returns what was
// not carried out, "" if everything was.
func (s *session) deliver(from hubServer, m *serviceprotocol.ConnectionData) Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deliverLocked(from, m)
}

func (s *session) deliverLocked(from hubServer, m *serviceprotocol.ConnectionData) Loss {
	former := s.move != nil && s.move.former == from
	switch {
	case s.state == stateClosed, s.server != from && !former:
		return "" // the client has just ended or moved
	case s.state == stateOpen && m.Kind == serviceprotocol.DataHandshake:
		return "" // the hub server that the client has moved to answers again (H75)
	}
	payload := m.Payload
	if s.incoming.repeats && !former {
		s.incoming.repeats = false
		// Older hub servers do not mark the answer as one.
		payload = bytes.TrimPrefix(payload, secondAnswer)
	}
	if s.state == stateOpening {
		if payload = s.answer(payload); len(payload) == 0 {
			return ""
		}
	}
	if isOpaque(s.conn.Protocol()) {
		if len(payload) > 0 {
			s.conn.SendTraced(bytes.Clone(payload), tracingText(m.TracingID))
		}
		return ""
	}
	partial := &s.incoming.partial
	if former {
		partial = &s.move.partial
	}
	data := append(*partial, payload...)
	*partial = nil
	rest, loss := s.records(data, said{former, tracingText(m.TracingID)})
	if s.state != stateClosed && len(rest) > 0 {
		// One of the records may have made the client move. The rest is then the former server's.
		if s.server != from && s.move != nil && s.move.former == from {
			partial = &s.move.partial
		}
		*partial = bytes.Clone(rest)
	}
	return loss
}

var secondAnswer = []byte("{}\x1e")

// answer takes the hub server's answer to the handshake off the payload. It opens or refuses the
// client (H35, H36), and returns what follows.
func (s *session) answer(payload []byte) (rest []byte) {
	limit := s.b.opts.Limits().MessageBytes
	data := append(s.incoming.partial, payload...)
	record, rest, err := hubprotocol.CutHandshake(data, limit)
	s.incoming.partial = nil
	if err == nil && record == nil {
		s.incoming.partial = data
		return nil
	}
	var answer struct {
		Error *string `json:"error"`
	}
	if err != nil || json.Unmarshal(record, &answer) != nil {
		s.finish(gateway.Cause{Reason: gateway.CloseHandshakeError,
			Text: "The hub server's answer to the handshake is not valid."}, true)
		return nil
	}
	if answer.Error != nil && *answer.Error != "" {
		// The hub server does not have to be told: it closes the client next.
		s.finish(gateway.Cause{Reason: gateway.CloseHandshakeError, Text: *answer.Error}, false)
		return nil
	}
	s.state = stateOpen
	if protocol := s.conn.Protocol(); isOpaque(protocol) {
		s.b.hubs.useProtocol(s.hub(), protocol, s.b.now())
	}
	frame := data[: len(data)-len(rest) : len(data)-len(rest)]
	s.conn.Open(bytes.Clone(frame))
	if s.server.migrates() {
		s.beginMove()
	}
	return rest
}

// said is what is known of data from a hub server: whether it is the former one, and the tracing id of what it says.
type said struct {
	former bool
	trace  string
}

// records sends each whole record of data and returns what follows the last. The memory of data
// belongs to the client's queue from here on.
func (s *session) records(data []byte, by said) (rest []byte, loss Loss) {
	protocol := s.conn.Protocol()
	limit := s.b.opts.Limits().MessageBytes
	for len(data) > 0 {
		frame, body, rest, err := hubprotocol.Cut(protocol, data, limit)
		if err != nil {
			s.finish(gateway.Cause{Reason: gateway.CloseClosedByAppServer,
				Text: "The hub server sent a malformed record."}, true)
			return nil, LossMalformedRecord
		}
		if frame == nil {
			return data, loss
		}
		if l := s.record(protocol, frame, body, by); l != "" {
			loss = l
		}
		if s.state == stateClosed {
			return nil, loss
		}
		data = rest
	}
	return nil, loss
}

// record sends one record to the client.
func (s *session) record(protocol string, frame, body []byte, by said) Loss {
	p, err := hubprotocol.Peek(protocol, body)
	if err != nil {
		return LossMalformedRecord
	}
	switch p.Type {
	case hubprotocol.Ping:
		s.conn.SendControl(frame)
	case hubprotocol.Ack, hubprotocol.Sequence:
		// They are between a client and the gateway, which numbers what all senders send.
	case hubprotocol.Close:
		s.incoming.closed = true
		s.conn.SendControl(frame)
	case hubprotocol.StreamItem, hubprotocol.Completion:
		if by.former {
			return LossLateCompletion // what was open there has been answered with an error
		}
		s.conn.SendTraced(frame, by.trace)
		if p.Type == hubprotocol.Completion {
			s.completed(protocol, &p, body)
		}
	default:
		s.conn.SendTraced(frame, by.trace)
	}
	return ""
}

// completed notes that an invocation was answered.
func (s *session) completed(protocol string, p *hubprotocol.Peeked, body []byte) {
	if !p.HasID {
		return
	}
	if call, ok := s.calls.removeRaw(protocol, p.InvocationID, body); ok {
		s.b.answered(&call)
		s.answered()
	}
}

// answered goes on with a move that has waited for the answers to the client's open invocations.
func (s *session) answered() {
	if s.move != nil && s.move.waits() && s.calls.empty() {
		s.finishMove()
	}
}

// isOpaque reports whether the gateway does not know the framing of the protocol.
func isOpaque(protocol string) bool {
	return protocol != hubprotocol.JSON && protocol != hubprotocol.MessagePack && protocol != hubprotocol.BlazorPack
}
