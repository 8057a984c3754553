package clientws

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
)

// patience bounds waits that only end early when something is broken.
const patience = time.Minute

// homeNodes are nodes of one cluster on a network that can be cut.
func homeNodes(t *testing.T, tags ...string) (*clustertest.Net, map[string]*fixture) {
	t.Helper()
	return homeNodesWith(t, func(*fixture, *Options) {}, tags...)
}

// homeNodesWith is homeNodes with other options.
func homeNodesWith(t *testing.T, change func(*fixture, *Options), tags ...string) (*clustertest.Net, map[string]*fixture) {
	t.Helper()
	sealer, err := auth.NewSealer(auth.NewSealerKey())
	require.NoError(t, err)
	network, nodes, planes := clustertest.NewNet(1<<20), make(map[string]*fixture), []*cluster.Backplane(nil)
	t.Cleanup(network.Wait)
	for _, tag := range tags {
		o := cluster.Options{Tag: tag, Cluster: "test", Secret: []byte(strings.Repeat("s", 32)), Carrier: network.Carrier(), Limits: cluster.DefaultLimits()}
		o.Limits.Settle = 0
		plane, err := cluster.New(o)
		require.NoError(t, err)
		f := newFixture(t, func(f *fixture, o *Options) {
			f.plane, o.Node, o.Sealer, o.Forwarder, o.Peers = plane, tag, sealer, plane, plane
			change(f, o)
		})
		plane.Handle(f.h)
		nodes[tag], planes = f, append(planes, plane)
	}
	require.Eventually(t, func() bool {
		for _, plane := range planes {
			if len(plane.Stats().Peers) != len(tags)-1 || !plane.Ready() {
				return false
			}
		}
		return true
	}, 20*time.Second, time.Millisecond)
	for _, f := range nodes {
		require.Eventually(t, func() bool { return f.h.homes.count() == len(tags)-1 }, patience, time.Millisecond)
	}
	return network, nodes
}

func (s *homes) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.peers)
}

// N16: whichever node they come to, there is one connection of an id, and only once.
func TestN16AnIDHasOneConnectionInAllNodes(t *testing.T) {
	_, nodes := homeNodes(t, "a", "b", "c")
	a, b, c := nodes["a"], nodes["b"], nodes["c"]
	for _, version := range []string{"negotiateVersion=1", ""} {
		token := a.user("u")
		n := a.negotiateVersion(token, version)
		url := n.query() + "&access_token=" + token
		ws := b.dial(url)
		ws.say(jsonHandshake)
		ws.want("{}\x1e")
		conn, _ := b.gw.Lookup(n.ConnectionID)
		require.NotNil(t, conn, "the connection lives where its WebSocket came to")
		require.Equal(t, "b", a.gw.Elsewhere(n.ConnectionID))
		c.send("hello")
		ws.want(messageRecord("hello"))
		for _, f := range nodes {
			_, res := f.tryDial(url, nil)
			require.Equal(t, 409, res.status)
			p := &pollClient{f: f, n: n, token: token}
			require.Equal(t, 405, p.post("x").status)
			require.Equal(t, 400, p.poll().status)
			require.Equal(t, 400, p.delete().status)
			require.Equal(t, 400, f.do(request{method: "GET", query: n.query(), token: token, header: map[string]string{"Accept": "text/event-stream"}}).status)
		}
		require.NoError(t, ws.Close())
		require.Eventually(t, func() bool { return a.gw.Elsewhere(n.ConnectionID) == "" }, patience, time.Millisecond)
		for _, f := range nodes {
			_, res := f.tryDial(url, nil)
			require.Equal(t, 404, res.status)
			require.Equal(t, 404, (&pollClient{f: f, n: n, token: token}).poll().status)
		}
	}
}

