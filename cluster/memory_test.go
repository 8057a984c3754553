package cluster_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// costs measures until less is in use than the bound: what is on its way on a slow machine is in use as well, for a
// moment.
func costs(t *testing.T, bound int, measure func() int) {
	t.Helper()
	least := bound
	for i := 0; i < 4 && least >= bound; i++ {
		least = min(least, measure())
	}
	require.Less(t, least, bound)
}

// A group costs the nodes that have no members of it next to nothing.
func TestN10GroupsElsewhereCostLittle(t *testing.T) {
	if raced {
		t.Skip("measures memory")
	}
	const groups = 100_000
	costs(t, 200, func() int {
		alone, three := heapOfGroups(t, 1, groups), heapOfGroups(t, 3, groups)
		t.Logf("%d bytes for each group on its own node, %d on another", alone/groups, (three-alone)/2/groups)
		return (three - alone) / 2 / groups
	})
}

// A connection costs neither a goroutine nor memory for each peer, but for its names in their filters.
func TestN58ConnectionsCostPeersLittle(t *testing.T) {
	if raced {
		t.Skip("measures memory")
	}
	const conns, few, many = 10_000, 2, 8
	costs(t, 16, func() int {
		alone, two, eight := heapOfConnections(t, 0, conns), heapOfConnections(t, few, conns), heapOfConnections(t, many, conns)
		each := (eight - two) / conns / (many - few)
		t.Logf("%d bytes for each connection alone, %d with %d peers, and %d for each further one", alone/conns, two/conns, few, each)
		return each
	})
}

// heapOfConnections is how many bytes many connections take, on their node and its peers together.
func heapOfConnections(t *testing.T, peers, conns int) int {
	g, plane := startForMemory(t, 1+peers)
	before, goroutines := heap(), runtime.NumGoroutine()
	for i := range conns {
		conn, err := g.Attach(gateway.Identity{ID: fmt.Sprint("connection-", i), Hub: "chat", User: fmt.Sprint("user-", i)}, idle{})
		require.NoError(t, err)
		defer conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		require.NoError(t, conn.Feed([]byte(jsonHandshake)))
	}
	require.Eventually(t, func() bool {
		r, err := g.Do(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: all()})
		return err == nil && r.Matched == conns && runtime.NumGoroutine() <= goroutines+5
	}, 20*time.Second, time.Millisecond)
	require.Equal(t, 2*conns+1, plane.Stats().Names)
	return heap() - before
}

// idle is a client that takes nothing.
type idle struct{}

func (idle) Name() string                 { return gateway.WebSockets }
func (idle) Abilities() gateway.Abilities { return gateway.Abilities{} }
func (idle) Abort(gateway.Cause)          {}
func (idle) Wake()                        {}

// startForMemory starts so many nodes, and returns the first.
func startForMemory(t *testing.T, count int) (*gateway.Gateway, *cluster.Backplane) {
	net := clustertest.NewNet(1 << 20)
	var gateways []*gateway.Gateway
	var planes []*cluster.Backplane
	for i := range count {
		o := options(string(rune('a'+i)), net.Carrier())
		o.Everything = false
		plane := join(t, o)
		g, err := gateway.New(gateway.Options{Node: o.Tag, Backend: &gatewaytest.Backend{}, Workers: 2, Backplane: plane})
		require.NoError(t, err)
		t.Cleanup(g.Close)
		gateways, planes = append(gateways, g), append(planes, plane)
	}
	require.Eventually(t, func() bool {
		for _, plane := range planes {
			if len(plane.Stats().Peers) != count-1 || !plane.Ready() {
				return false
			}
		}
		return true
	}, 20*time.Second, time.Millisecond)
	return gateways[0], planes[0]
}

// heapOfGroups is how many bytes many groups take, on so many nodes together. All members are on one.
func heapOfGroups(t *testing.T, count, groups int) int {
	g, plane := startForMemory(t, count)
	const members = 10
	for i := range members {
		client := gatewaytest.Connect(t, g, gatewaytest.Options{ID: fmt.Sprint(i), Hub: "chat", User: "ann"})
		client.Want(t.Context(), "{}")
		defer client.Leave()
	}
	before := heap()
	var wg sync.WaitGroup
	for i := range groups {
		wg.Add(1)
		g.Start(context.Background(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Group: fmt.Sprint("group-", i),
			Target: conns(fmt.Sprint(i % members))}, func(gateway.Result, error) { wg.Done() })
	}
	wg.Wait()
	require.Equal(t, groups+members+2, plane.Stats().Names)
	return heap() - before
}

// heap is what is in use.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
