package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/store"
)

// node is one gateway under test, with an application that records.
type node struct {
	*gateway.Gateway
	t       *testing.T
	backend *gatewaytest.Backend
	limits  gateway.Limits
	// middle is called in the middle of something, by tests that need to look in there.
	middle atomic.Pointer[func()]
}

func start(t *testing.T, change func(*gateway.Options, *node)) *node {
	t.Helper()
	n := &node{t: t, backend: &gatewaytest.Backend{}, limits: gateway.DefaultLimits()}
	opts := gateway.Options{Node: "a", Backend: n.backend, Workers: 2, UserGroups: store.NewMemory(store.MemoryOptions{}),
		Limits: func() gateway.Limits { return n.limits }}
	if change != nil {
		change(&opts, n)
	}
	g, err := gateway.New(opts)
	require.NoError(t, err)
	n.Gateway = g
	t.Cleanup(g.Close)
	return n
}

func (n *node) connect(id, user string) *gatewaytest.Client {
	return gatewaytest.Connect(n.t, n.Gateway, gatewaytest.Options{ID: id, Hub: "chat", User: user})
}

func (n *node) do(cmd gateway.Command) gateway.Result {
	n.t.Helper()
	cmd.Hub = "chat"
	r, err := n.Do(context.Background(), &cmd)
	require.NoError(n.t, err)
	return r
}

func (n *node) send(text string, target gateway.Target) {
	n.t.Helper()
	n.do(gateway.Command{Verb: gateway.VerbSend, Target: target, Frames: message(n.t, text)})
}

func (n *node) join(group string, ids ...string) int {
	return n.do(gateway.Command{Verb: gateway.VerbJoin, Target: conns(ids...), Group: group}).Matched
}

func (n *node) count(t gateway.Target, group string) int {
	return n.do(gateway.Command{Verb: gateway.VerbCount, Target: t, Group: group}).Matched
}

func (n *node) balanced() {
	n.t.Helper()
	synctest.Wait()
	require.NoError(n.t, n.Check())
}

// bubble is a subtest with time of its own.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// step names a part of a test where subtests cannot be used: inside a bubble.
func step(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Log("in step: " + name)
		}
	}()
	f()
}

func message(t testing.TB, text string) *hubprotocol.Frames {
	f, err := hubprotocol.NewInvocation(hubprotocol.JSON, text, []byte("[]"))
	require.NoError(t, err)
	return f
}

func all(except ...string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetAll, Except: except}
}
func conns(ids ...string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetConnections, IDs: ids}
}
func users(ids ...string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetUsers, IDs: ids}
}
func groups(ids ...string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetGroups, IDs: ids}
}

func TestTargets(t *testing.T) {
	cases := []struct {
		name   string
		target gateway.Target
		want   string // ids, in order
	}{
		{"R22 broadcast", all(), "1234"},
		{"R22 broadcast with an exclusion", all("2"), "134"},
		{"broadcast with many exclusions", all("2", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8"), "134"},
		{"one connection", conns("3"), "3"},
		{"several connections", conns("3", "1"), "13"},
		{"R25 unknown connection", conns("nobody"), ""},
		{"one user with two connections", users("ann"), "12"},
		{"R25 unknown user", users("nobody"), ""},
		{"one group", groups("g"), "14"},
		{"one group with an exclusion", gateway.Target{Kind: gateway.TargetGroups, IDs: []string{"g"}, Except: []string{"1"}}, "4"},
		{"R25 unknown group", groups("nobody"), ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, nil)
				clients := []*gatewaytest.Client{n.connect("1", "ann"), n.connect("2", "ann"), n.connect("3", "bob"), n.connect("4", "")}
				other := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "5", Hub: "other", User: "ann"})
				require.Equal(t, 2, n.join("g", "1", "4", "5"))
				n.send("hello", tc.target)
				synctest.Wait()
				for _, c := range clients {
					got := strings.Contains(strings.Join(c.Got(), ""), "hello")
					require.Equal(t, strings.Contains(tc.want, c.Conn.Identity().ID), got, "client %s", c.Conn.Identity().ID)
				}
				other.WantNone("hello")
				n.balanced()
			})
		})
	}
}

func TestOneSenderIsHeardInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "ann")
		n.join("g", "1")
		targets := []gateway.Target{all(), conns("1"), users("ann"), groups("g"), all("9")}
		want := "{}\x1e"
		for i := range 500 {
			text := fmt.Sprintf("m%d", i)
			n.send(text, targets[i%len(targets)])
			want += `{"type":1,"target":"` + text + "\",\"arguments\":[]}\x1e"
		}
		n.balanced()
		require.Equal(t, want, strings.Join(c.Got(), ""))
	})
}

