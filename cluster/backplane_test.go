package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/cluster/natscarrier"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/store"
)

const secret = "a secret of more than thirty-two bytes"

// options are those of a node whose core does not announce names.
func options(node string, carrier cluster.Carrier) cluster.Options {
	return cluster.Options{Tag: node, Cluster: "test", Secret: []byte(secret), Carrier: carrier, Everything: true}
}

func join(t *testing.T, o cluster.Options) *cluster.Backplane {
	t.Helper()
	b, err := cluster.New(o)
	require.NoError(t, err)
	return b
}

// inMemory connects nodes by a network in memory, in a synctest bubble.
func inMemory() gatewaytest.Backplanes {
	net := clustertest.NewNet(1 << 20)
	return gatewaytest.Backplanes{
		New:        func(t *testing.T, node string) gateway.Backplane { return join(t, options(node, net.Carrier())) },
		UserGroups: store.NewMemory(store.MemoryOptions{}),
		Meet:       func(*testing.T, ...*gateway.Gateway) { time.Sleep(2 * time.Second) },
		Settle:     func(*testing.T, ...*gateway.Gateway) { synctest.Wait() },
		Sleep:      time.Sleep,
	}
}

func TestEveryVerbOverLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { gatewaytest.TestBackplanes(t, inMemory()) })
}

func TestTwoNodesOfOneNameOverLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { gatewaytest.TestOneName(t, inMemory()) })
}

// overNATS connects nodes by a NATS server of the test's process.
func overNATS(t *testing.T) gatewaytest.Backplanes {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(10*time.Second))
	var planes []*cluster.Backplane
	return gatewaytest.Backplanes{
		New: func(t *testing.T, node string) gateway.Backplane {
			conn, err := nats.Connect("", nats.InProcessServer(s), nats.ReconnectBufSize(-1))
			require.NoError(t, err)
			t.Cleanup(conn.Close)
			planes = append(planes, join(t, options(node, natscarrier.New(conn, "hg"))))
			return planes[len(planes)-1]
		},
		UserGroups: store.NewMemory(store.MemoryOptions{}),
		Meet: func(t *testing.T, nodes ...*gateway.Gateway) {
			for _, b := range planes {
				require.Eventually(t, func() bool { return len(b.Stats().Peers) == len(nodes)-1 && b.Ready() }, 20*time.Second, time.Millisecond)
			}
		},
		Settle: func(t *testing.T, nodes ...*gateway.Gateway) {
			t.Helper()
			for _, g := range nodes {
				// The answer of every node comes behind what was sent before.
				_, err := g.Do(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: gateway.Target{Kind: gateway.TargetAll}})
				require.NoError(t, err)
			}
			for _, g := range nodes {
				require.Eventually(t, func() bool {
					total := g.Stats().Total
					return total.Written+total.Dropped[gateway.DropConnectionClosed] == total.Attempted
				}, 20*time.Second, time.Millisecond)
			}
		},
	}
}

func TestEveryVerbOverNATS(t *testing.T) { gatewaytest.TestBackplanes(t, overNATS(t)) }

func TestTwoNodesOfOneNameOverNATS(t *testing.T) { gatewaytest.TestOneName(t, overNATS(t)) }
