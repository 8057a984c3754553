package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/natscarrier"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
	"github.com/hubgate/hubgate/management"
	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/restapi"
	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/store"
	"github.com/hubgate/hubgate/store/claims"
	"github.com/hubgate/hubgate/store/jetstore"
	"github.com/hubgate/hubgate/store/life"
)

// engineStart bounds how long the engine may take to start. It does not wait for other nodes.
const engineStart = 30 * time.Second

// nodes are what joins this node to others, and what keeps what outlives it. A node that is alone
// and keeps nothing has neither.
type nodes struct {
	engine  *natsd.Engine
	plane   *cluster.Backplane
	carrier *natscarrier.Carrier
	// kept are the memberships of users in the engine's store.
	kept *jetstore.UserGroups
	// life has the application told of the end of clients; nil if the node is alone.
	life *life.Node
	// deliveries are events that are kept; nil without an outbox.
	deliveries *deliveries
	keys       sealing
	// shared are settings that all nodes share, nil if the node is alone.
	shared *sharedSettings

	isolation isolation
	// view is what others may ask of the node; nil without an engine. whole: it has been ready once.
	view  *clusterView
	whole atomic.Bool
	hub   atomic.Pointer[gateway.Gateway] // nil until there is one
}

// sealing are keys that all nodes of a cluster have.
type sealing struct {
	// tokens seal connection tokens, sessions those of browsers: the first one seals, all open. A node alone has no
	// keys for sessions.
	tokens, sessions [][]byte
	// settings is for hashes of settings.
	settings []byte
}

// joinNodes starts what the configuration asks for.
func (s *server) joinNodes() error {
	c := s.config
	s.nodes.keys.tokens = [][]byte{auth.NewSealerKey()}
	if !c.Clustered() && c.Data.Dir == "" {
		return nil
	}
	now, previous, err := c.ClusterSecrets()
	if err != nil {
		return usage(err)
	}
	log := s.log.With("part", partCluster)
	ctx, cancel := context.WithTimeout(context.Background(), engineStart)
	defer cancel()
	opts := engineOptions(c, now, previous)
	opts.Log = log
	if s.nodes.engine, err = natsd.Start(ctx, opts); err != nil {
		return s.explain(err)
	}
	s.built.add("engine", s.nodes.engine.Close)
	s.nodes.view = newClusterView(&s.nodes, c)
	s.nodes.kept = jetstore.New(jetstore.Options{
		JetStream: s.nodes.engine.JetStream(), Prefix: c.NATS.Prefix, Replicas: s.nodes.engine.Replicas(), Storage: s.nodes.engine.Storage(), MaxBytes: shareOfStore(c),
		PerUser: func() int { return s.live.load().groupsPerUser }, Log: log,
	})
	if !c.Clustered() {
		return nil
	}
	if s.nodes.shared, err = newSharedSettings(c, s.nodes.engine, now, previous); err != nil {
		return err
	}
	s.nodes.view.try = s.try
	s.nodes.view.manage = func() *management.Service { return s.managed.service }
	s.nodes.keys = sealing{
		tokens: keysFor(natsd.PurposeTokens, now, previous), sessions: keysFor(natsd.PurposeSessions, now, previous), settings: natsd.Key(now, natsd.PurposeSettings),
	}
	s.nodes.carrier = natscarrier.New(s.nodes.engine.Conn(), c.NATS.Prefix)
	var before []byte
	if previous != "" {
		before = natsd.Key(previous, natsd.PurposeHello)
	}
	s.nodes.plane, err = cluster.New(cluster.Options{
		Tag: c.Network.Node, Cluster: c.NATS.Prefix, Secret: natsd.Key(now, natsd.PurposeHello), Previous: before,
		Carrier:  s.nodes.carrier,
		Software: version(), Logger: log, Ended: s.leftCluster, Isolated: func(on bool) { s.isolate(noLink, on) }, Died: s.nodes.engine.Died,
		Expects: func() []string { return c.Cluster.Voter },
	})
	return err
}

// nodeName is the name of this node for its store and for who asks. A node that is alone need not have one.
func nodeName(c *config.Config) string { return cmp.Or(c.Network.Node, "alone") }

