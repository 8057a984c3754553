// Package clustertest holds what tests of clusters share: a network in memory whose ways can be
// cut, held up and made slow.
package clustertest

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/cluster"
)

// Net is a network in memory. Each node has a Carrier of it. Between two nodes there are two ways,
// one in each direction, and each has faults of its own. Nodes are named by their tags. All methods
// may be called concurrently.
type Net struct {
	limit int
	// TellsAbsence: who sends to a node that is not there hears of it, and so does who sends on a way that
	// is cut, as with NATS.
	TellsAbsence atomic.Bool

	mu    sync.Mutex
	nodes map[cluster.Inc]*carrier
	ways  map[way]*traffic
	wg    sync.WaitGroup
}

// way is from one node to another, by their tags.
type way struct{ from, to string }

// traffic is what is on one way, and what is wrong with it.
type traffic struct {
	fault   Fault
	queue   []packet
	running bool
	changed chan struct{} // closed and replaced when the fault changes
	sum     Traffic
}

type packet struct {
	from  cluster.Inc
	to    *carrier
	bytes []byte
	due   time.Time
	tells bool // it is the word that a node is not there
}

// Fault is what is wrong with one way.
type Fault struct {
	// Cut: what is sent is lost.
	Cut bool
	// Held: what is sent waits, and comes late.
	Held bool
	// Lose is how many packets are lost from now on, one after the other, as when a queue is full.
	Lose int
	// Delay is how long a packet is under way.
	Delay time.Duration
}

// Traffic is what was sent on ways, lost packets included.
type Traffic struct {
	Packets, Bytes int
	// Lost are packets that a fault has swallowed.
	Lost int
}

// NewNet returns a network whose packets have limit bytes at most.
func NewNet(limit int) *Net {
	return &Net{limit: limit, nodes: make(map[cluster.Inc]*carrier), ways: make(map[way]*traffic)}
}

// Carrier returns a carrier for one node.
func (n *Net) Carrier() cluster.Carrier { return &carrier{net: n} }

// Set changes the faults of the ways from a node to another one. An empty name is every node.
func (n *Net) Set(from, to string, change func(*Fault)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.tags(from) {
		for _, b := range n.tags(to) {
			if a == b && (from == "" || to == "") {
				continue // a node's way to a namesake has to be named
			}
			t := n.way(way{a, b})
			change(&t.fault)
			close(t.changed)
			t.changed = make(chan struct{})
			n.runLocked(t)
		}
	}
}

// Between is Set for both ways between two nodes.
func (n *Net) Between(a, b string, change func(*Fault)) {
	n.Set(a, b, change)
	n.Set(b, a, change)
}

// Heal takes away all faults.
func (n *Net) Heal() { n.Set("", "", func(f *Fault) { *f = Fault{} }) }

// tags lists the nodes that there are or were, or the one that is named.
func (n *Net) tags(name string) []string {
	if name != "" {
		return []string{name}
	}
	seen := make(map[string]bool)
	for inc := range n.nodes {
		seen[inc.Tag] = true
	}
	for w := range n.ways {
		seen[w.from], seen[w.to] = true, true
	}
	var list []string
	for tag := range seen {
		list = append(list, tag)
	}
	return list
}

// Sum returns the traffic from a node to another one; an empty name is every node.
func (n *Net) Sum(from, to string) (sum Traffic) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w, t := range n.ways {
		if (from == "" || from == w.from) && (to == "" || to == w.to) {
			sum.Packets += t.sum.Packets
			sum.Bytes += t.sum.Bytes
			sum.Lost += t.sum.Lost
		}
	}
	return sum
}

// Kill ends a node without a word, as far as others can see.
func (n *Net) Kill(tag string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for inc, c := range n.nodes {
		if inc.Tag == tag {
			delete(n.nodes, inc)
			c.dead.Store(true)
		}
	}
}

func (n *Net) way(w way) *traffic {
	t := n.ways[w]
	if t == nil {
		t = &traffic{changed: make(chan struct{})}
		n.ways[w] = t
	}
	return t
}

var errLost = errors.New("clustertest: the node is not on the network")

// carrier is one node's.
type carrier struct {
	net     *Net
	self    cluster.Inc
	receive func(cluster.Inc, []byte)
	dead    atomic.Bool
	// calls are those of receive, which close waits for.
	calls sync.RWMutex
}

// Open implements cluster.Carrier.
func (c *carrier) Open(self cluster.Inc, receive func(cluster.Inc, []byte)) (func(), error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.self, c.receive = self, receive
	c.net.nodes[self] = c
	return func() {
		c.net.mu.Lock()
		delete(c.net.nodes, c.self)
		c.net.mu.Unlock()
		c.calls.Lock()
		c.dead.Store(true)
		c.calls.Unlock()
	}, nil
}

// Limit implements cluster.Carrier.
func (c *carrier) Limit() int { return c.net.limit }

// Send implements cluster.Carrier.
func (c *carrier) Send(to cluster.Inc, bytes []byte) error {
	if len(bytes) > c.net.limit {
		return errors.New("clustertest: a packet over the limit")
	}
	n := c.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.dead.Load() {
		return errLost
	}
	if to != (cluster.Inc{}) {
		n.sendLocked(c, to, bytes)
		return nil
	}
	for inc := range n.nodes {
		if inc != c.self {
			n.sendLocked(c, inc, bytes)
		}
	}
	return nil
}

func (n *Net) sendLocked(c *carrier, to cluster.Inc, bytes []byte) {
	t := n.way(way{c.self.Tag, to.Tag})
	t.sum.Packets++
	t.sum.Bytes += len(bytes)
	other := n.nodes[to]
	switch {
	case t.fault.Lose > 0:
		t.fault.Lose--
		t.sum.Lost++
	case t.fault.Cut, other == nil:
		t.sum.Lost++
		if n.TellsAbsence.Load() {
			back := n.way(way{to.Tag, c.self.Tag})
			back.queue = append(back.queue, packet{from: to, to: c, tells: true, due: time.Now().Add(back.fault.Delay)})
			n.runLocked(back)
		}
	default:
		t.queue = append(t.queue, packet{from: c.self, to: other, bytes: append([]byte(nil), bytes...), due: time.Now().Add(t.fault.Delay)})
		n.runLocked(t)
	}
}

// runLocked starts the goroutine that empties a way, if none runs.
func (n *Net) runLocked(t *traffic) {
	if t.running || len(t.queue) == 0 || t.fault.Held {
		return
	}
	t.running = true
	n.wg.Go(func() { n.run(t) })
}

// run delivers what is on a way until it is empty or held.
func (n *Net) run(t *traffic) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(t.queue) > 0 && !t.fault.Held {
		p, changed := t.queue[0], t.changed
		if wait := time.Until(p.due); wait > 0 {
			n.mu.Unlock()
			select {
			case <-time.After(wait):
			case <-changed:
			}
			n.mu.Lock()
			continue
		}
		t.queue = t.queue[1:]
		n.mu.Unlock()
		p.arrive()
		n.mu.Lock()
	}
	t.running = false
	if len(t.queue) == 0 {
		t.queue = nil
	}
}

func (p *packet) arrive() {
	p.to.calls.RLock()
	defer p.to.calls.RUnlock()
	switch {
	case p.to.dead.Load():
	case p.tells:
		p.to.receive(p.from, nil)
	default:
		p.to.receive(p.from, p.bytes)
	}
}

// Wait returns when nothing is under way but what is held.
func (n *Net) Wait() { n.wg.Wait() }
