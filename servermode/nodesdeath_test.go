package servermode_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

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

// A client that was lost and comes again to the same hub server hears nothing that was for the one
// before: the hub server must have had time to hear of the end.
func TestN12AClientThatComesAgainIsAnotherOne(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		a.limits.Grace = 30 * time.Second
		server := b.server(dial{})
		time.Sleep(time.Second)
		c := a.client(gatewaytest.Options{})
		server.take(sp.TypeOpenConnection)
		server.setOn(func(m sp.Message) { // it says something before it knows
			if closed, ok := m.(*sp.CloseConnection); ok {
				time.Sleep(1800 * time.Millisecond)
				server.data(closed.ConnectionID, invocation("for the former one"))
			}
		})
		ns.net.Set("", "", func(f *clustertest.Fault) { f.Cut = true })
		time.Sleep(5 * time.Second)
		ns.net.Heal()
		time.Sleep(5 * time.Second)
		require.Nil(t, c.Conn.CloseRequested())
		require.Len(t, server.take(sp.TypeOpenConnection), 1)
		require.Len(t, server.take(sp.TypeCloseConnection), 1)
		require.Zero(t, count(c, "for the former one"))
		server.data(idOf(c), invocation("for this one"))
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, 1, count(c, "for this one"))
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
