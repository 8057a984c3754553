package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hubgate/hubgate/internal/freeport"
)

// cluster is the nodes, the ways between them and the balancer in front.
type cluster struct {
	dir      string
	key      string
	nodes    []*node
	balancer *balancer
	// between are the proxies between nodes, which lead to the addresses in places.
	between []*proxy
	places  map[string]string
	stop    context.CancelFunc
	polling sync.WaitGroup
}

// shape says what a cluster is made of.
type shape struct {
	nodes int
	mode  string
	// flags are further flags of each node.
	flags []string
	// outside: a NATS server outside joins the nodes, instead of those in them. nats is its URL, once it runs.
	outside bool
	// fresh: the cluster starts for the first time.
	fresh bool
	nats  string
}

// The keys of all clusters, which nobody else knows.
var accessKey, clusterSecret = randomText(), randomText()

func randomText() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	return hex.EncodeToString(random)
}

// voters keep the store: the first nodes. Further ones do not.
const voters = 3

// newCluster makes the ways, and starts nothing.
func newCluster(dir string, m *machine, s shape) (*cluster, error) {
	c := &cluster{dir: dir, key: accessKey, places: make(map[string]string), stop: func() {}}
	for i := range s.nodes {
		n := &node{name: string(rune('a' + i)), front: newValve(), links: make(map[string]*valve)}
		n.files = nodeFiles{binary: m.hubgate, dir: filepath.Join(dir, n.name),
			env: []string{"HUBGATE_ACCESS_KEY=" + accessKey, "HUBGATE_CLUSTER_SECRET=" + clusterSecret, nodeVariable + "=" + n.name}}
		if err := os.MkdirAll(n.files.dir, 0o700); err != nil {
			return nil, err
		}
		if m.founded != "" && !s.outside && !s.fresh && i < voters {
			if err := os.CopyFS(n.data(), os.DirFS(filepath.Join(m.founded, n.name, "data"))); err != nil {
				return nil, err
			}
		}
		place, err := freeport.Take()
		if err != nil {
			return nil, err
		}
		c.places[n.name] = place
		c.nodes = append(c.nodes, n)
	}
	for _, n := range c.nodes {
		if err := c.equip(n, s); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	var err error
	c.balancer, err = startBalancer(c)
	return c, err
}

// equip gives a node its door, its ways to the others and its flags.
func (c *cluster) equip(n *node, s shape) (err error) {
	if n.door, err = startProxy(to(n.address, n.front), false, 1); err != nil {
		return err
	}
	n.args = append(n.args, "--mode", s.mode, "--node", n.name, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	n.args = append(n.args, s.flags...)
	switch {
	case s.outside:
		n.args = append(n.args, "--nats-url", s.nats)
		return nil
	case s.nodes == 1:
		return nil
	}
	// What nodes tell each other of where they are leads nowhere, so that all pass the proxies.
	n.args = append(n.args, "--cluster-listen", c.places[n.name], "--cluster-advertise", "127.0.0.1:1",
		"--data-dir", n.data())
	for i, other := range c.nodes {
		if i < voters {
			n.args = append(n.args, "--cluster-voter", other.name)
		}
		if other == n {
			continue
		}
		way := newValve()
		n.links[other.name] = way
		p, err := startProxy(to(func() string { return c.places[other.name] }, way), false, 1)
		if err != nil {
			return err
		}
		c.between = append(c.between, p)
		n.args = append(n.args, "--cluster-peer", p.address())
	}
	return nil
}

// start starts all nodes at once and waits until all are ready.
func (c *cluster) start(ctx context.Context) error {
	polling, stop := context.WithCancel(ctx)
	c.stop = stop
	errs := make([]error, len(c.nodes))
	var all sync.WaitGroup
	for i, n := range c.nodes {
		all.Go(func() { errs[i] = n.start(ctx) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, n := range c.nodes {
		c.polling.Go(func() { n.poll(polling) })
	}
	for _, n := range c.nodes {
		if _, err := n.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

const (
	// pollEvery is how often the balancer looks whether a node is ready.
	pollEvery = 100 * time.Millisecond
	// readyTime bounds the wait until a node that serves is ready.
	readyTime = 40 * time.Second
)

// poll keeps what the balancer knows of the node.
func (n *node) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		n.ready.Store(n.process().running() && n.isReady(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// awaitReady waits until the node says that it is ready, and returns how long that took.
func (n *node) awaitReady(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	err := until(ctx, readyTime, func() bool { return n.isReady(ctx) })
	if err != nil {
		return 0, fmt.Errorf("%s is not ready: %w: it says %q, and has logged %s", n.name, err, n.look(ctx, "/readyz"), n.lastLines())
	}
	n.ready.Store(true)
	return time.Since(start), nil
}

// lookEvery is the time between two looks at something that tells of no change.
const lookEvery = 25 * time.Millisecond

var errTooLong = errors.New("waited too long")

// until looks again and again until something is so, at most for bound.
func until(ctx context.Context, bound time.Duration, so func() bool) error {
	end := time.NewTimer(bound)
	defer end.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			if so() {
				return nil
			}
			return fmt.Errorf("%w: %v", errTooLong, bound)
		case <-tick.C:
		}
	}
	return nil
}

// partition cuts all ways between the nodes of one side and all others.
func (c *cluster) partition(side ...*node) { c.across(side, (*valve).cut) }

// heal opens all ways.
func (c *cluster) heal() {
	for _, n := range c.nodes {
		n.front.open()
		for _, way := range n.links {
			way.open()
		}
	}
}

// across does something to all ways between the nodes of one side and all others.
func (c *cluster) across(side []*node, do func(*valve)) {
	inside := make(map[string]bool)
	for _, n := range side {
		inside[n.name] = true
	}
	for _, n := range c.nodes {
		for other, way := range n.links {
			if inside[n.name] != inside[other] {
				do(way)
			}
		}
	}
}

// node is the node of a name.
func (c *cluster) node(name string) *node {
	for _, n := range c.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// url is where clients and applications find the balancer.
func (c *cluster) url() string { return "http://" + c.balancer.address() }

// endTime bounds the end of a node after SIGTERM at the end of a scenario.
const endTime = 40 * time.Second

// close ends everything. Its error is of nodes that did not end well.
func (c *cluster) close() error {
	c.stop()
	c.polling.Wait()
	c.heal()
	errs := make([]error, len(c.nodes))
	var all sync.WaitGroup
	for i, n := range c.nodes {
		if one := n.process(); one != nil && one.running() {
			all.Go(func() { errs[i] = n.stop(endTime) })
		}
	}
	all.Wait()
	for _, p := range c.between {
		p.close()
	}
	for _, n := range c.nodes {
		if n.door != nil {
			n.door.close()
		}
	}
	if c.balancer != nil {
		c.balancer.close()
	}
	return errors.Join(errs...)
}
