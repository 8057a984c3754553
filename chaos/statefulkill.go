package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// statefulKill kills nodes while sessions of clients are resumed and handed over: while connections are cut at random,
// so that clients come back somewhere all the time; a node that shuts down and hands its sessions over; and one that is
// taking them. What was on a killed node is lost with it: such clients begin anew. Nothing is doubled, and the
// application hears of the end of each connection once.
func statefulKill(ctx context.Context, s *stage) error {
	if s.plan.clients == 0 {
		s.report.note("skipped: it needs the official clients")
		return nil
	}
	random := rand.New(rand.NewPCG(s.plan.seed, 43))
	for _, n := range s.cluster.nodes {
		n.front.cutAtRandom(random, 2<<10, 64<<10)
		n.front.reset()
	}
	rounds := 2
	if s.machine.long {
		rounds = 6
	}
	for round := range rounds {
		if err := s.stored(ctx); err != nil {
			return err
		}
		if err := s.flow(ctx, 3); err != nil {
			return err
		}
		nodes := s.cluster.nodes
		gives, takes := nodes[round%len(nodes)], nodes[(round+1)%len(nodes)]
		// A session may be on any node by now, and on its way from any.
		f := s.checker.fault(fmt.Sprintf("%s hands over and is killed, round %d", gives.name, round), 0, func(string, string) bool { return true })
		dies := gives
		if round%2 == 1 {
			dies = takes
		}
		arrivals := s.arrivals()
		if err := gives.hangUp(); err != nil {
			return err
		}
		wait(ctx, time.Duration(50+random.IntN(400))*time.Millisecond)
		s.kill(ctx, dies)
		if dies != gives {
			if err := gives.awaitEnd(drainTime); err != nil {
				return err
			}
		}
		if err := s.back(ctx, time.Now()); err != nil {
			return err
		}
		for _, n := range []*node{gives, takes} {
			if !n.process().running() {
				if err := s.restart(ctx, n); err != nil {
					return err
				}
			}
		}
		f.over()
		s.report.note("round %d: %s was killed while %s handed its sessions over; %d clients began anew", round, dies.name, gives.name, s.arrivals()-arrivals)
	}
	for _, n := range s.cluster.nodes {
		n.front.open()
	}
	return s.flow(ctx, 2)
}
