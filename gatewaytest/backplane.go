package gatewaytest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// Backplanes is a way to connect gateways, and what TestBackplanes needs to know of it.
type Backplanes struct {
	// New makes the backplane of one node.
	New func(t *testing.T, node string) gateway.Backplane
	// UserGroups is what all nodes share.
	UserGroups gateway.UserGroups
	// Meet waits until the nodes know each other.
	Meet func(t *testing.T, nodes ...*gateway.Gateway)
	// Settle waits until everything that was sent has arrived.
	Settle func(t *testing.T, nodes ...*gateway.Gateway)
	// Sleep lets time pass; nil leaves out what needs time.
	Sleep func(time.Duration)
}

// TestBackplanes checks that every verb works on two nodes as on one.
func TestBackplanes(t *testing.T, with Backplanes) {
	c := startCluster(t, with)
	c.sends()
	c.questions()
	c.groups()
	c.lists()
	c.closes()
	require.NoError(t, c.a.Check())
	require.NoError(t, c.b.Check())
}

// cluster is two nodes, ann connected to both and bob to the second only.
type cluster struct {
	with     Backplanes
	t        *testing.T
	ctx      context.Context
	a, b     *gateway.Gateway
	clients  map[rune]*Client
	messages int
}

func startCluster(t *testing.T, with Backplanes) *cluster {
	node := func(name string) *gateway.Gateway {
		g, err := gateway.New(gateway.Options{Node: name, Backend: &Backend{}, Workers: 2,
			Backplane: with.New(t, name), UserGroups: with.UserGroups})
		require.NoError(t, err)
		t.Cleanup(g.Close)
		return g
	}
	c := &cluster{with: with, t: t, ctx: context.Background(), a: node("a"), b: node("b")}
	with.Meet(t, c.a, c.b)
	c.clients = map[rune]*Client{
		'1': Connect(t, c.a, Options{ID: "a-ann", Hub: "chat", User: "ann"}),
		'2': Connect(t, c.b, Options{ID: "b-ann", Hub: "chat", User: "ann"}),
		'3': Connect(t, c.b, Options{ID: "b-bob", Hub: "chat", User: "bob"}),
	}
	return c
}

// do asks node a, so that whatever concerns b crosses the backplane.
func (c *cluster) do(cmd gateway.Command) int {
	c.t.Helper()
	cmd.Hub = "chat"
	r, err := c.a.Do(c.ctx, &cmd)
	require.NoError(c.t, err)
	return r.Matched
}

func (c *cluster) count(target gateway.Target, group string) int {
	c.t.Helper()
	return c.do(gateway.Command{Verb: gateway.VerbCount, Target: target, Group: group})
}

// reaches sends to a target and checks who got it.
func (c *cluster) reaches(want string, target gateway.Target) {
	c.t.Helper()
	c.messages++
	text := "message" + string(rune('a'+c.messages))
	frames, err := hubprotocol.NewInvocation(hubprotocol.JSON, text, []byte("[]"))
	require.NoError(c.t, err)
	c.do(gateway.Command{Verb: gateway.VerbSend, Target: target, Frames: frames})
	c.with.Settle(c.t, c.a, c.b)
	var who []rune
	for name, client := range c.clients {
		for _, r := range client.Got() {
			if r == `{"type":1,"target":"`+text+"\",\"arguments\":[]}\x1e" {
				who = append(who, name)
			}
		}
	}
	slices.Sort(who)
	require.Equal(c.t, want, string(who))
}

func target(kind gateway.TargetKind, ids ...string) gateway.Target {
	return gateway.Target{Kind: kind, IDs: ids}
}

var everybody = target(gateway.TargetAll)

func (c *cluster) sends() {
	c.reaches("123", everybody)
	c.reaches("12", gateway.Target{Kind: gateway.TargetAll, Except: []string{"b-bob"}})
	c.reaches("3", gateway.Target{Kind: gateway.TargetAll, ExceptUsers: []string{"ann"}})
	c.reaches("12", target(gateway.TargetUsers, "ann"))
	c.reaches("3", target(gateway.TargetConnections, "b-bob"))
}

func (c *cluster) questions() {
	require.Equal(c.t, 3, c.count(everybody, ""))
	require.Equal(c.t, 1, c.count(target(gateway.TargetConnections, "b-ann"), ""))
	require.Equal(c.t, 2, c.count(target(gateway.TargetUsers, "ann"), ""))
	require.Zero(c.t, c.count(target(gateway.TargetGroups, "g"), ""))
}

