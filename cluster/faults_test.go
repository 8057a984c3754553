package cluster_test

import (
	"fmt"
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

// publish sends a message of some size on all nodes, as a hub server does that has waited.
func (n *node) publish(text string, size int) error {
	return n.Force(n.nodes.t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: message(text, size)})
}

func TestN11ASlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a := ns.list[0]
		b, c := ns.list[1].connect("b1", "ann"), ns.list[2].connect("c1", "bob")
		ns.net.Set("a", "b", func(f *clustertest.Fault) { f.Held = true })
		begin := time.Now()
		behind := 0
		const count, size = 300, 100 << 10 // 30 MB
		for i := range count {
			if err := a.publish(fmt.Sprint("m", i), size); err != nil {
				require.ErrorIs(t, err, gateway.ErrHubBusy)
				behind++
			}
			synctest.Wait() // what c is sent has left
		}
		require.Zero(t, time.Since(begin), "the producer waits for nothing")
		require.Equal(t, count, len(got(c)), "the other peer is not concerned")
		books := a.peer("b").Books
		require.EqualValues(t, behind, books.Dropped[cluster.DropPeerBehind])
		require.Greater(t, behind, 50)
		require.LessOrEqual(t, a.peer("b").QueuedBytes, 21<<20)
		require.NoError(t, a.plane.Check())

		send := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: users("ann"), Frames: message("one more", size)}
		require.ErrorIs(t, a.plane.Admit(nil, send), gateway.ErrHubBusy)
		send.Target = users("bob")
		require.NoError(t, a.plane.Admit(nil, send))
		send.Target = all()
		require.ErrorIs(t, a.plane.Admit(nil, send), gateway.ErrHubBusy)
		require.NoError(t, a.plane.Admit([]string{"c"}, send))

		ns.net.Heal()
		ns.atRest()
		synctest.Wait()
		require.Equal(t, count-behind, len(got(b)), "what was taken comes")
		require.NoError(t, a.plane.Admit(nil, send))
	})
}

// A send that a node has no room for is refused at every door, before anybody gets it; what does not
// concern that node is not.
func TestN11SendsAreRefusedAtTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a := ns.list[0]
		here, there, far := a.connect("a1", "ann"), ns.list[1].connect("b1", "ann"), ns.list[2].connect("c1", "ann")
		ns.net.Set("a", "b", func(f *clustertest.Fault) { f.Held = true })
		send := func(target gateway.Target, text string) error {
			_, err := a.ask(gateway.Command{Verb: gateway.VerbSend, Target: target, Frames: message(text, 100<<10)})
			return err
		}
		taken := 0
		for ; taken < 1000; taken++ {
			if err := send(all(), "taken"); err != nil {
				require.ErrorIs(t, err, gateway.ErrHubBusy)
				require.ErrorContains(t, err, "node b")
				break
			}
			synctest.Wait()
		}
		require.Less(t, taken, 1000)
		require.ErrorIs(t, send(users("ann"), "refused"), gateway.ErrHubBusy)
		require.NoError(t, send(conns("a1", "c1"), "passes"))
		synctest.Wait()
		for _, c := range []*gatewaytest.Client{here, far} {
			list := got(c)
			require.Equal(t, taken+1, len(list))
			require.Equal(t, "passes", list[taken])
		}
		require.Zero(t, a.peer("b").Books.Dropped[cluster.DropPeerBehind], "nothing was given up")
		ns.net.Heal()
		ns.atRest()
		synctest.Wait()
		require.Equal(t, taken, len(got(there)))
		require.NoError(t, send(all(), "again"))
	})
}

// Who has been let in finds room, though others come in at the same time.
func TestN11TheDoorLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		a := ns.list[0]
		ns.list[1].connect("b1", "ann")
		ns.net.Set("a", "b", func(f *clustertest.Fault) { f.Held = true })
		const size = 100 << 10
		send := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: message("m", size)}
		for a.plane.Admit(nil, send) == nil {
			require.NoError(t, a.publish("m", size))
		}
		for range 2<<20/size - 2 {
			require.NoError(t, a.publish("one that was admitted before", size))
		}
		require.Zero(t, a.peer("b").Books.Dropped[cluster.DropPeerBehind])
	})
}

