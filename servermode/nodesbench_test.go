package servermode_test

import (
	"fmt"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// overLink are so many nodes that have met, with a hub server at the second one that is reached through
// a socket. With one node it is there.
func overLink(tb testing.TB, count int) (*world, *hubServer) {
	net := clustertest.NewNet(1 << 20)
	tb.Cleanup(net.Wait)
	var list []*world
	var planes []*cluster.Backplane
	for i := range count {
		o := cluster.Options{Tag: fmt.Sprint("node-", i), Cluster: "test", Secret: []byte(strings.Repeat("s", 32)), Carrier: net.Carrier(), Limits: cluster.DefaultLimits()}
		o.Limits.Settle = 0
		plane, err := cluster.New(o)
		require.NoError(tb, err)
		w := newNode(tb, o.Tag, plane)
		tb.Cleanup(w.stop)
		list, planes = append(list, w), append(planes, plane)
	}
	require.Eventually(tb, func() bool {
		for _, p := range planes {
			if len(p.Stats().Peers) != count-1 || !p.Ready() {
				return false
			}
		}
		return true
	}, time.Minute, time.Millisecond)
	server := httptest.NewServer(list[min(1, count-1)].Backend)
	tb.Cleanup(server.Close)
	s := list[min(1, count-1)].server(dial{tcp: strings.TrimPrefix(server.URL, "http://")})
	require.Eventually(tb, func() bool { return list[0].Knows("chat", "s1") }, time.Minute, time.Millisecond)
	return list[0], s
}

// BenchmarkEchoOverNodes is BenchmarkEcho with clients and hub server on one node, and on two.
func BenchmarkEchoOverNodes(b *testing.B) {
	for _, at := range []int{1, 2} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprintf("%d clients, %d nodes", clients, at), func(b *testing.B) { echoOverNodes(b, at, clients) })
		}
	}
}

func echoOverNodes(b *testing.B, count, clients int) {
	w, s := overLink(b, count)
	s.setOn(func(m sp.Message) {
		if d, ok := m.(*sp.ConnectionData); ok {
			s.send(d)
		}
	})
	got := &tally{done: make(chan struct{}, 1)}
	got.expect(clients)
	var conns []*gateway.Conn
	for range clients {
		conns = append(conns, attach(b, w, auth.NewConnectionID("node-0"), got))
	}
	got.wait()
	record := []byte(call("1", "echo"))
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += clients {
		got.expect(clients)
		for _, c := range conns {
			if err := c.Feed(record); err != nil {
				b.Fatal(err)
			}
		}
		got.wait()
	}
}

// A client whose hub server is on another node costs two entries of tables on each side, and nothing
// for each of the other nodes.
func TestN58AClientOfAnotherNodeCostsLittle(t *testing.T) {
	const clients = 2000
	cost := func(count int) (bytes, goroutines int) {
		w, s := overLink(t, count)
		s.setOn(func(sp.Message) { s.forget() })
		got := &tally{done: make(chan struct{}, 1)}
		heap := func() int {
			var m runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc)
		}
		before, ran := heap(), runtime.NumGoroutine()
		var conns []*gateway.Conn
		got.expect(clients)
		for range clients {
			conns = append(conns, attach(t, w, auth.NewConnectionID("node-0"), got))
		}
		got.wait()
		bytes, goroutines = heap()-before, runtime.NumGoroutine()-ran
		runtime.KeepAlive(conns)
		return bytes / clients, goroutines
	}
	alone, _ := cost(1)
	two, goroutines := cost(2)
	require.Less(t, goroutines, 20)
	many, goroutines := cost(9)
	require.Less(t, goroutines, 20)
	t.Logf("bytes per client: alone %d, on two nodes %d, on nine %d", alone, two, many)
	require.Less(t, two-alone, 1000)
	require.Less(t, many-two, 500)
}
