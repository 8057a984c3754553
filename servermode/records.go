package servermode

import (
	"bytes"
	"encoding/json"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// deliver brings what a hub server sent to the client: whole records, each by
// itself, as they are. It reports what was not carried out, "" if all was.
func (s *session) deliver(from hubServer, m *serviceprotocol.ConnectionData) Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	former := s.move != nil && s.move.former == from
	switch {
	case s.state == stateClosed, s.server != from && !former:
		return "" // it has just left or moved away
	case s.state == stateOpen && m.Kind == serviceprotocol.DataHandshake:
		return "" // a hub server that took the client over answers again (H75)
	}
	payload := m.Payload
	if s.incoming.repeats && !former {
		s.incoming.repeats = false
		// Older ones do not say so.
		payload = bytes.TrimPrefix(payload, secondAnswer)
	}
	if s.state == stateOpening {
		if payload = s.answer(payload); len(payload) == 0 {
			return ""
		}
	}
	if isOpaque(s.conn.Protocol()) {
		if len(payload) > 0 {
			s.conn.Send(bytes.Clone(payload))
		}
		return ""
	}
	partial := &s.incoming.partial
	if former {
		partial = &s.move.partial
	}
	data := append(*partial, payload...)
	*partial = nil
	rest, loss := s.records(data, former)
	if s.state != stateClosed && len(rest) > 0 {
		// The move may have begun with one of the records: what follows is the former's now.
		if s.server != from && s.move != nil && s.move.former == from {
			partial = &s.move.partial
		}
		*partial = bytes.Clone(rest)
	}
	return loss
}

var secondAnswer = []byte("{}\x1e")

// answer takes the hub server's answer to the handshake off the payload and
// opens the client, or refuses it (H35, H36). What follows is returned.
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
		s.finish(gateway.Cause{Reason: gateway.CloseHandshakeError, Text: "The hub server's answer to the handshake is not valid."}, true)
		return nil
	}
	if answer.Error != nil && *answer.Error != "" {
		// The hub server closes the client itself.
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

// records sends each whole record of data, which is the client's own from here on, and returns the
// beginning of the one that has not ended.
func (s *session) records(data []byte, former bool) (rest []byte, loss Loss) {
	protocol := s.conn.Protocol()
	limit := s.b.opts.Limits().MessageBytes
	for len(data) > 0 {
		frame, body, rest, err := hubprotocol.Cut(protocol, data, limit)
		if err != nil {
			s.finish(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "The hub server sent a malformed record."}, true)
			return nil, LossMalformedRecord
		}
		if frame == nil {
			return data, loss
		}
		if l := s.record(protocol, frame, body, former); l != "" {
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
func (s *session) record(protocol string, frame, body []byte, former bool) Loss {
	p, err := hubprotocol.Peek(protocol, body)
	if err != nil {
		return LossMalformedRecord
	}
	switch p.Type {
	case hubprotocol.Ping:
		s.conn.SendControl(frame)
	case hubprotocol.Close:
		s.incoming.closed = true
		s.conn.SendControl(frame)
	case hubprotocol.StreamItem, hubprotocol.Completion:
		if former {
			return LossLateCompletion // all that was open there has been answered
		}
		s.conn.Send(frame)
		if p.Type == hubprotocol.Completion {
			s.completed(protocol, &p, body)
		}
	default:
		s.conn.Send(frame)
	}
	return ""
}

// completed notes that an invocation has its answer; a move may wait for it.
func (s *session) completed(protocol string, p *hubprotocol.Peeked, body []byte) {
	if !p.HasID || !s.calls.removeRaw(protocol, p.InvocationID, body) {
		return
	}
	if s.move != nil && s.move.waits() && s.calls.empty() {
		s.finishMove()
	}
}

// isOpaque reports whether nothing is known of the protocol's framing.
func isOpaque(protocol string) bool {
	return protocol != hubprotocol.JSON && protocol != hubprotocol.MessagePack && protocol != hubprotocol.BlazorPack
}
