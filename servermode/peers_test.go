package servermode

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// fakePeers has one other node, which says what tests want.
type fakePeers struct {
	handler gateway.PeerHandler
	mu      sync.Mutex
	said    [][]byte
	full    bool
	gone    bool
	silent  bool
}

func (f *fakePeers) Silent() bool { return f.silent }

func (f *fakePeers) Converse(_ gateway.Topic, h gateway.PeerHandler) func() {
	f.handler = h
	return func() {}
}

func (f *fakePeers) Name() string { return "b" }

func (f *fakePeers) Send(message []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, message)
	return !f.gone
}

func (f *fakePeers) Full(int) bool { return f.full }

// take returns what was said to the node of that kind.
func (f *fakePeers) take(op peerOp) (list [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, message := range f.said {
		if peerOp(message[0]) == op {
			list = append(list, message[1:])
		}
	}
	f.said = nil
	return list
}

// withPeer is a Backend that has a peer with one server connection, number 1.
func withPeer(t testing.TB) (*Backend, *gateway.Gateway, *fakePeers) {
	f := &fakePeers{}
	b := New(Options{Verifier: auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return nil }}), Node: "a", Peers: f})
	gw, err := gateway.New(gateway.Options{Node: "a", Backend: b, Workers: 1})
	require.NoError(t, err)
	b.Use(gw)
	f.handler.PeerUp(f)
	require.NoError(t, f.handler.PeerSaid(f, appendServers([]serverChange{{kind: changeNew, number: 1,
		peer: peer{hub: "chat", homes: []string{"chat"}, serverID: "far", level: 1}}}, false)))
	return b, gw, f
}

func closeBackend(t testing.TB, b *Backend, gw *gateway.Gateway) {
	gw.Close()
	require.NoError(t, b.Close(context.Background()))
}

// One who joins late answers, and is answered: what was said before anybody listened was not heard.
func TestNodesIntroduceThemselvesTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, gw, f := withPeer(t)
		defer closeBackend(t, b, gw)
		require.Equal(t, [][]byte{{serversAnswer, 0}}, f.take(opServers))
		require.NoError(t, f.handler.PeerSaid(f, appendServers(nil, true)))
		require.Equal(t, [][]byte{{0, 0}}, f.take(opServers))
	})
}

// A client that was given to a server connection which is gone looks for another one.
func TestAnOpenThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, gw, f := withPeer(t)
		defer closeBackend(t, b, gw)
		c := gatewaytest.Connect(t, gw, gatewaytest.Options{ID: "1", Hub: "chat"})
		synctest.Wait()
		open := f.take(opOpen)
		require.Len(t, open, 1)
		session, _ := binary.Uvarint(open[0])
		require.NoError(t, f.handler.PeerSaid(f, append(appendSession(nil, opClose, true, session), byte(whyLost))))
		require.Equal(t, gateway.CloseServerConnectionClosed, c.WantEnd(t.Context()).Reason)
		synctest.Wait()
		require.Zero(t, Shared(b))

		// And the other way round: the peer opens one here, where there is no such connection.
		require.NoError(t, f.handler.PeerSaid(f, append(fields.AppendText([]byte{byte(opOpen), 7, 99}, "id"), 1, 2, 3)))
		require.Equal(t, [][]byte{{1, 7, byte(whyLost)}}, f.take(opClose))
		require.Zero(t, Shared(b))
	})
}

