package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// kill kills a node as kill -9 does. What was to and from it may be lost until the fault is over.
func (s *stage) kill(ctx context.Context, n *node) *fault {
	// It is over when the node is ready again: from then on nothing is excused.
	f := s.checker.fault("kill -9 of "+n.name, 0, touching(n.name))
	k := killed{node: n.name, ids: make(map[string]bool)}
	if m, err := n.metrics(ctx); err == nil {
		k.unlogged = int(m.sum("hubgate_life_events_total", `event="Unlogged"`))
	}
	for _, id := range s.livingOn(n) {
		k.ids[id] = true
	}
	k.at = time.Now()
	s.killed = append(s.killed, k)
	n.kill()
	return f
}

// restart starts a node that has ended, and returns when it is ready.
func (s *stage) restart(ctx context.Context, n *node) error {
	start := time.Now()
	if err := n.start(ctx); err != nil {
		return err
	}
	serves := time.Since(start)
	ready, err := n.awaitReady(ctx)
	if err != nil {
		return err
	}
	s.report.note("%s serves again after %v, and is ready %v later", n.name, round(serves), round(ready))
	return nil
}

// stored waits until the store takes writes by the nodes, by all that run if none is named.
func (s *stage) stored(ctx context.Context, nodes ...*node) error {
	if len(nodes) == 0 {
		nodes = s.running()
	}
	for _, n := range nodes {
		if err := until(ctx, readyTime, func() bool { return s.store(ctx, n) == http.StatusOK }); err != nil {
			return fmt.Errorf("the store takes no writes of %s: %w", n.name, err)
		}
	}
	return nil
}

// livingOn are the connections of a node.
func (s *stage) livingOn(n *node) (ids []string) {
	for _, r := range s.checker.living() {
		owner := r.who.owner
		if s.plan.stateful { // it may have been handed over since
			owner = s.cluster.balancer.owner(r.who.client)
		}
		if owner == n.name {
			ids = append(ids, r.who.id)
		}
	}
	return ids
}

// ghostSample connections are asked for.
const ghostSample = 5

// ghosts waits until no node that runs knows connections that have died with their node.
func (s *stage) ghosts(ctx context.Context, ids []string, died time.Time) error {
	ids = ids[:min(len(ids), ghostSample)]
	err := until(ctx, goneTime+margin, func() bool {
		for _, n := range s.running() {
			for _, id := range ids {
				status, err := s.crowd.rest.do(ctx, http.MethodHead, "http://"+n.door.address(), hubPath+"/connections/"+id, nil)
				if err != nil || status != http.StatusNotFound {
					return false
				}
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("connections of a dead node are still known: %w", err)
	}
	s.report.note("ghosts are gone after %v", time.Since(died).Round(time.Millisecond))
	return nil
}

// back waits until all clients are connected.
func (s *stage) back(ctx context.Context, from time.Time) error {
	if _, err := s.everybody(ctx); err != nil {
		return err
	}
	s.report.note("all clients are connected %v later", time.Since(from).Round(time.Millisecond))
	return nil
}

// see waits until a node sees so many others that are up.
func (n *node) see(ctx context.Context, others int, bound time.Duration) error {
	count := -1
	err := until(ctx, bound, func() bool {
		m, err := n.metrics(ctx)
		if err == nil {
			count = int(m.sum("hubgate_cluster_nodes", `state="up"`))
		}
		return count == others
	})
	if err != nil {
		return fmt.Errorf("%s sees %d nodes and not %d: %w", n.name, count, others, err)
	}
	return nil
}
