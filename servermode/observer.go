package servermode

// Observer is told of connections of hub servers. Its methods are called concurrently, must be
// cheap and must not block.
type Observer interface {
	Opened(s ServerConnection)
	// Closed says why the connection ended and how many clients it had.
	Closed(s ServerConnection, why End, clients int)
}

// ServerConnection is one connection of a hub server.
type ServerConnection struct {
	// Hub is the key of the hub whose clients it may have, ID the id of this connection, unlike that
	// of any other.
	Hub, ID string
	// Kind is Default, OnDemand or Weak, Agent what the server says it is, Remote its address.
	Kind, Agent, Remote string
}

// blindObserver is the Observer of a Backend that has none.
type blindObserver struct{}

func (blindObserver) Opened(ServerConnection)           {}
func (blindObserver) Closed(ServerConnection, End, int) {}

// describe is the connection as observers see it. Its handshake is done.
func (sc *serverConn) describe() ServerConnection {
	return ServerConnection{
		Hub: sc.peer.homes[0], ID: clip(sc.peer.cid), Kind: kindName(sc.peer.kind), Agent: clip(sc.peer.agent), Remote: sc.peer.remote,
	}
}

// Each visits the connections of hub servers at this moment; no lock is held meanwhile.
func (b *Backend) Each(visit func(ServerConnection)) {
	for _, h := range b.hubs.all() {
		for _, sc := range h.all() {
			if sc.peer.homes[0] == h.key { // each once
				visit(sc.describe())
			}
		}
	}
}