// A hub with too much for its clients on one node is refused on the others, within a second or so.
func TestN11AHubThatIsCrowdedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		a, b := ns.list[0], ns.list[1]
		limits := gateway.DefaultLimits()
		limits.HubQueuedBytes = 100 << 10
		b.limits.Store(&limits)
		slow := b.connect("b1", "ann")
		slow.Stall()
		send := func() error {
			_, err := a.ask(gateway.Command{Verb: gateway.VerbSend, Target: all(), Frames: message("m", 30<<10)})
			return err
		}
		for range 5 {
			require.NoError(t, send())
			synctest.Wait()
		}
		time.Sleep(1100 * time.Millisecond)
		require.ErrorIs(t, send(), gateway.ErrHubBusy)
		slow.Unstall()
		time.Sleep(1100 * time.Millisecond)
		require.NoError(t, send())
	})
}

func TestN12ACutLink(t *testing.T) {
	for _, c := range []struct {
		cut  time.Duration
		lost bool
	}{{100 * time.Millisecond, false}, {time.Second, false}, {4 * time.Second, false}, {6 * time.Second, true}} {
		for name, ways := range map[string][][2]string{"both ways": {{"a", "b"}, {"b", "a"}}, "one way": {{"a", "b"}}, "the way back": {{"b", "a"}}} {
			for _, tells := range []bool{false, true} { // whether the carrier takes a node behind a cut for absent
				t.Run(fmt.Sprint(c.cut, " ", name, " ", tells), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { cutLink(t, c.cut, c.lost, tells, ways) })
				})
			}
		}
	}
}

func cutLink(t *testing.T, cut time.Duration, lost, tells bool, ways [][2]string) {
	ns := startNodes(t, 2)
	ns.net.TellsAbsence.Store(tells)
	a, b := ns.list[0], ns.list[1]
	ns.net.Between("a", "b", func(f *clustertest.Fault) { f.Delay = time.Millisecond })
	clients := []*gatewaytest.Client{a.connect("a1", "ann"), b.connect("b1", "ann")}
	number := 0
	say := func() {
		number++
		for _, n := range ns.list {
			require.NoError(t, n.publish(fmt.Sprint(n.tag, "-", number), 10))
		}
	}
	for begin := time.Now(); time.Since(begin) < cut+time.Second; time.Sleep(7 * time.Millisecond) {
		if time.Since(begin) >= 100*time.Millisecond && time.Since(begin) < 110*time.Millisecond {
			for _, w := range ways {
				ns.net.Set(w[0], w[1], func(f *clustertest.Fault) { f.Cut = true })
			}
		}
		if time.Since(begin) >= cut+100*time.Millisecond {
			ns.net.Heal()
		}
		say()
	}
	ns.net.Heal()
	time.Sleep(3 * time.Second)
	ns.meet()
	for range 10 {
		say()
	}
	ns.atRest()
	synctest.Wait()
	for i, client := range clients {
		other := ns.list[1-i]
		from := map[string][]string{}
		for _, text := range got(client) {
			from[text[:1]] = append(from[text[:1]], text)
		}
		require.Equal(t, number, len(from[ns.list[i].tag]), "what the own node was asked for")
		last := 0
		for _, text := range from[other.tag] {
			var n int
			_, err := fmt.Sscanf(text[2:], "%d", &n)
			require.NoError(t, err)
			require.Greater(t, n, last, "twice, or out of order")
			last = n
		}
		require.Equal(t, number, last, "they speak again")
		books := other.peer(ns.list[i].tag).Books
		require.Equal(t, len(from[other.tag]), int(books.Acknowledged), "what is counted has come")
		missing := number - len(from[other.tag])
		require.LessOrEqual(t, int(books.Dropped[cluster.DropPeerLost]), missing)
		if !lost {
			require.Zero(t, missing)
		} else {
			require.Positive(t, missing, "commands for a node that is gone are not kept")
		}
	}
	if lost {
		dropped := a.peer("b").Books.Dropped[cluster.DropPeerLost] + b.peer("a").Books.Dropped[cluster.DropPeerLost]
		require.Positive(t, dropped)
	}
}

