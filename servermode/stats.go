package servermode

import "github.com/hubgate/hubgate/serviceprotocol"

// Stats are a Backend's counters at one moment.
type Stats struct {
	// Opened counts handshaken server connections since the start, Ended those
	// that ended, Refused those that were not let in.
	Opened  uint64
	Ended   map[End]uint64
	Refused map[Refusal]uint64
	Lost    map[Loss]uint64
	// Migrated counts clients that moved to another hub server when theirs asked
	// for it, Recovered those that moved because it was lost.
	Migrated, Recovered uint64
	// BytesIn, MessagesIn and BytesOut are those of server connections.
	BytesIn, MessagesIn, BytesOut uint64
	// Panics counts the faults of the gateway that it survived. Each ended at most one connection.
	Panics uint64
	// Hubs are those with hub servers or with clients that wait for one.
	Hubs []HubStats
}

// HubStats are one hub's server connections.
type HubStats struct {
	Hub string
	// Default, OnDemand and Weak count server connections by kind, Draining
	// those of them that get no new clients.
	Default, OnDemand, Weak, Draining int
	// Clients are those on server connections, Waiting those that wait for one.
	Clients, Waiting int
	// QueuedBytes wait for hub servers.
	QueuedBytes int
}

// Stats takes a snapshot. Hubs are in no particular order.
func (b *Backend) Stats() Stats {
	c := b.counts
	s := Stats{
		Opened: c.opened.Load(), Ended: c.ended.Map(), Refused: c.refused.Map(), Lost: c.lost.Map(),
		Migrated: c.migrated.Load(), Recovered: c.recovered.Load(),
		BytesIn: c.bytesIn.Load(), MessagesIn: c.messagesIn.Load(), BytesOut: c.bytesOut.Load(), Panics: c.panics.Load(),
	}
	for _, h := range b.hubs.all() {
		s.Hubs = append(s.Hubs, h.stats())
	}
	return s
}

func (h *hub) stats() HubStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := HubStats{Hub: h.key, Waiting: len(h.waiting)}
	for _, sc := range h.servers {
		switch sc.peer.kind {
		case serviceprotocol.KindDefault:
			s.Default++
		case serviceprotocol.KindOnDemand:
			s.OnDemand++
		default:
			s.Weak++
		}
		if sc.draining() {
			s.Draining++
		}
		s.Clients += sc.clients.count()
		s.QueuedBytes += sc.out.size()
	}
	return s
}
