package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
)

// talker is a node without a gateway: it notes what its Backend and its core hear, in order.
type talker struct {
	*cluster.Backplane
	tag string

	mu    sync.Mutex
	heard []string
	peers map[string]gateway.Peer
	fails error
}

func (k *talker) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heard = append(k.heard, what)
}

func (k *talker) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	heard := k.heard
	k.heard = nil
	return heard
}

func (k *talker) peer(name string) gateway.Peer {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.peers[name]
}

func (k *talker) PeerUp(p gateway.Peer) {
	k.mu.Lock()
	k.peers[p.Name()] = p
	k.mu.Unlock()
	k.note("up " + p.Name())
}
func (k *talker) PeerGone(p gateway.Peer) { k.note("gone " + p.Name()) }
func (k *talker) PeerRoom(p gateway.Peer) { k.note("room " + p.Name()) }
func (k *talker) PeerSaid(p gateway.Peer, message []byte) error {
	k.note(p.Name() + " said " + string(message))
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fails
}

// fail is what the talker answers to all that is said from now on.
func (k *talker) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fails = err
}

// Name and Apply make it a gateway.Node.
func (k *talker) Name() string { return k.tag }
func (k *talker) Apply(cmd *gateway.Command, answered func(gateway.Result, error)) {
	k.note("command " + cmd.Group)
	if answered != nil {
		answered(gateway.Result{}, nil)
	}
}

func startTalkers(t *testing.T, net *clustertest.Net, tags ...string) (list []*talker) {
	for _, tag := range tags {
		o := options(tag, net.Carrier())
		o.Limits = cluster.DefaultLimits()
		o.Limits.Settle, o.Limits.Window, o.Limits.Queue = 0, 64<<10, 256<<10
		k := &talker{tag: tag, peers: make(map[string]gateway.Peer)}
		k.Backplane = join(t, o)
		leave, err := k.Join(k)
		require.NoError(t, err)
		t.Cleanup(leave)
		list = append(list, k)
	}
	t.Cleanup(net.Heal)
	time.Sleep(3 * time.Second)
	return list
}

// A part of a node that begins late hears all that was said to it. If that was too much to keep, both parts begin anew.
func TestPartsOfANodeThatBeginLate(t *testing.T) {
	for name, size := range map[string]int{"little was said": 10, "too much was said": 300 << 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				both := startTalkers(t, clustertest.NewNet(1<<20), "a", "b")
				a, b := both[0], both[1]
				defer a.Converse(gateway.BackendTopic, a)()
				require.Equal(t, []string{"up b"}, a.take())
				for i := range 5 {
					require.True(t, a.peer("b").Send(append([]byte(fmt.Sprint(i, " ")), make([]byte, size)...)))
				}
				time.Sleep(time.Second)
				defer b.Converse(gateway.BackendTopic, b)()
				if size > earlyMessage {
					time.Sleep(5 * time.Second)
					require.Equal(t, []string{"gone b", "up b"}, a.take())
					require.Equal(t, []string{"up a", "gone a", "up a"}, b.take())
					return
				}
				heard := b.take()
				require.Len(t, heard, 6)
				require.Equal(t, "up a", heard[0])
				for i, said := range heard[1:] {
					require.Contains(t, said, fmt.Sprint("a said ", i, " "))
				}
				require.Empty(t, a.take())
			})
		})
	}
	t.Run("much later, or after one that ended, nothing was kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			both := startTalkers(t, clustertest.NewNet(1<<20), "a", "b")
			a, b := both[0], both[1]
			defer a.Converse(gateway.BackendTopic, a)()
			b.Converse(gateway.BackendTopic, b)()
			require.Equal(t, []string{"up a"}, b.take())
			require.True(t, a.peer("b").Send([]byte("nobody")))
			time.Sleep(time.Second)
			stop := b.Converse(gateway.BackendTopic, b)
			require.Equal(t, []string{"up a"}, b.take())
			stop()
			defer a.Converse(gateway.HomeTopic, a)()
			time.Sleep(20 * time.Second)
			require.True(t, a.peer("b").Send([]byte("nobody")))
			time.Sleep(time.Second)
			defer b.Converse(gateway.HomeTopic, b)()
			require.Equal(t, []string{"up a"}, b.take())
		})
	})
}

