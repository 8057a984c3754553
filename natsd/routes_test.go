package natsd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// names is a resolver that a test changes.
type names struct {
	mu      sync.Mutex
	answers map[string][]string
	asked   int
}

func (n *names) LookupHost(_ context.Context, host string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	if addrs, ok := n.answers[host]; ok {
		return slices.Clone(addrs), nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (n *names) set(host string, addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.answers == nil {
		n.answers = make(map[string][]string)
	}
	n.answers[host] = addrs
}

func hosts(t *testing.T, r *routes) []string {
	t.Helper()
	var list []string
	for _, u := range r.current() {
		list = append(list, u.Host)
	}
	return list
}

func TestN56RoutesFollowNames(t *testing.T) {
	ctx := context.Background()
	dns := new(names)
	var reports []string
	r := newRoutes(&Cluster{Peers: []string{"nodes:4250", "other:4250", "10.9.9.9:1"}, Resolver: dns}, "n", "127.0.0.1:4250",
		func(trouble Trouble, text string) {
			require.Equal(t, TroubleLookup, trouble)
			reports = append(reports, text)
		})
	clock := time.Now()
	r.now = func() time.Time { return clock }
	dns.set("nodes", "10.0.0.2", "10.0.0.1", "10.0.0.2")
	r.all(ctx)
	require.Equal(t, []string{"10.0.0.1:4250", "10.0.0.2:4250", "10.9.9.9:1"}, hosts(t, r))
	require.Len(t, reports, 1)
	require.Contains(t, reports[0], "other")

	_, changed := r.change(ctx)
	require.False(t, changed)

	dns.set("other", "10.0.0.3")
	dns.set("nodes", "10.0.0.2", "10.0.0.4")
	_, changed = r.change(ctx)
	require.True(t, changed)
	five := []string{"10.0.0.1:4250", "10.0.0.2:4250", "10.0.0.3:4250", "10.0.0.4:4250", "10.9.9.9:1"}
	require.Equal(t, five, hosts(t, r), "a node that is gone from the name may live on")

	clock = clock.Add(keepGone / 2)
	delete(dns.answers, "nodes") // the name server fails: nobody is given up
	_, changed = r.change(ctx)
	require.False(t, changed)
	dns.set("nodes")
	dns.set("other")
	clock = clock.Add(keepGone/2 + time.Second)
	_, changed = r.change(ctx)
	require.True(t, changed)
	require.Equal(t, five[1:], hosts(t, r))
	clock = clock.Add(keepGone)
	_, changed = r.change(ctx)
	require.True(t, changed)
	require.Equal(t, five[4:], hosts(t, r))
	require.Len(t, r.last, 1, "nothing is remembered for ever")
}

func TestRoutesAreBounded(t *testing.T) {
	dns := new(names)
	var many []string
	for i := range 2 * maxAddresses {
		many = append(many, net.IPv4(10, 0, byte(i>>8), byte(i)).String())
	}
	dns.set("nodes", many...)
	r := newRoutes(&Cluster{Peers: []string{"nodes:1"}, Resolver: dns}, "n", "", nil)
	require.Len(t, r.all(t.Context()), maxAddresses)
}

// Loopback is a whole network on Linux: every node has an address of its own there.
func onAddresses(t *testing.T, list []Options, addrs []string) {
	t.Helper()
	for _, addr := range addrs {
		l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
		if err != nil {
			t.Skip("no second address on loopback: ", err)
		}
		l.Close()
	}
	port := reserve(t, 1)[0]
	_, port, err := net.SplitHostPort(port)
	require.NoError(t, err)
	for i := range list {
		list[i].Cluster.Listen = net.JoinHostPort(addrs[i], port)
		list[i].Cluster.Peers = []string{net.JoinHostPort("nodes", port)}
	}
}

// seesOthers waits until the node has links with so many others.
func (n *node) seesOthers(t testing.TB, others int) {
	t.Helper()
	await(t, fmt.Sprintf("links of %s with %d others", n.opts.Name, others), func() bool { return n.server().NumRemotes() == others })
}

// A node that looks for a name nobody knows yet meets those for which it stands later, and those that are added.
func TestN56NodesFollowAName(t *testing.T) {
	t.Parallel()
	addrs := []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}
	list := team(t, 4, 1)
	onAddresses(t, list, addrs)
	dns := new(names)
	for i := range list {
		list[i].Cluster.Resolver = dns
	}
	nodes := launchAll(t, list[:3])
	for _, n := range nodes {
		await(t, "the trouble", func() bool { return n.Troubles()[TroubleLookup] > 0 })
		require.Zero(t, n.server().NumRemotes())
	}
	dns.set("nodes", addrs[:2]...)
	for _, n := range nodes {
		n.seesOthers(t, 2) // the third one finds them
	}
	dns.set("nodes", addrs[3])
	nodes = append(nodes, launch(t, list[3]))
	dns.set("nodes", addrs[1])
	for _, n := range nodes {
		n.seesOthers(t, 3)
	}
}

func TestNodesFindEachOtherByOneName(t *testing.T) {
	elections(t)
	t.Parallel()
	addrs := []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"}
	list := team(t, 5, 3)
	onAddresses(t, list, addrs)
	dns := new(names)
	for i := range list {
		list[i].Cluster.Resolver = dns
	}
	nodes := launchAll(t, list[:3])
	whole := t // nodes that are started in one part are there in the next
	t.Run("F15 a node starts although no name can be looked up", func(t *testing.T) {
		for _, n := range nodes {
			await(t, "the trouble", func() bool { return n.Troubles()[TroubleLookup] > 0 })
			require.ErrorIs(t, n.Ready(t.Context()), ErrNotReady)
		}
	})
	t.Run("N56 nodes meet when the name has their addresses", func(t *testing.T) {
		dns.set("nodes", addrs[:3]...)
		awaitAllReady(t, nodes)
		nodes[0].awaitGroup(t, 3)
	})
	t.Run("N56 nodes that are added are found, also before the name has them", func(t *testing.T) {
		nodes = append(nodes, launchAll(whole, list[3:])...)
		for _, n := range nodes {
			await(t, "the mesh", func() bool { return n.server().NumRemotes() == 4 })
		}
		awaitAllReady(t, nodes)
	})
	t.Run("N56 nodes whose address is gone from the name stay connected", func(t *testing.T) {
		dns.set("nodes", addrs[0])
		asked := dns.asks()
		await(t, "another look", func() bool { return dns.asks() > asked+len(nodes) })
		for _, n := range nodes {
			require.Equal(t, 4, n.server().NumRemotes())
		}
	})
}

func (n *names) asks() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

func TestLookupThatHangs(t *testing.T) {
	r := newRoutes(&Cluster{Peers: []string{"nodes:1"}, Resolver: hanging{}}, "n", "", func(Trouble, string) {})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.Empty(t, r.lookUp(ctx))
}

type hanging struct{}

func (hanging) LookupHost(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, errors.Join(ctx.Err())
}
