package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/store"
)

// slowMove is three nodes: a has the client, which comes to b, and c sends to it. Links between them may be slow.
type slowMove struct {
	*moveModel
	a, b, c *moveNode
	texts   []string
}

func newSlowMove(t *testing.T, change ...func(*gateway.Options)) *slowMove {
	return newSlowMoveOf(t, gateway.Identity{}, change...)
}

// newSlowMoveOf is newSlowMove for a client of whom more is known than its names.
func newSlowMoveOf(t *testing.T, who gateway.Identity, change ...func(*gateway.Options)) *slowMove {
	m := &moveModel{t: t, rand: rand.New(rand.NewPCG(1, 7)), seen: movesSeen{}, change: change}
	m.net = &moveNet{rand: m.rand, links: make(map[[2]string][]func()), held: make(map[[2]string]bool)}
	for _, tag := range []string{"a", "b", "c"} {
		m.net.add(tag)
	}
	for _, n := range m.net.nodes {
		n.Gateway = m.gateway(n.tag)
	}
	m.net.meet()
	s := &slowMove{moveModel: m, a: m.net.node("a"), b: m.net.node("b"), c: m.net.node("c")}
	m.at = s.a
	m.client = gatewaytest.Connect(t, s.a.Gateway, gatewaytest.Options{ID: moveID, Hub: "chat", User: "u", Numbers: true, Identity: who})
	m.settle()
	require.NoError(t, m.client.SayPing())
	m.settle()
	m.next = 1
	return s
}

// says has a node send to the client.
func (s *slowMove) says(n *moveNode) {
	text := fmt.Sprint(n.tag, len(s.texts))
	s.texts = append(s.texts, text)
	_, err := n.Do(s.t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: conns(moveID), Frames: message(s.t, text)})
	require.NoError(s.t, err)
}

// takes has b take the connection, which has ended after some time.
func (s *slowMove) takes(within time.Duration) takeOutcome {
	taken := make(chan takeOutcome, 1)
	go func() {
		c, err := s.b.TakeOver(s.t.Context(), gateway.Taking{ID: moveID, Owner: "a", Transport: s.client})
		taken <- takeOutcome{c, err}
	}()
	for range int(within / (100 * time.Millisecond)) {
		s.settle()
		select {
		case o := <-taken:
			return o
		default:
			time.Sleep(100 * time.Millisecond)
		}
	}
	require.Fail(s.t, "the hand-over does not end")
	return takeOutcome{}
}

// back gives the client a transport at a node.
func (s *slowMove) back(at *moveNode, c *gateway.Conn) {
	require.NotNil(s.t, c)
	s.comes(at, c, nil)
	s.settle()
	s.readAll()
}

// A node that lives and does not come to its cut may have sent what only the former owner can carry out. So the client
// stays, rather than that it misses something.
func TestN43ANodeThatIsSlowToCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowMove(t)
		s.net.hold("c", "a", true)
		s.says(s.c)
		o := s.takes(30 * time.Second)
		require.ErrorIs(t, o.err, gateway.ErrMoving)
		s.says(s.c)
		s.net.hold("c", "a", false)
		s.settle()
		c, _ := s.a.Lookup(moveID)
		s.back(s.a, c)
		require.Equal(t, s.texts, s.got)

		// When it is quick again the client moves.
		s.client.Leave()
		o = s.takes(30 * time.Second)
		require.NoError(t, o.err)
		s.says(s.c)
		s.back(s.b, o.conn)
		require.Equal(t, s.texts, s.got)
	})
}