// N15: what is posted to an id before its WebSocket comes is heard, whichever nodes that concerns.
func TestN15PostsBeforeAWebSocketOfAnotherNode(t *testing.T) {
	_, nodes := homeNodes(t, "a", "b", "c")
	for _, version := range []string{"negotiateVersion=1", ""} {
		token := nodes["a"].user("u")
		n := nodes["a"].negotiateVersion(token, version)
		require.Equal(t, 200, (&pollClient{f: nodes["c"], n: n, token: token}).post(jsonHandshake).status)
		ws := nodes["b"].dial(n.query() + "&access_token=" + token)
		ws.want("{}\x1e")
		require.NoError(t, ws.Close())
		nodes["b"].waitFor(t, "closed "+n.ConnectionID)
	}
}

// A connection that is refused can be tried again, with what was posted to it.
func TestARefusedWebSocketGivesItsIDBack(t *testing.T) {
	_, nodes := homeNodes(t, "a", "b")
	nodes["b"].core.MaxConnections = 1
	full, _ := nodes["b"].open("other")
	token := nodes["a"].user("u")
	n := nodes["a"].negotiate(token)
	require.Equal(t, 200, (&pollClient{f: nodes["a"], n: n, token: token}).post(jsonHandshake).status)
	_, res := nodes["b"].tryDial(n.query()+"&access_token="+token, nil)
	require.Equal(t, 429, res.status)
	require.Eventually(t, func() bool { return nodes["a"].gw.Elsewhere(n.ConnectionID) == "" }, patience, time.Millisecond)
	p := &pollClient{f: nodes["a"], n: n, token: token}
	require.Equal(t, 200, p.poll().status)
	require.Equal(t, "{}\x1e", p.poll().body)
	require.Equal(t, 202, p.delete().status)
	require.NoError(t, full.Close())
}

// N17: a home that is gone knows nothing any more: clients negotiate again.
func TestN17AHomeThatIsGone(t *testing.T) {
	network, nodes := homeNodes(t, "a", "b")
	token := nodes["a"].user("u")
	there, n := nodes["a"].negotiate(token), nodes["a"].negotiate(token)
	ws := nodes["b"].dial(there.query() + "&access_token=" + token)
	ws.say(jsonHandshake)
	ws.want("{}\x1e")
	network.Between("a", "b", func(f *clustertest.Fault) { f.Cut = true })
	require.Eventually(t, func() bool { return nodes["b"].h.homes.count() == 0 && nodes["a"].h.homes.count() == 0 }, patience, 10*time.Millisecond)
	_, res := nodes["b"].tryDial(n.query()+"&access_token="+token, nil)
	require.Equal(t, 404, res.status)
	require.Empty(t, nodes["a"].gw.Elsewhere(there.ConnectionID), "as far as its home knows, it has ended with its node")
	network.Heal()
	require.Eventually(t, func() bool { return nodes["a"].gw.Elsewhere(there.ConnectionID) == "b" }, patience, 10*time.Millisecond)
	_, res = nodes["a"].tryDial(there.query()+"&access_token="+token, nil)
	require.Equal(t, 409, res.status)
	require.NoError(t, ws.Close())
	require.Eventually(t, func() bool { return nodes["a"].gw.Elsewhere(there.ConnectionID) == "" }, patience, time.Millisecond)
}

func FuzzHomeMessage(f *testing.F) {
	for _, m := range []homeMessage{
		{kind: homeAsks, number: 7, id: "a0123456789", until: time.Unix(1<<33, 0)},
		{kind: homeAnswers, number: 7, homeAnswer: homeAnswer{state: homeYours, posted: []byte("posted")}},
		{kind: homeAnswers, number: 7, homeAnswer: homeAnswer{state: homeLive, owner: "b"}},
		{kind: homeReturns, id: "id", homeAnswer: homeAnswer{posted: []byte("posted")}},
		{kind: homeEnded, id: "id"},
		{kind: homeLooks, number: 8, id: "id"},
	} {
		f.Add(m.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseHomeMessage(b)
		if err != nil {
			return
		}
		again, err := parseHomeMessage(m.append(nil))
		if err != nil || again.kind != m.kind || again.number != m.number || again.id != m.id || !again.until.Equal(m.until) ||
			again.state != m.state || again.owner != m.owner || !bytes.Equal(again.posted, m.posted) {
			t.Fatalf("%+v is read again as %+v, %v", m, again, err)
		}
	})
}