func (c *cluster) groups() {
	join := func(id string) int {
		return c.do(gateway.Command{Verb: gateway.VerbJoin, Target: target(gateway.TargetConnections, id), Group: "g"})
	}
	g := target(gateway.TargetGroups, "g")
	require.Equal(c.t, 1, join("b-bob"))
	require.Zero(c.t, join("nobody"))
	c.reaches("3", g)
	c.reaches("", gateway.Target{Kind: gateway.TargetGroups, IDs: []string{"g"}, Except: []string{"b-bob"}})
	require.Equal(c.t, 1, c.count(g, ""))
	require.Equal(c.t, 1, c.count(target(gateway.TargetUsers, "bob"), "g"))
	if c.with.Sleep != nil {
		ttl := 2 * time.Second
		require.NoError(c.t, c.a.AddUserToGroup(c.ctx, "chat", "ann", "g", &ttl))
		c.reaches("123", g)
		in, err := c.b.UserInGroup(c.ctx, "chat", "ann", "g")
		require.NoError(c.t, err)
		require.True(c.t, in)
		c.with.Sleep(4 * time.Second)
		c.reaches("3", g)
	}
	require.NoError(c.t, c.a.AddUserToGroup(c.ctx, "chat", "ann", "g", nil))
	require.NoError(c.t, c.a.RemoveUserFromGroup(c.ctx, "chat", "ann", "g"))
	require.Equal(c.t, 1, c.do(gateway.Command{Verb: gateway.VerbLeave, Target: target(gateway.TargetConnections, "b-bob"), Group: "g"}))
	c.reaches("", g)
}

func (c *cluster) lists() {
	c.do(gateway.Command{Verb: gateway.VerbJoin, Target: target(gateway.TargetUsers, "ann", "bob"), Group: "h"})
	h := target(gateway.TargetGroups, "h")
	c.reaches("123", h)
	page := func(after string, most int) gateway.Result {
		r, err := c.a.Do(c.ctx, &gateway.Command{Hub: "chat", Verb: gateway.VerbList, Target: h, Page: gateway.Page{After: after, Max: most}})
		require.NoError(c.t, err)
		return r
	}
	require.Equal(c.t, []gateway.Member{{ID: "b-ann", User: "ann"}}, page("a-ann", 1).Members, "the first page behind a-ann, over both nodes")
	require.Equal(c.t, []gateway.Member{{ID: "a-ann", User: "ann"}, {ID: "b-ann", User: "ann"}, {ID: "b-bob", User: "bob"}}, page("", 10).Members)
	require.Equal(c.t, 1, c.do(gateway.Command{Verb: gateway.VerbLeaveAll, Target: target(gateway.TargetConnections, "b-ann")}))
	require.NoError(c.t, c.a.RemoveUserFromAllGroups(c.ctx, "chat", "bob"))
	c.reaches("1", h)
}

func (c *cluster) closes() {
	cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye"}
	require.Equal(c.t, 1, c.do(gateway.Command{Verb: gateway.VerbClose, Target: target(gateway.TargetConnections, "b-bob"), Cause: cause}))
	require.Equal(c.t, cause, c.clients['3'].WantEnd(c.ctx))
	require.Equal(c.t, 2, c.do(gateway.Command{Verb: gateway.VerbClose, Target: everybody, Cause: cause}))
	require.Equal(c.t, cause, c.clients['1'].WantEnd(c.ctx))
	require.Equal(c.t, cause, c.clients['2'].WantEnd(c.ctx))
	c.with.Settle(c.t, c.a, c.b)
	require.Zero(c.t, c.count(everybody, ""))
}

// TestOneName checks that two nodes of one name are refused, and that a name is free when its node
// has left.
func TestOneName(t *testing.T, with Backplanes) {
	start := func() (*gateway.Gateway, error) {
		return gateway.New(gateway.Options{Node: "a", Backend: &Backend{}, Backplane: with.New(t, "a")})
	}
	g, err := start()
	require.NoError(t, err)
	_, err = start()
	require.Error(t, err)
	g.Close()
	again, err := start()
	require.NoError(t, err)
	again.Close()
}
