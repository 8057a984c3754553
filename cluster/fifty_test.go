package cluster_test

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
)

// cost is what a cluster costs for each pair of nodes and direction.
type cost struct {
	packets, bytes float64
	cpu            time.Duration
}

func (c cost) String() string {
	return fmt.Sprintf("%.2f packets, %.0f bytes, %v", c.packets, c.bytes, c.cpu.Round(100*time.Nanosecond))
}

// simulation is a cluster of nodes that have names and no clients.
type simulation struct {
	t     *testing.T
	net   *clustertest.Net
	nodes []*quiet
}

func simulate(t *testing.T, count int) *simulation {
	s := &simulation{t: t, net: clustertest.NewNet(1 << 20), nodes: make([]*quiet, count)}
	t.Cleanup(s.net.Wait)
	var starting sync.WaitGroup
	for i := range s.nodes {
		starting.Go(func() {
			o := options(fmt.Sprint("n", i), s.net.Carrier())
			o.Everything = false
			s.nodes[i] = startQuiet(t, o, nil)
			var names []cluster.Name
			for j := range 200 {
				names = append(names, cluster.Name{Kind: cluster.NameGroup, Hub: "chat", Name: fmt.Sprint("group ", i, " ", j)})
			}
			s.nodes[i].plane.Announce(names, func() {})
		})
	}
	starting.Wait()
	for begin := time.Now(); !s.met(); time.Sleep(100 * time.Millisecond) {
		require.Less(t, time.Since(begin), 2*time.Second, "the mesh is not full")
	}
	return s
}

func (s *simulation) met() bool {
	for _, n := range s.nodes {
		stats := n.plane.Stats()
		if len(stats.Peers) != len(s.nodes)-1 || !n.plane.Ready() {
			return false
		}
	}
	return true
}

// during returns what the cluster costs while something is done, for each of so many times.
func (s *simulation) during(times int, do func()) cost {
	synctest.Wait()
	before, cpu := s.net.Sum("", ""), usedCPU()
	do()
	synctest.Wait()
	now := s.net.Sum("", "")
	pairs := float64(len(s.nodes) * (len(s.nodes) - 1) * times)
	return cost{float64(now.Packets-before.Packets) / pairs, float64(now.Bytes-before.Bytes) / pairs, time.Duration(float64(usedCPU()-cpu) / pairs)}
}

func usedCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What members and interest cost grows with the pairs of nodes, so linearly for each node.
func TestFiftyNodes(t *testing.T) {
	counts := []int{10, 25, 50}
	if raced {
		counts = []int{5, 10}
	}
	var idle, names []cost
	for _, count := range counts {
		synctest.Test(t, func(t *testing.T) {
			s := simulate(t, count)
			const seconds = 3
			time.Sleep(3 * time.Second)
			var memory runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&memory)
			idle = append(idle, s.during(2*seconds, func() { time.Sleep(2 * seconds * time.Second) }))
			// Each node has a hundred new names a second, and as many go.
			names = append(names, s.during(seconds, func() {
				for i := range seconds * 10 {
					for j, n := range s.nodes {
						s.rename(n, fmt.Sprint("fresh ", j, " ", i), fmt.Sprint("fresh ", j, " ", i-10))
					}
					time.Sleep(100 * time.Millisecond)
				}
			}))
			last := len(idle) - 1
			t.Logf("%d nodes, for each pair, direction and second: idle %v; with 100 new names %v; heap of all %.1f MB", count, idle[last], names[last], float64(memory.HeapAlloc)/1e6)
			for _, n := range s.nodes {
				require.Zero(t, n.plane.Stats().LateAnnouncements)
				require.False(t, n.plane.Stats().Isolated)
			}
			var leaving sync.WaitGroup
			for _, n := range s.nodes {
				leaving.Go(n.leave)
			}
			leaving.Wait()
		})
	}
	for _, costs := range [][]cost{idle, names} {
		first, last := costs[0], costs[len(costs)-1]
		require.Less(t, last.packets, 1.3*first.packets, "packets for each pair")
		require.Less(t, last.bytes, 1.1*first.bytes, "bytes for each pair")
	}
}

func (s *simulation) rename(n *quiet, fresh, stale string) {
	var announced, withdrawn []cluster.Name
	for i := range 10 {
		announced = append(announced, cluster.Name{Kind: cluster.NameGroup, Hub: "chat", Name: fmt.Sprint(fresh, i)})
		withdrawn = append(withdrawn, cluster.Name{Kind: cluster.NameGroup, Hub: "chat", Name: fmt.Sprint(stale, i)})
	}
	n.plane.Announce(announced, func() {})
	n.plane.Withdraw(withdrawn)
}
