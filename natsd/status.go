package natsd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// versionKey is where a node's version stands in what its server tells of itself.
const versionKey = "hubgate"

// addressKey is where it stands at which address others reach it. There is no host if that is where it comes from.
const addressKey = "hubgate-address"

const (
	// readyTime bounds how long Ready waits for the store.
	readyTime = 2 * time.Second
	// maxStreams bounds what is looked at of what a server keeps.
	maxStreams = 1000
)

// ErrNotReady is the error of an engine that does not do its work now.
var ErrNotReady = errors.New("the engine is not ready")

// Ready returns nil if the node is connected and the store answers; on a voter
// also, that it has everything the others have, so that the next voter may be
// restarted. Else it says what is missing. It takes two seconds at most.
func (e *Engine) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if !e.conn.IsConnected() {
		return fmt.Errorf("%w: not connected", ErrNotReady)
	}
	clustered := e.opts.Cluster != nil && e.opts.voter()
	switch {
	case clustered && !e.dir.hasStore():
		return fmt.Errorf("%w: this voter has no store yet; it waits for the others", ErrNotReady)
	case e.server() != nil && e.opts.voter() && e.storeStopped():
		return fmt.Errorf("%w: the store stopped; its disk may be full: %s", ErrNotReady, e.dir.path)
	case clustered && !e.server().JetStreamIsCurrent():
		return fmt.Errorf("%w: this voter does not know everything yet that the others have decided", ErrNotReady)
	}
	if _, err := e.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("%w: the store does not answer: %w", ErrNotReady, err)
	}
	if clustered {
		return e.hasAll(ctx)
	}
	return nil
}

// hasAll checks that this voter has all there is in what it keeps copies of.
// The leaders know what there is, but may take this voter for what it was before
// it lost its directory; so the voter's own copies are compared with theirs.
func (e *Engine) hasAll(ctx context.Context) error {
	names := e.js.StreamNames(ctx)
	var leaders []*jetstream.StreamInfo
	for name := range names.Name() {
		stream, err := e.js.Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("%w: %s does not answer: %w", ErrNotReady, name, err)
		}
		leaders = append(leaders, stream.CachedInfo())
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("%w: the store does not answer: %w", ErrNotReady, err)
	}
	// The own copies are looked at last: what is written meanwhile does not make them look old.
	own, err := e.copies()
	if err != nil {
		return err
	}
	for _, info := range leaders {
		if err := e.hasCopy(own, info); err != nil {
			return err
		}
	}
	return nil
}

// copies are the last records of what this voter keeps.
func (e *Engine) copies() (map[string]uint64, error) {
	info, err := e.server().Jsz(&server.JSzOptions{Accounts: true, Streams: true, Limit: maxStreams})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	own := make(map[string]uint64)
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			own[stream.Name] = stream.State.LastSeq
		}
	}
	return own, nil
}

// hasCopy compares one of them with the leader's.
func (e *Engine) hasCopy(own map[string]uint64, info *jetstream.StreamInfo) error {
	name := info.Config.Name
	if info.Cluster == nil || info.Cluster.Leader == "" {
		return fmt.Errorf("%w: %s has no leader", ErrNotReady, name)
	}
	if len(info.Cluster.Replicas)+1 < info.Config.Replicas {
		return fmt.Errorf("%w: %s does not have all its copies yet", ErrNotReady, name)
	}
	for _, replica := range info.Cluster.Replicas {
		if replica.Name != e.opts.Name {
			continue
		}
		last, there := own[name]
		if !there || last < info.State.LastSeq || !replica.Current || !e.server().JetStreamIsStreamCurrent(nodeAccount, name) {
			return fmt.Errorf("%w: this voter does not have all of %s yet", ErrNotReady, name)
		}
	}
	return nil
}

// Troubles counts what went wrong since the start, by kind. All kinds are there.
func (e *Engine) Troubles() map[Trouble]uint64 { return e.log.counts.Map() }

// Status is how the engine and the cluster are.
type Status struct {
	// Nodes are all nodes that answered, by name. With an external NATS there
	// is the server that the node is connected to.
	Nodes []NodeStatus
	// Leader is the voter that decides what the others write; "" if there is
	// none now, or only one node.
	Leader string
	// Voters is how many there are in the voters' group, and Quorum how many
	// have to be there for the store to be written to.
	Voters, Quorum int
	// VotersThere is how many of them answered.
	VotersThere int
}

// NodeStatus is one node.
type NodeStatus struct {
	// Name is the node's; Version and Engine are of the program and of its NATS server.
	Name, Version, Engine string
	// Voter says that the node keeps the store.
	Voter bool
	// Started is when the node's server started.
	Started time.Time
	// Routes is how many other nodes it is connected to.
	Routes int
	// Lag is how many decisions of the voters this voter has not carried out yet.
	Lag uint64
	// SlowConsumers is how many subscribers and routes were cut off because
	// they did not take what there was for them. It stays 0 in a healthy cluster.
	SlowConsumers int64
}

// Status asks all nodes. It takes as long as the slowest of them, at most two
// seconds; nodes that do not answer are not in it.
func (e *Engine) Status(ctx context.Context) (Status, error) {
	if e.server() == nil {
		return e.externalStatus(), nil
	}
	answers, err := askAll[server.ServerStats](ctx, e, "STATSZ", struct{}{})
	if err != nil {
		return Status{}, err
	}
	groups, err := e.groups(ctx)
	if err != nil {
		return Status{}, err
	}
	var s Status
	for _, a := range answers {
		s.Nodes = append(s.Nodes, NodeStatus{
			Name: a.Server.Name, Version: a.Server.Metadata[versionKey], Engine: a.Server.Version,
			Voter:   a.Stats.JetStream != nil,
			Started: a.Stats.Start, SlowConsumers: a.Stats.SlowConsumers,
			Routes: countNodes(a.Stats.Routes),
		})
	}
	slices.SortFunc(s.Nodes, func(a, b NodeStatus) int { return cmp.Compare(a.Name, b.Name) })
	s.addGroups(groups)
	if e.opts.Cluster == nil {
		s.Voters, s.VotersThere, s.Quorum = 1, 1, 1
	}
	return s, nil
}

// countNodes counts the nodes that a server's routes lead to: there are several to each.
func countNodes(routes []*server.RouteStat) int {
	var names []string
	for _, r := range routes {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return len(slices.Compact(names))
}

// addGroups adds what the voters say of their group. The leader knows best.
func (s *Status) addGroups(groups []group) {
	var most uint64
	for _, g := range groups {
		most = max(most, g.Committed)
		if s.Voters == 0 || g.State == stateLeader {
			s.Voters, s.Quorum = g.Size, g.Needed
		}
		if g.State == stateLeader {
			s.Leader = g.name
		}
	}
	s.VotersThere = len(groups)
	for i, node := range s.Nodes {
		for _, g := range groups {
			if g.name == node.Name {
				s.Nodes[i].Lag = most - min(g.Applied, most)
			}
		}
	}
}

func (e *Engine) externalStatus() Status {
	if !e.conn.IsConnected() {
		return Status{}
	}
	return Status{Nodes: []NodeStatus{{
		Name: e.conn.ConnectedServerName(), Engine: e.conn.ConnectedServerVersion(), Voter: true,
	}}}
}
