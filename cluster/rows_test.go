package cluster_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

func TestN2NodesFormAFullMesh(t *testing.T) {
	for _, count := range []int{2, 3, 5, 8} {
		t.Run(fmt.Sprint(count, " nodes"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ns := newNodes(t)
				for i := range count {
					ns.start(string(rune('a' + i)))
					ns.net.Set("", "", func(f *clustertest.Fault) { f.Delay = 2 * time.Millisecond })
				}
				last := time.Now()
				ns.meet()
				require.LessOrEqual(t, time.Since(last), 2*time.Second)
			})
		})
	}
}

// A node is ready when it knows what its peers take and they know what it takes, and not before.
func TestN2ReadyWithAllSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		ns.list[0].connect("a1", "ann")
		ns.net.Set("a", "c", func(f *clustertest.Fault) { f.Delay = 100 * time.Millisecond })
		ns.net.Set("c", "b", func(f *clustertest.Fault) { f.Delay = 200 * time.Millisecond })
		begin := time.Now()
		c := ns.start("c")
		for !c.plane.Ready() {
			time.Sleep(5 * time.Millisecond)
		}
		require.Equal(t, 2, c.up())
		require.GreaterOrEqual(t, time.Since(begin), 400*time.Millisecond, "c has greeted b, and told it what it takes")
		require.Equal(t, 1, c.count(all()))
	})
}

// A node that has met one of the others may not have heard of the rest yet.
func TestN2ReadyWithThoseThatTheOthersKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		for _, way := range [][2]string{{"b", "c"}, {"c", "b"}} {
			ns.net.Set(way[0], way[1], func(f *clustertest.Fault) { f.Delay = 2 * time.Second })
		}
		c := ns.start("c")
		for !c.plane.Ready() {
			time.Sleep(5 * time.Millisecond)
		}
		t.Log("met when it has all snapshots that it knows of:", c.up())
		for !c.plane.Ready() || !c.plane.Agreed() {
			time.Sleep(5 * time.Millisecond)
		}
		require.Equal(t, 2, c.up())
	})
}

// Two nodes that start together meet each other first, and would agree that there is nobody else.
func TestN2NodesThatStartTogetherWaitForTheOthers(t *testing.T) {
	for name, c := range map[string]struct {
		cut, within time.Duration
		met         int
	}{
		"that are there":     {cut: 0, within: 3 * time.Second, met: 2},
		"that come late":     {cut: 3 * time.Second, within: 5 * time.Second, met: 2},
		"that are not there": {cut: time.Minute, within: 6 * time.Second, met: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				expects := func(o *cluster.Options) { o.Expects = func() []string { return []string{"a", "b", "c"} } }
				ns := newNodes(t)
				old := ns.start("c", expects)
				old.connect("c1", "ann")
				time.Sleep(10 * time.Second)
				ns.net.Between("c", "a", func(f *clustertest.Fault) { f.Cut = c.cut > 0 })
				ns.net.Between("c", "b", func(f *clustertest.Fault) { f.Cut = c.cut > 0 })
				time.AfterFunc(c.cut, ns.net.Heal)
				begin := time.Now()
				for _, n := range []*node{ns.start("a", expects), ns.start("b", expects)} {
					for !n.plane.Agreed() {
						time.Sleep(10 * time.Millisecond)
						require.Less(t, time.Since(begin), c.within)
					}
					require.Equal(t, c.met, n.up())
				}
			})
		})
	}
}

// A node that has just joined and does not reach one of the others does not take what is for all: what it sent to the
// clients of that one would be lost, and it is isolated soon.
func TestN2ANodeThatDoesNotReachAnOlderOneHasNotAgreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		time.Sleep(2 * time.Second)
		ns.net.Between("b", "c", func(f *clustertest.Fault) { f.Cut = true })
		ns.net.Set("a", "c", func(f *clustertest.Fault) { f.Delay = time.Second })
		ns.net.Set("c", "a", func(f *clustertest.Fault) { f.Delay = time.Second })
		c := ns.start("c")
		for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(10 * time.Millisecond) {
			require.False(t, c.plane.Agreed(), "after %v", time.Since(begin))
		}
		require.True(t, c.plane.Stats().Isolated)
		ns.net.Heal()
		time.Sleep(5 * time.Second)
		require.True(t, c.plane.Agreed())
		require.Equal(t, 2, c.up())
	})
}

// A node that reaches all others does not wait for long if two of those do not reach each other.
func TestN2AJoiningNodeDoesNotWaitForThePairOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		time.Sleep(2 * time.Second)
		ns.net.Between("a", "b", func(f *clustertest.Fault) { f.Cut = true })
		time.Sleep(10 * time.Second)
		c := ns.start("c")
		time.Sleep(30 * time.Second)
		require.Equal(t, 2, c.up())
		require.True(t, c.plane.Agreed())
	})
}

