package clientws

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

// moves lets the clients of a node be handed over.
func moves(f *fixture, _ *Options) { f.backend.Moves = true }

func (f *fixture) verb(cmd gateway.Command) gateway.Result {
	f.t.Helper()
	cmd.Hub = "chat"
	r, err := f.gw.Do(f.t.Context(), &cmd)
	require.NoError(f.t, err)
	return r
}

func toGroup(name string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetGroups, IDs: []string{name}}
}

// N44: a client that comes back to another node is served there, under the same id, with its groups and
// all that it has missed.
func TestN44AClientIsHandedOverToTheNodeThatItComesTo(t *testing.T) {
	_, nodes := homeNodesWith(t, moves, "a", "b", "c")
	a := nodes["a"]
	token := a.user("u")
	n := a.negotiateVersion(token, askStateful)
	id, query := n.ConnectionID, n.query()+"&access_token="+token
	ws := nodes["b"].dial(query)
	ws.say(jsonHandshake2)
	ws.want("{}\x1e")
	ws.say(ping)
	r := nodes["c"].verb(gateway.Command{Verb: gateway.VerbJoin, Group: "g", Target: gateway.Target{Kind: gateway.TargetConnections, IDs: []string{id}}})
	require.Equal(t, 1, r.Matched)
	at, owed := "b", ""
	for i, by := range []string{"c", "a", "b", "b", "a"} {
		missed := "missed" + string(rune('0'+i))
		before := nodes[at].live(id)
		require.NoError(t, ws.NetConn().Close())
		require.Eventually(t, before.IsAway, time.Minute, time.Millisecond)
		nodes["c"].publish(toGroup("g"), missed)
		ws = returnsAt(t, nodes[by], query, owed, missed, func(text string) { nodes["b"].publish(toGroup("g"), text) })
		owed += messageRecord(missed) + messageRecord("next"+missed)
		for said := range i + 1 { // it has heard no acknowledgement
			ws.say(fmt.Sprintf(`{"type":1,"target":"said%d","arguments":[]}`+"\x1e", said))
		}
		conn := nodes[by].live(id)
		require.False(t, conn.IsAway())
		require.Equal(t, "u", conn.Identity().User)
		if by != at {
			gone, dead := nodes[at].gw.Lookup(id)
			require.Nil(t, gone, "the former node has forgotten it")
			require.False(t, dead)
		}
		nodes[by].waitFor(t, fmt.Sprintf("record %s said%d", id, i))
		at = by
		for _, f := range nodes {
			require.Equal(t, 1, f.verb(gateway.Command{Verb: gateway.VerbCount, Target: toGroup("g")}).Matched)
		}
	}
	heard := 0
	for tag, f := range nodes {
		for _, e := range f.backend.Events() {
			require.NotContains(t, e, "closed", tag)
			if strings.HasPrefix(e, "record ") {
				heard++
			}
		}
	}
	require.Equal(t, 5, heard, "what the client says again is heard once")
	require.NoError(t, ws.Close())
}

// A node that refuses the access token of a client takes its connection over all the same, if the
// client has used the token with it before.
func TestN44AClientIsHandedOverWithATokenThatIsNotAcceptedAnyMore(t *testing.T) {
	var keys atomic.Pointer[[]auth.Secret]
	keys.Store(&[]auth.Secret{testKey})
	_, nodes := homeNodesWith(t, func(f *fixture, o *Options) { moves(f, o); withKeys(&keys)(f, o) }, "a", "b", "c")
	token, other := nodes["a"].user("u"), nodes["a"].token(auth.ClientTokenSpec{UserID: "u", Lifetime: time.Minute})
	n := nodes["a"].negotiateVersion(token, askStateful)
	header := http.Header{"Authorization": {"Bearer " + token}}
	ws, _ := nodes["b"].tryDial(n.query(), header)
	require.NotNil(t, ws)
	ws.say(jsonHandshake2)
	ws.want("{}\x1e")
	ws.say(ping)
	keys.Store(&[]auth.Secret{"another" + testKey})
	for _, tag := range []string{"c", "a", "b"} {
		_, res := nodes[tag].tryDial(n.query(), http.Header{"Authorization": {"Bearer " + other}})
		require.Equal(t, 401, res.status, "a token that the connection never had")
		ws, res = nodes[tag].tryDial(n.query(), header)
		require.Equal(t, 101, res.status)
		ws.want(sequence1)
		require.NotNil(t, nodes[tag].live(n.ConnectionID))
	}
	require.NoError(t, ws.Close())
}

