package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/store"
)

// nodes is a cluster of gateways in one process.
type nodes struct {
	t    *testing.T
	net  *clustertest.Net
	list []*node
	// sent numbers messages.
	sent int
	// users are the memberships of users, which all gateways share.
	users gateway.UserGroups
	// died is how often yet the machine of a node says that its process has ended.
	died countdowns
}

// countdowns are numbers by name, of which each is used up.
type countdowns struct {
	mu   sync.Mutex
	left map[string]int
}

func (c *countdowns) Store(name string, times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == nil {
		c.left = make(map[string]int)
	}
	c.left[name] = times
}

// take reports whether there was one left.
func (c *countdowns) take(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left[name] == 0 {
		return false
	}
	c.left[name]--
	return true
}

// node is one of them.
type node struct {
	*gateway.Gateway
	nodes *nodes
	plane *cluster.Backplane
	tag   string
	// limits are the core's; zero is its default.
	limits atomic.Pointer[gateway.Limits]
}

// startNodes starts nodes named a, b, c and so on. It has to be called in a
// synctest bubble.
func startNodes(t *testing.T, count int, change ...func(*cluster.Options)) *nodes {
	ns := newNodes(t)
	for i := range count {
		ns.start(string(rune('a'+i)), change...)
	}
	ns.meet()
	return ns
}

// asksMachines has nodes ask nodes.died.
func asksMachines(o *cluster.Options) { o.Died = func(context.Context, string) bool { return false } }

func newNodes(t *testing.T) *nodes {
	ns := &nodes{t: t, net: clustertest.NewNet(1 << 20), users: store.NewMemory(store.MemoryOptions{})}
	t.Cleanup(func() {
		ns.net.Heal()
		ns.net.Wait()
	})
	return ns
}

func (ns *nodes) start(tag string, change ...func(*cluster.Options)) *node {
	n := &node{nodes: ns, tag: tag}
	o := options(tag, ns.net.Carrier())
	o.Everything = false
	for _, c := range change {
		c(&o)
	}
	if o.Died != nil {
		o.Died = func(_ context.Context, tag string) bool { return ns.died.take(tag) }
	}
	n.plane = join(ns.t, o)
	var err error
	n.Gateway, err = gateway.New(gateway.Options{Node: tag, Backend: &gatewaytest.Backend{Moves: true}, Workers: 2, Backplane: n.plane, UserGroups: ns.users, Limits: func() gateway.Limits {
		if l := n.limits.Load(); l != nil {
			return *l
		}
		return gateway.DefaultLimits()
	}})
	require.NoError(ns.t, err)
	ns.t.Cleanup(func() {
		n.Close()
		require.NoError(ns.t, n.plane.Check())
		require.NoError(ns.t, n.Check())
		require.Zero(ns.t, n.plane.Stats().Names, "its clients have ended, and what they were announced under")
	})
	ns.list = append(ns.list, n)
	return n
}

// meet waits until all nodes know each other.
func (ns *nodes) meet() {
	ns.t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		met := true
		for _, n := range ns.list {
			met = met && n.up() == len(ns.list)-1 && n.plane.Ready()
		}
		if met {
			return
		}
		require.Less(ns.t, time.Since(start), 20*time.Second, "the nodes do not meet")
	}
}

// up counts the peers that get commands.
func (n *node) up() (up int) {
	for _, p := range n.plane.Stats().Peers {
		if p.State == cluster.PeerUp {
			up++
		}
	}
	return up
}

// peer returns what a node knows of another one.
func (n *node) peer(tag string) cluster.PeerStats {
	n.nodes.t.Helper()
	for _, p := range n.plane.Stats().Peers {
		if p.Node.Tag == tag {
			return p
		}
	}
	require.Fail(n.nodes.t, "there is no such node", tag)
	return cluster.PeerStats{}
}

// connect connects a client and waits for the answer to its handshake.
func (n *node) connect(id, user string) *gatewaytest.Client {
	n.nodes.t.Helper()
	c := gatewaytest.Connect(n.nodes.t, n.Gateway, gatewaytest.Options{ID: id, Hub: "chat", User: user})
	c.Want(context.Background(), "{}")
	return c
}

func (n *node) ask(cmd gateway.Command) (int, error) {
	cmd.Hub = "chat"
	r, err := n.Do(context.Background(), &cmd)
	return r.Matched, err
}

func (n *node) do(cmd gateway.Command) int {
	n.nodes.t.Helper()
	matched, err := n.ask(cmd)
	require.NoError(n.nodes.t, err)
	return matched
}

func (n *node) count(target gateway.Target) int {
	n.nodes.t.Helper()
	return n.do(gateway.Command{Verb: gateway.VerbCount, Target: target})
}

func (n *node) join(group string, ids ...string) {
	n.nodes.t.Helper()
	require.Equal(n.nodes.t, len(ids), n.do(gateway.Command{Verb: gateway.VerbJoin, Target: conns(ids...), Group: group}))
}

// send sends a message and returns its name.
func (n *node) send(target gateway.Target) string {
	n.nodes.t.Helper()
	n.nodes.sent++
	text := fmt.Sprint("message-", n.nodes.sent)
	n.do(gateway.Command{Verb: gateway.VerbSend, Target: target, Frames: message(text, 0)})
	return text
}

// message is an invocation of a target that many clients have, with an argument of some size.
func message(target string, size int) *hubprotocol.Frames {
	argument, err := json.Marshal([]string{strings.Repeat("x", size)})
	if err != nil {
		panic(err)
	}
	f, err := hubprotocol.NewInvocation(hubprotocol.JSON, target, argument)
	if err != nil {
		panic(err)
	}
	return f
}

// got returns the targets of the messages that a client has got.
func got(c *gatewaytest.Client) (list []string) {
	for _, record := range c.Got() {
		var m struct{ Target string }
		if json.Unmarshal([]byte(strings.TrimSuffix(record, "\x1e")), &m) == nil && m.Target != "" {
			list = append(list, m.Target)
		}
	}
	return list
}

// hasGot waits until nothing is under way, and reports who has got a message.
func (ns *nodes) hasGot(text string, clients ...*gatewaytest.Client) (who []string) {
	synctest.Wait()
	for _, c := range clients {
		if slices.Contains(got(c), text) {
			who = append(who, c.Conn.Identity().ID)
		}
	}
	return who
}

func conns(ids ...string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetConnections, IDs: ids}
}
func users(ids ...string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetUsers, IDs: ids}
}
func groups(names ...string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetGroups, IDs: names}
}
func all() gateway.Target { return gateway.Target{Kind: gateway.TargetAll} }

// handed is how many commands a node has handed over for others.
func (n *node) handed() (sum uint64) {
	for _, p := range n.plane.Stats().Peers {
		sum += p.Books.Handed
	}
	return sum
}

// atRest waits until all commands are acknowledged, and checks that both ends of each link agree.
func (ns *nodes) atRest() {
	ns.t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		queued := uint64(0)
		for _, n := range ns.list {
			for _, p := range n.plane.Stats().Peers {
				queued += p.Books.Queued
			}
		}
		if queued == 0 {
			break
		}
		require.Less(ns.t, time.Since(start), 2*time.Minute, "the nodes do not come to rest")
	}
	for _, n := range ns.list {
		require.NoError(ns.t, n.plane.Check())
		for _, other := range ns.list {
			if other != n {
				require.Equal(ns.t, n.peer(other.tag).Books.Acknowledged, other.peer(n.tag).Books.Received, "from %s to %s", n.tag, other.tag)
			}
		}
	}
}
