package main

import (
	"context"
	"time"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/store/life"
	"github.com/hubgate/hubgate/upstream"
)

// keepLife has the application told of the end of this node's clients if the node dies. It is called
// before there are clients.
func (s *server) keepLife(webhooks *upstream.Backend) {
	n := &s.nodes
	if n.plane == nil && !s.config.Outbox.Outbox {
		return
	}
	opts := life.Options{
		Store: life.Store{
			JetStream: n.engine.JetStream(), Prefix: s.config.NATS.Prefix, Replicas: n.engine.Replicas(), Storage: n.engine.Storage(), MaxBytes: lifeShare(s.config),
		},
		Tag: nodeName(s.config), Software: version(), Lease: aloneLease,
		Webhook: life.Webhook{Send: webhooks.SendDisconnected, Later: upstream.ErrNotSent},
		Lives:   s.lives, Claimed: s.givenUp,
		Logger: s.log.With("part", partCluster),
	}
	if n.plane != nil {
		opts.Link, opts.Lease, opts.Members = n.plane.Self().String(), s.config.Cluster.Lease, lifeMembers{n.plane}
		opts.Settings, opts.Unlike = s.digests(), settings.Differences
		opts.Isolated = func(on bool) { s.isolate(noStore, on) }
	}
	if s.config.Outbox.Outbox {
		n.deliveries = &deliveries{webhooks: webhooks}
		opts.Beside = n.deliveries
	}
	n.life = life.New(opts)
	webhooks.Use(n.life)
	if n.deliveries != nil {
		s.keepEvents(webhooks)
	}
}

// aloneLease is after what time a node that is alone has what its former run has left: nobody else can have
// the directory.
const aloneLease = 3 * time.Second

// digests returns a function for what the settings in force come to. It is called often and computes
// them anew when they have changed.
func (s *server) digests() func() map[string]string {
	var of *settings.Settings
	var last map[string]string
	return func() map[string]string {
		if now := s.store.Current(); now != of {
			of, last = now, now.Digests(s.nodes.keys.settings)
		}
		return last
	}
}

// endLife leaves in order. Without a store that answers, the notes stay there: that is no fault of this
// node, and others find them.
func (s *server) endLife(ctx context.Context) error {
	if err := s.nodes.life.Close(ctx); err != nil {
		s.log.Warn("what the store has noted of this node stays there", "part", partCluster, "error", err)
	}
	return nil
}

// lifeShare is what the life logs of all nodes, and the webhooks that are still to be called for dead
// ones, may take of the store.
func lifeShare(c *config.Config) int64 {
	if c.External() {
		return life.DefaultMaxBytes
	}
	return min(life.DefaultMaxBytes, int64(c.Data.MaxBytes)/4)
}

// lives asks all nodes whether a client lives.
func (s *server) lives(ctx context.Context, hub, id string) (bool, error) {
	found, err := s.ofClient(ctx, id, gateway.Command{Hub: hub, Verb: gateway.VerbCount, Any: true})
	return found.Matched > 0, err
}

// closeAnywhere closes a client on whatever node it is.
func (s *server) closeAnywhere(ctx context.Context, hub, id string, cause gateway.Cause) error {
	_, err := s.ofClient(ctx, id, gateway.Command{Hub: hub, Verb: gateway.VerbClose, Cause: cause})
	return err
}

// ofClient has all nodes do something with a client.
func (s *server) ofClient(ctx context.Context, id string, cmd gateway.Command) (gateway.Result, error) {
	g := s.nodes.hub.Load()
	if g == nil {
		return gateway.Result{}, gateway.ErrIncomplete // asked again
	}
	cmd.Target = gateway.Target{Kind: gateway.TargetConnections, IDs: []string{id}}
	return g.Do(ctx, &cmd)
}

var givenUpCause = gateway.Cause{
	Reason: gateway.CloseNodeLost, AllowReconnect: true,
	Text: "The connection was given up by the service, try reconnecting.",
}

// givenUp closes all clients: others have told, or will tell, that they have ended.
func (s *server) givenUp() {
	if hub := s.nodes.hub.Load(); hub != nil {
		hub.Each(func(c *gateway.Conn) { c.Close(givenUpCause) })
	}
}

// lifeMembers says what the links know of other nodes.
type lifeMembers struct{ plane *cluster.Backplane }

// Gone implements life.Members.
func (m lifeMembers) Gone(link string) bool {
	for _, p := range m.plane.Stats().Peers {
		if p.Node.String() == link {
			return p.State == cluster.PeerGone
		}
	}
	return true
}

// Reached implements life.Members.
func (m lifeMembers) Reached() (reached int) {
	for _, p := range m.plane.Stats().Peers {
		if p.State == cluster.PeerUp {
			reached++
		}
	}
	return reached
}
