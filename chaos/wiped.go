package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// wiped has a voter come back with an empty directory, and then a node of another name take its place for good. The
// others give it everything: it is proven by leaving it the store with one other voter.
func wiped(ctx context.Context, s *stage) error {
	nodes := s.cluster.nodes
	lost := nodes[2]
	f := s.kill(ctx, lost)
	died := time.Now()
	if err := os.RemoveAll(lost.data()); err != nil {
		return err
	}
	if err := s.back(ctx, died); err != nil {
		return err
	}
	if err := s.restart(ctx, lost); err != nil {
		return err
	}
	f.over()
	s.report.note("%s is back with an empty directory", lost.name)
	if err := s.without(ctx, nodes[0]); err != nil {
		return err
	}
	if err := s.replace(ctx, lost, "z"); err != nil {
		return err
	}
	return s.without(ctx, nodes[1])
}

// without kills a node for a while: the other two are the store then, and all that was stored has to be there.
func (s *stage) without(ctx context.Context, n *node) error {
	if err := s.stored(ctx); err != nil {
		return err
	}
	if err := s.flow(ctx, 2); err != nil {
		return err
	}
	f := s.kill(ctx, n)
	died := time.Now()
	if err := s.back(ctx, died); err != nil {
		return err
	}
	if err := s.stored(ctx); err != nil {
		return err
	}
	s.report.note("without %s the store takes writes after %v", n.name, time.Since(died).Round(time.Millisecond))
	if err := s.flow(ctx, 2); err != nil {
		return err
	}
	if err := s.restart(ctx, n); err != nil {
		return err
	}
	f.over()
	return s.flow(ctx, 1)
}

// replace ends a voter for good, takes it out of the store, starts a node of another name in its place, and the
// others again one by one with the new list, as docs/cluster.md says. Here the place keeps its name.
func (s *stage) replace(ctx context.Context, old *node, name string) error {
	f := s.kill(ctx, old)
	if err := s.back(ctx, time.Now()); err != nil {
		return err
	}
	var voters []string
	for _, n := range s.cluster.nodes {
		if n != old {
			voters = append(voters, n.name)
		}
	}
	asked := s.cluster.nodes[0]
	var text []byte
	err := until(ctx, readyTime, func() (done bool) {
		var err error
		text, err = exec.CommandContext(ctx, asked.files.binary, "cluster", "replace-voter", old.name, name, "--admin", strings.TrimPrefix(asked.admin(), "http://")).CombinedOutput()
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("replace-voter: %w: %s", err, text)
	}
	s.report.note("%s", strings.TrimSpace(string(text)))
	voters = append(voters, name)
	old.rename(name)
	if err := os.RemoveAll(old.data()); err != nil {
		return err
	}
	old.vote(voters)
	if err := s.restart(ctx, old); err != nil {
		return err
	}
	f.over()
	for _, n := range s.cluster.nodes {
		if n == old {
			continue
		}
		f := s.fault("restart of "+n.name, nothing)
		n.vote(voters)
		if err := n.stop(drainTime); err != nil {
			return err
		}
		if err := s.restart(ctx, n); err != nil {
			return err
		}
		f.over()
	}
	return s.flow(ctx, 2)
}

// rename gives the next process of a place another name.
func (n *node) rename(name string) { n.args[slices.Index(n.args, "--node")+1] = name }

// vote gives the next process of a place another list of voters.
func (n *node) vote(voters []string) {
	var args []string
	for i := 0; i < len(n.args); i++ {
		if n.args[i] == "--cluster-voter" {
			i++
			continue
		}
		args = append(args, n.args[i])
	}
	n.args = append(args, "--cluster-voter", strings.Join(voters, ","))
}
