package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/backplane"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// outcome is what Start answered.
type outcome struct {
	result gateway.Result
	err    error
}

func (n *node) started(ctx context.Context, cmd gateway.Command) <-chan outcome {
	cmd.Hub = "chat"
	answers := make(chan outcome, 2) // a second answer would be seen
	n.Start(ctx, &cmd, func(r gateway.Result, err error) { answers <- outcome{r, err} })
	return answers
}

// What Start answers is what Do returns: errors and members too.
func TestStartAnswersAsDoReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.MaxGroups = 1 })
		n.connect("1", "ann")
		n.connect("2", "bob")
		join := func(group, id string) outcome {
			return <-n.started(t.Context(), gateway.Command{Verb: gateway.VerbJoin, Target: conns(id), Group: group})
		}
		require.NoError(t, join("g", "1").err)
		require.ErrorIs(t, join("h", "1").err, gateway.ErrTooManyGroups)
		require.Equal(t, outcome{}, join("h", "nobody"))
		both := <-n.started(t.Context(), gateway.Command{Verb: gateway.VerbJoin, Target: all(), Group: "h"})
		require.NoError(t, both.err, "one of them had room")
		require.Equal(t, 1, both.result.Matched)
		listed := <-n.started(t.Context(), gateway.Command{Verb: gateway.VerbList, Target: all(), Page: gateway.Page{Max: 1}})
		require.Equal(t, outcome{result: gateway.Result{Matched: 2, Members: []gateway.Member{{ID: "1", User: "ann"}}}}, listed)
	})
}

// A user's connection may be in too many groups on this node and have room on another.
func TestAJoinRefusedHereIsAskedForElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &backplane.InProcess{}
		a := start(t, func(o *gateway.Options, n *node) { n.limits.MaxGroups, o.Backplane = 1, bus.From("a") })
		b := start(t, func(o *gateway.Options, n *node) { n.limits.MaxGroups, o.Node, o.Backplane = 2, "b", bus.From("b") })
		a.connect("1", "ann")
		b.connect("2", "ann")
		require.Equal(t, 2, a.do(gateway.Command{Verb: gateway.VerbJoin, Target: users("ann"), Group: "first"}).Matched)
		require.Equal(t, 1, a.do(gateway.Command{Verb: gateway.VerbJoin, Target: users("ann"), Group: "second"}).Matched)
		_, err := a.Do(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Target: users("ann"), Group: "third"})
		require.ErrorIs(t, err, gateway.ErrTooManyGroups, "no node had room")
		require.Equal(t, 1, a.count(groups("second"), ""))
	})
}

// slowBus is a backplane to a node that answers when it is told to.
type slowBus struct {
	asked   chan *gateway.Command
	answers chan func(gateway.Result, error)
}

func (*slowBus) Join(gateway.Node) (func(), error)                         { return func() {}, nil }
func (*slowBus) Publish(context.Context, []string, *gateway.Command) error { return nil }
func (s *slowBus) Ask(_ context.Context, _ []string, cmd *gateway.Command, answered func(gateway.Result, error)) {
	s.asked <- cmd
	s.answers <- answered
}

// A round trip to another node keeps nobody waiting who called Start.
func TestStartDoesNotWaitForOtherNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &slowBus{asked: make(chan *gateway.Command, 10), answers: make(chan func(gateway.Result, error), 10)}
		n := start(t, func(o *gateway.Options, _ *node) { o.Backplane = bus })
		n.connect("1", "ann")
		var waiting []<-chan outcome
		for i := range 10 {
			waiting = append(waiting, n.started(t.Context(), gateway.Command{Verb: gateway.VerbJoin, Target: users("ann"), Group: fmt.Sprint("g", i)}))
		}
		synctest.Wait()
		for i := range 10 {
			require.Equal(t, fmt.Sprint("g", i), (<-bus.asked).Group, "in order")
			require.Empty(t, waiting[i], "answered without the other node")
		}
		for i := range 10 {
			(<-bus.answers)(gateway.Result{Matched: 2}, nil)
			require.Equal(t, outcome{result: gateway.Result{Matched: 3}}, <-waiting[i])
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.Do(ctx, &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: all()})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// tagged is a node whose connections are named after it.
type tagged struct {
	gateway.Backplane
	asked map[string]int // by the nodes that were asked
}

func (b *tagged) Ask(ctx context.Context, to []string, cmd *gateway.Command, answered func(gateway.Result, error)) {
	b.asked[fmt.Sprint(to)]++
	b.Backplane.(gateway.Asker).Ask(ctx, to, cmd, answered)
}

// A command for named connections goes to the nodes that they live on.
func TestCommandsForConnectionsGoToTheirNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &backplane.InProcess{}
		seen := &tagged{asked: make(map[string]int)}
		nodes := make(map[string]*node)
		for _, name := range []string{"a", "b", "c"} {
			nodes[name] = start(t, func(o *gateway.Options, _ *node) {
				o.Node, o.Backplane = name, bus.From(name)
				if name == "a" {
					seen.Backplane = o.Backplane
					o.Backplane = seen
				}
				o.NodeOf = func(id string) string {
					if id[0] == '?' {
						return ""
					}
					return id[:1]
				}
			})
			nodes[name].connect(name+"1", "ann")
		}
		foreign := gatewaytest.Connect(t, nodes["c"].Gateway, gatewaytest.Options{ID: "?", Hub: "chat"})
		a := nodes["a"]
		require.Equal(t, 1, a.count(conns("a1", "a2"), ""))
		require.Empty(t, seen.asked, "all of them live here")
		require.Equal(t, 2, a.count(conns("a1", "b1", "b2", "nowhere"), ""))
		require.Equal(t, 3, a.count(conns("c1", "b1", "?"), ""))
		require.Equal(t, 3, a.count(users("ann"), ""))
		require.Equal(t, map[string]int{"[b n]": 1, "[]": 2}, seen.asked)
		require.Equal(t, 1, a.join("g", "?"))
		a.send("hello", groups("g"))
		foreign.Want(t.Context(), "hello")
	})
}

// A connection in very many groups finds each of them, however it came and went.
func TestManyGroupsOfOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		n.connect("1", "ann")
		r := rand.New(rand.NewPCG(1, 2))
		in := make(map[string]bool)
		for range 2000 {
			group := fmt.Sprint("g", r.IntN(60))
			if r.IntN(3) > 0 {
				require.Equal(t, 1, n.join(group, "1"))
				in[group] = true
			} else {
				n.do(gateway.Command{Verb: gateway.VerbLeave, Target: conns("1"), Group: group})
				delete(in, group)
			}
			group = fmt.Sprint("g", r.IntN(60))
			require.Equal(t, in[group], n.count(conns("1"), group) == 1)
			require.Equal(t, in[group], n.count(groups(group), "") == 1)
		}
		n.do(gateway.Command{Verb: gateway.VerbLeaveAll, Target: conns("1")})
		for i := range 60 {
			require.Zero(t, n.count(groups(fmt.Sprint("g", i)), ""))
		}
	})
}