// That another node joins is no reason for those that are there to refuse anything, though nobody has asked them
// before.
func TestN2AJoiningNodeDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		time.Sleep(2 * time.Second)
		ns.net.Set("c", "b", func(f *clustertest.Fault) { f.Delay = time.Second })
		c := ns.start("c")
		for !c.plane.Ready() || c.up() < 2 {
			require.True(t, ns.list[0].plane.Agreed())
			time.Sleep(5 * time.Millisecond)
		}
	})
}

func TestN3SendsToEveryTargetOnEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		var clients []*gatewaytest.Client
		for _, n := range ns.list {
			clients = append(clients, n.connect(n.tag+"-ann", "ann"), n.connect(n.tag+"-own", n.tag))
		}
		ns.list[0].join("g", "a-ann", "b-own", "c-own")
		ns.list[2].join("h", "a-own", "a-ann")
		for _, from := range ns.list {
			for name, c := range map[string]struct {
				target gateway.Target
				want   []string
			}{
				"all":                   {all(), []string{"a-ann", "a-own", "b-ann", "b-own", "c-ann", "c-own"}},
				"all but connections":   {gateway.Target{Kind: gateway.TargetAll, Except: []string{"a-ann", "c-own"}}, []string{"a-own", "b-ann", "b-own", "c-ann"}},
				"all but users":         {gateway.Target{Kind: gateway.TargetAll, ExceptUsers: []string{"ann", "b"}}, []string{"a-own", "c-own"}},
				"users":                 {users("ann", "c", "nobody"), []string{"a-ann", "b-ann", "c-ann", "c-own"}},
				"users but connections": {gateway.Target{Kind: gateway.TargetUsers, IDs: []string{"ann"}, Except: []string{"b-ann"}}, []string{"a-ann", "c-ann"}},
				"connections":           {conns("a-own", "b-own", "d-own"), []string{"a-own", "b-own"}},
				"a group":               {groups("g"), []string{"a-ann", "b-own", "c-own"}},
				"groups":                {groups("g", "h"), []string{"a-ann", "a-own", "b-own", "c-own"}},
				"a group but users":     {gateway.Target{Kind: gateway.TargetGroups, IDs: []string{"g"}, ExceptUsers: []string{"ann"}}, []string{"b-own", "c-own"}},
				"nobody":                {users("nobody"), nil},
			} {
				require.Equal(t, c.want, ns.hasGot(from.send(c.target), clients...), "from %s to %s", from.tag, name)
			}
		}
		ns.atRest()
	})
}

func TestN4AJoinIsKnownEverywhereWhenItIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a, b, c := ns.list[0], ns.list[1], ns.list[2]
		ns.net.Set("b", "a", func(f *clustertest.Fault) { f.Delay = 3 * time.Millisecond })
		ns.net.Set("b", "c", func(f *clustertest.Fault) { f.Delay = 20 * time.Millisecond })
		client := b.connect("b1", "ann")
		times := 10_000
		if raced {
			times = 1000
		}
		for i := range times {
			group := fmt.Sprint("group", i)
			by := b
			if i%3 == 0 {
				by = c // another node asks for it
			}
			by.join(group, "b1")
			a.do(gateway.Command{Verb: gateway.VerbSend, Target: groups(group), Frames: message("from a", 0)})
			c.do(gateway.Command{Verb: gateway.VerbSend, Target: groups(group), Frames: message("from c", 0)})
		}
		ns.atRest()
		synctest.Wait()
		require.Equal(t, 2*times, len(got(client)))
		require.Zero(t, b.plane.Stats().LateAnnouncements)
	})
}

func TestN5AClientIsKnownEverywhereWhenItsHandshakeIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a, b := ns.list[0], ns.list[1]
		ns.net.Between("a", "b", func(f *clustertest.Fault) { f.Delay = 3 * time.Millisecond })
		ns.net.Between("c", "b", func(f *clustertest.Fault) { f.Delay = 20 * time.Millisecond })
		for i := range 300 {
			id, user := fmt.Sprint("b", i), fmt.Sprint("user", i)
			client := b.connect(id, user)
			one, two := a.send(conns(id)), a.send(users(user))
			require.Equal(t, 1, a.count(users(user)))
			time.Sleep(20 * time.Millisecond)
			require.Equal(t, []string{one, two}, got(client))
		}
	})
}