// While megabytes wait for a peer, it is heard whether it is there.
func TestN20PingsOvertakeWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		a, b := ns.list[0], ns.list[1]
		client := b.connect("b1", "ann")
		client.Stall() // its outbox is its own matter, and no other's
		other := b.connect("b2", "bob")
		ns.net.Between("a", "b", func(f *clustertest.Fault) { f.Delay = time.Millisecond })
		rounds := 30
		if raced {
			rounds = 5
		}
		for range rounds {
			for i := range 20 {
				require.NoError(t, a.publish(fmt.Sprint("m", i), 100<<10))
			}
			time.Sleep(50 * time.Millisecond)
			require.Less(t, a.peer("b").RoundTrip, 10*time.Millisecond)
		}
		require.Equal(t, cluster.PeerUp, a.peer("b").State)
		time.Sleep(time.Second)
		require.Equal(t, 20*rounds, len(got(other)))
	})
}

func TestN34GhostsAreForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		fault  func(ns *nodes)
		within time.Duration
	}{
		"killed": {func(ns *nodes) { ns.net.Kill("c") }, 5 * time.Second},
		"killed, and the carrier says so": {func(ns *nodes) {
			ns.net.TellsAbsence.Store(true)
			ns.net.Kill("c")
		}, 5 * time.Second},
		"killed, and its machine says so": {func(ns *nodes) {
			ns.net.TellsAbsence.Store(true)
			ns.died.Store("c", 100)
			ns.net.Kill("c")
		}, 2 * time.Second},
		"hanging": {func(ns *nodes) { ns.net.Between("c", "", func(f *clustertest.Fault) { f.Held = true }) }, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ns := startNodes(t, 3, asksMachines)
				a := ns.list[0]
				for _, n := range ns.list {
					n.connect(n.tag+"1", "ann")
				}
				require.Equal(t, 3, a.count(all()))
				c.fault(ns)
				begin := time.Now()
				for {
					n, err := a.ask(gateway.Command{Verb: gateway.VerbCount, Target: all()})
					if err == nil && n == 2 {
						break
					}
					require.LessOrEqual(t, time.Since(begin), c.within)
				}
				require.LessOrEqual(t, time.Since(begin), c.within)
				require.Equal(t, cluster.PeerGone, a.peer("c").State)
			})
		})
	}
}

// A machine that refuses connections once, because what carries packets starts again there, and one of which the
// carrier says that it is absent while it is heard, are not taken for dead.
func TestN12AnAbsentNodeIsNotTakenForDead(t *testing.T) {
	for name, refuses := range map[string]int{"never refused": 0, "refused once": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ns := startNodes(t, 2, asksMachines)
				a, b := ns.list[0], ns.list[1]
				client := b.connect("b1", "ann")
				ns.net.TellsAbsence.Store(true)
				ns.died.Store("b", refuses)
				ns.net.Between("a", "b", func(f *clustertest.Fault) { f.Cut = true })
				for i := range 400 {
					require.NoError(t, a.publish(fmt.Sprint("m", i), 10))
					time.Sleep(5 * time.Millisecond)
				}
				ns.net.Heal()
				ns.atRest()
				synctest.Wait()
				require.Equal(t, 400, len(got(client)), "nothing was lost by a cut of two seconds")
				require.Zero(t, a.peer("b").Books.Dropped[cluster.DropPeerLost])
			})
		})
	}
	t.Run("heard meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ns := startNodes(t, 2, asksMachines)
			a, b := ns.list[0], ns.list[1]
			ns.net.TellsAbsence.Store(true)
			ns.died.Store("b", 100)
			ns.net.Between("a", "b", func(f *clustertest.Fault) { f.Cut = true })
			time.Sleep(1100 * time.Millisecond) // at least one Ping was in vain
			ns.net.Heal()
			for range 20 {
				require.NoError(t, b.publish("m", 10))
				time.Sleep(50 * time.Millisecond)
			}
			require.Equal(t, cluster.PeerUp, a.peer("b").State)
		})
	})
}