// drain begins to drain a node, and returns what Drain has returned in the end.
func (f *fixture) drain() <-chan error {
	over := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	go func() {
		defer cancel()
		over <- f.gw.Drain(ctx)
	}()
	return over
}

// N44, N48: when a node drains, its clients with stateful reconnect are served by the others, and notice
// nothing. The others are closed, and may reconnect.
func TestN44ANodeThatDrainsHandsItsClientsOver(t *testing.T) {
	_, nodes := homeNodesWith(t, moves, "a", "b", "c")
	b := nodes["b"]
	token := nodes["a"].user("u")
	other, _ := b.open("other")
	type client struct {
		*wsClient
		id, query, owed string
	}
	var clients []*client
	for range 5 {
		n := nodes["a"].negotiateVersion(token, askStateful)
		c := &client{id: n.ConnectionID, query: n.query() + "&access_token=" + token}
		c.wsClient = b.dial(c.query)
		c.say(jsonHandshake2)
		c.want("{}\x1e")
		c.say(ping)
		clients = append(clients, c)
	}
	over := b.drain()
	other.wantClose(websocket.CloseNormalClosure)
	for _, c := range clients {
		c.drain()
	}
	nodes["c"].send("during")
	for i, c := range clients {
		by := nodes[[]string{"a", "c"}[i%2]]
		ws, res := by.tryDial(c.query, nil)
		require.Equal(t, 101, res.status)
		ws.say(sequence1)
		ws.wantAll(sequence1 + messageRecord("during"))
		require.NotNil(t, by.live(c.id))
	}
	require.NoError(t, <-over)
	for _, e := range b.backend.Events() {
		for _, c := range clients {
			require.NotContains(t, e, "closed "+c.id)
		}
	}
	require.Contains(t, strings.Join(b.backend.Events(), "\n"), "closed ", "the other one")
}

// N46: a client that comes back to the node that drains is served there, and parked again.
func TestN46AClientComesBackToTheNodeThatDrains(t *testing.T) {
	_, nodes := homeNodesWith(t, moves, "a", "b", "c")
	ws, query, id := nodes["b"].openStateful(nodes["b"].user("u"))
	over := nodes["b"].drain()
	ws.drain()
	nodes["a"].send("x")
	ws = returnsAt(t, nodes["b"], query, "", "x", nodes["c"].send)
	drained := nodes["c"].drain()
	require.NoError(t, <-drained)
	ws.drain()
	nodes["a"].send("y")
	ws, res := nodes["c"].tryDial(query, nil)
	require.Equal(t, 101, res.status, "relayed by another node that drains")
	ws.say(sequence1)
	ws.wantAll(sequence1 + messageRecord("x") + messageRecord("nextx") + messageRecord("y"))
	ws.drain()
	nodes["c"].send("z")
	ws = returnsAt(t, nodes["a"], query, messageRecord("x")+messageRecord("nextx")+messageRecord("y"), "z", nodes["a"].send)
	require.NoError(t, <-over)
	require.NotNil(t, nodes["a"].live(id))
	require.NoError(t, ws.Close())
}

// N47: a client that was parked and comes back to nobody is ended, once.
func TestN47AParkedClientThatNeverComesBack(t *testing.T) {
	_, nodes := homeNodesWith(t, moves, "a", "b")
	ws, _, id := nodes["b"].openStateful(nodes["b"].user("u"))
	began := time.Now()
	over := nodes["b"].drain()
	ws.drain()
	require.NoError(t, <-over)
	require.Greater(t, time.Since(began), 14*time.Second)
	require.Equal(t, []string{"opened " + id, "closed " + id + " ServiceReload: Service reloading, try reconnecting."}, nodes["b"].backend.Events())
	_, dead := nodes["b"].gw.Lookup(id)
	require.True(t, dead)
}

// A node whose other nodes drain too does not wait for them.
func TestAClusterThatEndsDoesNotParkItsClients(t *testing.T) {
	_, nodes := homeNodesWith(t, moves, "a", "b")
	require.NoError(t, <-nodes["a"].drain())
	began := time.Now()
	ws, _, _ := nodes["b"].openStateful(nodes["b"].user("u"))
	over := nodes["b"].drain()
	ws.wantClose(websocket.CloseNormalClosure)
	require.NoError(t, <-over)
	require.Less(t, time.Since(began), 10*time.Second)
}
