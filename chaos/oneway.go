package main

import (
	"context"
	"fmt"
	"time"
)

// freeze holds what one node says to the others, or what it hears of them, without a sign to either side.
func (c *cluster) freeze(one *node, says bool) {
	for _, n := range c.nodes {
		for other, way := range n.links {
			switch {
			case n == one && says, other == one.name && !says:
				way.freeze(up)
			case n == one, other == one.name:
				way.freeze(down)
			}
		}
	}
}

// oneWay cuts one node off in one direction only: first nobody hears it, then it hears nobody. Both ends come to
// the same as if both directions were cut, and neither believes that the other is there.
func oneWay(ctx context.Context, s *stage) error {
	one, others := s.cluster.nodes[2], s.cluster.nodes[:2]
	for _, says := range []bool{true, false} {
		what := "nobody hears " + one.name
		if !says {
			what = one.name + " hears nobody"
		}
		f := s.fault(what, acrossSides(one.name))
		start := time.Now()
		s.cluster.freeze(one, says)
		for _, n := range others {
			if err := n.see(ctx, 1, readyTime); err != nil {
				return err
			}
		}
		if err := one.see(ctx, 0, readyTime); err != nil {
			return err
		}
		s.report.note("%s: both sides know after %v", what, time.Since(start).Round(time.Millisecond))
		if err := s.flow(ctx, 2); err != nil {
			return err
		}
		if err := s.healed(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// halves cuts a cluster of four in the middle, for longer than a lease lasts. The half with two of the three voters
// keeps the store and tells of the ends of the clients of the other half, which goes on without the store. After the
// healing those clients are closed, nothing is told a second time, and nothing comes late that was sent across.
func halves(ctx context.Context, s *stage) error {
	nodes := s.cluster.nodes
	with, without := nodes[1:3], []*node{nodes[0], nodes[3]}
	if err := s.flow(ctx, 3); err != nil {
		return err
	}
	var ids []string
	for _, n := range without {
		ids = append(ids, s.livingOn(n)...)
	}
	s.hooks.outlive(ids)
	f := s.fault(fmt.Sprintf("partition of %s and %s", without[0].name, without[1].name), acrossSides(without[0].name, without[1].name))
	start := time.Now()
	s.cluster.partition(without...)
	for _, n := range nodes {
		if err := n.see(ctx, 1, readyTime); err != nil {
			return err
		}
	}
	s.report.note("both sides know after %v", time.Since(start).Round(time.Millisecond))
	if err := s.stored(ctx, with...); err != nil {
		return err
	}
	for _, n := range without {
		if status := s.store(ctx, n); status != 503 {
			s.checker.violate("store", fmt.Sprintf("a write at %s, which reaches no majority, is answered %d", n.name, status))
		}
		if !n.isReady(ctx) {
			s.checker.violate("readiness", n.name+" has another node and says that it is not ready")
		}
	}
	if err := s.flow(ctx, 3); err != nil {
		return err
	}
	told, err := s.told(ctx, ids)
	s.report.note("the ends of %d of %d clients of %s and %s were told after %v", told, len(ids), without[0].name, without[1].name, time.Since(start).Round(time.Millisecond))
	if err != nil {
		s.checker.violate("events", fmt.Sprintf("%d of %d ends are not told: %v", len(ids)-told, len(ids), err))
	}
	if err := s.flow(ctx, 2); err != nil {
		return err
	}
	if err := s.healed(ctx, f); err != nil {
		return err
	}
	err = until(ctx, claimedTime, func() bool {
		for _, r := range s.checker.living() {
			if s.hooks.life(r.who.id).disconnected > 0 {
				return false
			}
		}
		return true
	})
	if err != nil {
		s.checker.violate("ghosts", "clients whose ends were told are still connected: "+err.Error())
	}
	if slowest := s.checker.percentile(1); slowest > replayed {
		s.checker.violate("replay", fmt.Sprintf("a message has come %v after it was sent: %s%s", slowest, s.checker.latest.text, s.saw(s.checker.latest.id)))
	}
	return s.flow(ctx, 2)
}

// replayed is how late no message may come: what was lost in a partition is not sent later.
const replayed = 15 * time.Second

// told waits until the ends of clients were told, and returns of how many they were.
func (s *stage) told(ctx context.Context, ids []string) (told int, err error) {
	err = until(ctx, claimedTime, func() bool {
		told = 0
		for _, id := range ids {
			told += min(s.hooks.life(id).disconnected, 1)
		}
		return told >= len(ids)
	})
	return told, err
}