// A user joins a group on one node while it connects on another, in any order: it is a member for
// everybody.
func TestN25AUserJoinsWhileItConnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a, b, c := ns.list[0], ns.list[1], ns.list[2]
		ns.net.Between("b", "a", func(f *clustertest.Fault) { f.Delay = 2 * time.Millisecond })
		ns.net.Between("b", "c", func(f *clustertest.Fault) { f.Delay = 5 * time.Millisecond })
		random := rand.New(rand.NewPCG(2, 5))
		times := 10_000
		if raced {
			times = 500
		}
		for i := range times {
			user, group := fmt.Sprint("user", i), fmt.Sprint("group", i)
			var both sync.WaitGroup
			wait := time.Duration(random.IntN(16_000)) * time.Microsecond
			both.Go(func() {
				time.Sleep(wait)
				require.NoError(t, a.AddUserToGroup(t.Context(), "chat", user, group, nil))
			})
			time.Sleep(4 * time.Millisecond)
			client := b.connect(fmt.Sprint("b", i), user)
			both.Wait()
			text := c.send(groups(group))
			time.Sleep(6 * time.Millisecond)
			require.Equal(t, []string{text}, got(client), "%d: the join was %v after the beginning", i, wait)
			client.Leave()
		}
		require.Zero(t, b.plane.Stats().LateAnnouncements)
	})
}

// Whatever one node is asked for, in whatever mixture, has its order at every receiver.
func TestN6OrderOfOneSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		ns.net.Set("a", "b", func(f *clustertest.Fault) { f.Delay = 7 * time.Millisecond })
		var clients []*gatewaytest.Client
		for _, n := range ns.list {
			clients = append(clients, n.connect(n.tag+"1", "ann"))
			n.join("both", n.tag+"1")
		}
		a := ns.list[0]
		send := func(target gateway.Target) { a.send(target) }
		for i := range 1500 {
			switch i % 6 {
			case 0:
				send(all())
			case 1:
				send(users("ann"))
			case 2:
				send(groups("both"))
			case 3:
				send(conns("a1", "b1", "c1"))
			case 4:
				group := fmt.Sprint("g", i)
				a.Start(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Target: users("ann"), Group: group}, func(gateway.Result, error) {})
				send(groups(group)) // nobody has said that it was joined
			default:
				if i%60 == 5 {
					ns.net.Set("a", "c", func(f *clustertest.Fault) { f.Lose = i % 7 }) // as when NATS drops
				}
				send(all())
			}
			if i%100 == 0 {
				time.Sleep(3 * time.Millisecond)
			}
		}
		ns.atRest()
		synctest.Wait()
		for _, c := range clients {
			list := got(c)
			require.Equal(t, ns.sent, len(list))
			for i, text := range list {
				require.Equal(t, fmt.Sprint("message-", i+1), text)
			}
		}
		require.Positive(t, ns.net.Sum("a", "c").Lost)
	})
}

func TestN7QuestionsOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a := ns.list[0]
		for _, n := range ns.list {
			for i := range 40 {
				n.connect(fmt.Sprintf("%02d%s", i, n.tag), "ann")
			}
		}
		require.Equal(t, 120, a.count(all()))
		require.Equal(t, 120, a.count(users("ann")))
		require.Equal(t, 2, a.count(conns("00a", "01b", "nobody")))
		var seen []string
		for after := ""; ; {
			r, err := a.Do(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbList, Target: all(), Page: gateway.Page{After: after, Max: 7}})
			require.NoError(t, err)
			require.Equal(t, 120, r.Matched)
			if len(r.Members) == 0 {
				break
			}
			for _, m := range r.Members {
				seen = append(seen, m.ID)
			}
			after = seen[len(seen)-1]
		}
		require.Len(t, seen, 120)
		require.IsIncreasing(t, seen)
	})
}

// deaf is a node that takes every command and answers none.
type deaf struct{ tag string }

func (d deaf) Name() string                                      { return d.tag }
func (deaf) Apply(*gateway.Command, func(gateway.Result, error)) {}
func (d deaf) join(t *testing.T, ns *nodes) (leave func()) {
	b := join(t, options(d.tag, ns.net.Carrier()))
	leave, err := b.Join(d)
	require.NoError(t, err)
	return leave
}

