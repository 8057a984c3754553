package servermode

import (
	"bytes"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// held keeps records of a client for its next hub server.
type held struct {
	records []heldRecord
	bytes   int
	// ids are those of the held invocations, and of the streams that are their arguments.
	ids map[string]struct{}
}

type heldRecord struct {
	frame []byte
	call  string // the id of an invocation that wants an answer, else ""
}

// maxHeld is how many bytes of held records this node keeps. Above it, the clients concerned are not
// read.
const maxHeld = 64 << 20

// hold keeps a record for the next hub server. False means that there is no room.
func (s *session) hold(h *held, r *gateway.Record) (taken bool) {
	size := len(r.Frame)
	if h.bytes > 0 && h.bytes+size > s.b.opts.Limits().HeldBytes {
		return false
	}
	if total := s.b.held.Add(int64(size)); total > maxHeld {
		s.b.held.Add(-int64(size))
		return false
	}
	rec := heldRecord{frame: bytes.Clone(r.Frame)}
	if r.Type == hubprotocol.Invocation || r.Type == hubprotocol.StreamInvocation {
		if r.HasID {
			rec.call = plainID(s.conn.Protocol(), r.InvocationID, r.Body)
		}
		h.note(s.conn.Protocol(), r)
	}
	h.records = append(h.records, rec)
	h.bytes += size
	s.calls.withdraw(callHeld)
	return true
}

// note remembers the ids that later records may refer to, as they are written in the record.
func (h *held) note(protocol string, r *gateway.Record) {
	if h.ids == nil {
		h.ids = make(map[string]struct{})
	}
	if r.HasID {
		h.ids[string(r.InvocationID)] = struct{}{}
	}
	if parsed, err := hubprotocol.Parse(protocol, r.Body); err == nil {
		for _, id := range parsed.StreamIDs {
			h.ids[id] = struct{}{}
		}
	}
}

// refersTo reports whether the record refers to a held invocation or to one of its streams.
func (h *held) refersTo(r *gateway.Record) bool {
	if len(h.ids) == 0 {
		return false
	}
	_, ok := h.ids[string(r.InvocationID)]
	return ok
}

// take removes and returns all records.
func (h *held) take(b *Backend) []heldRecord {
	records := h.records
	b.held.Add(-int64(h.bytes))
	*h = held{}
	return records
}

// release sends held records to the client's hub server and resumes the client's reader.
func (s *session) release(records []heldRecord) {
	for _, r := range records {
		s.server.forward(s, r.frame)
		if r.call != "" {
			s.calls.add(openCall{id: r.call})
		}
	}
	s.conn.Resume()
}