// Parts can ask whether a node is silent, before it is gone.
func TestSilentPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := clustertest.NewNet(1 << 20)
		both := startTalkers(t, net, "a", "b")
		defer both[0].Converse(gateway.BackendTopic, both[0])()
		b := both[0].peer("b").(gateway.Silent)
		require.False(t, b.Silent())
		net.Between("b", "a", func(f *clustertest.Fault) { f.Cut = true })
		time.Sleep(3500 * time.Millisecond)
		require.True(t, b.Silent())
		require.Equal(t, []string{"up b"}, both[0].take(), "it is not gone yet")
		net.Heal()
		time.Sleep(2 * time.Second)
		require.False(t, b.Silent())
		net.TellsAbsence.Store(true)
		net.Between("a", "b", func(f *clustertest.Fault) { f.Cut = true })
		time.Sleep(1100 * time.Millisecond)
		require.True(t, b.Silent(), "the carrier says that it is not there")
	})
}

// earlyMessage is a size of which some messages wait for a part of a node that begins late.
const earlyMessage = 1 << 10

func command(name string) *gateway.Command {
	return &gateway.Command{Hub: "chat", Verb: gateway.VerbLeave, Target: all(), Group: name}
}

// What Backends say keeps its order with commands, whatever happens on the way in less than five
// seconds; and then both hear of the end.
func TestN12WhatBackendsSay(t *testing.T) {
	for _, c := range []struct {
		cut  time.Duration
		ends bool
	}{{100 * time.Millisecond, false}, {time.Second, false}, {4 * time.Second, false}, {6 * time.Second, true}} {
		t.Run(fmt.Sprint("cut for ", c.cut), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := clustertest.NewNet(1 << 20)
				list := startTalkers(t, net, "a", "b")
				a, b := list[0], list[1]
				defer a.Converse(gateway.BackendTopic, a)()
				defer b.Converse(gateway.BackendTopic, b)()
				require.Equal(t, []string{"up b"}, a.take())
				require.Equal(t, []string{"up a"}, b.take())
				var want []string
				say := func(i int) {
					want = append(want, fmt.Sprint("a said ", i), fmt.Sprint("command ", i))
					require.True(t, a.peer("b").Send([]byte(fmt.Sprint(i))))
					require.NoError(t, a.Publish(context.Background(), nil, command(fmt.Sprint(i))))
				}
				for i := range 200 {
					if i == 100 {
						synctest.Wait()
						net.Set("", "", func(f *clustertest.Fault) { f.Cut = true })
					}
					say(i)
				}
				time.Sleep(c.cut)
				net.Heal()
				time.Sleep(3 * time.Second)
				if !c.ends {
					require.Equal(t, want, b.take())
					require.Empty(t, a.take())
					return
				}
				require.Equal(t, append(want[:200], "gone a", "up a"), b.take())
				require.Equal(t, []string{"gone b", "up b"}, a.take())
			})
		})
	}
}

// A way that is cut in one direction only ends the session on both sides: a node says of itself to
// everybody that it is there, but it does not hear.
func TestN40ACutInOneDirectionEndsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := clustertest.NewNet(1 << 20)
		list := startTalkers(t, net, "a", "b")
		a, b := list[0], list[1]
		defer a.Converse(gateway.BackendTopic, a)()
		defer b.Converse(gateway.BackendTopic, b)()
		net.Set("a", "b", func(f *clustertest.Fault) { f.Cut = true })
		time.Sleep(6 * time.Second)
		require.Equal(t, []string{"up a", "gone a"}, b.take())
		require.Equal(t, []string{"up b", "gone b"}, a.take())
		net.Heal()
		time.Sleep(3 * time.Second)
		require.Equal(t, []string{"up a"}, b.take())
		require.Equal(t, []string{"up b"}, a.take())
	})
}

