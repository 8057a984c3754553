package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// killEach kills each node in turn, and starts it again.
func killEach(ctx context.Context, s *stage) error {
	for _, n := range s.cluster.nodes {
		if err := s.stored(ctx); err != nil {
			return err
		}
		// Clients that came while the store had no leader are noted in it now.
		if err := s.flow(ctx, 3); err != nil {
			return err
		}
		ids := s.livingOn(n)
		f := s.kill(ctx, n)
		died := time.Now()
		if err := errors.Join(s.ghosts(ctx, ids, died), s.back(ctx, died), s.flow(ctx, 1)); err != nil {
			return err
		}
		if err := s.restart(ctx, n); err != nil {
			return err
		}
		f.over()
	}
	return s.flow(ctx, 2)
}

// nothing is excused.
func nothing(string, string) bool { return false }

// drainTime bounds the end of a node that is stopped in order.
const drainTime = 60 * time.Second

// rolling stops each node in order, and starts it again. Nothing may be lost but what was for clients that
// were just leaving.
func rolling(ctx context.Context, s *stage) error {
	for _, n := range s.cluster.nodes {
		if err := s.flow(ctx, 1); err != nil {
			return err
		}
		f := s.fault("restart of "+n.name, nothing)
		start := time.Now()
		if err := n.stop(drainTime); err != nil {
			return err
		}
		s.report.note("%s has ended after %v", n.name, round(time.Since(start)))
		if err := errors.Join(s.back(ctx, start), s.flow(ctx, 1)); err != nil {
			return err
		}
		if err := s.restart(ctx, n); err != nil {
			return err
		}
		f.over()
	}
	return s.flow(ctx, 2)
}

// shortCuts cuts each pair of nodes for less than the time after which one is given up: nothing may be lost.
func shortCuts(ctx context.Context, s *stage) error {
	for i, a := range s.cluster.nodes {
		b := s.cluster.nodes[(i+1)%len(s.cluster.nodes)]
		length := []time.Duration{200 * time.Millisecond, time.Second, 2 * time.Second}[i%3]
		f := s.fault(fmt.Sprintf("cut between %s and %s", a.name, b.name), nothing)
		a.links[b.name].cut()
		b.links[a.name].cut()
		wait(ctx, length)
		a.links[b.name].open()
		b.links[a.name].open()
		f.over()
		if err := s.flow(ctx, 2); err != nil {
			return err
		}
	}
	return nil
}

// wait lets time pass: the length of a fault is no event.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// partitioned cuts one node off from the two others until both sides have seen it, and heals.
func partitioned(ctx context.Context, s *stage) error {
	one, others := s.cluster.nodes[2], s.cluster.nodes[:2]
	f := s.fault("partition of "+one.name, acrossSides(one.name))
	start := time.Now()
	s.cluster.partition(one)
	for _, n := range others {
		if err := n.see(ctx, 1, readyTime); err != nil {
			return err
		}
	}
	if err := one.see(ctx, 0, readyTime); err != nil {
		return err
	}
	s.report.note("both sides know after %v", time.Since(start).Round(time.Millisecond))
	if err := s.flow(ctx, 3); err != nil {
		return err
	}
	s.report.note("%s alone says that it is ready: %v", one.name, one.isReady(ctx))
	return s.healed(ctx, f)
}

// healed opens all ways, and returns when all nodes see all others.
func (s *stage) healed(ctx context.Context, f *fault) error {
	s.cluster.heal()
	start := time.Now()
	for _, n := range s.cluster.nodes {
		if err := n.see(ctx, len(s.cluster.nodes)-1, readyTime); err != nil {
			return err
		}
		if _, err := n.awaitReady(ctx); err != nil {
			return err
		}
	}
	f.over()
	s.report.note("all nodes see each other %v after the healing", time.Since(start).Round(time.Millisecond))
	return s.flow(ctx, 2)
}

// slowLinks makes all ways between nodes slow and narrow. Nothing may be lost.
func slowLinks(ctx context.Context, s *stage) error {
	f := s.fault("ways between nodes with 40 ms and 256 KiB/s", nothing)
	for _, n := range s.cluster.nodes {
		for _, way := range n.links {
			way.slow(40*time.Millisecond, 256<<10)
		}
	}
	if err := s.flow(ctx, 4); err != nil {
		return err
	}
	s.cluster.heal()
	f.over()
	return s.flow(ctx, 2)
}

