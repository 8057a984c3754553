package gateway

import "time"

// Limits are the bounds and periods the core obeys. They may change while it
// runs: the core asks for them anew each time.
type Limits struct {
	// MaxConnections bounds the connections of all nodes together, but for what others have taken
	// within the last second; MaxDiagnostic those of this node. 0 means no bound.
	MaxConnections, MaxDiagnostic int
	// MaxHubs bounds the hubs with clients, of all nodes together like MaxConnections: one without
	// makes room for a new one. 0 means no bound.
	MaxHubs int
	// MaxGroups bounds the groups of one connection; 0 means no bound. Each takes about 300
	// bytes, and 8 more for each worker (BenchmarkVeryManyGroups).
	MaxGroups int
	// HandshakeBytes and MessageBytes bound what one record of a client may take.
	HandshakeBytes, MessageBytes int
	// UnfinishedBytes bounds what records that have not ended take on the node;
	// over it the clients that hold most are closed (D20). 0 means no bound.
	UnfinishedBytes int
	// Stopped closes all clients within a second, those too that were let in a moment before or come from another node.
	Stopped bool
	Queues
	Periods
}

// Queues bounds the bytes that wait for clients (D12, D17).
type Queues struct {
	// OutboxBytes is the soft bound of one client: over it for OverPatience the
	// client is closed. Over OutboxMaxBytes it is closed at once.
	OutboxBytes, OutboxMaxBytes int
	// HubQueuedBytes bounds what waits for all clients of a hub, QueuedBytes
	// what waits for all clients of the node; 0 means no bound for the node.
	HubQueuedBytes, QueuedBytes int
}

// Periods are the times of the client protocol.
type Periods struct {
	// KeepAlive is the silence after which the gateway pings, Timeout the
	// silence after which a client that ever pinged is given up (C68). Of a
	// client that never pings, the WebSocket itself is asked after two silent
	// KeepAlives, and must answer within Timeout.
	KeepAlive, Timeout time.Duration
	// Handshake is how long a client may take for its handshake request (C65).
	Handshake time.Duration
	// Away is how long a client with stateful reconnect may be without a transport (C97).
	Away time.Duration
	// Lifetime closes clients that have been connected for so long, to whichever node; 0 never.
	Lifetime time.Duration
	// Detached is how long a long-polling client may stay without a poll (C58).
	Detached time.Duration
}

// DefaultLimits are the limits of Azure SignalR Service and ASP.NET Core where they are known.
func DefaultLimits() Limits {
	return Limits{
		MaxDiagnostic: 100, MaxHubs: 10_000, MaxGroups: 50_000,
		HandshakeBytes: 32 << 10, MessageBytes: 16 << 20,
		Queues: Queues{OutboxBytes: 1 << 20, OutboxMaxBytes: 64 << 20, HubQueuedBytes: 256 << 20},
		Periods: Periods{
			KeepAlive: 15 * time.Second, Timeout: 30 * time.Second, Handshake: 15 * time.Second,
			Away: 30 * time.Second, Detached: 15 * time.Second,
		},
	}
}
