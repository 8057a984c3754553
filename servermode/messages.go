package servermode

import (
	"slices"

	"github.com/hubgate/hubgate/gateway"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// handle carries out one message of an established connection. The message is valid until handle
// returns.
func (sc *serverConn) handle(m sp.Message) {
	switch m := m.(type) {
	case *sp.Ping:
		sc.ping(m)
	case *sp.AccessKeyRequest:
		sc.askForKey(m.Token)
	case *sp.ConnectionFlowControl:
		// Hub servers send it in answer to a pause only, and the gateway sends no pauses.
	case *sp.Unknown:
		sc.lose(LossUnknownType, "type", int(m.Number))
	default:
		sc.dialect.handle(sc, m)
	}
}

func (sc *serverConn) connectionData(m *sp.ConnectionData) {
	for {
		sc.reader.replaced = sc.clients.replaced.Load()
		c := sc.clients.get(m.ConnectionID)
		if c == nil {
			break
		}
		if c.receive(sc, m) {
			return
		}
	}
	if !sc.b.hasLeft(m.ConnectionID) {
		sc.b.counts.lose(LossUnknownConnection)
	}
}

// receive implements attached.
func (s *session) receive(sc *serverConn, m *sp.ConnectionData) (taken bool) {
	taken = sc.inOrder(func() { sc.toClient(s, m) })
	if taken && sc.dialect.waitsFor(s) {
		sc.waitFor(s.conn)
	}
	return taken
}

// inOrder does something about a client of the connection, in order with the commands of this node. It
// reports false if the client may be another object than the one that was looked up.
func (sc *serverConn) inOrder(do func()) (done bool) {
	sc.b.gw.InOrder(func() {
		if done = sc.clients.replaced.Load() == sc.reader.replaced; done {
			do()
		}
	})
	return done
}

// toClient sends data to a client.
func (sc *serverConn) toClient(s *session, m *sp.ConnectionData) {
	switch loss := sc.dialect.deliver(s, sc, m); loss {
	case "":
	case LossLateCompletion:
		sc.b.counts.lose(loss)
	default:
		sc.lose(loss, "connection", clip(m.ConnectionID))
	}
}

// hasLeft reports whether the id belongs to a client that has ended or is about to end. Hub servers
// ordinarily still send to such a client for a moment (H45).
func (b *Backend) hasLeft(id string) bool {
	if b.ownerOf(id) != nil {
		return true // nobody here knows
	}
	c, ended := b.gw.Lookup(id)
	if c == nil || ended {
		return ended
	}
	s, ok := c.Session().(*session)
	return ok && s.isClosed()
}

// closeConnection ends a client: one of this connection, or for the management library one of any
// hub server.
func (sc *serverConn) closeConnection(m *sp.CloseConnection) {
	var c attached
	sc.b.gw.InOrder(func() {
		if c = sc.clients.get(m.ConnectionID); c != nil {
			c.closeByServer(sc, "") // its error is for logs: the hub has told the client
		}
	})
	if c != nil {
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
		sc.out.put(sp.ServersPing(sc.b.ticks(), sc.b.hubs.serverIDs(sc)))
	default:
		if len(m.Values) == 0 {
			sc.ponged()
		}
		if _, ok := m.Status(); ok {
			sc.tellStatus()
		}
	}
}

// tellStatus answers whether there are clients, of any hub server and on any node, to whom the
// connection sends.
func (sc *serverConn) tellStatus() {
	here := slices.ContainsFunc(sc.serves(), func(hub string) bool { return sc.b.gw.Connections(hub) > 0 })
	if here || !sc.b.peers.any() {
		sc.out.put(sp.StatusPing(here, nil))
		return
	}
	all := gateway.Target{Kind: gateway.TargetAll}
	sc.startAll(&gateway.Command{Verb: gateway.VerbCount, Target: all}, func(r gateway.Result, _ error) {
		sc.out.put(sp.StatusPing(r.Matched > 0, nil))
	})
}
