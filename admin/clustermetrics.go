package admin

import "time"

// peerStates are those of a peer: series of hubgate_cluster_nodes from the start.
var peerStates = []string{"joining", "up", "suspect", "gone"}

var (
	descClusterNodes    = desc("cluster_nodes", "Other nodes that this one knows, by what it knows of them. Those that are up get messages.", "state")
	descClusterIsolated = desc("cluster_isolated", "1 while the node takes no clients because it cannot reach a node that others reach.")
	descClusterNames    = desc("cluster_names", "Hubs, groups, users and connections for which others send to this node.")
	descClusterLate     = desc("cluster_late_announcements_total", "Announcements that did not wait for a node any longer, so that it may miss what is sent at once.")
	descClusterTrip     = desc("cluster_round_trip_seconds", "Time to the slowest other node and back.")
	descClusterQueued   = desc("cluster_queued_bytes", "Bytes that wait for other nodes, or for their word that they came.")

	descClusterHanded   = desc("cluster_commands_handed_total", "Commands for other nodes that were begun: acknowledged, dropped and waiting add up to it.")
	descClusterAcked    = desc("cluster_commands_acknowledged_total", "Commands that other nodes have carried out, or queued in order.")
	descClusterDropped  = desc("cluster_commands_dropped_total", "Commands that did not get to another node, by reason.", "reason")
	descClusterWaiting  = desc("cluster_commands_waiting", "Commands that wait for another node.")
	descClusterReceived = desc("cluster_commands_received_total", "Commands of other nodes.")

	descClusterOdd      = desc("cluster_odd_packets_total", "Packets of nodes that nothing was done with, by what they are.", "kind")
	descClusterUntaken  = desc("cluster_packets_dropped_total", "Packets that this process did not take fast enough. They are sent again.")
	descClusterTroubles = desc("cluster_troubles_total", "What went wrong in the engine that joins the nodes, by reason.", "reason")
	descClusterFenced   = desc("cluster_fenced", "1 while the node tells of no end of a client, because others may give it up: the store has not answered it.")
	descClusterUnlike   = desc("cluster_unlike_settings", "Other nodes whose settings differ from those of this one.")
	descClusterShared   = desc("cluster_settings_version", "Number of the settings that the nodes share, as this one has them in force; 0 for none.")
	descClusterLease    = desc("cluster_lease_seconds", "How long this node may be without the store before the others give it up.")
	descLifeEvents      = desc("life_events_total", "What happened for the end of clients to be told though their node may die, by event.", "event")
	descLeaseEvents     = desc("lease_events_total", "What happened to the word of this node that it lives, and to that of others, by event.", "event")
	descStoreEvents     = desc("store_events_total", "What happened to the store of users' memberships, by reason.", "reason")
)

// cluster writes sums over the other nodes: their names are no closed list.
func (s sink) cluster(v *ClusterStats) {
	for reason, count := range v.Engine.Troubles {
		s.counter(descClusterTroubles, float64(count), reason)
	}
	for reason, count := range v.Engine.Store {
		s.counter(descStoreEvents, float64(count), reason)
	}
	if v.Incarnation == "" { // alone, with a store
		return
	}
	states := make(map[string]int)
	queued := 0
	var trip time.Duration
	sum := v.Former
	sum.Dropped = make(map[string]uint64)
	for reason, count := range v.Former.Dropped {
		sum.Dropped[reason] += count
	}
	for i := range v.Peers {
		p := &v.Peers[i]
		states[p.State]++
		queued += p.QueuedBytes
		trip = max(trip, p.RoundTrip)
		sum.add(&p.Books)
	}
	for _, state := range peerStates {
		s.gauge(descClusterNodes, float64(states[state]), state)
	}
	for event, count := range v.Engine.Life {
		s.counter(descLifeEvents, float64(count), event)
	}
	for event, count := range v.Engine.Lease {
		s.counter(descLeaseEvents, float64(count), event)
	}
	s.gauge(descClusterFenced, boolean(v.Engine.Fenced))
	s.gauge(descClusterUnlike, float64(len(v.Unlike)))
	s.gauge(descClusterShared, float64(v.Settings.inForce()))
	s.gauge(descClusterLease, v.Lease.Seconds())
	s.gauge(descClusterIsolated, boolean(v.Isolated))
	s.gauge(descClusterNames, float64(v.Names))
	s.counter(descClusterLate, float64(v.Late))
	s.gauge(descClusterTrip, trip.Seconds())
	s.gauge(descClusterQueued, float64(queued))
	s.commands(&sum)
	s.counter(descClusterOdd, float64(v.Odd.Malformed), "Malformed")
	s.counter(descClusterOdd, float64(v.Odd.Ignored), "Ignored")
	s.counter(descClusterOdd, float64(v.Odd.Strangers), "Strangers")
	s.counter(descClusterUntaken, float64(v.Engine.DroppedPackets))
}

func (s sink) commands(b *CommandBooks) {
	s.counter(descClusterHanded, float64(b.Handed))
	s.counter(descClusterAcked, float64(b.Acknowledged))
	for reason, count := range b.Dropped {
		s.counter(descClusterDropped, float64(count), reason)
	}
	s.gauge(descClusterWaiting, float64(b.Queued))
	s.counter(descClusterReceived, float64(b.Received))
}

func (b *CommandBooks) add(more *CommandBooks) {
	b.Handed += more.Handed
	b.Acknowledged += more.Acknowledged
	b.Queued += more.Queued
	b.Received += more.Received
	for reason, count := range more.Dropped {
		b.Dropped[reason] += count
	}
}
