package main

import (
	"sync"
	"sync/atomic"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// isolation is whether the node has to do without clients, because it cannot reach what it needs.
type isolation struct {
	on atomic.Bool

	mu  sync.Mutex
	why [isolations]bool
}

// Why a node may be isolated.
const (
	// noLink: there is a node that others reach and this one does not.
	noLink = iota
	// noStore: the node reaches neither the store nor another node.
	noStore
	isolations
)

// set notes a reason, or that it is none any more, and reports whether that changes anything.
func (i *isolation) set(why int, on bool) (changed, isolated bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.why[why] = on
	isolated = i.why != [isolations]bool{}
	return i.on.Swap(isolated) != isolated, isolated
}

// available is asked by the endpoints of clients.
func (i *isolation) available() error {
	if i.on.Load() {
		return transport.ErrIsolated
	}
	return nil
}

var isolatedCause = gateway.Cause{
	Reason: gateway.CloseServiceTransientError, AllowReconnect: true,
	Text: "The service is not available here, try reconnecting.",
}

// isolate has the node refuse clients and close those that it has, so that they reconnect to other
// nodes, or ends that. It may be called before there is a gateway.
func (s *server) isolate(why int, on bool) {
	changed, isolated := s.nodes.isolation.set(why, on)
	switch {
	case !changed:
		return
	case !isolated:
		s.log.Info("clients are taken again: this node reaches the others", "part", partCluster)
		return
	}
	s.log.Error("this node cannot reach the others, and takes no clients", "part", partCluster)
	if hub := s.nodes.hub.Load(); hub != nil {
		hub.Each(func(c *gateway.Conn) { c.Close(isolatedCause) })
	}
}
