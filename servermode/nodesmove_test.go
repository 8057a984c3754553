package servermode_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// wantMovedFrom checks what both hub servers of a move hear.
func wantMovedFrom(t *testing.T, old, next *hubServer, id, from, to string) {
	t.Helper()
	closed := old.next(sp.TypeCloseConnection).(*sp.CloseConnection)
	require.Equal(t, id, closed.ConnectionID)
	got, _ := sp.HeaderValue(closed.Headers, sp.HeaderMigrateTo)
	require.Equal(t, to, got)
	open := next.next(sp.TypeOpenConnection).(*sp.OpenConnection)
	require.Equal(t, id, open.ConnectionID)
	got, _ = sp.HeaderValue(open.Headers, sp.HeaderMigrateFrom)
	require.Equal(t, from, got)
}

// A client moves from a hub server on one node to one on another, wherever it lives itself.
func TestN49ClientsMoveBetweenNodes(t *testing.T) {
	for _, c := range []struct{ owner, old, next string }{{"a", "a", "b"}, {"a", "b", "a"}, {"a", "b", "b"}, {"a", "b", "c"}} {
		t.Run(fmt.Sprintf("of %s from %s to %s", c.owner, c.old, c.next), func(t *testing.T) {
			inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
				owner := ns.list[c.owner]
				old := ns.list[c.old].server(dial{id: "old", level: 1})
				time.Sleep(time.Second)
				client := owner.client(gatewaytest.Options{})
				id := idOf(client)
				old.take(sp.TypeOpenConnection)
				next := ns.list[c.next].server(dial{id: "next", level: 1})
				time.Sleep(time.Second)
				old.take(sp.TypeConnectionData)
				old.send(&sp.JoinGroup{ConnectionID: id, Group: "g"})

				// It waits for its call, and what it says meanwhile is held.
				said(t, client, call("1", "slow"))
				require.Equal(t, call("1", "slow"), old.payloads(id))
				old.send(sp.ShutdownPing(sp.FinMigrate))
				time.Sleep(10 * time.Millisecond)
				said(t, client, call("2", "held"))
				require.Empty(t, old.payloads(id))
				require.Empty(t, next.take(sp.TypeOpenConnection))
				old.data(id, completion("1", "1"))
				old.data(id, invocation("late")+completion("2", "0"))
				old.send(&sp.BroadcastData{Payloads: payload(`{"type":1,"target":"later","arguments":[]}`)})
				time.Sleep(100 * time.Millisecond)
				wantMovedFrom(t, old, next, id, "old", "next")
				require.Equal(t, `{"protocol":"json","version":1}`+"\x1e"+call("2", "held"), next.payloads(id))
				next.data(id, "{}\x1e"+completion("2", "2")+invocation("hello"))
				next.send(&sp.GroupBroadcastData{Group: "g", Payloads: payload(`{"type":1,"target":"group","arguments":[]}`)})
				time.Sleep(10 * time.Millisecond)
				require.Equal(t, []string{"{}\x1e", completion("1", "1"), invocation("late"), invocation("later"),
					completion("2", "2"), invocation("hello"), invocation("group")}, client.Got())
				require.EqualValues(t, 1, owner.Stats().Migrated)

				// The old one ends, and the client does not notice.
				require.NoError(t, old.ws.Close())
				time.Sleep(time.Second)
				said(t, client, call("3", "more"))
				require.Equal(t, call("3", "more"), next.payloads(id))
				require.Nil(t, client.Conn.CloseRequested())
			})
		})
	}
}

// A crowd moves at the pace of the hub server that takes it.
func TestN49ACrowdMovesToAnotherNode(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		c.limits.QueueBytes = 16 << 10
		old := b.server(dial{id: "old", level: 1})
		time.Sleep(time.Second)
		const crowd = 200
		for range crowd {
			a.client(gatewaytest.Options{})
		}
		next := c.server(dial{id: "next", level: 1})
		time.Sleep(time.Second)
		old.send(sp.ShutdownPing(sp.FinMigrate))
		time.Sleep(5 * time.Second)
		require.Len(t, next.take(sp.TypeOpenConnection), crowd)
		require.EqualValues(t, crowd, a.Stats().Migrated)
	})
}