func TestN7ANodeThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		a := ns.list[0]
		a.connect("a1", "ann")
		ns.list[1].connect("b1", "ann")
		leave := deaf{"mute"}.join(t, ns)
		defer leave()
		time.Sleep(2 * time.Second)
		begin := time.Now()
		_, err := a.ask(gateway.Command{Verb: gateway.VerbCount, Target: all()})
		require.ErrorIs(t, err, cluster.ErrIncomplete)
		require.ErrorContains(t, err, "mute")
		require.Equal(t, 5*time.Second, time.Since(begin))

		// A receipt is of the nodes that have answered.
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		r, whole, err := a.Receipt(ctx, &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: message("m", 0)})
		require.NoError(t, err)
		require.False(t, whole)
		require.Equal(t, gateway.Receipt{Matched: 2, Queued: 2, Nodes: 2}, r)

		// Whether there is anybody is known without it.
		begin = time.Now()
		require.Positive(t, a.do(gateway.Command{Verb: gateway.VerbCount, Target: users("ann"), Any: true}))
		require.Positive(t, a.do(gateway.Command{Verb: gateway.VerbCount, Target: conns("b1"), Any: true}))
		require.Zero(t, time.Since(begin))
		_, err = a.ask(gateway.Command{Verb: gateway.VerbCount, Target: users("bob"), Any: true})
		require.ErrorIs(t, err, gateway.ErrIncomplete)
	})
}

// A process that hangs makes an error, or is gone and counts as nothing; a question is answered in
// five seconds.
func TestN7ANodeThatHangs(t *testing.T) {
	for _, before := range []time.Duration{0, time.Second, 4900 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			ns := startNodes(t, 3)
			a := ns.list[0]
			for _, n := range ns.list {
				n.connect(n.tag+"1", "ann")
			}
			ns.net.Between("b", "", func(f *clustertest.Fault) { f.Held = true })
			time.Sleep(before)
			begin := time.Now()
			n, err := a.ask(gateway.Command{Verb: gateway.VerbCount, Target: all()})
			require.LessOrEqual(t, time.Since(begin), 5*time.Second)
			if err != nil {
				require.ErrorIs(t, err, cluster.ErrIncomplete)
				require.Less(t, before, time.Second)
			} else {
				require.Equal(t, 2, n)
			}
			ns.net.Heal()
			ns.meet()
			require.Equal(t, 3, a.count(all()), "it is back")
		})
	}
}

func TestN8CommandsGoToNodesWithReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 4)
		a, d := ns.list[0], ns.list[3]
		for _, n := range ns.list[:3] {
			n.connect(n.tag+"1", n.tag)
		}
		for i := range 500 {
			ns.list[1].join(fmt.Sprint("group", i), "b1")
		}
		time.Sleep(3 * time.Second) // names that were announced in vain are withdrawn
		handed := func(do func()) map[string]uint64 {
			before := make(map[string]uint64)
			for _, p := range a.plane.Stats().Peers {
				before[p.Node.Tag] = p.Books.Handed
			}
			do()
			for _, p := range a.plane.Stats().Peers {
				before[p.Node.Tag] = p.Books.Handed - before[p.Node.Tag]
			}
			return before
		}
		got := handed(func() {
			for i := range 500 {
				a.send(groups(fmt.Sprint("group", i)))
			}
		})
		require.EqualValues(t, 500, got["b"])
		require.Less(t, got["c"]+got["d"], uint64(70), "false positives")
		require.Equal(t, map[string]uint64{"b": 1, "c": 1, "d": 0}, handed(func() { a.send(all()) }))
		require.Equal(t, map[string]uint64{"b": 0, "c": 1, "d": 0}, handed(func() { a.send(users("c", "a")) }))
		require.Equal(t, map[string]uint64{"b": 1, "c": 0, "d": 0}, handed(func() { a.count(conns("b1")) }))
		require.Equal(t, map[string]uint64{"b": 0, "c": 0, "d": 0}, handed(func() { a.count(users("nobody here")) }))
		require.Zero(t, d.handed())
	})
}

// A message costs one frame for each node that has receivers, whatever the others.
func TestN9CostsGrowWithTheNodesConcerned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 9)
		a := ns.list[0]
		for i, n := range ns.list[1:] {
			n.connect(n.tag+"1", "ann")
			for _, size := range []int{1, 2, 4, 8} {
				if i < size {
					n.join(fmt.Sprint("of", size), n.tag+"1")
				}
			}
		}
		time.Sleep(3 * time.Second)
		ns.atRest()
		var packets []int
		for _, size := range []int{1, 2, 4, 8} {
			before, sent := a.handed(), ns.net.Sum("a", "")
			for range 100 {
				a.send(groups(fmt.Sprint("of", size)))
				synctest.Wait()
			}
			now := ns.net.Sum("a", "")
			require.EqualValues(t, 100*size, a.handed()-before)
			packets = append(packets, now.Packets-sent.Packets)
			perNode := float64(now.Bytes-sent.Bytes) / float64(100*size)
			require.Less(t, perNode, 200.0, "bytes for each node and message")
			ns.atRest()
		}
		require.Equal(t, []int{100, 200, 400, 800}, packets)
	})
}
