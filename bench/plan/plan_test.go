package plan

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

var costs = Costs{BaseMemory: 40e6, ClientMemory: 8000, Connect: 200_000, Request: 50_000, Delivery: 3000, Byte: 0.5, Error: 0.08}

var node = Node{Processors: 4, Memory: 8e9}

func TestOneNodeIsEnough(t *testing.T) {
	p, err := Of(Load{Clients: 1000, Messages: 10, Receivers: 1000, Size: 200}, costs, node, 0)
	require.NoError(t, err)
	require.Equal(t, 1, p.Nodes)
	// 10 messages, 10 000 copies of 200 bytes, 67 pings.
	require.InDelta(t, (10*50_000+10_000*3100+66.7*3000)/1e9, p.Processors, 0.0001)
	require.InDelta(t, 40e6+1000*(8000+655), p.Memory, 1000)
	require.InDelta(t, 8*(10_000*296.0+66.7*96), p.Out, 100)
	require.Equal(t, 0.08, p.Error)
	require.Equal(t, 2100, p.Files)
}

func TestMoreTakeMoreNodes(t *testing.T) {
	last := 0
	for _, messages := range []float64{10, 100, 200, 400} {
		p, err := Of(Load{Clients: 10_000, Messages: messages, Receivers: 10_000, Size: 500}, costs, node, 0)
		require.NoError(t, err)
		require.GreaterOrEqual(t, p.Nodes, last)
		require.NotEqual(t, 2, p.Nodes, "two nodes have no majority when one is away")
		require.LessOrEqual(t, p.NodeProcessors, busy*node.Processors)
		last = p.Nodes
	}
	require.Greater(t, last, 3)
}

func TestMemoryCountsToo(t *testing.T) {
	p, err := Of(Load{Clients: 3_000_000}, costs, node, 0)
	require.NoError(t, err)
	require.Equal(t, "memory", p.Because)
	require.LessOrEqual(t, p.NodeMemory, full*node.Memory)
}

func TestSpareNodesMayBeAway(t *testing.T) {
	load := Load{Clients: 10_000, Messages: 200, Receivers: 10_000, Size: 500}
	without, err := Of(load, costs, node, 0)
	require.NoError(t, err)
	with, err := Of(load, costs, node, 1)
	require.NoError(t, err)
	require.Equal(t, without.Nodes+1, with.Nodes)
	require.InDelta(t, without.NodeProcessors, with.NodeProcessors, 0.001)
	one, err := Of(Load{Clients: 10}, costs, node, 1)
	require.NoError(t, err)
	require.Equal(t, 3, one.Nodes)
	require.Equal(t, "one node is enough, and a cluster has three", one.Because)
}

func TestUnits(t *testing.T) {
	l := OfUnits(5)
	require.NoError(t, l.Check())
	require.Equal(t, 5000, l.Clients)
	require.InDelta(t, 5*4e6, l.Messages*l.Receivers*float64(l.Size), 1)
}

func TestWhatIsRefused(t *testing.T) {
	for _, l := range []Load{{}, {Clients: -1}, {Clients: 10, Receivers: 11}, {Clients: 1, Size: 2 << 20}, {Clients: 1, Messages: math.NaN()}, {Clients: 1, Connects: math.Inf(1)}} {
		_, err := Of(l, costs, node, 0)
		require.Error(t, err, l)
	}
	for _, n := range []Node{{}, {Processors: 1, Memory: 1e6}} {
		_, err := Of(Load{Clients: 1}, costs, n, 0)
		require.Error(t, err, n)
	}
	_, err := Of(Load{Clients: 1}, costs, node, -1)
	require.Error(t, err)
	_, err = Of(Load{Clients: 1_000_000, Messages: 1e9, Receivers: 1e6, Size: 1000}, costs, node, 0)
	require.ErrorContains(t, err, "larger ones")
}

// Costs that follow the model are found again, without an error. Those that do not say so.
func TestFit(t *testing.T) {
	of := func(size float64) float64 { return costs.Delivery + size*costs.Byte }
	const clients = 1000
	broadcast, single := map[int]float64{}, map[int]float64{}
	for _, size := range []int{small, between, large} {
		broadcast[size] = of(float64(size)) + costs.Request/clients
		single[size] = of(float64(size)) + costs.Request
	}
	var c Costs
	c.fit(broadcast, single, clients)
	require.InDelta(t, costs.Delivery, c.Delivery, 0.01)
	require.InDelta(t, costs.Byte, c.Byte, 0.0001)
	require.InDelta(t, costs.Request, c.Request, 0.1)
	require.InDelta(t, 0, c.Error, 0.0001)
	broadcast[between] *= 1.25
	c.fit(broadcast, single, clients)
	require.InDelta(t, 0.2, c.Error, 0.0001)
}