// A node that ends lets clients of others go to other hub servers, and closes nobody who can.
func TestN49ANodeThatEndsLetsClientsMove(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		able, unable := b.server(dial{id: "able", level: 1}), b.server(dial{id: "unable", hub: "news"})
		time.Sleep(time.Second)
		moves := a.client(gatewaytest.Options{})
		stuck := gatewaytest.Connect(t, a.gw, gatewaytest.Options{ID: a.newID(), Hub: "news"})
		next := c.server(dial{id: "next", level: 1})
		time.Sleep(time.Second)
		begin := time.Now()
		require.NoError(t, b.Leave(t.Context()))
		require.Less(t, time.Since(begin), 5*time.Second, "it waits for nobody who cannot move")
		require.Len(t, next.take(sp.TypeOpenConnection), 1)
		require.Len(t, able.take(sp.TypeCloseConnection), 1)
		require.Nil(t, stuck.Conn.CloseRequested())
		require.Empty(t, unable.take(sp.TypeCloseConnection))
		require.NoError(t, b.Close(context.Background()))
		time.Sleep(time.Second)
		end := stuck.WantEnd(t.Context())
		require.Equal(t, gateway.CloseServerConnectionClosed, end.Reason)
		require.True(t, end.AllowReconnect)
		require.Nil(t, moves.Conn.CloseRequested())
		require.Zero(t, servermode.Shared(b.Backend))
	})
}

// A client that has moved away ends at its hub server only, when its node dies.
func TestN21ClientsThatHaveMovedDoNotEndTwice(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		old := b.server(dial{id: "old", level: 1})
		time.Sleep(time.Second)
		a.client(gatewaytest.Options{})
		next := c.server(dial{id: "next", level: 1})
		time.Sleep(time.Second)
		old.send(sp.ShutdownPing(sp.FinMigrate))
		time.Sleep(time.Second)
		require.Len(t, old.take(sp.TypeCloseConnection), 1)
		ns.kill("a")
		time.Sleep(5 * time.Second)
		require.Len(t, next.take(sp.TypeCloseConnection), 1)
		require.Empty(t, old.take(sp.TypeCloseConnection))
	})
}

// The end of the hub server's node is no end of the client's: it waits for another hub server.
func TestN22TheNodeOfTheServerConnectionEnds(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		a.limits.Grace = 30 * time.Second
		b.server(dial{id: "old"})
		time.Sleep(time.Second)
		client := a.client(gatewaytest.Options{})
		next := c.server(dial{id: "next"})
		time.Sleep(time.Second)
		require.NoError(t, b.Leave(t.Context()))
		require.NoError(t, b.Close(context.Background()))
		time.Sleep(time.Second)
		require.Nil(t, client.Conn.CloseRequested())
		require.Len(t, next.take(sp.TypeOpenConnection), 1)
	})
}

// A client waits for a hub server on any node.
func TestN22GraceOverNodes(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		a.limits.Grace = 30 * time.Second
		old := b.server(dial{id: "old"})
		time.Sleep(time.Second)
		client := a.client(gatewaytest.Options{})
		required := a.client(required(a.newID(), "old"))
		require.NoError(t, old.ws.Close())
		time.Sleep(time.Second)
		said(t, client, call("1", "held"))
		require.Equal(t, 1, a.Stats().Hubs[0].Waiting, "who is tied to a hub server without connection is closed")
		require.Equal(t, gateway.CloseServerConnectionClosed, required.WantEnd(t.Context()).Reason)
		next := c.server(dial{id: "next"})
		time.Sleep(time.Second)
		require.Equal(t, idOf(client), next.next(sp.TypeOpenConnection).(*sp.OpenConnection).ConnectionID)
		require.Contains(t, next.payloads(idOf(client)), "held")
		require.Zero(t, a.Stats().Hubs[0].Waiting)
		require.EqualValues(t, 1, a.Stats().Recovered)
	})
}