// A Peer that is gone takes nothing, though the node is back: what its user says belongs to a
// conversation that is over.
func TestAPeerIsOneConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := clustertest.NewNet(1 << 20)
		list := startTalkers(t, net, "a", "b")
		a, b := list[0], list[1]
		stop := a.Converse(gateway.BackendTopic, a)
		former := a.peer("b")
		require.True(t, former.Send([]byte("nobody listens yet")))
		time.Sleep(time.Second)
		defer b.Converse(gateway.BackendTopic, b)()
		require.Equal(t, []string{"up a", "a said nobody listens yet"}, b.take())

		net.Set("", "", func(f *clustertest.Fault) { f.Cut = true })
		time.Sleep(6 * time.Second)
		require.False(t, former.Send([]byte("too late")))
		net.Heal()
		time.Sleep(3 * time.Second)
		require.False(t, former.Send([]byte("too late")))
		require.False(t, former.Full(1<<30), "whoever waited would wait for ever")
		require.True(t, a.peer("b").Send([]byte("again")))
		time.Sleep(time.Second)
		require.Equal(t, []string{"gone a", "up a", "a said again"}, b.take())

		// What b cannot read ends it.
		b.fail(errors.New("no sense"))
		require.True(t, a.peer("b").Send([]byte("nonsense")))
		time.Sleep(5 * time.Second)
		require.Equal(t, []string{"a said nonsense", "gone a", "up a"}, b.take())
		require.Equal(t, []string{"up b", "gone b", "up b", "gone b", "up b"}, a.take())
		stop()
		require.True(t, b.peer("a").Send([]byte("nobody listens")))
		time.Sleep(time.Second)
		require.Empty(t, a.take())
	})
}

func TestN11AFullPeerSaysWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := clustertest.NewNet(1 << 20)
		list := startTalkers(t, net, "a", "b")
		a, b := list[0], list[1]
		defer a.Converse(gateway.BackendTopic, a)()
		defer b.Converse(gateway.BackendTopic, b)()
		a.take()
		b.take()
		p := a.peer("b")
		require.True(t, p.Full(1<<30), "no frame is so large")
		require.False(t, p.Send(make([]byte, 65<<20)))
		time.Sleep(time.Second)
		require.Equal(t, []string{"room b"}, a.take())

		net.Set("a", "b", func(f *clustertest.Fault) { f.Held = true })
		sent := 0
		for ; !p.Full(10 << 10); sent++ {
			require.True(t, p.Send(make([]byte, 10<<10)))
		}
		require.InDelta(t, 32, sent, 2)
		require.True(t, p.Send(make([]byte, 10<<10)), "what has to be said is taken")
		require.True(t, p.Full(0))
		time.Sleep(100 * time.Millisecond)
		a.take()
		time.Sleep(time.Second)
		require.Empty(t, a.take())
		net.Heal()
		time.Sleep(time.Second)
		require.Equal(t, []string{"room b"}, a.take())
		require.Len(t, b.take(), sent+1)
		require.False(t, p.Full(10<<10))
	})
}

// A Backend that leaves says nothing more, and a node that leaves says that its Backend is gone.
func TestTheEndOfANodeEndsWhatItsBackendSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := clustertest.NewNet(1 << 20)
		a := startTalkers(t, net, "a")[0]
		defer a.Converse(gateway.BackendTopic, a)()
		o := options("b", net.Carrier())
		b := &talker{tag: "b", peers: make(map[string]gateway.Peer), Backplane: join(t, o)}
		leave, err := b.Join(b)
		require.NoError(t, err)
		defer b.Converse(gateway.BackendTopic, b)()
		time.Sleep(time.Second)
		require.Equal(t, []string{"up b"}, a.take())
		require.True(t, b.peer("a").Send([]byte("the last word")))
		leave()
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, []string{"b said the last word", "gone b"}, a.take())
		require.False(t, b.peer("a").Send([]byte("no more")))
	})
}

// slowly is a talker during whose first PeerUp something happens.
type slowly struct {
	*talker
	meanwhile func(up string)
	once      sync.Once
}

func (s *slowly) PeerUp(p gateway.Peer) {
	s.once.Do(func() { s.meanwhile(p.Name()) })
	s.talker.PeerUp(p)
}

// While a part begins its conversations, one after the other, what others say waits for theirs.
func TestWhatIsSaidWhileAPartBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := startTalkers(t, clustertest.NewNet(1<<20), "a", "b", "c")
		for _, k := range all[:2] {
			defer k.Converse(gateway.BackendTopic, k)()
		}
		c, other := all[2], ""
		defer c.Converse(gateway.BackendTopic, &slowly{talker: c, meanwhile: func(up string) {
			for _, k := range all[:2] {
				if k.tag != up {
					other = k.tag
					k.peer("c").Send([]byte("meanwhile"))
				}
			}
			for range 20000 { // the time of the bubble stands still: others wait for the conversation to begin
				runtime.Gosched()
			}
		}})()
		time.Sleep(time.Second)
		require.Contains(t, c.take(), other+" said meanwhile")
	})
}
