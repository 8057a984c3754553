package cluster_test

import (
	"fmt"
	"sync"
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

// patience bounds waits that only end early when something is broken.
const patience = time.Minute

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

func startNATS(t *testing.T, change func(*server.Options)) *server.Server {
	o := &server.Options{DontListen: true, NoSigs: true, NoLog: true}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(10*time.Second))
	return s
}

// overNATS connects nodes by a NATS server of the test's process.
func overNATS(t *testing.T) gatewaytest.Backplanes {
	s := startNATS(t, nil)
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
				require.Eventually(t, func() bool { return len(b.Stats().Peers) == len(nodes)-1 && b.Ready() }, patience, time.Millisecond)
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

// NATS closes the connection of a client that does not take its messages fast enough, and everything
// on its way is lost; nobody is told. Commands come all the same, once and in order.
func TestN12WhatNATSDropsIsSentAgain(t *testing.T) {
	s := startNATS(t, func(o *server.Options) { o.MaxPending, o.MaxPayload = 256<<10, 128<<10 })
	reconnected := make(chan struct{}, 1000)
	carrier := func(t *testing.T) cluster.Carrier {
		conn, err := nats.Connect("", nats.InProcessServer(s), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.ReconnectWait(time.Millisecond),
			nats.ReconnectJitter(0, 0), nats.ReconnectHandler(func(*nats.Conn) { reconnected <- struct{}{} }))
		require.NoError(t, err)
		t.Cleanup(conn.Close)
		return natscarrier.New(conn, "hg")
	}
	a := startQuiet(t, options("a", carrier(t)), nil)
	b := &ordered{t: t, come: make(chan struct{}, 1)}
	plane := join(t, options("b", carrier(t)))
	leave, err := plane.Join(b)
	require.NoError(t, err)
	t.Cleanup(leave)
	require.Eventually(t, func() bool { return len(a.plane.Stats().Peers) == 1 && a.plane.Ready() && plane.Ready() }, patience, time.Millisecond)

	sent := 0
	for deadline := time.Now().Add(60 * time.Second); len(reconnected) < 2 || sent < 2000; {
		require.True(t, time.Now().Before(deadline), "%d connections were closed", len(reconnected))
		cmd := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: message("m", 20<<10), Trace: fmt.Sprint(sent + 1)}
		if err := a.plane.Publish(t.Context(), nil, cmd); err != nil {
			<-b.come // it is behind: that command was dropped, and is sent later
			continue
		}
		sent++
	}
	for b.number() < sent {
		<-b.come
	}
	require.Eventually(t, func() bool { return a.peer(t, "b").Books.Queued == 0 }, patience, time.Millisecond)
	books := a.peer(t, "b").Books
	require.EqualValues(t, sent, books.Acknowledged)
	require.Zero(t, books.Dropped[cluster.DropPeerLost])
	require.NoError(t, a.plane.Check())
	t.Logf("%d commands, %d slow consumers, %d connections came back", sent, s.NumSlowConsumers(), len(reconnected))
}

// ordered is a node that checks that commands come in order, each once.
type ordered struct {
	t    *testing.T
	mu   sync.Mutex
	last int
	come chan struct{}
}

func (*ordered) Name() string { return "b" }

func (o *ordered) Apply(cmd *gateway.Command, _ func(gateway.Result, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last++; cmd.Trace != fmt.Sprint(o.last) {
		o.t.Errorf("command %s instead of %d", cmd.Trace, o.last)
	}
	select {
	case o.come <- struct{}{}:
	default:
	}
}

func (o *ordered) number() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}