// A server connection for which far too much waits gets no client.
func TestARemoteServerConnectionThatIsCrowded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, gw, f := withPeer(t)
		defer closeBackend(t, b, gw)
		tell := func(s serverStatus) {
			require.NoError(t, f.handler.PeerSaid(f, appendServers([]serverChange{{kind: changeStatus, number: 1, status: s}}, false)))
		}
		tell(serverStatus{crowded: true})
		c := gatewaytest.Connect(t, gw, gatewaytest.Options{ID: "1", Hub: "chat"})
		require.Equal(t, gateway.CloseNoAvailableServerConnection, c.WantEnd(t.Context()).Reason)
		tell(serverStatus{quiet: true, clients: 5})
		gatewaytest.Connect(t, gw, gatewaytest.Options{ID: "2", Hub: "chat"})
		synctest.Wait()
		require.Len(t, f.take(opOpen), 1)
		require.Equal(t, 6, b.peers.servers()[0].clientCount())

		// The own ones say so.
		sc := &serverConn{b: b}
		sc.out.init(1<<10, func() {})
		require.False(t, sc.status().crowded)
		sc.out.append(make([]byte, 17<<10))
		require.True(t, sc.status().crowded)
	})
}

// A node that is silent may be about to be gone: its server connections get a client only if there is no other.
func TestServerConnectionsOfASilentNodeComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, gw, f := withPeer(t)
		defer closeBackend(t, b, gw)
		other := &fakePeers{}
		f.handler.PeerUp(other)
		require.NoError(t, f.handler.PeerSaid(other, appendServers([]serverChange{{kind: changeNew, number: 1,
			peer: peer{hub: "chat", homes: []string{"chat"}, serverID: "further", level: 1}, status: serverStatus{clients: 100}}}, false)))
		connect := func(id string) (near, far int) {
			gatewaytest.Connect(t, gw, gatewaytest.Options{ID: id, Hub: "chat"})
			synctest.Wait()
			return len(f.take(opOpen)), len(other.take(opOpen))
		}
		near, far := connect("1")
		require.Equal(t, [2]int{1, 0}, [2]int{near, far}, "the one with fewer clients")
		f.silent = true
		near, far = connect("2")
		require.Equal(t, [2]int{0, 1}, [2]int{near, far})
		other.silent = true
		near, far = connect("3")
		require.Equal(t, [2]int{1, 0}, [2]int{near, far}, "it may be there all the same")
	})
}

// What a node says of sessions that are over, or never were, is passed over.
func TestWordsAboutNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, gw, f := withPeer(t)
		defer closeBackend(t, b, gw)
		for _, op := range []peerOp{opData, opClose, opCredit, opBusy, opIdle} {
			for _, toOwner := range []bool{true, false} {
				require.NoError(t, f.handler.PeerSaid(f, append(appendSession(nil, op, toOwner, 5), 1)))
			}
		}
		for _, op := range []peerOp{opStop, opGo, opPut} {
			require.NoError(t, f.handler.PeerSaid(f, []byte{byte(op), 9}))
		}
		require.NoError(t, f.handler.PeerSaid(f, []byte{200, 1, 2}), "a later version may say more")
		require.EqualValues(t, 1, b.Stats().Lost[LossUnknownType])
		require.Error(t, f.handler.PeerSaid(f, nil))
		require.Error(t, f.handler.PeerSaid(f, []byte{99}))
	})
}

// How many clients a server connection has is known at once, and not counted twice.
func TestTheClientsOfARemoteServerConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, gw, f := withPeer(t)
		defer closeBackend(t, b, gw)
		rs := b.peers.servers()[0]
		c := gatewaytest.Connect(t, gw, gatewaytest.Options{ID: "1", Hub: "chat"})
		synctest.Wait()
		require.Equal(t, 1, rs.clientCount())
		s := c.Conn.Session().(*session)
		require.Empty(t, s.deliver(rs, &sp.ConnectionData{ConnectionID: "1", Payload: []byte("{}\x1e")}))
		require.NoError(t, f.handler.PeerSaid(f, appendServers([]serverChange{
			{kind: changeNew, number: 2, peer: peer{hub: "chat", homes: []string{"chat"}, serverID: "next", level: 1}},
			{kind: changeStatus, number: 1, status: serverStatus{clients: 1, fin: finMigrate}}}, false)))
		time.Sleep(2 * time.Second)
		require.Equal(t, 0, rs.clientCount())
		s.locked(s.dropMove) // its former hub server ends
		require.Equal(t, 0, rs.clientCount())
		c.Leave()
		synctest.Wait()
		for _, one := range b.peers.servers() {
			require.Zero(t, one.clientCount())
		}
		require.Zero(t, Shared(b))
	})
}

