package servermode_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestN18AHubServerOfAnotherNode(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		server := b.server(dial{})
		time.Sleep(time.Second)
		identity := gateway.Identity{Query: "x=1", TokenClaims: []gateway.Claim{{Type: "role", Value: "admin"}},
			Headers: []gateway.Header{{Name: "X-Test", Value: "yes"}}}
		c := a.client(gatewaytest.Options{User: "ann", Identity: identity})
		open := server.next(sp.TypeOpenConnection).(*sp.OpenConnection)
		require.Equal(t, idOf(c), open.ConnectionID)
		require.Equal(t, "json", open.Protocol)
		require.Equal(t, "?x=1", open.Query)
		require.Contains(t, open.Claims, sp.Claim{Type: "role", Value: "admin"})
		instance, _ := sp.HeaderValue(open.Headers, sp.HeaderInstanceID)
		require.Equal(t, "a", instance, "the node of the client")
		header, _ := sp.HeaderValue(open.Headers, "X-Test")
		require.Equal(t, "yes", header)
		require.Equal(t, "{\"protocol\":\"json\",\"version\":1}\x1e", server.payloads(idOf(c)))
		require.Equal(t, []string{"{}\x1e"}, c.Got())

		// A call, a stream and what the server says by itself.
		said(t, c, call("1", "add"))
		require.Equal(t, call("1", "add"), server.payloads(idOf(c)))
		server.data(idOf(c), completion("1", "3")+`{"type":2,"invocationId":"2","item":1}`+"\x1e"+`{"type":2,"invoc`)
		server.data(idOf(c), `ationId":"2","item":2}`+"\x1e"+invocation("hello"))
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, []string{"{}\x1e", completion("1", "3"), `{"type":2,"invocationId":"2","item":1}` + "\x1e",
			`{"type":2,"invocationId":"2","item":2}` + "\x1e", invocation("hello")}, c.Got())

		// Groups, acks and multicasts are commands.
		server.send(&sp.JoinGroupWithAck{ConnectionID: idOf(c), Group: "g", AckID: 7})
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, sp.AckOK, server.next(sp.TypeAck).(*sp.Ack).Status)
		server.send(&sp.GroupBroadcastData{Group: "g", Payloads: payload(`{"type":1,"target":"group","arguments":[]}`)})
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, 1, count(c, `"group"`))

		// The client goes.
		c.Leave()
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, idOf(c), server.next(sp.TypeCloseConnection).(*sp.CloseConnection).ConnectionID)
		require.Zero(t, servermode.Shared(b.Backend))

		// The server ends a client.
		c = a.client(gatewaytest.Options{})
		server.send(&sp.CloseConnection{ConnectionID: idOf(c), Error: "for the log"})
		require.Equal(t, gateway.CloseClosedByAppServer, c.WantEnd(t.Context()).Reason)
		time.Sleep(10 * time.Millisecond)
		require.Empty(t, server.take(sp.TypeCloseConnection), "it knows")

		// And it refuses one.
		server.setOn(func(m sp.Message) {})
		silent := b.server(dial{id: "s2", silent: true})
		time.Sleep(2 * time.Second)
		c = a.client(required(a.newID(), "s2"))
		silent.data(idOf(c), `{"error":"not you"}`+"\x1e")
		end := c.WantEnd(t.Context())
		require.Equal(t, gateway.CloseHandshakeError, end.Reason)
		require.Equal(t, "not you", end.Text)
		require.Zero(t, a.Stats().Lost[servermode.LossUnknownConnection])
		require.Zero(t, b.Stats().Lost[servermode.LossUnknownConnection])
	})
}

func TestN18TheOwnNodeFirst(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		far, further := b.server(dial{id: "far"}), c.server(dial{id: "further"})
		time.Sleep(time.Second)
		for range 4 {
			a.client(gatewaytest.Options{})
		}
		require.Len(t, far.take(sp.TypeOpenConnection), 2, "the one with the fewest clients")
		require.Len(t, further.take(sp.TypeOpenConnection), 2)
		near := a.server(dial{id: "near"})
		for range 10 {
			a.client(gatewaytest.Options{})
		}
		require.Len(t, near.take(sp.TypeOpenConnection), 10)
		require.Empty(t, far.take(sp.TypeOpenConnection))
	})
}

func TestN19StickyClientsFindTheirServerOnAnyNode(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		a.server(dial{id: "near"})
		far := c.server(dial{id: "far"})
		time.Sleep(time.Second)
		id := a.newID()
		a.client(required(id, "far"))
		require.Equal(t, id, far.next(sp.TypeOpenConnection).(*sp.OpenConnection).ConnectionID)
		id = b.newID()
		preferred := required(id, "far")
		preferred.Identity.TokenClaims[1].Value = "Preferred"
		b.client(preferred)
		require.Equal(t, id, far.next(sp.TypeOpenConnection).(*sp.OpenConnection).ConnectionID)
		refused := a.client(required(a.newID(), "nowhere"))
		require.Equal(t, gateway.CloseNoAvailableServerConnection, refused.WantEnd(t.Context()).Reason)
	})
}