// shortHang stops a process for less than the time after which a node is suspect: nothing may be lost.
func shortHang(ctx context.Context, s *stage) error {
	return s.hang(ctx, s.cluster.nodes[1], 2*time.Second, nothing)
}

// longHang stops a process until the others take it for gone.
func longHang(ctx context.Context, s *stage) error {
	n := s.cluster.nodes[1]
	return s.hang(ctx, n, 8*time.Second, touching(n.name))
}

func (s *stage) hang(ctx context.Context, n *node, length time.Duration, between func(from, to string) bool) error {
	f := s.fault(fmt.Sprintf("SIGSTOP of %s", n.name), between)
	if err := n.hang(); err != nil {
		return err
	}
	start := time.Now()
	if length > goneTime {
		for _, other := range s.cluster.nodes {
			if other != n {
				if err := other.see(ctx, len(s.cluster.nodes)-2, readyTime); err != nil {
					return errors.Join(err, n.resume())
				}
			}
		}
		s.report.note("the others take %s for gone after %v", n.name, time.Since(start).Round(time.Millisecond))
	}
	wait(ctx, length-time.Since(start))
	if err := n.resume(); err != nil {
		return err
	}
	return s.healed(ctx, f)
}

// quorumLost kills two of three voters. What needs no store goes on; the store is back with the quorum.
func quorumLost(ctx context.Context, s *stage) error { return s.withoutQuorum(ctx, 0) }

// quorumLostLong does without a quorum for ten minutes.
func quorumLostLong(ctx context.Context, s *stage) error {
	return s.withoutQuorum(ctx, 10*time.Minute)
}

func (s *stage) withoutQuorum(ctx context.Context, length time.Duration) error {
	left, others := s.cluster.nodes[0], s.cluster.nodes[1:voters]
	if status := s.store(ctx, left); status != http.StatusOK {
		return fmt.Errorf("the store refuses while all are there: %d", status)
	}
	var faults []*fault
	for _, n := range others {
		faults = append(faults, s.kill(ctx, n))
	}
	died := time.Now()
	if err := errors.Join(s.back(ctx, died), s.flow(ctx, 3)); err != nil {
		return err
	}
	start := time.Now()
	if status := s.store(ctx, left); status != http.StatusServiceUnavailable {
		s.checker.violate("store", fmt.Sprintf("a write without a quorum is answered %d", status))
	}
	s.report.note("a write without a quorum is refused after %v", time.Since(start).Round(time.Millisecond))
	for time.Since(died) < length {
		if err := s.flow(ctx, 10); err != nil {
			return err
		}
	}
	s.report.note("%v without a quorum", time.Since(died).Round(time.Second))
	for i, n := range others {
		if err := s.restart(ctx, n); err != nil {
			return err
		}
		faults[i].over()
	}
	start = time.Now()
	if err := until(ctx, readyTime, func() bool { return s.store(ctx, left) == http.StatusOK }); err != nil {
		return fmt.Errorf("the store does not come back: %w", err)
	}
	s.report.note("the store takes writes %v after its voters were ready", time.Since(start).Round(time.Millisecond))
	return s.flow(ctx, 2)
}

// longName makes a store full sooner.
var longName = strings.Repeat("kept", 200)

// store puts a user into a group, which the store keeps. It returns the status, 0 if there is none.
func (s *stage) store(ctx context.Context, n *node) int {
	path := fmt.Sprintf("%s/users/kept%d/groups/%s", hubPath, s.stores.Add(1), longName)
	status, err := s.crowd.rest.do(ctx, http.MethodPut, "http://"+n.door.address(), path, nil)
	if err != nil {
		return 0
	}
	return status
}

// fullStore fills the store up to its bound, which stands for a full disk. What needs no store goes on.
func fullStore(ctx context.Context, s *stage) error {
	const writers, most = 16, 50_000
	var all sync.WaitGroup
	last := make([]int, writers)
	for i := range writers {
		all.Go(func() {
			last[i] = http.StatusOK
			for n := s.cluster.nodes[i%len(s.cluster.nodes)]; last[i] == http.StatusOK && s.stores.Load() < most && ctx.Err() == nil; {
				last[i] = s.store(ctx, n)
			}
		})
	}
	all.Wait()
	for _, status := range last {
		if status != http.StatusServiceUnavailable {
			return fmt.Errorf("a full store answers %v behind %d users", last, s.stores.Load())
		}
	}
	s.report.note("the store is full behind %d users", s.stores.Load())
	return s.flow(ctx, 3)
}
