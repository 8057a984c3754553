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

// A group costs the nodes that have no members of it next to nothing.
func TestN10GroupsElsewhereCostLittle(t *testing.T) {
	if raced {
		t.Skip("measures memory")
	}
	const groups = 100_000
	alone, three := heapOfGroups(t, 1, groups), heapOfGroups(t, 3, groups)
	t.Logf("%d bytes for each group on its own node, %d on another", alone/groups, (three-alone)/2/groups)
	require.Less(t, (three-alone)/2/groups, 200)
}

// heapOfGroups is how many bytes many groups take, on so many nodes together. All members are on one.
func heapOfGroups(t *testing.T, count, groups int) int {
	net := clustertest.NewNet(1 << 20)
	var gateways []*gateway.Gateway
	var planes []*cluster.Backplane
	for i := range count {
		o := options(string(rune('a'+i)), net.Carrier())
		o.Everything = false
		plane := join(t, o)
		g, err := gateway.New(gateway.Options{Node: o.Tag, Backend: &gatewaytest.Backend{}, Workers: 2, Backplane: plane})
		require.NoError(t, err)
		defer g.Close()
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
	const members = 10
	for i := range members {
		client := gatewaytest.Connect(t, gateways[0], gatewaytest.Options{ID: fmt.Sprint(i), Hub: "chat", User: "ann"})
		client.Want(t.Context(), "{}")
		defer client.Leave()
	}
	before := heap()
	var wg sync.WaitGroup
	for i := range groups {
		wg.Add(1)
		gateways[0].Start(context.Background(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Group: fmt.Sprint("group-", i),
			Target: conns(fmt.Sprint(i % members))}, func(gateway.Result, error) { wg.Done() })
	}
	wg.Wait()
	require.Equal(t, groups+members+2, planes[0].Stats().Names)
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
