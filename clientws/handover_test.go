package clientws

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