// The peer is gone while clients come: none is left on its server connections.
func TestAPeerThatIsGoneHasNoSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, gw, f := withPeer(t)
		defer closeBackend(t, b, gw)
		var clients []*gatewaytest.Client
		for _, id := range []string{"1", "2", "3"} {
			clients = append(clients, gatewaytest.Connect(t, gw, gatewaytest.Options{ID: id, Hub: "chat"}))
		}
		synctest.Wait()
		rs := b.peers.servers()[0]
		f.handler.PeerGone(f)
		for _, c := range clients {
			require.Equal(t, gateway.CloseServerConnectionClosed, c.WantEnd(t.Context()).Reason)
		}
		require.False(t, rs.add(&session{b: b}))
		require.Zero(t, Shared(b))
		require.Empty(t, b.hubs.all())
		f.handler.PeerGone(f) // once is enough
		require.NoError(t, f.handler.PeerSaid(f, []byte{byte(opOpen), 1, 1, 0}))
	})
}

// FuzzPeer has another node say anything: nothing panics, and nothing is left when it is gone.
func FuzzPeer(f *testing.F) {
	data := &sp.ConnectionData{ConnectionID: "1", Payload: []byte("{}\x1e")}
	body := data.Append(nil)[1:]
	invocation := (&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "far",
		Payloads: sp.Payloads{{Protocol: "json", Data: []byte("{}\x1e")}}}).Append(nil)[1:]
	for _, seed := range [][]byte{
		appendServers([]serverChange{{kind: changeNew, number: 2, peer: peer{hub: "chat", homes: []string{"chat"}}}, {kind: changeGone, number: 1, why: EndBroken}}, true),
		append(fields.AppendText([]byte{byte(opOpen), 7, 1}, "id"), 1, 2, 3),
		append(appendSession(nil, opData, true, 1), body...),
		append(appendSession(nil, opClose, true, 1), byte(whyServer), 'x'),
		append(appendSession(nil, opCredit, true, 1), 9),
		{byte(opStop), 1}, {byte(opGo), 1}, {byte(opPut), 1, 1},
		append(fields.AppendText([]byte{byte(opStray), 1}, "chat"), body...),
		append(fields.AppendText(append(fields.AppendText(fields.AppendText([]byte{byte(opInvoke)}, ""), "far"), 0), "chat"), invocation...),
		append(fields.AppendText(fields.AppendText([]byte{byte(opAnswer)}, "far"), "chat"), invocation...),
		fields.AppendText([]byte{byte(opReply)}, "chat"),
		fields.AppendText(fields.AppendText([]byte{byte(opAnswered)}, "chat"), "i"),
		fields.AppendText(fields.AppendText(fields.AppendText([]byte{byte(opMoved)}, "chat"), "i"), "b"),
	} {
		f.Add(seed, []byte{byte(opStop), 1})
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		synctest.Test(t, func(t *testing.T) {
			b, gw, peers := withPeer(t)
			defer closeBackend(t, b, gw)
			gatewaytest.Connect(t, gw, gatewaytest.Options{ID: "1", Hub: "chat"})
			synctest.Wait()
			for _, message := range [][]byte{first, second} {
				_ = peers.handler.PeerSaid(peers, message)
			}
			peers.handler.PeerGone(peers)
			time.Sleep(time.Second)
			if n := b.Stats().Panics; n > 0 {
				t.Fatalf("%d panics", n)
			}
			if n := Shared(b) - Waiting(b); n != 0 {
				t.Fatalf("%d sessions are left", n)
			}
		})
	})
}
