package admin

import (
	"maps"
	"slices"
)

// Servers are the connections of hub servers. Stats may be called
// concurrently; what it returns is the caller's.
type Servers interface {
	Stats() ServerStats
}

// ServerStats are counters of hub servers at one moment. The keys of its maps
// come from closed lists.
type ServerStats struct {
	// Opened counts server connections since the start, Closed those that ended
	// by reason, Refused those that were not let in, Lost what was not carried out.
	Opened                uint64
	Closed, Refused, Lost map[string]uint64
	// Migrated counts clients that moved from a hub server that asked for it,
	// Recovered those that moved from one that was lost.
	Migrated, Recovered           uint64
	BytesIn, MessagesIn, BytesOut uint64
	Panics                        uint64
	Hubs                          []ServerHubStats
}

// ServerHubStats are the server connections of one hub.
type ServerHubStats struct {
	Hub string
	// ByKind counts server connections: Default, OnDemand, Weak.
	ByKind map[string]int
	// Leaving are server connections that get no new clients.
	Leaving int
	// Clients are those on server connections, Waiting those that wait for one.
	Clients, Waiting int
	QueuedBytes      int
}

// WatchServers makes v the hub servers that are shown, and shows how long they take. It is called once.
func (a *Admin) WatchServers(v Servers) {
	a.registry.MustRegister(a.Metrics.serverPing, a.Metrics.serverCall)
	a.node.watchServers(v)
}

var (
	descServers        = desc("server_connections", "Live connections of hub servers, by hub and kind.", "hub", "kind")
	descServersLeaving = desc("server_connections_leaving", "Server connections that get no new clients because their hub server leaves.", "hub")
	descServerClients  = desc("server_clients", "Clients that hub servers have.", "hub")
	descServerWaiting  = desc("server_clients_waiting", "Clients whose hub server was lost and that wait for another one.", "hub")
	descServerQueued   = desc("server_queued_bytes", "Bytes that wait for hub servers.", "hub")

	descServersOpened  = desc("server_connections_opened_total", "Server connections since the start.")
	descServersClosed  = desc("server_connections_closed_total", "Server connections that ended, by reason.", "reason")
	descServersRefused = desc("server_connections_refused_total", "Server connections that were not let in, by reason.", "reason")
	descServerLost     = desc("server_losses_total", "What was not carried out between hub servers and clients, by reason.", "reason")
	descServerMoves    = desc("server_client_moves_total", "Clients that moved to another hub server: theirs asked for it (migration), or was lost (recovery).", "cause")
	descServerMessages = desc("server_messages_received_total", "Messages from hub servers.")
	descServerBytesIn  = desc("server_received_bytes_total", "Bytes from hub servers.")
	descServerBytesOut = desc("server_sent_bytes_total", "Bytes to hub servers.")
)

func (s sink) servers(v ServerStats) {
	s.counter(descServersOpened, float64(v.Opened))
	for reason, count := range v.Closed {
		s.counter(descServersClosed, float64(count), reason)
	}
	for reason, count := range v.Refused {
		s.counter(descServersRefused, float64(count), reason)
	}
	for reason, count := range v.Lost {
		s.counter(descServerLost, float64(count), reason)
	}
	s.counter(descServerMoves, float64(v.Migrated), "migration")
	s.counter(descServerMoves, float64(v.Recovered), "recovery")
	s.counter(descServerMessages, float64(v.MessagesIn))
	s.counter(descServerBytesIn, float64(v.BytesIn))
	s.counter(descServerBytesOut, float64(v.BytesOut))
	s.counter(descPanics, float64(v.Panics), "servermode")
	for _, h := range v.Hubs {
		for kind, count := range h.ByKind {
			s.gauge(descServers, float64(count), h.Hub, kind)
		}
		s.gauge(descServersLeaving, float64(h.Leaving), h.Hub)
		s.gauge(descServerClients, float64(h.Clients), h.Hub)
		s.gauge(descServerWaiting, float64(h.Waiting), h.Hub)
		s.gauge(descServerQueued, float64(h.QueuedBytes), h.Hub)
	}
}

// boundedServers returns the hubs with all those made one that are not named.
func boundedServers(hubs []ServerHubStats, named map[string]bool) []ServerHubStats {
	var list []ServerHubStats
	others := make(map[string]ServerHubStats)
	for _, h := range hubs {
		if named[h.Hub] {
			list = append(list, h)
			continue
		}
		name := otherLike(h.Hub)
		other, ok := others[name]
		if !ok {
			other = ServerHubStats{Hub: name, ByKind: make(map[string]int)}
		}
		for kind, count := range h.ByKind {
			other.ByKind[kind] += count
		}
		other.Leaving += h.Leaving
		other.Clients += h.Clients
		other.Waiting += h.Waiting
		other.QueuedBytes += h.QueuedBytes
		others[name] = other
	}
	return slices.AppendSeq(list, maps.Values(others))
}