// engineOptions are the configuration's. What it does not say the engine decides.
func engineOptions(c *config.Config, now, previous secret.Text) natsd.Options {
	o := natsd.Options{
		Name: nodeName(c), Version: version(), DataDir: c.Data.Dir, MaxStore: int64(c.Data.MaxBytes), AcceptLoss: c.Data.AcceptLoss,
	}
	if c.External() {
		o.MaxStore = 0
		o.External = &natsd.External{
			URLs: c.NATS.URL, Credentials: c.NATS.Credentials, NKey: c.NATS.NKey, Replicas: c.NATS.Replicas,
			TLS: natsd.TLSFiles{CA: c.NATS.TLSCA, Certificate: c.NATS.TLSCert, Key: c.NATS.TLSKey},
		}
		return o
	}
	if !c.Clustered() {
		return o
	}
	o.Cluster = &natsd.Cluster{Listen: c.Cluster.Listen, Advertise: c.Cluster.Advertise, Peers: c.Cluster.Peer, Voters: c.Cluster.Voter, Secret: now, Previous: previous}
	if c.Cluster.TLSCA != "" {
		o.Cluster.TLS = &natsd.TLSFiles{CA: c.Cluster.TLSCA, Certificate: c.Cluster.TLSCert, Key: c.Cluster.TLSKey}
	}
	return o
}

// shareOfStore is what memberships of users may take of the store, in bytes: a store has room for
// more than them.
func shareOfStore(c *config.Config) int64 {
	if c.External() {
		return store.DefaultMaxBytes
	}
	return min(store.DefaultMaxBytes, int64(c.Data.MaxBytes)/4)
}

// keysFor are the keys by which each node of a cluster opens what others have sealed for a purpose. The first one seals.
func keysFor(purpose natsd.Purpose, now, previous secret.Text) [][]byte {
	keys := [][]byte{natsd.Key(now, purpose)}
	if previous != "" {
		keys = append(keys, natsd.Key(previous, purpose))
	}
	return keys
}

// leftCluster ends the gateway: it must not go on.
func (s *server) leftCluster(why error) {
	select {
	case s.web.failed <- s.explain(why):
	default: // it ends already
	}
}

// explain says what to do about an error of the cluster.
func (s *server) explain(why error) error {
	if errors.Is(why, cluster.ErrNameInUse) || errors.Is(why, natsd.ErrNameInUse) {
		return fmt.Errorf("another node of the cluster has the name %q and lives: give each node a name of its own (--node)", s.config.Network.Node)
	}
	if _, ok := errors.AsType[*natsd.OptionsError](why); ok {
		return usage(why)
	}
	return why
}

// backplane is what the core is given: nil if the node is alone.
func (n *nodes) backplane() gateway.Backplane {
	if n.plane == nil {
		return nil
	}
	return n.plane
}

// peers are how parts of this node talk with their like on others: nil if the node is alone.
func (n *nodes) peers() gateway.Peers {
	if n.plane == nil {
		return nil
	}
	return n.plane
}

// forwarder hands requests to the nodes that they are for: nil if the node is alone.
func (n *nodes) forwarder() transport.Forwarder {
	if n.plane == nil {
		return nil
	}
	return n.plane
}

// forward hands requests to the nodes that they are for, as forwarder does.
func (n *nodes) forward() func(w http.ResponseWriter, r *http.Request, node string) error {
	if n.plane == nil {
		return nil
	}
	return n.plane.Forward
}

// claims are keys of REST callers, in the engine's store if there is an engine.
func (s *server) claims() restapi.Claims {
	e, c := s.nodes.engine, s.config
	if e == nil {
		return new(store.Claims)
	}
	return claims.NewBucket(claims.Options{
		JetStream: e.JetStream(), Prefix: c.NATS.Prefix, Replicas: e.Replicas(), Storage: e.Storage(), MaxBytes: claimsShare(c),
	})
}

// claimsShare is what keys of REST callers may take of the store, in bytes.
func claimsShare(c *config.Config) int64 {
	if c.External() {
		return claims.DefaultMaxBytes
	}
	return min(claims.DefaultMaxBytes, int64(c.Data.MaxBytes)/16)
}

// userGroups are memberships of users, in the engine's store if there is an engine.
func (s *server) userGroups() gateway.UserGroups {
	if s.nodes.kept != nil {
		return s.nodes.kept
	}
	return store.NewMemory(store.MemoryOptions{PerUser: func() int { return s.live.load().groupsPerUser }})
}
