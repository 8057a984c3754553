package servermode_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// aspnetClient connects a client of ASP.NET SignalR to the node.
func (n *clusterNode) aspnetClient(o aspnetOptions) *aspnetClient {
	n.t.Helper()
	if o.id == "" {
		o.id = n.newID()
	}
	c := n.aspnet(o)
	time.Sleep(10 * time.Millisecond)
	return c
}

func (c *aspnetClient) id() string { return c.conn.Identity().ID }

// says is what the client feeds, and when all has gone where it goes.
func (c *aspnetClient) says(record string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Record([]byte(record)))
	time.Sleep(10 * time.Millisecond)
}

func TestN18AspNetHubServersOfAnotherNode(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		has, other := b.aspnetServer(dial{}), b.aspnetServer(dial{hub: "app_chat"})
		elsewhere := c.aspnetServer(dial{hub: "app_chat", id: "s2"})
		time.Sleep(time.Second)
		client := a.aspnetClient(aspnetOptions{user: "ann"})
		require.Equal(t, client.id(), has.next(sp.TypeOpenConnection).(*sp.OpenConnection).ConnectionID)
		elsewhere.forget()
		other.forget()

		// A call, and messages over every connection of the application, which have an order each.
		client.says(aspnetCall("1", "add"))
		require.Contains(t, has.payloads(client.id()), "add")
		has.tell(client.id(), aspnetResult("1", "3"))
		has.tell(client.id(), bus("has"))
		time.Sleep(10 * time.Millisecond)
		other.tell(client.id(), bus("other"))
		time.Sleep(10 * time.Millisecond)
		elsewhere.tell(client.id(), bus("elsewhere"))
		time.Sleep(10 * time.Millisecond)
		other.broadcast("all")
		time.Sleep(10 * time.Millisecond)
		other.send(&sp.JoinGroupWithAck{ConnectionID: client.id(), Group: "g", AckID: 1})
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, sp.AckOK, other.next(sp.TypeAck).(*sp.Ack).Status)
		other.send(&sp.GroupBroadcastData{Group: "g", Payloads: wrapped(bus("group"))})
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		cursor := aspnetprotocol.CursorOf([]byte(client.got[len(client.got)-1]))
		client.wantFrames(initFrame, aspnetResult("1", "3"), busFrame("has"), busFrame("other"), busFrame("elsewhere"), busFrame("all"), busFrame("group"))
		for _, n := range ns.list {
			require.Zero(t, n.Stats().Lost[servermode.LossUnknownConnection])
		}

		// An answer over a connection that has not the client is one, too.
		client.says(aspnetCall("2", "sub"))
		other.tell(client.id(), aspnetResult("2", "1"))
		time.Sleep(10 * time.Millisecond)
		require.Zero(t, a.Stats().Lost[servermode.LossLateCompletion])
		other.tell(client.id(), aspnetResult("2", "1"))
		time.Sleep(10 * time.Millisecond)
		require.EqualValues(t, 1, a.Stats().Lost[servermode.LossLateCompletion], "once")

		// Somebody else's connection, whose application has not the client, does not reach it.
		stranger := b.aspnetServer(dial{hub: "foreign_foreign", id: "x"})
		time.Sleep(time.Second)
		stranger.tell(client.id(), bus("stranger"))
		time.Sleep(10 * time.Millisecond)
		require.EqualValues(t, 1, a.Stats().Lost[servermode.LossUnknownConnection])

		// The hub server hears of a client that has come back.
		has.forget()
		client.lose()
		client.comeBack(cursor)
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, aspnetprotocol.ReconnectText, has.payloads(client.id()))

		// The hub server ends it.
		other.send(&sp.CloseConnection{ConnectionID: client.id(), Error: "bye"})
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, "bye", client.conn.CloseRequested().Text)
	})
}

// A hub server that has the same client from before gets it again a little later.
func TestN22AspNetDuplicatesOverNodes(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		a.limits.Grace = 30 * time.Second
		first := b.aspnetServer(dial{})
		time.Sleep(time.Second)
		c := a.aspnetClient(aspnetOptions{})
		first.next(sp.TypeOpenConnection)
		require.NoError(t, first.ws.Close())
		time.Sleep(100 * time.Millisecond)
		second := b.aspnetServer(dial{})
		time.Sleep(time.Second)
		require.Equal(t, c.id(), second.next(sp.TypeOpenConnection).(*sp.OpenConnection).ConnectionID)
		second.send(&sp.CloseConnection{ConnectionID: c.id(), Error: "Duplicate connection ID"})
		time.Sleep(time.Second)
		require.Equal(t, c.id(), second.next(sp.TypeOpenConnection).(*sp.OpenConnection).ConnectionID)
		require.EqualValues(t, 1, b.Stats().Lost[servermode.LossDuplicate])
		second.tell(c.id(), bus("again"))
		time.Sleep(10 * time.Millisecond)
		c.wantFrames(initFrame, busFrame("again"))
	})
}

// Which application a connection belongs to may be known by a connection to another node only.
func TestN18TheApplicationOfAConnection(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		c.aspnetServer(dial{id: "long", hub: "my_app_my_app"})
		c.aspnetServer(dial{id: "short", hub: "my_my"})
		long, short := b.aspnetServer(dial{id: "long", hub: "my_app_chat"}), b.aspnetServer(dial{id: "short", hub: "my_app_chat"})
		time.Sleep(time.Second)
		ofLong := a.aspnetClient(aspnetOptions{app: "my_app", hubs: []string{"chat"}})
		ofShort := a.aspnetClient(aspnetOptions{app: "my", hubs: []string{"app_chat"}})
		long.broadcast("of the long one")
		short.broadcast("of the short one")
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		ofLong.wantFrames(initFrame, busFrame("of the long one"))
		ofShort.wantFrames(initFrame, busFrame("of the short one"))
	})
}
