// Package natscarrier carries the packets of a cluster over NATS, on one subject for each pair of
// nodes.
package natscarrier

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/hubgate/hubgate/cluster"
)

// Bounds of what waits in this process for Receive, over all peers. What all peers may have under
// way to one node is less (see cluster.Options), so that nothing is dropped here unless the process
// hangs.
const (
	pendingPackets = 1 << 20
	pendingBytes   = 256 << 20
)

// askBelow is up to which size a packet asks NATS to say that nobody takes it. Small packets are
// those that find out whether a node is there.
const askBelow = 256

// everyone is the last part of the subject of what goes to all nodes. No Inc is called so.
const everyone = "all"

// Carrier is a cluster.Carrier. Make one with New.
type Carrier struct {
	conn   *nats.Conn
	prefix string

	mu   sync.Mutex
	subs []*nats.Subscription

	// routes are the subjects to other nodes, which are written once and not for each packet.
	routing sync.RWMutex
	self    string
	routes  map[cluster.Inc]route
}

// route is the way to a node, and the subject on which NATS says that it is not there.
type route struct{ subject, back string }

// maxRoutes bounds the routes that are kept. Nodes that restart have new ones.
const maxRoutes = 1 << 10

// New returns a carrier on a connection, which stays its owner's. Packets travel on the subjects
// "{prefix}.l.{from}.{to}"; clusters that share a NATS need different prefixes. The connection
// should not keep what it cannot write while it is not connected (nats.ReconnectBufSize(-1)): a
// late packet is worth nothing.
func New(conn *nats.Conn, prefix string) *Carrier {
	return &Carrier{conn: conn, prefix: prefix + ".l.", routes: make(map[cluster.Inc]route)}
}

// Open implements cluster.Carrier.
func (c *Carrier) Open(self cluster.Inc, receive func(from cluster.Inc, packet []byte)) (func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subs != nil {
		return nil, errors.New("natscarrier: the carrier is open")
	}
	c.routing.Lock()
	c.self = self.String()
	clear(c.routes)
	c.routing.Unlock()
	r := &receiver{prefix: c.prefix, self: self, receive: receive}
	for _, to := range []string{self.String(), everyone} {
		sub, err := c.conn.Subscribe(c.prefix+"*."+to, r.take)
		if err == nil {
			c.subs = append(c.subs, sub)
			err = sub.SetPendingLimits(pendingPackets, pendingBytes)
		}
		if err != nil {
			c.unsubscribe()
			return nil, fmt.Errorf("natscarrier: %w", err)
		}
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.unsubscribe()
		r.close()
	}, nil
}

func (c *Carrier) unsubscribe() {
	for _, sub := range c.subs {
		_ = sub.Unsubscribe() // fails on a closed connection, which has no subscriptions
	}
	c.subs = nil
}

// Send implements cluster.Carrier.
func (c *Carrier) Send(to cluster.Inc, packet []byte) error {
	r := c.route(to)
	if len(packet) > askBelow || r.back == "" {
		return c.conn.Publish(r.subject, packet)
	}
	// That nobody is there comes back as if it came from the node that is not.
	return c.conn.PublishRequest(r.subject, r.back, packet)
}

// route returns the way to a node, or to all.
func (c *Carrier) route(to cluster.Inc) route {
	c.routing.RLock()
	r, ok := c.routes[to]
	c.routing.RUnlock()
	if ok {
		return r
	}
	c.routing.Lock()
	defer c.routing.Unlock()
	if len(c.routes) >= maxRoutes {
		clear(c.routes)
	}
	if to == (cluster.Inc{}) {
		r = route{subject: c.prefix + c.self + "." + everyone}
	} else {
		r = route{c.prefix + c.self + "." + to.String(), c.prefix + to.String() + "." + c.self}
	}
	c.routes[to] = r
	return r
}

// Limit implements cluster.Carrier.
func (c *Carrier) Limit() int { return int(c.conn.MaxPayload()) }

// Dropped is how many packets were dropped in this process because Receive did not keep up. The
// links find out by themselves.
func (c *Carrier) Dropped() (dropped int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, sub := range c.subs {
		if n, err := sub.Dropped(); err == nil {
			dropped += n
		}
	}
	return dropped
}

// receiver takes what NATS delivers, until it is closed.
type receiver struct {
	prefix  string
	self    cluster.Inc
	receive func(from cluster.Inc, packet []byte)

	calls  sync.RWMutex // held for reading during each call of receive
	closed bool
}

func (r *receiver) close() {
	r.calls.Lock()
	defer r.calls.Unlock()
	r.closed = true
}

func (r *receiver) take(m *nats.Msg) {
	name, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, r.prefix), ".")
	from, err := cluster.ParseInc(name)
	if err != nil || from == r.self {
		return // somebody else's, or what this node tells everybody
	}
	packet := m.Data
	if len(packet) == 0 {
		if m.Header.Get("Status") != "503" {
			return
		}
		packet = nil
	}
	r.calls.RLock()
	defer r.calls.RUnlock()
	if !r.closed {
		r.receive(from, packet)
	}
}
