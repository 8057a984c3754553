package limits

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// network brings what nodes say to each other, in order.
type network struct {
	nodes map[string]gateway.PeerHandler
}

// seat is the place of one node in a network.
type seat struct {
	n    *network
	name string
}

func (s seat) Converse(_ gateway.Topic, h gateway.PeerHandler) func() {
	s.n.nodes[s.name] = h
	return func() {}
}

// way is the way of one node to another one.
type way struct {
	to    string
	queue chan []byte
}

func (w *way) Name() string             { return w.to }
func (w *way) Full(int) bool            { return false }
func (w *way) Send(message []byte) bool { w.queue <- message; return true }

// join lets two nodes hear of each other until the end, or until gone is called.
func (n *network) join(t *testing.T, a, b string) (gone func()) {
	toA, toB := &way{a, make(chan []byte, 100)}, &way{b, make(chan []byte, 100)}
	for _, one := range []struct{ in, back *way }{{toA, toB}, {toB, toA}} {
		hears := n.nodes[one.in.to]
		hears.PeerUp(one.back)
		go func() {
			for message := range one.in.queue {
				if err := hears.PeerSaid(one.back, message); err != nil {
					panic(err)
				}
			}
		}()
	}
	t.Cleanup(func() { close(toA.queue); close(toB.queue) })
	return func() {
		n.nodes[a].PeerGone(toB)
		n.nodes[b].PeerGone(toA)
	}
}

// told waits until nodes have told each other.
func told() {
	time.Sleep(tellEvery)
	synctest.Wait()
}

// Clients are counted over all nodes, a second later at most; a node that is gone does not count (R86).
func TestR86ClientsOfOtherNodesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{nodes: make(map[string]gateway.PeerHandler)}
		rules := []Count{{Name: "users", By: By{Kind: "user"}, Max: 2}, {Name: "tenants", By: By{Kind: "claim", Claim: "Tenant"}, Max: 3}}
		var others []*Others
		var counters []*Counter
		for _, name := range []string{"a", "b"} {
			o := NewOthers(seat{n, name})
			defer o.Close()
			c := NewCounter(rules, o, func(string, string, string) {})
			o.Count(c)
			others, counters = append(others, o), append(counters, c)
		}
		long := strings.Repeat("long name ", 100)
		who := func(id, user string) *gateway.Identity {
			return &gateway.Identity{ID: id, User: user, Claims: []gateway.Claim{{Type: "tenant", Value: "x"}}}
		}
		require.NoError(t, counters[0].Enter(who("a1", "ann"), false))
		gone := n.join(t, "a", "b")
		require.NoError(t, counters[0].Enter(who("a2", long), false))
		told()
		require.NoError(t, counters[1].Enter(who("b1", "ann"), false))
		require.ErrorContains(t, counters[1].Enter(who("b2", "ann"), false), `"users"`, "one is at the other node")
		told()
		require.ErrorContains(t, counters[0].Enter(who("a3", "ann"), true), `"users"`)
		require.ErrorContains(t, counters[0].Enter(who("a3", "bob"), true), `"tenants"`)
		counters[1].Leave(who("b1", "ann"))
		told()
		require.NoError(t, counters[0].Enter(who("a3", "ann"), true))

		anew := NewCounter(rules[:1], others[0], func(string, string, string) {})
		anew.Seen(who("a1", "ann"))
		others[0].Count(anew)
		told()
		require.NoError(t, counters[1].Enter(who("b3", "bob"), false), "the other node counts no tenants any more")
		require.NoError(t, counters[1].Enter(who("b4", long), false), "the client has left the other node")
		require.NoError(t, counters[1].Enter(who("b5", "ann"), false))
		require.Error(t, counters[1].Enter(who("b6", "ann"), false))
		others[0].Count(nil)
		told()
		require.Empty(t, others[1].there)

		counters[1].Leave(who("b3", "bob"))
		told()
		require.NotEmpty(t, others[0].there)
		gone()
		require.Empty(t, others[0].there)
	})
}

// What clients say to several nodes is one sum: in the long run no more than the rule allows passes, however many nodes
// there are, and at most each node's burst before it hears of the others (R86).
func TestR86TrafficOfOtherNodesCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{nodes: make(map[string]gateway.PeerHandler)}
		rule := Rule{Name: "traffic.0", Scope: ScopeClient, What: WhatBytes, By: By{Kind: "user"}, Rate: 100, Burst: 1000}
		var meters []gateway.Meter
		for i, name := range []string{"a", "b", "c"} {
			o := NewOthers(seat{n, name})
			defer o.Close()
			s := New(Options{Rules: []Rule{rule}})
			o.Measure(s)
			m := s.ClientMeter(&gateway.Identity{ID: name, User: "ann"})
			defer m.End()
			meters = append(meters, m)
			for j := range i {
				n.join(t, name, string(rune('a'+j)))
			}
		}
		passed, most := 0, 0
		const minutes = 10
		for second := range minutes * 60 {
			for range 10 {
				for _, m := range meters {
					if _, over := m.Take(100); over == nil {
						passed += 100
					}
				}
			}
			told()
			most = max(most, passed-100*(second+1))
		}
		require.LessOrEqual(t, most, 3*1000+3*100, "three bursts at once, and what was held back for a second")
		require.InDelta(t, 1000+100*60*minutes, passed, 2000)
	})
}

func FuzzToldNumbers(f *testing.F) {
	for _, n := range []toldNumbers{{kind: saidClients, about: "user", values: map[string]int{"ann": 2, "": 0}}, {kind: saidBytes, about: "traffic.0 by user", values: map[string]int{"bob": 1 << 40}}} {
		f.Add(n.append(nil))
	}
	f.Add([]byte{9, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseNumbers(b)
		if err != nil || n.values == nil {
			return
		}
		again, err := parseNumbers(n.append(nil))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(n) {
			t.Fatalf("%+v is read again as %+v, %v", n, again, err)
		}
	})
}