func TestASendBehindAnUnansweredJoinReachesTheMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "")
		for i := range 50 {
			group := fmt.Sprintf("g%d", i)
			require.Equal(t, 1, n.join(group, "1"))
			n.send("to-"+group, groups(group))
			require.Equal(t, 1, n.do(gateway.Command{Verb: gateway.VerbLeave, Target: conns("1"), Group: group}).Matched)
			n.send("late-"+group, groups(group))
		}
		n.balanced()
		require.Equal(t, 50, strings.Count(strings.Join(c.Got(), ""), "to-g"))
		c.WantNone("late-")
	})
}

func TestGroups(t *testing.T) {
	t.Run("R28 R31 R36 R37 membership", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := start(t, nil)
			a, b := n.connect("1", "ann"), n.connect("2", "bob")
			step(t, "R37 joining twice delivers once", func() {
				n.join("g", "1")
				n.join("g", "1")
				n.send("once", groups("g"))
				synctest.Wait()
				require.Equal(t, 1, strings.Count(strings.Join(a.Got(), ""), "once"))
			})
			step(t, "R28 an unknown connection is not matched", func() {
				require.Zero(t, n.join("g", "nobody"))
			})
			step(t, "R31 a group ends with its last member", func() {
				require.Equal(t, 1, n.count(groups("g"), ""))
				a.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
				synctest.Wait()
				require.Zero(t, n.count(groups("g"), ""))
			})
			step(t, "R36 leaving all groups", func() {
				for i := range 20 {
					n.join(fmt.Sprint("g", i), "2")
				}
				require.Equal(t, 1, n.do(gateway.Command{Verb: gateway.VerbLeaveAll, Target: conns("2")}).Matched)
				n.send("nobody there", groups("g0", "g19"))
				synctest.Wait()
				b.WantNone("nobody there")
			})
			n.balanced()
		})
	})
}

func TestUserGroups(t *testing.T) {
	ctx := context.Background()
	ttl := func(d time.Duration) *time.Duration { return &d }
	heard := func(n *node, c *gatewaytest.Client) bool {
		text := fmt.Sprint("m", time.Now().UnixNano())
		n.send(text, groups("g"))
		synctest.Wait()
		return strings.Contains(strings.Join(c.Got(), ""), text)
	}
	bubble(t, "R32 a user added while offline", func(t *testing.T) {
		n := start(t, nil)
		require.NoError(t, n.AddUserToGroup(ctx, "chat", "ann", "g", nil))
		require.True(t, heard(n, n.connect("1", "ann")))
		in, err := n.UserInGroup(ctx, "chat", "ann", "g")
		require.NoError(t, err)
		require.True(t, in)
		n.balanced()
	})
	bubble(t, "R33 ttl 0 is for the connections online now", func(t *testing.T) {
		n := start(t, nil)
		now := n.connect("1", "ann")
		require.NoError(t, n.AddUserToGroup(ctx, "chat", "ann", "g", ttl(0)))
		require.True(t, heard(n, now))
		require.False(t, heard(n, n.connect("2", "ann")))
	})
	bubble(t, "R33 ttl ends for live and later connections", func(t *testing.T) {
		n := start(t, nil)
		live := n.connect("1", "ann")
		require.NoError(t, n.AddUserToGroup(ctx, "chat", "ann", "g", ttl(2*time.Second)))
		require.True(t, heard(n, live))
		time.Sleep(3500 * time.Millisecond)
		require.False(t, heard(n, live))
		require.False(t, heard(n, n.connect("2", "ann")))
	})
	bubble(t, "a connection that joined itself stays when the user's time ends", func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "ann")
		n.join("g", "1")
		require.NoError(t, n.AddUserToGroup(ctx, "chat", "ann", "g", ttl(time.Second)))
		time.Sleep(3 * time.Second)
		require.True(t, heard(n, c))
	})
	bubble(t, "R35 leaving all groups ends live and standing memberships", func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "ann")
		require.NoError(t, n.AddUserToGroup(ctx, "chat", "ann", "g", nil))
		require.NoError(t, n.RemoveUserFromAllGroups(ctx, "chat", "ann"))
		require.False(t, heard(n, c))
		require.False(t, heard(n, n.connect("2", "ann")))
	})
	bubble(t, "removing a user from one group", func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "ann")
		require.NoError(t, n.AddUserToGroup(ctx, "chat", "ann", "g", nil))
		require.NoError(t, n.RemoveUserFromGroup(ctx, "chat", "ann", "g"))
		require.False(t, heard(n, c))
		in, err := n.UserInGroup(ctx, "chat", "ann", "g")
		require.NoError(t, err)
		require.False(t, in)
	})
}

func TestGroupLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.MaxGroups = 1 })
		n.connect("1", "ann")
		n.connect("2", "ann")
		require.Equal(t, 1, n.join("g", "1"))
		require.Equal(t, 1, n.join("g", "1"), "a member stays one")
		join := func(t gateway.Target) (gateway.Result, error) {
			return n.Do(context.Background(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Target: t, Group: "h"})
		}
		_, err := join(conns("1"))
		require.ErrorIs(t, err, gateway.ErrTooManyGroups)
		r, err := join(users("ann"))
		require.NoError(t, err)
		require.Equal(t, 1, r.Matched, "the connection that has room joins")
		n.balanced()
	})
}

func TestCloseBeforeTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Protocol: "-"})
		cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye"}
		require.Equal(t, 1, n.do(gateway.Command{Verb: gateway.VerbClose, Target: conns("1"), Cause: cause}).Matched)
		require.Equal(t, cause, c.WantEnd(t.Context()))
		require.Equal(t, []string{"{\"error\":\"bye\"}\x1e"}, c.Got())
	})
}

func TestQuotas(t *testing.T) {
	t.Run("C21 R51 quotas", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := start(t, func(_ *gateway.Options, n *node) {
				n.limits.MaxConnections, n.limits.MaxHubs, n.limits.MaxDiagnostic = 3, 2, 1
			})
			try := func(id, hub string, diagnostic bool) error {
				_, err := gatewaytest.TryConnect(t, n.Gateway, gatewaytest.Options{ID: id, Hub: hub, Identity: gateway.Identity{Diagnostic: diagnostic}})
				return err
			}
			require.NoError(t, try("1", "chat", true))
			step(t, "R51 diagnostic clients", func() {
				require.ErrorIs(t, n.Admit("chat", true), gateway.ErrTooManyConnections)
				require.ErrorIs(t, try("2", "chat", true), gateway.ErrTooManyConnections)
			})
			require.ErrorIs(t, try("1", "chat", false), gateway.ErrConnectionExists)
			require.NoError(t, try("2", "other", false))
			require.ErrorIs(t, try("3", "third", false), gateway.ErrTooManyHubs)
			require.ErrorIs(t, n.Admit("third", false), gateway.ErrTooManyHubs)
			require.NoError(t, try("3", "chat", false))
			step(t, "C21 connection limit", func() {
				require.ErrorIs(t, n.Admit("chat", false), gateway.ErrTooManyConnections)
				require.ErrorIs(t, try("4", "chat", false), gateway.ErrTooManyConnections)
			})
			n.balanced()
		})
	})
}

func TestDrain(t *testing.T) {
	bubble(t, "C78 every client gets what was sent before and allowReconnect", func(t *testing.T) {
		n := start(t, nil)
		var clients []*gatewaytest.Client
		for i := range 200 {
			clients = append(clients, n.connect(fmt.Sprint(i), ""))
		}
		n.send("last words", all())
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, n.Drain(ctx))
		for _, c := range clients {
			got := c.Got()
			require.Contains(t, got[len(got)-2], "last words")
			require.Contains(t, got[len(got)-1], `"allowReconnect":true`)
		}
		_, err := gatewaytest.TryConnect(t, n.Gateway, gatewaytest.Options{ID: "late", Hub: "chat"})
		require.ErrorIs(t, err, gateway.ErrDraining)
		require.Zero(t, n.Stats().Hubs[0].Connections)
		n.balanced()
	})
	bubble(t, "a client is closed behind the answers it waits for", func(t *testing.T) {
		var pending atomic.Bool
		pending.Store(true)
		n := start(t, func(_ *gateway.Options, n *node) { n.backend.Pending = pending.Load })
		c := n.connect("1", "")
		go func() {
			<-time.After(time.Second)
			c.Conn.Send([]byte("{\"type\":3,\"invocationId\":\"1\"}\x1e"))
			pending.Store(false)
		}()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, n.Drain(ctx))
		require.Len(t, c.Got(), 3)
		require.Contains(t, c.Got()[1], `"type":3`)
	})
	bubble(t, "an application that never answers holds nobody for ever", func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.backend.Pending = func() bool { return true } })
		c := n.connect("1", "")
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, n.Drain(ctx))
		require.Equal(t, gateway.CloseServiceReload, c.WantEnd(t.Context()).Reason)
	})
	bubble(t, "a client that takes nothing is aborted at the bound", func(t *testing.T) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Stalled: true})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.True(t, errors.Is(n.Drain(ctx), context.DeadlineExceeded))
		require.True(t, c.Aborted())
	})
}
