package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// checked is a receiver of all messages of one origin.
func checked() (*checker, *origin, *receiver) {
	c := newChecker()
	o := c.send("a.1", "a", true)
	r := c.enter(identity{client: "one", id: "x", user: "anna", owner: "b"})
	return c, o, r
}

// sent numbers messages that are accepted.
func sent(o *origin, to target, n int) {
	for range n {
		o.answer(o.next(to), accepted)
	}
}

func TestCheckerFindsWhatIsPlanted(t *testing.T) {
	for _, one := range []struct {
		name string
		got  []int
		want map[string]int
	}{
		{"nothing", []int{1, 2, 3, 4}, nil},
		{"a loss", []int{1, 2, 4}, map[string]int{"loss": 1}},
		{"the last one is lost", []int{1, 2, 3}, map[string]int{"loss": 1}},
		{"all are lost", nil, map[string]int{"loss": 4}},
		{"a double", []int{1, 2, 2, 3, 4}, map[string]int{"double": 1}},
		{"a double much later", []int{1, 2, 3, 4, 1}, map[string]int{"double": 1}},
		{"an inversion", []int{1, 3, 2, 4}, map[string]int{"inversion": 1}},
		{"a number that nobody has sent", []int{1, 2, 3, 4, 5}, map[string]int{"unknown": 1}},
	} {
		t.Run(one.name, func(t *testing.T) {
			c, o, r := checked()
			sent(o, target{kind: toAll}, 4)
			for _, n := range one.got {
				r.receive(o.name, n)
			}
			require.Len(t, c.missing(), one.want["loss"])
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			c.settle(ended, time.Minute)
			found := make(map[string]int)
			for what, all := range c.violations {
				found[what] = len(all)
			}
			if one.want == nil {
				one.want = map[string]int{}
			}
			require.Equal(t, one.want, found)
		})
	}
}

// Where all is slow, what was under way when a connection ended is not lost before it is later than anything else.
func TestCheckerIsPatientWhereAllIsSlow(t *testing.T) {
	c, o, r := checked()
	sent(o, target{kind: toAll}, 1)
	r.ended = time.Now().Add(3 * time.Second)
	require.Len(t, c.missing(), 1)
	c.arrived(r.who, o.name, 1, 2*time.Second)
	c.patient()
	require.Len(t, c.missing(), 1)
	c.arrived(r.who, o.name, 1, 4*time.Second)
	c.patient()
	require.Empty(t, c.missing())
}

// A sender whose connection fails goes on with the next message, beside which the node may still read the last one.
func TestCheckerKnowsNoOrderBehindAFailedConnection(t *testing.T) {
	c, o, r := checked()
	o.next(target{kind: toAll})
	sent(o, target{kind: toAll}, 2)
	for _, n := range []int{2, 1, 3} {
		r.receive(o.name, n)
	}
	require.Empty(t, c.violations)
	r.receive(o.name, 1)
	require.Len(t, c.violations["double"], 1)
}

func TestCheckerOwesWhatWasPromised(t *testing.T) {
	group := target{toGroup, "g"}
	for _, one := range []struct {
		name    string
		happens func(o *origin, r *receiver)
		lost    int
	}{
		{"to a group before the join", func(o *origin, r *receiver) { sent(o, group, 2); r.join("g") }, 0},
		{"to a group behind the join", func(o *origin, r *receiver) { r.join("g"); sent(o, group, 2) }, 2},
		{"to another group", func(o *origin, r *receiver) { r.join("g"); sent(o, target{toGroup, "h"}, 2) }, 0},
		{"to its user", func(o *origin, _ *receiver) { sent(o, target{toUser, "anna"}, 2) }, 2},
		{"to another user", func(o *origin, _ *receiver) { sent(o, target{toUser, "bert"}, 2) }, 0},
		{"to its id", func(o *origin, _ *receiver) { sent(o, target{toConnection, "x"}, 2) }, 2},
		{"refused", func(o *origin, _ *receiver) { o.answer(o.next(target{}), refused) }, 0},
		{"not answered", func(o *origin, _ *receiver) { o.next(target{}) }, 0},
		{"right before the end", func(o *origin, r *receiver) { sent(o, target{}, 2); r.end() }, 0},
		{"behind the end", func(o *origin, r *receiver) { r.end(); sent(o, target{}, 2) }, 0},
		{"long before the end", func(o *origin, r *receiver) {
			sent(o, target{}, 2)
			r.ended = time.Now().Add(2 * dying)
		}, 2},
		{"before a stream heard of its end", func(o *origin, r *receiver) {
			sent(o, target{}, 2)
			r.who.streams, r.ended = true, time.Now().Add(2*dying)
		}, 0},
		{"long before a stream heard of its end", func(o *origin, r *receiver) {
			sent(o, target{}, 2)
			r.who.streams, r.ended = true, time.Now().Add(2*dying+unheard)
		}, 2},
	} {
		t.Run(one.name, func(t *testing.T) {
			c, o, r := checked()
			one.happens(o, r)
			require.Len(t, c.missing(), one.lost)
		})
	}
}

// A sender that enters anywhere has no order, but loses nothing.
func TestCheckerKnowsNoOrderBetweenNodes(t *testing.T) {
	c := newChecker()
	o := c.send("anywhere", "", false)
	r := c.enter(identity{client: "one", owner: "b"})
	sent(o, target{}, 3)
	r.receive("anywhere", 2)
	r.receive("anywhere", 1)
	require.Empty(t, c.violations)
	require.Len(t, c.missing(), 1)
}

func TestFaultsExcuse(t *testing.T) {
	for _, one := range []struct {
		name    string
		between func(from, to string) bool
		shift   time.Duration // of the fault's end
		lost    int
	}{
		{"what they touch", touching("b"), 0, 0},
		{"not what they do not touch", touching("c"), 0, 3},
		{"both sides", acrossSides("a"), 0, 0},
		{"not one side", acrossSides("c"), 0, 3},
		{"all that is remote", remote, 0, 0},
		{"not behind their bound", touching("b"), -time.Minute, 3},
	} {
		t.Run(one.name, func(t *testing.T) {
			c, o, _ := checked()
			f := c.fault("a fault", 5*time.Second, one.between)
			sent(o, target{}, 3)
			f.over()
			f.from, f.to = f.from.Add(one.shift), f.to.Add(one.shift)
			require.Len(t, c.missing(), one.lost)
			require.Equal(t, 3-one.lost, f.lost)
		})
	}
	t.Run("no double and no inversion", func(t *testing.T) {
		c, o, r := checked()
		c.fault("a fault", time.Minute, remote)
		sent(o, target{}, 3)
		for _, n := range []int{2, 1, 2} {
			r.receive(o.name, n)
		}
		require.Len(t, c.violations["inversion"], 1)
		require.Len(t, c.violations["double"], 1)
	})
}