// Two nodes that live and cannot speak with each other: the younger one is not to serve.
func TestN41APairWithoutALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		isolated := make(map[string]bool)
		watch := func(o *cluster.Options) {
			tag := o.Tag
			o.Isolated = func(is bool) {
				mu.Lock()
				defer mu.Unlock()
				isolated[tag] = is
			}
		}
		ns := startNodes(t, 3, watch)
		begin := time.Now()
		ns.net.Between("a", "c", func(f *clustertest.Fault) { f.Cut = true })
		for !ns.list[2].plane.Stats().Isolated {
			time.Sleep(50 * time.Millisecond)
			require.Less(t, time.Since(begin), 40*time.Second)
		}
		require.GreaterOrEqual(t, time.Since(begin), 15*time.Second)
		require.LessOrEqual(t, time.Since(begin), 25*time.Second)
		time.Sleep(10 * time.Second)
		mu.Lock()
		require.Equal(t, map[string]bool{"c": true}, isolated)
		mu.Unlock()
		require.Equal(t, 2, ns.list[1].up(), "the node between them speaks with both")
		ns.net.Heal()
		time.Sleep(5 * time.Second)
		mu.Lock()
		require.Equal(t, map[string]bool{"c": false}, isolated)
		mu.Unlock()
		ns.meet()
	})
}

// A node that everybody else has told of is found, though what it tells everybody is not heard.
func TestNodesAreFoundByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t)
		ns.start("a")
		ns.net.Between("a", "c", func(f *clustertest.Fault) { f.Cut = true })
		ns.start("b")
		ns.start("c")
		time.Sleep(3 * time.Second)
		require.Equal(t, 1, ns.list[0].up())
		ns.net.Heal()
		time.Sleep(100 * time.Millisecond)
		ns.meet()
	})
}

// A restart under the same name: the predecessor does not answer, and the new one is in at once.
func TestARestartUnderTheSameName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a := ns.list[0]
		for _, n := range ns.list {
			n.connect(n.tag+"1", "ann")
		}
		ns.net.Kill("c")
		old := ns.list[2]
		ns.list = ns.list[:2]
		begin := time.Now()
		again := ns.start("c")
		ns.meet()
		require.Less(t, time.Since(begin), 3*time.Second)
		require.NotEqual(t, old.plane.Self(), again.plane.Self())
		require.Equal(t, 2, a.count(all()), "the clients of the old one are gone")
		again.connect("c2", "ann")
		require.Equal(t, 3, a.count(all()))
	})
}

// Two nodes of one name that both live, also when a partition has hidden them from each other: the
// younger one has to go.
func TestTwoNodesOfOneNameBehindAPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		ended := make(chan error, 1)
		first := ns.start("c")
		ns.meet()
		second := &node{nodes: ns, tag: "c"}
		o := options("c", ns.net.Carrier())
		o.Ended = func(err error) { ended <- err }
		ns.net.Set("", "c", func(f *clustertest.Fault) { f.Cut = true })
		ns.net.Set("c", "", func(f *clustertest.Fault) { f.Cut = true })
		ns.net.Set("c", "c", func(f *clustertest.Fault) { f.Cut = true })
		second.plane = join(t, o)
		var err error
		second.Gateway, err = gateway.New(gateway.Options{Node: "c", Backend: &gatewaytest.Backend{}, Workers: 1, Backplane: second.plane})
		require.NoError(t, err, "nobody is heard who has the name")
		time.Sleep(10 * time.Second)
		ns.net.Heal()
		require.ErrorIs(t, <-ended, cluster.ErrNameInUse)
		second.Close()
		ns.meet()
		require.Equal(t, first.plane.Self(), ns.list[0].peer("c").Node)
	})
}

func TestANodeThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a, c := ns.list[0], ns.list[2]
		a.connect("a1", "ann")
		leaving := c.connect("c1", "ann")
		client := ns.list[1].connect("b1", "ann")
		require.Equal(t, 3, a.count(all()))
		ns.net.Set("c", "b", func(f *clustertest.Fault) { f.Delay = 20 * time.Millisecond })
		for i := range 50 {
			require.NoError(t, c.publish(fmt.Sprint("m", i), 10))
		}
		leaving.Leave()
		synctest.Wait()
		c.Close()
		time.Sleep(20 * time.Millisecond)
		require.Len(t, got(client), 50, "what it was asked for before has been sent")
		require.Equal(t, 2, a.count(all()), "it is gone at once")
		for _, p := range a.plane.Stats().Peers {
			require.NotEqual(t, "c", p.Node.Tag)
		}
		ns.list = ns.list[:2]
	})
}

func TestNodesOfAnotherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		for i, change := range []func(*cluster.Options){
			func(o *cluster.Options) { o.Secret = []byte("another secret") },
			func(o *cluster.Options) { o.Cluster = "another" },
		} {
			stranger := ns.start(fmt.Sprint("x", i), change)
			time.Sleep(3 * time.Second)
			require.Empty(t, stranger.plane.Stats().Peers)
			require.Positive(t, stranger.plane.Stats().Strangers)
			require.Positive(t, ns.list[0].plane.Stats().Strangers)
			require.Equal(t, 1, ns.list[0].up())
		}
		ns.list = ns.list[:2]
		ns.atRest()
	})
}

// loaded says what a node has to say of its load.
type loaded struct {
	gateway.Node
	mu      sync.Mutex
	busy    bool
	crowded []string
}

func (l *loaded) Busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy
}

func (l *loaded) Crowded() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.crowded
}

func (l *loaded) set(busy bool, crowded ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy, l.crowded = busy, crowded
}

func TestHubsThatAreOverTheirBoundElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 1)
		a := ns.list[0]
		l := &loaded{Node: deaf{"b"}}
		plane := join(t, options("b", ns.net.Carrier()))
		leave, err := plane.Join(l)
		require.NoError(t, err)
		defer leave()
		time.Sleep(2 * time.Second)
		send := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: message("m", 10)}
		require.NoError(t, a.plane.Admit(nil, send))
		l.set(false, "other", "chat")
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, a.plane.Admit(nil, send), gateway.ErrHubBusy)
		l.set(false)
		time.Sleep(2 * time.Second)
		require.NoError(t, a.plane.Admit(nil, send))

		// A node whose workers are behind acknowledges later.
		l.set(true)
		require.NoError(t, a.plane.Publish(t.Context(), nil, send))
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 1, a.peer("b").Books.Queued)
		l.set(false)
		time.Sleep(200 * time.Millisecond)
		require.Zero(t, a.peer("b").Books.Queued)
	})
}

// Whoever has the answer to a join may send to the group at once, from any node. While the way between two nodes is
// cut for less than it takes to give a node up, that holds too: the join has no answer before the other node knows of it.
func TestN12AJoinWhileALinkIsCut(t *testing.T) {
	for _, cut := range []time.Duration{time.Second, 2500 * time.Millisecond, 3800 * time.Millisecond} {
		for name, ways := range map[string][][2]string{"both ways": {{"a", "b"}, {"b", "a"}}, "one way": {{"a", "b"}}, "the way back": {{"b", "a"}}} {
			t.Run(fmt.Sprint(cut, " ", name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { joinWhileCut(t, cut, ways) })
			})
		}
	}
}

