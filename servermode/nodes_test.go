package servermode_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// nodes are gateways of one cluster, on a network that can be cut.
type nodes struct {
	t    *testing.T
	net  *clustertest.Net
	list map[string]*clusterNode
}

type clusterNode struct {
	*world
	tag   string
	plane *cluster.Backplane
	gone  bool
}

// inNodes runs a test in a bubble with a cluster of such nodes. At its end nothing of any client is
// left anywhere.
func inNodes(t *testing.T, tags []string, test func(t *testing.T, ns *nodes), change ...func(*cluster.Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ns := &nodes{t: t, net: clustertest.NewNet(1 << 20), list: make(map[string]*clusterNode)}
		for _, tag := range tags {
			ns.start(tag, change...)
		}
		defer ns.net.Wait()
		defer ns.stop()
		time.Sleep(3 * time.Second)
		synctest.Wait() // tests change limits
		test(t, ns)
	})
}

func (ns *nodes) start(tag string, change ...func(*cluster.Options)) *clusterNode {
	o := cluster.Options{Tag: tag, Cluster: "test", Secret: []byte(strings.Repeat("s", 32)), Carrier: ns.net.Carrier(), Everything: false,
		Limits: cluster.DefaultLimits()}
	o.Limits.Settle = 0
	for _, c := range change {
		c(&o)
	}
	plane, err := cluster.New(o)
	require.NoError(ns.t, err)
	n := &clusterNode{tag: tag, plane: plane, world: newNode(ns.t, tag, plane)}
	ns.list[tag] = n
	return n
}

// kill ends a node as its process would end without a word.
func (ns *nodes) kill(tag string) {
	ns.net.Set(tag, "", func(f *clustertest.Fault) { f.Cut = true })
	ns.net.Set("", tag, func(f *clustertest.Fault) { f.Cut = true })
	ns.list[tag].gone = true
}

func (ns *nodes) stop() {
	ns.t.Helper()
	// The clients end, then there is nothing left of their sessions on any node.
	for _, n := range ns.list {
		if !n.gone {
			n.endAll()
		}
	}
	time.Sleep(10 * time.Second)
	defer func() {
		for _, n := range ns.list {
			n.stop()
		}
	}()
	for _, n := range ns.list {
		if ns.t.Failed() {
			break
		}
		require.Zero(ns.t, servermode.Shared(n.Backend), "of %s", n.tag)
		require.NoError(ns.t, n.gw.Check())
		require.NoError(ns.t, n.plane.Check())
	}
}

// endAll ends all clients of the node.
func (n *clusterNode) endAll() {
	n.gw.Each(func(c *gateway.Conn) { c.Close(gateway.Cause{Reason: gateway.CloseNormal}) })
}

// newID returns a connection id of the node.
func (n *clusterNode) newID() string { return auth.NewConnectionID(n.tag) }

// client connects a client to the node.
func (n *clusterNode) client(o gatewaytest.Options) *gatewaytest.Client {
	n.t.Helper()
	if o.ID == "" {
		o.ID = n.newID()
	}
	c := n.connectAs(o)
	time.Sleep(10 * time.Millisecond)
	return c
}

func idOf(c *gatewaytest.Client) string { return c.Conn.Identity().ID }

// said is what a client feeds, and when all has gone where it goes.
func said(t *testing.T, c *gatewaytest.Client, record string) {
	t.Helper()
	require.NoError(t, c.Feed([]byte(record)))
	time.Sleep(10 * time.Millisecond)
}

func invocation(target string) string {
	return `{"type":1,"target":"` + target + `","arguments":[]}` + "\x1e"
}

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

// N20: the clients of a hub server that does not read stop, and nobody else.
func TestN20AHubServerThatDoesNotReadStopsItsClientsOnly(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		b.limits.QueueBytes = 256 << 10
		a.limits.QueueBytes = 256 << 10
		stuck := b.server(dial{id: "stuck"})
		other := b.server(dial{id: "other"})
		time.Sleep(time.Second)
		slow, quick := a.client(required(a.newID(), "stuck")), a.client(required(a.newID(), "other"))
		many := []*gatewaytest.Client{slow}
		for range 60 {
			many = append(many, a.client(required(a.newID(), "stuck")))
		}
		stuck.take(sp.TypeConnectionData)
		other.take(sp.TypeConnectionData)
		block := make(chan struct{})
		stuck.setOn(func(sp.Message) { <-block })
		record := `{"type":1,"target":"` + strings.Repeat("x", 10<<10) + `","arguments":[]}` + "\x1e"
		var feeders []chan int
		for _, c := range many {
			done := make(chan int, 1)
			feeders = append(feeders, done)
			go func() {
				for range 100 {
					_ = c.Feed([]byte(record))
					time.Sleep(20 * time.Millisecond)
				}
				done <- 100
			}()
		}
		time.Sleep(5 * time.Second)
		for _, done := range feeders {
			require.Empty(t, done, "its reader waits")
		}
		sum := 0
		for _, h := range b.Stats().Hubs {
			sum += h.QueuedBytes
		}
		require.Less(t, sum, 1<<20, "what waits is bounded: they have 60 MiB to say, and a credit of 4 MiB")
		// The link and the clients of others do not notice.
		said(t, quick, call("1", "quick"))
		require.Equal(t, call("1", "quick"), other.payloads(idOf(quick)))
		require.Less(t, ns.peer("a", "b").RoundTrip, 10*time.Millisecond)
		require.Less(t, ns.peer("a", "b").QueuedBytes, 1<<20)

		close(block)
		stuck.setOn(nil)
		time.Sleep(5 * time.Second)
		for _, done := range feeders {
			require.Len(t, done, 1)
		}
		got := make(map[string]int)
		for _, m := range stuck.take(sp.TypeConnectionData) {
			got[m.(*sp.ConnectionData).ConnectionID]++
		}
		for _, c := range many {
			require.Equal(t, 100, got[idOf(c)])
		}
	})
}

