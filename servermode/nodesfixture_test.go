package servermode_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/servermode"
)

// nodes are gateways of one cluster, on a network that can be cut.
type nodes struct {
	t    *testing.T
	net  *clustertest.Net
	list map[string]*clusterNode
	// change changes the options of nodes that start from now on; nil changes nothing.
	change func(o *servermode.Options)
}

type clusterNode struct {
	*world
	tag   string
	plane *cluster.Backplane
	gone  bool
}

// inNodes runs a test in a bubble with a cluster of such nodes. At its end nothing of any client is
// left anywhere.
func inNodes(t *testing.T, tags []string, test func(t *testing.T, ns *nodes), change ...func(*cluster.Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ns := &nodes{t: t, net: clustertest.NewNet(1 << 20), list: make(map[string]*clusterNode)}
		for _, tag := range tags {
			ns.start(tag, change...)
		}
		defer ns.net.Wait()
		defer ns.stop()
		time.Sleep(3 * time.Second)
		synctest.Wait() // tests change limits
		test(t, ns)
	})
}

func (ns *nodes) start(tag string, change ...func(*cluster.Options)) *clusterNode {
	o := cluster.Options{Tag: tag, Cluster: "test", Secret: []byte(strings.Repeat("s", 32)), Carrier: ns.net.Carrier(), Everything: false,
		Limits: cluster.DefaultLimits()}
	o.Limits.Settle = 0
	for _, c := range change {
		c(&o)
	}
	plane, err := cluster.New(o)
	require.NoError(ns.t, err)
	n := &clusterNode{tag: tag, plane: plane, world: newNode(ns.t, tag, plane, ns.changes()...)}
	ns.list[tag] = n
	return n
}

func (ns *nodes) changes() []func(o *servermode.Options) {
	if ns.change == nil {
		return nil
	}
	return []func(o *servermode.Options){ns.change}
}

// kill ends a node as its process would end without a word.
func (ns *nodes) kill(tag string) {
	ns.net.Set(tag, "", func(f *clustertest.Fault) { f.Cut = true })
	ns.net.Set("", tag, func(f *clustertest.Fault) { f.Cut = true })
	ns.list[tag].gone = true
}

func (ns *nodes) stop() {
	ns.t.Helper()
	// The clients end, then there is nothing left of their sessions on any node.
	for _, n := range ns.list {
		if !n.gone {
			n.endAll()
		}
	}
	time.Sleep(10 * time.Second)
	defer func() {
		for _, n := range ns.list {
			n.stop()
		}
	}()
	for _, n := range ns.list {
		if ns.t.Failed() {
			break
		}
		require.Zero(ns.t, servermode.Shared(n.Backend), "of %s: %v", n.tag, servermode.WhatIsShared(n.Backend))
		require.NoError(ns.t, n.gw.Check())
		require.NoError(ns.t, n.plane.Check())
	}
}

// endAll ends all clients of the node.
func (n *clusterNode) endAll() {
	n.gw.Each(func(c *gateway.Conn) { c.Close(gateway.Cause{Reason: gateway.CloseNormal}) })
}

// newID returns a connection id of the node.
func (n *clusterNode) newID() string { return auth.NewConnectionID(n.tag) }

// client connects a client to the node.
func (n *clusterNode) client(o gatewaytest.Options) *gatewaytest.Client {
	n.t.Helper()
	if o.ID == "" {
		o.ID = n.newID()
	}
	c := n.connectAs(o)
	time.Sleep(10 * time.Millisecond)
	return c
}

func idOf(c *gatewaytest.Client) string { return c.Conn.Identity().ID }

// said is what a client feeds, and when all has gone where it goes.
func said(t *testing.T, c *gatewaytest.Client, record string) {
	t.Helper()
	require.NoError(t, c.Feed([]byte(record)))
	time.Sleep(10 * time.Millisecond)
}

func invocation(target string) string {
	return `{"type":1,"target":"` + target + `","arguments":[]}` + "\x1e"
}