// A hub that has only connections that send has no other on any node.
func TestN18AWeakConnectionIsTheLastResortOfAllNodes(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		const agent = "Microsoft.Azure.SignalR/1.30"
		weak := a.server(dial{id: "weak", kind: sp.KindWeak, agent: agent})
		time.Sleep(time.Second)
		b.client(gatewaytest.Options{})
		require.Len(t, weak.take(sp.TypeOpenConnection), 1)
		server := b.server(dial{id: "other"})
		time.Sleep(time.Second)
		a.client(gatewaytest.Options{})
		require.Empty(t, weak.take(sp.TypeOpenConnection))
		require.Len(t, server.take(sp.TypeOpenConnection), 1)
	})
}

func TestN23PingsShowTheCluster(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		here, there := a.server(dial{id: "here"}), b.server(dial{id: "there"})
		b.server(dial{id: "there"})
		b.server(dial{id: "another", hub: "news"})
		time.Sleep(time.Second)
		ask := func(s *hubServer, m *sp.Ping) *sp.Ping {
			s.take(sp.TypePing)
			s.send(m)
			time.Sleep(10 * time.Millisecond)
			return s.next(sp.TypePing).(*sp.Ping)
		}
		for _, s := range []*hubServer{here, there} {
			_, ids, ok := ask(s, sp.ServersQuestionPing()).Servers()
			require.True(t, ok)
			require.Equal(t, []string{"here", "there"}, ids)
			active, ok := ask(s, sp.StatusQuestionPing()).Status()
			require.True(t, ok)
			require.False(t, active)
		}
		c := b.client(gatewaytest.Options{})
		for _, s := range []*hubServer{here, there} {
			active, _ := ask(s, sp.StatusQuestionPing()).Status()
			require.True(t, active)
		}
		c.Leave()
		time.Sleep(time.Second)
		active, _ := ask(here, sp.StatusQuestionPing()).Status()
		require.False(t, active)
		require.NoError(t, there.ws.Close())
		time.Sleep(time.Second)
		_, ids, _ := ask(here, sp.ServersQuestionPing()).Servers()
		require.Equal(t, []string{"here", "there"}, ids, "it has another connection")
	})
}

// Data for one client and multicasts keep their order, whatever happens on the way.
func TestN6DataAndMulticastsOfAHubServerKeepTheirOrder(t *testing.T) {
	for _, cut := range []time.Duration{0, 100 * time.Millisecond, time.Second, 4 * time.Second} {
		t.Run(fmt.Sprint("cut for ", cut), func(t *testing.T) {
			inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
				server := ns.list["b"].server(dial{})
				time.Sleep(time.Second)
				var clients []*gatewaytest.Client
				for _, tag := range []string{"a", "b", "c"} {
					c := ns.list[tag].client(gatewaytest.Options{User: "ann"})
					server.send(&sp.JoinGroup{ConnectionID: idOf(c), Group: "g"})
					clients = append(clients, c)
				}
				time.Sleep(time.Second)
				var want []string
				for i := range 300 {
					if i == 100 && cut > 0 {
						ns.net.Set("", "", func(f *clustertest.Fault) { f.Cut = true })
					}
					record := invocation(fmt.Sprint("m", i))
					want = append(want, record)
					switch one := payload(strings.TrimSuffix(record, "\x1e")); i % 4 {
					case 0:
						for _, c := range clients {
							server.data(idOf(c), record)
						}
					case 1:
						server.send(&sp.BroadcastData{Payloads: one})
					case 2:
						server.send(&sp.GroupBroadcastData{Group: "g", Payloads: one})
					default:
						server.send(&sp.UserData{User: "ann", Payloads: one})
					}
				}
				for _, c := range clients {
					require.NoError(t, c.Feed([]byte(call("1", "during"))))
				}
				time.Sleep(cut)
				ns.net.Heal()
				time.Sleep(3 * time.Second)
				for _, c := range clients {
					require.Equal(t, want, c.Got()[1:])
					require.Nil(t, c.Conn.CloseRequested())
				}
				require.Len(t, server.take(sp.TypeConnectionData), 2*len(clients), "their handshakes, and a call of each")
			})
		})
	}
}

// In Classic mode a client is Serverless only if its hub has no hub server on any node.
func TestN18ClassicModeLooksAtAllNodes(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		a.mode, b.mode = modes.Classic, modes.Classic
		alone := a.client(gatewaytest.Options{})
		require.Equal(t, []string{"{}\x1e"}, alone.Got(), "the gateway answers its handshake")
		server := b.server(dial{})
		time.Sleep(time.Second)
		c := a.client(gatewaytest.Options{})
		require.Equal(t, idOf(c), server.next(sp.TypeOpenConnection).(*sp.OpenConnection).ConnectionID)
		require.NoError(t, server.ws.Close())
		require.Equal(t, gateway.CloseServerConnectionClosed, c.WantEnd(t.Context()).Reason)
		require.Nil(t, alone.Conn.CloseRequested())
	})
}

// A hub that becomes Serverless closes the clients of hub servers, on whichever node those are.
func TestN18AChangeOfModes(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		b.server(dial{})
		time.Sleep(time.Second)
		c := a.client(gatewaytest.Options{})
		b.mode = modes.Serverless
		b.modes.Changed()
		end := c.WantEnd(t.Context())
		require.Equal(t, gateway.CloseServiceModeSwitched, end.Reason)
		require.True(t, end.AllowReconnect)
	})
}