// What a node has sent before its cut comes to the next owner much later than to the former one, which has carried it
// out.
func TestN43WhatCameBeforeTheCutComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowMove(t)
		s.net.sent = func(from, to *moveNode) {
			if from == s.b && to == s.c { // b has said Switch
				s.net.hold("c", "b", true)
				s.says(s.c)
			}
		}
		o := s.takes(30 * time.Second)
		require.NoError(t, o.err)
		s.net.sent = nil
		s.back(s.b, o.conn)
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			s.settle()
		}
		s.says(s.a)
		s.net.hold("c", "b", false)
		s.settle()
		s.readAll()
		require.Equal(t, strings.Join(s.texts, " "), strings.Join(s.got, " "), "nothing comes twice")
	})
}

// If the former owner is gone before it has given the client, what the next one has kept is lost with it, and counted.
func TestN43TheOwnerIsGoneBeforeItHasGivenTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowMove(t)
		cut := 0
		s.net.sent = func(from, to *moveNode) {
			if from == s.c { // it cuts: what it says then is for b
				if cut++; cut == 2 {
					go func() {
						s.says(s.c)
						s.says(s.c)
						time.Sleep(time.Second) // so that it has come
						s.net.crash(s.a)
					}()
				}
			}
		}
		s.net.hold("c", "a", true)
		o := s.takes(30 * time.Second)
		require.ErrorIs(t, o.err, gateway.ErrNoNode)
		s.settle()
		total := s.b.Stats().Total
		require.EqualValues(t, 2, total.Dropped[gateway.DropNodeLost])
		require.NoError(t, s.b.Check())
	})
}

// A reader that waits for its session does not hold up a hand-over, nor the end of the node: the client stays.
func TestN43AReaderThatWaitsForItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowMove(t)
		var full atomic.Bool
		full.Store(true)
		s.full = func() bool { return full.Load() }
		client, c := s.client, s.client.Conn
		go func() { _ = client.Feed(call("s1")) }()
		s.settle()
		begin := time.Now()
		o := s.takes(30 * time.Second)
		require.ErrorIs(t, o.err, gateway.ErrStays)
		require.Less(t, time.Since(begin), 5*time.Second)
		full.Store(false)
		c.Resume()
		s.settle()
		o = s.takes(30 * time.Second)
		require.NoError(t, o.err)
		require.Equal(t, []string{"s1"}, s.heard)
	})
}

// A client whose groups the store has not told yet gets them at the node that it comes to.
func TestN43AClientThatMissesItsGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := &silentStore{UserGroups: store.NewMemory(store.MemoryOptions{})}
		require.NoError(t, shelf.Put(t.Context(), "chat", "u", "g", time.Time{}))
		shelf.down.Store(true)
		s := newSlowMove(t, func(o *gateway.Options) { o.UserGroups = shelf })
		o := s.takes(30 * time.Second)
		require.NoError(t, o.err)
		s.back(s.b, o.conn)
		shelf.down.Store(false)
		count := func() int {
			answered := make(chan int, 1)
			s.b.Start(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: gateway.Target{Kind: gateway.TargetAll}, Group: "g"}, func(r gateway.Result, _ error) { answered <- r.Matched })
			s.settle()
			return <-answered
		}
		for range 50 {
			time.Sleep(100 * time.Millisecond)
			s.settle()
		}
		require.Equal(t, 1, count())
	})
}

// While there is no room on the link to the next node, others have some again and again. The former node does not try
// for ever.
func TestN43ANodeThatTakesTooLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowMove(t)
		var full atomic.Bool
		full.Store(true)
		s.net.full = func(_, to *moveNode) bool { return to == s.b && full.Load() }
		over := make(chan struct{})
		defer close(over)
		go func() {
			for {
				select {
				case <-time.After(time.Second):
					s.a.handler.PeerRoom(s.a.peers["c"])
				case <-over:
					return
				}
			}
		}()
		o := s.takes(time.Minute)
		require.ErrorIs(t, o.err, gateway.ErrMoving)
		s.settle()
		c, _ := s.a.Lookup(moveID)
		require.NotNil(t, c)
		full.Store(false) // nothing of the former attempt goes on
		o = s.takes(time.Minute)
		require.NoError(t, o.err)
	})
}
