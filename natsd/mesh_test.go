package natsd

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// restart ends the node's server and starts another one at the same address, as a voter does that starts its store.
func (n *node) restart(t *testing.T) {
	t.Helper()
	n.shutdownServer()
	n.log.startAgain()
	require.NoError(t, n.startServer(t.Context(), n.routes.current(), false))
}

// Two nodes that start their servers again at the same moment, and have no address of each other, were never
// told of each other: the one between them dialled one of them itself.
func TestN2NodesOfWhichOnlyAThirdOneKnowsFindEachOther(t *testing.T) {
	t.Parallel()
	list := team(t, 4, 1)
	a, b, gone, c := list[0], list[1], list[2], list[3]
	for i := range list {
		list[i].DataDir, list[i].Cluster.Voters = "", []string{"x"} // there is no store, and no election to wait for
	}
	a.Cluster.Peers = nil
	gone.Cluster.Peers = []string{a.Cluster.Listen}
	b.Cluster.Peers = []string{gone.Cluster.Listen}
	c.Cluster.Peers = []string{a.Cluster.Listen}
	between, passing := launch(t, a), launch(t, gone)
	remotes := func(n *node, want int) func() bool { return func() bool { return n.server().NumRemotes() == want } }
	await(t, "two nodes", remotes(between, 1))
	one := launch(t, b)
	await(t, "a dials b", remotes(between, 2))
	passing.end(t)
	await(t, "the third one has left", remotes(between, 1))
	other := launch(t, c)
	await(t, "the mesh", remotes(between, 2))

	one.shutdownServer()
	other.restart(t)
	await(t, "c dials a", remotes(between, 1))
	one.restart(t)
	await(t, "a dials b again", remotes(between, 2))
	await(t, "b and c", remotes(one, 2))
	await(t, "b and c", remotes(other, 2))
}

func TestMesh(t *testing.T) {
	now := time.Unix(1e9, 0)
	m := newMesh("b")
	woken := func() bool {
		m.look(now)
		select {
		case <-m.found:
			return true
		default:
			return false
		}
	}
	hears := func(list ...sighting) *meshNews { return &meshNews{Name: "a", At: ":1", Hears: list} }
	both := []sighting{{"c", "10.0.0.3:1"}, {"b", "10.0.0.2:1"}}
	pass := func(d time.Duration, list ...sighting) {
		for range d / time.Second {
			now = now.Add(time.Second)
			m.take(hears(list...), "10.0.0.1:1", now)
		}
	}
	m.take(hears(both...), "10.0.0.1:1", now)
	require.Equal(t, []sighting{{"a", "10.0.0.1:1"}}, m.hears(now), "only who is heard is told of")
	pass(meshMissed-time.Second, both...)
	require.Empty(t, m.dials(now, nil))
	require.False(t, woken())
	pass(time.Second, both...)
	require.Equal(t, []string{"10.0.0.3:1"}, m.dials(now, nil), "a third node hears it for long, and this one does not")
	require.True(t, woken())

	m.take(&meshNews{Name: "c", At: ":2"}, "10.0.0.3:2", now)
	require.Empty(t, m.dials(now, nil))
	require.False(t, woken())
	require.Equal(t, []string{"10.0.0.3:2"}, m.dials(now, map[string]time.Time{"10.0.0.3:2": now, "10.0.0.9:1": now}),
		"what is dialled stays so while somebody is heard there")
	require.Len(t, m.hears(now), 2)

	// It ends. The third node hears it a little longer, and then speaks of it no more.
	pass(meshFresh, sighting{"c", "10.0.0.3:2"})
	for range 2 * meshForgets / time.Second {
		pass(time.Second)
		require.Empty(t, m.dials(now, nil))
		require.False(t, woken())
	}
	require.Len(t, m.nodes, 1, "nothing is remembered for ever")

	// Of two that miss each other one dials first.
	m = newMesh("d")
	m.take(hears(both...), "", now)
	pass(meshMissed, both...)
	require.Empty(t, m.dials(now, nil))
	pass(meshMissed, both...)
	require.ElementsMatch(t, []string{"10.0.0.2:1", "10.0.0.3:1"}, m.dials(now, nil))
}

func FuzzMeshNews(f *testing.F) {
	good, err := json.Marshal(meshNews{Name: "a", At: ":4250", Hears: []sighting{{"b", "[::1]:4250"}}})
	require.NoError(f, err)
	f.Add(good)
	for _, bad := range []string{"", "{}", `{"name":"a","at":":0"}`, `{"name":"a","at":":1","hears":[{"name":"b","at":":1"}]}`, `{"name":"a","at":":1","hears":[{"name":"b","at":"x:99999"}]}`} {
		_, err := readMeshNews([]byte(bad))
		require.Error(f, err, bad)
		f.Add([]byte(bad))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		news, err := readMeshNews(text)
		if err != nil {
			require.Nil(t, news)
			return
		}
		m := newMesh("self")
		m.take(news, "10.0.0.1:1", time.Now())
		require.LessOrEqual(t, len(m.nodes), 1+len(news.Hears))
	})
}
