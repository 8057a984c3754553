package servermode

import "github.com/hubgate/hubgate/serviceprotocol"

// Stats are a Backend's counters at one moment.
type Stats struct {
	// Opened counts the server connections that were established, Ended those of them that have
	// ended, and Refused those that were never established. Lost counts what was not carried out.
	Opened  uint64
	Ended   map[End]uint64
	Refused map[Refusal]uint64
	Lost    map[Loss]uint64
	// Migrated counts the moves of clients whose hub server left, Recovered those of clients whose hub
	// server was lost.
	Migrated, Recovered uint64
	// BytesIn and MessagesIn came from hub servers, BytesOut went to them.
	BytesIn, MessagesIn, BytesOut uint64
	// Panics counts the faults of the gateway that it survived. Each ended at most one connection.
	Panics uint64
	// Hubs are the hubs with server connections or with clients that wait for one.
	Hubs []HubStats
}

// HubStats are one hub's server connections.
type HubStats struct {
	Hub string
	// Default, OnDemand and Weak count server connections by kind. Draining counts those that get no
	// new clients because their hub server leaves.
	Default, OnDemand, Weak, Draining int
	// Clients counts the clients on server connections, Waiting those that wait for one.
	Clients, Waiting int
	// QueuedBytes is how many bytes wait for the hub's server connections.
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
		if sc.peer.homes[0] != h.key {
			continue // it counts there
		}
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
