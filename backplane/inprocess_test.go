package backplane_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/backplane"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/store"
)

// cluster is two nodes, ann connected to both and bob to the second only.
type cluster struct {
	t        *testing.T
	a, b     *gateway.Gateway
	annA     *gatewaytest.Client
	annB     *gatewaytest.Client
	bob      *gatewaytest.Client
	messages int
}

func start(t *testing.T) *cluster {
	bus := &backplane.InProcess{}
	groups := store.NewMemory(store.MemoryOptions{})
	node := func(name string) *gateway.Gateway {
		g, err := gateway.New(gateway.Options{Node: name, Backend: &gatewaytest.Backend{}, Workers: 2,
			Backplane: bus.From(name), UserGroups: groups})
		require.NoError(t, err)
		t.Cleanup(g.Close)
		return g
	}
	c := &cluster{t: t, a: node("a"), b: node("b")}
	c.annA = gatewaytest.Connect(t, c.a, gatewaytest.Options{ID: "a-ann", Hub: "chat", User: "ann"})
	c.annB = gatewaytest.Connect(t, c.b, gatewaytest.Options{ID: "b-ann", Hub: "chat", User: "ann"})
	c.bob = gatewaytest.Connect(t, c.b, gatewaytest.Options{ID: "b-bob", Hub: "chat", User: "bob"})
	return c
}

// do asks node a, so that whatever concerns b crosses the backplane.
func (c *cluster) do(cmd gateway.Command) int {
	c.t.Helper()
	cmd.Hub = "chat"
	r, err := c.a.Do(context.Background(), &cmd)
	require.NoError(c.t, err)
	return r.Matched
}

// reaches sends to a target and says who got it.
func (c *cluster) reaches(target gateway.Target) string {
	c.t.Helper()
	c.messages++
	text := "message" + string(rune('a'+c.messages))
	frames, err := hubprotocol.NewInvocation(hubprotocol.JSON, text, []byte("[]"))
	require.NoError(c.t, err)
	c.do(gateway.Command{Verb: gateway.VerbSend, Target: target, Frames: frames})
	synctest.Wait()
	who := ""
	for name, client := range map[string]*gatewaytest.Client{"1": c.annA, "2": c.annB, "3": c.bob} {
		for _, r := range client.Got() {
			if r == `{"type":1,"target":"`+text+"\",\"arguments\":[]}\x1e" {
				who += name
			}
		}
	}
	return who
}

func target(kind gateway.TargetKind, ids ...string) gateway.Target {
	return gateway.Target{Kind: kind, IDs: ids}
}

func TestEveryVerbOnTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t)
		ctx := context.Background()
		all := target(gateway.TargetAll)
		sameSet := func(want, got string) { t.Helper(); require.ElementsMatch(t, []rune(want), []rune(got)) }

		sameSet("123", c.reaches(all))
		sameSet("12", c.reaches(gateway.Target{Kind: gateway.TargetAll, Except: []string{"b-bob"}}))
		sameSet("12", c.reaches(target(gateway.TargetUsers, "ann")))
		sameSet("3", c.reaches(target(gateway.TargetConnections, "b-bob")))

		require.Equal(t, 3, c.do(gateway.Command{Verb: gateway.VerbCount, Target: all}))
		require.Equal(t, 1, c.do(gateway.Command{Verb: gateway.VerbCount, Target: target(gateway.TargetConnections, "b-ann")}))
		require.Equal(t, 2, c.do(gateway.Command{Verb: gateway.VerbCount, Target: target(gateway.TargetUsers, "ann")}))
		require.Zero(t, c.do(gateway.Command{Verb: gateway.VerbCount, Target: target(gateway.TargetGroups, "g")}))

		require.Equal(t, 1, c.do(gateway.Command{Verb: gateway.VerbJoin, Target: target(gateway.TargetConnections, "b-bob"), Group: "g"}))
		require.Zero(t, c.do(gateway.Command{Verb: gateway.VerbJoin, Target: target(gateway.TargetConnections, "nobody"), Group: "g"}))
		sameSet("3", c.reaches(target(gateway.TargetGroups, "g")))
		require.Equal(t, 1, c.do(gateway.Command{Verb: gateway.VerbCount, Target: target(gateway.TargetGroups, "g")}))
		require.Equal(t, 1, c.do(gateway.Command{Verb: gateway.VerbCount, Target: target(gateway.TargetUsers, "bob"), Group: "g"}))

		ttl := 2 * time.Second
		require.NoError(t, c.a.AddUserToGroup(ctx, "chat", "ann", "g", &ttl))
		sameSet("123", c.reaches(target(gateway.TargetGroups, "g")))
		in, err := c.b.UserInGroup(ctx, "chat", "ann", "g")
		require.NoError(t, err)
		require.True(t, in)
		time.Sleep(4 * time.Second)
		sameSet("3", c.reaches(target(gateway.TargetGroups, "g")))

		require.NoError(t, c.a.AddUserToGroup(ctx, "chat", "ann", "g", nil))
		require.NoError(t, c.a.RemoveUserFromGroup(ctx, "chat", "ann", "g"))
		require.Equal(t, 1, c.do(gateway.Command{Verb: gateway.VerbLeave, Target: target(gateway.TargetConnections, "b-bob"), Group: "g"}))
		sameSet("", c.reaches(target(gateway.TargetGroups, "g")))

		c.do(gateway.Command{Verb: gateway.VerbJoin, Target: target(gateway.TargetUsers, "ann", "bob"), Group: "h"})
		sameSet("123", c.reaches(target(gateway.TargetGroups, "h")))
		listed, err := c.a.Do(ctx, &gateway.Command{Hub: "chat", Verb: gateway.VerbList, Target: target(gateway.TargetGroups, "h"),
			Page: gateway.Page{After: "a-ann", Max: 1}})
		require.NoError(t, err)
		require.Equal(t, []gateway.Member{{ID: "b-ann", User: "ann"}}, listed.Members, "the first page behind a-ann, over both nodes")
		require.Equal(t, 1, c.do(gateway.Command{Verb: gateway.VerbLeaveAll, Target: target(gateway.TargetConnections, "b-ann")}))
		require.NoError(t, c.a.RemoveUserFromAllGroups(ctx, "chat", "bob"))
		sameSet("1", c.reaches(target(gateway.TargetGroups, "h")))

		cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye"}
		require.Equal(t, 1, c.do(gateway.Command{Verb: gateway.VerbClose, Target: target(gateway.TargetConnections, "b-bob"), Cause: cause}))
		require.Equal(t, cause, c.bob.WantEnd(ctx))
		require.Equal(t, 2, c.do(gateway.Command{Verb: gateway.VerbClose, Target: all, Cause: cause}))
		synctest.Wait()
		require.Zero(t, c.do(gateway.Command{Verb: gateway.VerbCount, Target: all}))
		require.NoError(t, c.a.Check())
		require.NoError(t, c.b.Check())
	})
}

func TestTwoNodesOfOneName(t *testing.T) {
	bus := &backplane.InProcess{}
	opts := gateway.Options{Node: "a", Backend: &gatewaytest.Backend{}, Backplane: bus.From("a")}
	g, err := gateway.New(opts)
	require.NoError(t, err)
	_, err = gateway.New(opts)
	require.Error(t, err)
	g.Close()
	again, err := gateway.New(opts)
	require.NoError(t, err)
	again.Close()
}
