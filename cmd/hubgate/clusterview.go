package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/management"
)

// storePatience is how long a node that has just started gets no clients because the store does not
// answer. It is enough for a voter to be given everything by the others. After that the node takes
// clients: all but the store works.
const storePatience = time.Minute

// clusterView is what the admin address shows and asks of the nodes.
type clusterView struct {
	*nodes
	config *config.Config
	began  time.Time
	// joined: the node has known all others once; stored: the store has answered once.
	joined, stored atomic.Bool
	// try says whether this node could put shared settings in force.
	try func(text []byte) error
	// manage returns the settings in force.
	manage func() *management.Service
}

// available is asked for each request by the REST API: before the node knows the others, a message
// would not reach their clients.
func (n *nodes) available() error {
	if n.plane == nil || n.whole.Load() {
		return nil
	}
	if !n.view.knowsOthers() {
		return fmt.Errorf("%w: this node does not know for whom the others take messages yet", gateway.ErrIncomplete)
	}
	n.whole.Store(true)
	return nil
}

// knowsOthers says whether the node has met those that it was told to look for, or has looked for them
// long enough.
func (v *clusterView) knowsOthers() bool {
	agreed := v.plane.Agreed()
	if !v.plane.Ready() {
		return agreed && reachesAny(v.plane.Stats().Peers)
	}
	if agreed || v.joined.Load() || time.Since(v.began) > storePatience {
		return true
	}
	return !reachesAny(v.plane.Stats().Peers) && len(v.config.Cluster.Peer) == 0
}

func newClusterView(n *nodes, c *config.Config) *clusterView {
	return &clusterView{nodes: n, config: c, began: time.Now()}
}

var errNoShared = errors.New("the store has not told yet which settings the nodes share")

var errNoRecord = errors.New("this node has no record in the store yet")

// NotReady implements admin.Cluster.
func (v *clusterView) NotReady(ctx context.Context) string {
	if v.plane == nil {
		return v.deliveries.notReady()
	}
	stats := v.plane.Stats()
	known := v.knowsOthers()
	switch {
	case v.isolation.on.Load():
		return "isolated: this node cannot reach the others"
	case known:
		v.joined.Store(true)
	case !v.joined.Load() || !reachesAny(stats.Peers):
		return "joining: not all nodes have told for whom they take messages"
	}
	if v.stored.Load() {
		return ""
	}
	err := v.engine.Ready(ctx)
	if err == nil && v.life.Stats().Lease.Fenced {
		// Until then it tells of no client's end, and nobody else would if it ended.
		err = errNoRecord
	}
	if err == nil && !v.shared.state().Known {
		err = errNoShared
	}
	if err == nil || time.Since(v.began) > storePatience {
		v.stored.Store(true)
		return ""
	}
	return "joining: " + err.Error()
}

// reachesAny says whether there is a node that gets messages.
func reachesAny(peers []cluster.PeerStats) bool {
	return slices.ContainsFunc(peers, func(p cluster.PeerStats) bool { return p.State == cluster.PeerUp })
}

// Stats implements admin.Cluster.
func (v *clusterView) Stats() admin.ClusterStats {
	s := admin.ClusterStats{Node: v.config.Network.Node, Version: version(), Peers: []admin.Peer{}}
	if at := v.engine.Address(); at != nil {
		s.Address = at.String()
	}
	s.Engine = admin.EngineStats{Troubles: texts(v.engine.Troubles()), Store: texts(v.kept.Events())}
	if v.plane == nil {
		s.Node, s.Alone = nodeName(v.config), true
		return s
	}
	s.Incarnation = v.plane.Self().String()
	s.Engine.DroppedPackets = v.carrier.Dropped()
	noted := v.life.Stats()
	s.Engine.Life, s.Engine.Lease, s.Engine.Fenced = texts(noted.Events), texts(noted.Lease.Events), noted.Lease.Fenced
	s.Settings = v.shared.state()
	s.Lease, s.Unlike = v.config.Cluster.Lease, noted.Lease.Unlike
	now := v.plane.Stats()
	s.Isolated, s.Names, s.Late = v.isolation.on.Load(), now.Names, now.LateAnnouncements
	s.Odd = admin.OddPackets{Malformed: now.Malformed, Ignored: now.Ignored, Strangers: now.Strangers}
	s.Former = booksOf(&now.Former)
	for i := range now.Peers {
		p := &now.Peers[i]
		s.Peers = append(s.Peers, admin.Peer{
			Node: p.Node.Tag, Incarnation: p.Node.String(), State: string(p.State), Version: p.Software, Protocol: p.Version,
			Age: p.Age, RoundTrip: p.RoundTrip, QueuedBytes: p.QueuedBytes, Books: booksOf(&p.Books),
		})
	}
	return s
}

func booksOf(b *cluster.PeerBooks) admin.CommandBooks {
	books := admin.CommandBooks{
		Handed: b.Handed, Acknowledged: b.Acknowledged, Queued: b.Queued, Received: b.Received,
		Dropped: map[string]uint64{string(cluster.DropPeerBehind): 0, string(cluster.DropPeerLost): 0},
	}
	for why, n := range b.Dropped {
		books.Dropped[string(why)] = n
	}
	return books
}

func texts[K ~string](counts map[K]uint64) map[string]uint64 {
	all := make(map[string]uint64, len(counts))
	for reason, n := range counts {
		all[string(reason)] = n
	}
	return all
}

// Status implements admin.Cluster.
func (v *clusterView) Status(ctx context.Context) admin.ClusterStatus {
	s := admin.ClusterStatus{ClusterStats: v.Stats(), NotReady: v.NotReady(ctx), Nodes: []admin.NodeStatus{}}
	s.Store.Named = append([]string{}, v.config.Cluster.Voter...)
	s.Store.Copies = v.engine.Replicas()
	seen, err := v.engine.Status(ctx)
	if err != nil {
		s.Error = err.Error()
		return s
	}
	s.Store.Voters, s.Store.There, s.Store.Quorum, s.Store.Leader = seen.Voters, seen.VotersThere, seen.Quorum, seen.Leader
	for _, n := range seen.Nodes {
		s.Nodes = append(s.Nodes, admin.NodeStatus(n))
	}
	return s
}

// RemoveVoter implements admin.Cluster.
func (v *clusterView) RemoveVoter(ctx context.Context, name string) error {
	return v.engine.RemoveVoter(ctx, name)
}

// Export implements admin.Cluster.
func (v *clusterView) Export(ctx context.Context, w io.Writer) (int, error) {
	return v.kept.Export(ctx, w)
}

// Import implements admin.Cluster.
func (v *clusterView) Import(ctx context.Context, r io.Reader) (admin.Imported, error) {
	done, err := v.kept.Import(ctx, r)
	if err != nil {
		err = fmt.Errorf("%w; memberships of %d users were stored before", err, done.Users)
	}
	return admin.Imported(done), err
}
