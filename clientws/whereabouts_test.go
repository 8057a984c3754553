package clientws

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/cluster/clustertest"
)

// returnsAt has a client with stateful reconnect come back by the node, and checks that it has lost nothing.
func returnsAt(t *testing.T, f *fixture, query, owed, missed string, send func(string)) *wsClient {
	t.Helper()
	ws, res := f.tryDial(query, nil)
	require.Equal(t, 101, res.status, "%s", res.body)
	ws.say(sequence1)
	ws.wantAll(sequence1 + owed + messageRecord(missed))
	send("next" + missed)
	ws.wantAll(messageRecord("next" + missed))
	return ws
}

// wantAll reads records, in any number of messages. Acknowledgements, which come when they like, are
// passed over.
func (ws *wsClient) wantAll(want string) {
	ws.t.Helper()
	for got := ""; got != want; {
		for _, record := range strings.SplitAfter(ws.next(), "\x1e") {
			if !strings.HasPrefix(record, `{"type":8,`) {
				got += record
			}
		}
		require.True(ws.t, strings.HasPrefix(want, got), "got %q\nwant %q", got, want)
	}
}

// A client with stateful reconnect may come back to any node, whichever gave its id out and has its
// connection, also when its connection token has expired.
func TestC93AClientComesBackByAnotherNode(t *testing.T) {
	var later atomic.Int64
	_, nodes := homeNodesWith(t, func(_ *fixture, o *Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	}, "a", "b", "c")
	a := nodes["a"]
	for _, expired := range []bool{false, true} {
		for _, owner := range []string{"a", "b"} {
			later.Store(0)
			token := a.token(auth.ClientTokenSpec{UserID: "u", Lifetime: time.Hour})
			n := a.negotiateVersion(token, askStateful)
			query := n.query() + "&access_token=" + token
			ws := nodes[owner].dial(query)
			ws.say(jsonHandshake2)
			ws.want("{}\x1e")
			ws.say(ping)
			if expired {
				later.Store(int64(time.Minute))
			}
			conn := nodes[owner].live(n.ConnectionID)
			owed := ""
			for _, by := range []string{"c", "a", "b"} {
				require.NoError(t, ws.NetConn().Close())
				require.Eventually(t, conn.IsAway, time.Minute, time.Millisecond)
				nodes["c"].send(by)
				ws = returnsAt(t, nodes[by], query, owed, by, nodes["c"].send)
				owed += messageRecord(by) + messageRecord("next"+by)
			}
			require.False(t, conn.IsAway())
			require.NoError(t, ws.Close())
			nodes[owner].waitFor(t, "opened "+n.ConnectionID)
		}
	}
}

// A node that refuses the access token of a client asks whether the node that has its connection
// knows it.
func TestC93AClientComesBackByAnotherNodeWithATokenThatIsNotAcceptedAnyMore(t *testing.T) {
	var keys atomic.Pointer[[]auth.Secret]
	keys.Store(&[]auth.Secret{testKey})
	_, nodes := homeNodesWith(t, withKeys(&keys), "a", "b", "c")
	token, other := nodes["a"].user("u"), nodes["a"].token(auth.ClientTokenSpec{UserID: "u", Lifetime: time.Minute})
	n := nodes["a"].negotiateVersion(token, askStateful)
	header := http.Header{"Authorization": {"Bearer " + token}}
	ws, _ := nodes["b"].tryDial(n.query(), header)
	require.NotNil(t, ws)
	ws.say(jsonHandshake2)
	ws.want("{}\x1e")
	ws.say(ping)
	keys.Store(&[]auth.Secret{"another" + testKey})
	for _, tag := range []string{"c", "a"} {
		_, res := nodes[tag].tryDial(n.query(), http.Header{"Authorization": {"Bearer " + other}})
		require.Equal(t, 401, res.status, "a token that the connection never had")
		ws, res = nodes[tag].tryDial(n.query(), header)
		require.Equal(t, 101, res.status)
		ws.want(sequence1)
	}
	require.NoError(t, ws.Close())
}

// If whoever gave the id out is gone, the other nodes are asked.
func TestC93AClientComesBackWithoutTheHomeOfItsID(t *testing.T) {
	network, nodes := homeNodes(t, "a", "b", "c")
	token := nodes["a"].user("u")
	n := nodes["a"].negotiateVersion(token, askStateful)
	query := n.query() + "&access_token=" + token
	ws := nodes["b"].dial(query)
	ws.say(jsonHandshake2)
	ws.want("{}\x1e")
	ws.say(ping)
	for _, other := range []string{"b", "c"} {
		network.Between("a", other, func(f *clustertest.Fault) { f.Cut = true })
	}
	require.Eventually(t, func() bool { return nodes["b"].h.homes.count() == 1 && nodes["c"].h.homes.count() == 1 }, patience, 10*time.Millisecond)
	require.NoError(t, ws.NetConn().Close())
	require.Eventually(t, nodes["b"].live(n.ConnectionID).IsAway, time.Minute, time.Millisecond)
	nodes["b"].send("x")
	ws = returnsAt(t, nodes["c"], query, "", "x", nodes["b"].send)
	require.NoError(t, ws.Close())
}