func joinWhileCut(t *testing.T, cut time.Duration, ways [][2]string) {
	ns := startNodes(t, 2)
	a, b := ns.list[0], ns.list[1]
	ns.net.Between("a", "b", func(f *clustertest.Fault) { f.Delay = time.Millisecond })
	client := b.connect("b1", "ann")
	for _, w := range ways {
		ns.net.Set(w[0], w[1], func(f *clustertest.Fault) { f.Cut = true })
	}
	time.AfterFunc(cut, ns.net.Heal)
	var sent []string
	for i := range 20 {
		group := fmt.Sprint("group", i)
		b.join(group, "b1")
		if state := a.peer("b").State; state == cluster.PeerUp || state == cluster.PeerSuspect { // else what is sent is lost
			sent = append(sent, a.send(groups(group)))
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.NotEmpty(t, sent)
	ns.net.Heal()
	ns.atRest()
	synctest.Wait()
	require.Equal(t, sent, got(client))
	require.Zero(t, b.plane.Stats().LateAnnouncements)
}

// A node that asks for a join waits a little longer for its answer than the node that carries it out waits for others.
func TestN12AJoinAskedElsewhereWhileALinkIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a, b := ns.list[0], ns.list[1]
		ns.net.Between("a", "b", func(f *clustertest.Fault) { f.Delay = 20 * time.Millisecond })
		b.connect("b1", "ann")
		time.Sleep(970 * time.Millisecond) // so that the other node was heard of just now
		ns.net.Set("b", "c", func(f *clustertest.Fault) { f.Cut = true })
		a.join("group", "b1")
		require.Zero(t, b.plane.Stats().LateAnnouncements, "the other node is gone before")
	})
}

// What is for a node that is not reached any more is lost and counted, if the node is not known to have ended.
func TestN12WhatIsForANodeBehindACutIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(ns *nodes)
		lost  uint64
	}{
		"cut off":                      {func(ns *nodes) { ns.net.Between("a", "b", func(f *clustertest.Fault) { f.Cut = true }) }, 30},
		"ended, as its machine says":   {func(ns *nodes) { ns.died.Store("b", 100); ns.net.Kill("b") }, 0},
		"ended, as far as nobody says": {func(ns *nodes) { ns.net.Kill("b") }, 30},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ns := startNodes(t, 3, asksMachines)
				ns.net.TellsAbsence.Store(true)
				a, b := ns.list[0], ns.list[1]
				client := b.connect("b1", "ann")
				b.join("group", "b1")
				c.fault(ns)
				time.Sleep(6 * time.Second)
				require.Equal(t, cluster.PeerGone, a.peer("b").State)
				lost := func() uint64 { return a.peer("b").Books.Dropped[cluster.DropPeerLost] }
				before := lost()
				for range 10 {
					a.send(conns("b1"))
					a.send(users("ann"))
					a.send(groups("group"))
					a.send(groups("nobody's"))
					a.count(all())
				}
				require.Equal(t, c.lost, lost()-before)
				require.NoError(t, a.plane.Check())
				if name != "cut off" {
					return
				}
				ns.net.Heal()
				ns.meet()
				before = lost()
				text := a.send(conns("b1"))
				ns.atRest()
				require.Equal(t, []string{"b1"}, ns.hasGot(text, client))
				require.Equal(t, before, lost())
			})
		})
	}
}

// Clients that come and join need not wait until all is sent that waits for a slow node, and that node knows them in time.
func TestN4AJoinOvertakesWhatWaitsForASlowNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2, func(o *cluster.Options) {
			o.Limits = cluster.DefaultLimits()
			o.Limits.Window = 64 << 10
		})
		a, b := ns.list[0], ns.list[1]
		a.connect("a1", "bob")
		ns.net.Between("a", "b", func(f *clustertest.Fault) { f.Delay = 100 * time.Millisecond }) // 320 KB a second
		for i := range 100 {
			require.NoError(t, b.publish(fmt.Sprint("m", i), 50<<10))
		}
		begin := time.Now()
		client := b.connect("b1", "ann")
		b.join("group", "b1")
		require.Less(t, time.Since(begin), 2*time.Second)
		text := a.send(groups("group"))
		time.Sleep(time.Second)
		require.Equal(t, []string{"b1"}, ns.hasGot(text, client))
		require.Zero(t, b.plane.Stats().LateAnnouncements)
		require.Positive(t, b.peer("a").QueuedBytes, "something still waits")
		ns.atRest()
	})
}
