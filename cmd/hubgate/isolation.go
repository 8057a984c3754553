package main

import (
	"sync/atomic"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// isolation is whether the node has to do without clients, because it cannot reach what it needs.
type isolation struct{ on atomic.Bool }

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
func (s *server) isolate(on bool) {
	if s.nodes.isolation.on.Swap(on) == on {
		return
	}
	if !on {
		s.log.Info("clients are taken again: this node reaches the others", "part", partCluster)
		return
	}
	s.log.Error("this node cannot reach the others, and takes no clients", "part", partCluster)
	if hub := s.nodes.hub.Load(); hub != nil {
		hub.Each(func(c *gateway.Conn) { c.Close(isolatedCause) })
	}
}