func (ns *nodes) peer(of, tag string) cluster.PeerStats {
	ns.t.Helper()
	for _, p := range ns.list[of].plane.Stats().Peers {
		if p.Node.Tag == tag {
			return p
		}
	}
	require.Fail(ns.t, "no such peer")
	return cluster.PeerStats{}
}

// One client that says much has its own credit, although its hub server takes it all.
func TestN20OneClientHasACredit(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		server := b.server(dial{})
		time.Sleep(time.Second)
		c := a.client(gatewaytest.Options{})
		server.take(sp.TypeConnectionData)
		ns.net.Set("a", "b", func(f *clustertest.Fault) { f.Held = true })
		fed := 0
		done := make(chan struct{})
		record := `{"type":1,"target":"` + strings.Repeat("x", 10<<10) + `","arguments":[]}` + "\x1e"
		go func() {
			defer close(done)
			for range 100 {
				_ = c.Feed([]byte(record))
				fed++
			}
		}()
		time.Sleep(time.Second)
		require.InDelta(t, 7, fed, 1)
		ns.net.Heal()
		<-done
		time.Sleep(time.Second)
		require.Len(t, server.take(sp.TypeConnectionData), 100)
	})
}

func TestN21TheOwnerIsKilled(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		server := b.server(dial{})
		time.Sleep(time.Second)
		var lost []string
		for range 10 {
			lost = append(lost, idOf(a.client(gatewaytest.Options{})))
		}
		stays := c.client(gatewaytest.Options{})
		server.take(sp.TypeOpenConnection)
		ns.kill("a")
		time.Sleep(5 * time.Second)
		var ended []string
		for _, m := range server.take(sp.TypeCloseConnection) {
			ended = append(ended, m.(*sp.CloseConnection).ConnectionID)
			require.NotEmpty(t, m.(*sp.CloseConnection).Error)
		}
		require.ElementsMatch(t, lost, ended)
		require.Empty(t, offline(server), "clients elsewhere have not ended")
		said(t, stays, call("1", "here"))
		require.Contains(t, server.payloads(idOf(stays)), "here")
	})
}

func offline(s *hubServer) (ids []string) {
	for _, m := range s.take(sp.TypePing) {
		if id, ok := m.(*sp.Ping).Offline(); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func TestN22TheNodeOfTheServerConnectionIsKilled(t *testing.T) {
	for _, grace := range []time.Duration{0, 30 * time.Second} {
		t.Run(fmt.Sprint("grace ", grace), func(t *testing.T) {
			inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
				a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
				a.limits.Grace = grace
				first := b.server(dial{id: "first"})
				time.Sleep(time.Second)
				client := a.client(gatewaytest.Options{})
				first.take(sp.TypeOpenConnection)
				said(t, client, call("1", "slow"))
				second := c.server(dial{id: "second"})
				time.Sleep(time.Second)
				ns.kill("b")
				time.Sleep(6 * time.Second)
				if grace == 0 {
					end := client.WantEnd(t.Context())
					require.Equal(t, gateway.CloseServerConnectionClosed, end.Reason)
					require.True(t, end.AllowReconnect)
					return
				}
				require.Nil(t, client.Conn.CloseRequested())
				require.Equal(t, 1, count(client, `"invocationId":"1","error"`), "nobody will answer: %q", client.Got())
				open := second.next(sp.TypeOpenConnection).(*sp.OpenConnection)
				require.Equal(t, idOf(client), open.ConnectionID)
				from, _ := sp.HeaderValue(open.Headers, sp.HeaderMigrateFrom)
				require.Equal(t, "first", from)
				said(t, client, call("2", "again"))
				require.Contains(t, second.payloads(idOf(client)), "again")
				second.data(idOf(client), completion("2", "1"))
				time.Sleep(10 * time.Millisecond)
				require.Equal(t, 1, count(client, `"invocationId":"2","result":1`))
			})
		})
	}
}

// A link that is broken for longer than five seconds ends sessions on both sides, with a reason.
func TestN12ALongCutEndsSessions(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		server := b.server(dial{})
		time.Sleep(time.Second)
		c := a.client(gatewaytest.Options{})
		ns.net.Set("", "", func(f *clustertest.Fault) { f.Cut = true })
		server.data(idOf(c), invocation("into the void"))
		time.Sleep(6 * time.Second)
		end := c.WantEnd(t.Context())
		require.Equal(t, gateway.CloseServerConnectionClosed, end.Reason)
		require.True(t, end.AllowReconnect)
		require.Equal(t, idOf(c), server.next(sp.TypeCloseConnection).(*sp.CloseConnection).ConnectionID)
		require.Zero(t, count(c, "into the void"))
		ns.net.Heal()
		time.Sleep(3 * time.Second)
		again := a.client(gatewaytest.Options{})
		said(t, again, call("1", "again"))
		require.Contains(t, server.payloads(idOf(again)), "again")
	})
}

func TestN22AServerConnectionOfAnotherNodeEnds(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		server := b.server(dial{})
		time.Sleep(time.Second)
		c := a.client(gatewaytest.Options{})
		server.data(idOf(c), invocation("the last word"))
		require.NoError(t, server.ws.Close())
		end := c.WantEnd(t.Context())
		require.Equal(t, gateway.CloseServerConnectionClosed, end.Reason)
		require.Equal(t, 1, count(c, "the last word"))
		time.Sleep(time.Second)
		refused := a.client(gatewaytest.Options{})
		require.Equal(t, gateway.CloseNoAvailableServerConnection, refused.WantEnd(t.Context()).Reason)
	})
}
