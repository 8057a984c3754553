package gateway_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/backplane"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

func TestVerbsWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "ann")
		n.connect("2", "bob")
		var got []string
		var mu sync.Mutex
		answer := func(name string) func(gateway.Result, error) {
			return func(r gateway.Result, err error) {
				require.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				got = append(got, fmt.Sprint(name, r.Matched))
			}
		}
		run := func(name string, cmd gateway.Command) {
			cmd.Hub = "chat"
			n.Start(t.Context(), &cmd, answer(name))
		}
		run("join", gateway.Command{Verb: gateway.VerbJoin, Target: conns("1", "nobody"), Group: "g"})
		n.send("in order", groups("g"))
		run("leave", gateway.Command{Verb: gateway.VerbLeave, Target: conns("1"), Group: "g"})
		run("count", gateway.Command{Verb: gateway.VerbCount, Target: all()})
		n.Start(t.Context(), &gateway.Command{Hub: "empty", Verb: gateway.VerbCount, Target: all()}, answer("empty"))
		synctest.Wait()
		c.Want(t.Context(), "in order")
		slices.Sort(got)
		require.Equal(t, []string{"count2", "empty0", "join1", "leave1"}, got)
		require.Equal(t, 2, n.Connections("chat"))
		require.Zero(t, n.Connections("empty"))
		n.balanced()
	})
}

func TestVerbsWithoutWaitingOnSeveralNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &backplane.InProcess{}
		a := start(t, func(o *gateway.Options, _ *node) { o.Backplane = bus.From("a") })
		b := start(t, func(o *gateway.Options, _ *node) { o.Node, o.Backplane = "b", bus.From("b") })
		a.connect("1", "ann")
		b.connect("2", "ann")
		answered := make(chan int, 1)
		a.Start(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Target: users("ann"), Group: "g"},
			func(r gateway.Result, err error) { answered <- r.Matched })
		require.Equal(t, 2, <-answered)
		require.NoError(t, a.Force(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: groups("g"), Frames: message(t, "x")}))
		a.balanced()
		b.balanced()
	})
}

func TestExcludedUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		ann, anonymous := n.connect("1", "ann"), n.connect("2", "")
		n.send("x", gateway.Target{Kind: gateway.TargetAll, ExceptUsers: []string{"ann", ""}})
		synctest.Wait()
		ann.WantNone("x")
		anonymous.Want(t.Context(), "x")
	})
}

// A page of a large group is right wherever it begins, and so is the sum of all pages.
func TestPagesOfALargeGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		var want, got []string
		for i := range 157 {
			id := fmt.Sprintf("%03d", (i*71)%157)
			n.connect(id, "")
			want = append(want, fmt.Sprintf("%03d", i))
		}
		n.do(gateway.Command{Verb: gateway.VerbJoin, Target: all(), Group: "g"})
		for after := ""; ; {
			r := n.do(gateway.Command{Verb: gateway.VerbList, Target: groups("g"), Page: gateway.Page{After: after, Max: 10}})
			require.Equal(t, 157, r.Matched)
			if len(r.Members) == 0 {
				break
			}
			require.LessOrEqual(t, len(r.Members), 10)
			for _, m := range r.Members {
				got = append(got, m.ID)
			}
			after = got[len(got)-1]
		}
		require.Equal(t, want, got)
		require.Empty(t, n.do(gateway.Command{Verb: gateway.VerbList, Target: all()}).Members, "a page without room")
	})
}

func TestManyExcludedUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		ann, bob, anonymous := n.connect("1", "ann"), n.connect("2", "bob"), n.connect("3", "")
		except := []string{"ann", ""}
		for i := range 1000 {
			except = append(except, fmt.Sprint("user", i))
		}
		n.send("x", gateway.Target{Kind: gateway.TargetAll, ExceptUsers: except})
		synctest.Wait()
		ann.WantNone("x")
		bob.Want(t.Context(), "x")
		anonymous.Want(t.Context(), "x")
	})
}

// When as many hubs as there may be are known, the one that has been empty longest makes room.
func TestAFullTableForgetsTheLongestEmptyHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.MaxHubs = 3 })
		visit := func(hub string) {
			gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: hub, Hub: hub}).Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			synctest.Wait()
			time.Sleep(2 * time.Second)
		}
		known := func() (hubs []string) {
			for _, h := range n.Stats().Hubs {
				hubs = append(hubs, h.Hub)
			}
			slices.Sort(hubs)
			return hubs
		}
		visit("a")
		visit("b")
		alive := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "c", Hub: "c"})
		require.NoError(t, n.Admit("d", false))
		visit("d")
		require.Equal(t, []string{"b", "c", "d"}, known())
		require.EqualValues(t, 4, n.Stats().Opened)
		gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "b2", Hub: "b"})
		gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "d2", Hub: "d"})
		require.ErrorIs(t, n.Admit("e", false), gateway.ErrTooManyHubs, "no hub is empty")
		_, err := gatewaytest.TryConnect(t, n.Gateway, gatewaytest.Options{ID: "e", Hub: "e"})
		require.ErrorIs(t, err, gateway.ErrTooManyHubs)
		alive.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		n.balanced()
	})
}
