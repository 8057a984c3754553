package servermode

import (
	"slices"

	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// handle carries out one message of an established connection. The message
// may only be used until it returns.
func (sc *serverConn) handle(m sp.Message) {
	switch m := m.(type) {
	case *sp.ConnectionData:
		sc.connectionData(m)
	case *sp.Ping:
		sc.ping(m)
	case *sp.CloseConnection:
		sc.closeConnection(m)
	case *sp.AccessKeyRequest:
		sc.out.put(&sp.AccessKeyResponse{ErrorType: "NotSupported", Error: "The gateway has no identity provider: use the access key of its connection string."})
	case *sp.ConnectionFlowControl:
		// Only the answer to a pause comes this way, and the gateway never pauses anybody.
	case *sp.ClientInvocation:
		sc.b.results.invoke(sc, m)
	case *sp.ClientCompletion:
		sc.b.results.complete(sc, m)
	case *sp.ErrorCompletion:
		sc.b.results.fail(sc, m)
	case *sp.Unknown:
		sc.lose(LossUnknownType, "type", int(m.Number))
	default:
		if !sc.multicast(m) && !sc.membership(m) && !sc.question(m) {
			sc.lose(LossUnexpected, "type", m.Type().String())
		}
	}
}

func (sc *serverConn) connectionData(m *sp.ConnectionData) {
	s := sc.clients.get(m.ConnectionID)
	if s == nil {
		if !sc.b.hasLeft(m.ConnectionID) {
			sc.b.counts.lose(LossUnknownConnection)
		}
		return
	}
	switch loss := s.deliver(sc, m); loss {
	case "":
	case LossLateCompletion:
		sc.b.counts.lose(loss)
	default:
		sc.lose(loss, "connection", clip(m.ConnectionID))
	}
	sc.waitFor(s.conn)
}

// hasLeft reports whether the id is of a client that has ended or is about to. What a hub server
// still sends to it is nothing unusual (H45).
func (b *Backend) hasLeft(id string) bool {
	c, ended := b.gw.Lookup(id)
	if c == nil || ended {
		return ended
	}
	s, ok := c.Session().(*session)
	return ok && s.isClosed()
}

// closeConnection ends a client: the hub server's own, or by management one of anybody.
func (sc *serverConn) closeConnection(m *sp.CloseConnection) {
	if s := sc.clients.get(m.ConnectionID); s != nil {
		s.closeByServer(sc)
		return
	}
	sc.closeClients(sc.connections(m.ConnectionID), m.Error, ackID{})
}

func (sc *serverConn) ping(m *sp.Ping) {
	if fin, ok := m.Shutdown(); ok {
		sc.drain(fin)
	}
	switch {
	case m.Echo():
		sc.out.put(&sp.Ping{Values: slices.Clone(m.Values)})
	case m.IsServersQuestion():
		sc.out.put(sp.ServersPing(sc.b.ticks(), sc.b.hubs.serverIDs(sc.peer.hub)))
	default:
		if _, ok := m.Status(); ok {
			sc.out.put(sp.StatusPing(sc.b.gw.Connections(sc.peer.hub) > 0, nil))
		}
	}
}
