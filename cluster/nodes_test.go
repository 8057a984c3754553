package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// announcing does for a gateway what its core is to do: it announces names before anybody can know
// them, and withdraws them.
type announcing struct {
	*cluster.Backplane
	node gateway.Node

	mu     sync.Mutex
	groups map[cluster.Name]bool
}

// listening is the gateway as the backplane sees it.
type listening struct {
	gateway.Node
	a *announcing
}

func (a *announcing) Join(n gateway.Node) (func(), error) {
	a.node, a.groups = n, make(map[cluster.Name]bool)
	return a.Backplane.Join(&listening{n, a})
}

// Apply announces the group of a join that another node asks for.
func (l *listening) Apply(cmd *gateway.Command, answered func(gateway.Result, error)) {
	if answered == nil {
		answered = func(gateway.Result, error) {}
	}
	l.Node.Apply(cmd, l.a.around(cmd, answered))
}

// Ask announces the group of a join that this node asks for.
func (a *announcing) Ask(ctx context.Context, to []string, cmd *gateway.Command, answered func(gateway.Result, error)) {
	a.Backplane.Ask(ctx, to, cmd, a.around(cmd, answered))
}

// around returns answered for a command that may change which groups have members here: it is called
// when that is known everywhere.
func (a *announcing) around(cmd *gateway.Command, answered func(gateway.Result, error)) func(gateway.Result, error) {
	switch cmd.Verb {
	case gateway.VerbJoin:
		done := make(chan struct{})
		a.announceGroup(cluster.Name{Kind: cluster.NameGroup, Hub: cmd.Hub, Name: cmd.Group}, func() { close(done) })
		return func(r gateway.Result, err error) {
			a.withdrawIfEmpty(cmd.Hub, cmd.Group)
			select {
			case <-done:
				answered(r, err)
			default:
				go func() {
					<-done
					answered(r, err)
				}()
			}
		}
	case gateway.VerbLeave:
		return func(r gateway.Result, err error) {
			a.withdrawIfEmpty(cmd.Hub, cmd.Group)
			answered(r, err)
		}
	}
	return answered
}

func (a *announcing) announceGroup(n cluster.Name, done func()) {
	a.mu.Lock()
	known := a.groups[n]
	a.groups[n] = true
	a.mu.Unlock()
	a.Announce([]cluster.Name{n}, func() {
		if known {
			a.Withdraw([]cluster.Name{n}) // once is enough
		}
		done()
	})
}

func (a *announcing) withdrawIfEmpty(hub, group string) {
	cmd := &gateway.Command{Hub: hub, Verb: gateway.VerbCount, Target: gateway.Target{Kind: gateway.TargetGroups, IDs: []string{group}}}
	a.node.Apply(cmd, func(r gateway.Result, _ error) {
		n := cluster.Name{Kind: cluster.NameGroup, Hub: hub, Name: group}
		a.mu.Lock()
		known := a.groups[n]
		if r.Matched == 0 {
			delete(a.groups, n)
		}
		a.mu.Unlock()
		if known && r.Matched == 0 {
			a.Withdraw([]cluster.Name{n})
		}
	})
}

// nodes is a cluster of gateways in one process.
type nodes struct {
	t    *testing.T
	net  *clustertest.Net
	list []*node
	// sent numbers messages.
	sent int
}

// node is one of them.
type node struct {
	*gateway.Gateway
	nodes *nodes
	plane *announcing
	tag   string
}

// startNodes starts nodes that announce names, named a, b, c and so on. It has to be called in a
// synctest bubble.
func startNodes(t *testing.T, count int, change ...func(*cluster.Options)) *nodes {
	ns := newNodes(t)
	for i := range count {
		ns.start(string(rune('a'+i)), change...)
	}
	ns.meet()
	return ns
}

func newNodes(t *testing.T) *nodes {
	ns := &nodes{t: t, net: clustertest.NewNet(1 << 20)}
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
	n.plane = &announcing{Backplane: join(ns.t, o)}
	var err error
	n.Gateway, err = gateway.New(gateway.Options{Node: tag, Backend: &gatewaytest.Backend{}, Workers: 2, Backplane: n.plane})
	require.NoError(ns.t, err)
	ns.t.Cleanup(func() {
		n.Close()
		require.NoError(ns.t, n.plane.Check())
		require.NoError(ns.t, n.Check())
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

// connect announces a client as its core will, and connects it: its handshake is answered when all
// nodes know it.
func (n *node) connect(id, user string) *gatewaytest.Client {
	n.nodes.t.Helper()
	names := []cluster.Name{{Kind: cluster.NameHub, Hub: "chat"}, {Kind: cluster.NameConnection, Hub: "chat", Name: id}, {Kind: cluster.NameUser, Hub: "chat", Name: user}}
	done := make(chan struct{})
	n.plane.Announce(names, func() { close(done) })
	<-done
	return gatewaytest.Connect(n.nodes.t, n.Gateway, gatewaytest.Options{ID: id, Hub: "chat", User: user})
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
