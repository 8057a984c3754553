package gateway_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/backplane"
	"github.com/hubgate/hubgate/gateway"
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
