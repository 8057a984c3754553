package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Clients with stateful reconnect are official ones by WebSockets, of versions 8, 9 and 10.

// statefulClients is how many there are.
const statefulClients = 18

// withStateful makes all clients official ones with stateful reconnect.
func withStateful(m *machine, p *plan) {
	p.stateful = true
	p.official = 0
	if m.official {
		p.official = statefulClients
	}
	p.clients = p.official
}

// cutting is how long connections are cut, in the short form.
const cutting = 10 * time.Second

// statefulCuts cuts all connections of clients at random places of the bytes, again and again, while traffic flows
// both ways. To the clients that is no interruption: nothing may be lost, doubled or out of order.
func statefulCuts(ctx context.Context, s *stage) error {
	if s.plan.clients == 0 {
		s.report.note("skipped: it needs the official clients")
		return nil
	}
	random := rand.New(rand.NewPCG(s.plan.seed, 42))
	length := cutting
	if s.machine.long {
		length = 5 * time.Minute
	}
	f := s.fault("connections of clients are cut at random", nothing)
	for _, n := range s.cluster.nodes {
		n.front.cutAtRandom(random, 2<<10, 64<<10)
		n.front.reset()
	}
	arrivals := len(s.checker.living())
	wait(ctx, length)
	for _, n := range s.cluster.nodes {
		n.front.open()
	}
	f.over()
	s.report.note("%d WebSockets were made for %d clients", s.cluster.balancer.upgrades(), arrivals)
	if n := s.arrivals(); n != arrivals {
		s.checker.violate("sessions", fmt.Sprintf("%d clients came %d times", arrivals, n))
	}
	return s.flow(ctx, 2)
}

// statefulRolling stops and starts each node. The clients' sessions are handed over: none of them comes a second time.
func statefulRolling(ctx context.Context, s *stage) error {
	if s.plan.clients == 0 {
		s.report.note("skipped: it needs the official clients")
		return nil
	}
	err := rolling(ctx, s)
	if n := s.arrivals(); n != s.plan.clients {
		s.checker.violate("sessions", fmt.Sprintf("%d clients came %d times: their sessions were not handed over", s.plan.clients, n))
	}
	return err
}
