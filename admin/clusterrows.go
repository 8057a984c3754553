package admin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ClusterColumns are the columns of ClusterStatus.Rows.
var ClusterColumns = [9]string{"node", "state", "version", "up for", "store", "lag", "routes", "round trip", "waiting"}

// Rows are the nodes by name, as people read them: what the node that was asked sees of the others,
// and what each says of itself.
func (s *ClusterStatus) Rows() (rows [][]string) {
	names := []string{s.Node}
	peers := make(map[string]*Peer)
	for i := range s.Peers {
		names = append(names, s.Peers[i].Node)
		peers[s.Peers[i].Node] = &s.Peers[i]
	}
	engines := make(map[string]*NodeStatus)
	for i := range s.Nodes {
		names = append(names, s.Nodes[i].Name)
		engines[s.Nodes[i].Name] = &s.Nodes[i]
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		row := slices.Repeat([]string{"-"}, len(ClusterColumns))
		row[0] = name
		if name == s.Node {
			row[1], row[2] = "asked", s.Version
		}
		peers[name].fill(row)
		engines[name].fill(row)
		rows = append(rows, row)
	}
	return rows
}

// fill writes what is known of a peer into its row.
func (p *Peer) fill(row []string) {
	if p == nil {
		return
	}
	row[1], row[2], row[3] = p.State, p.Version, p.Age.Round(time.Second).String()
	row[7], row[8] = p.RoundTrip.Round(10*time.Microsecond).String(), fmt.Sprintf("%d B", p.QueuedBytes)
}

// fill writes what a node says of itself into its row.
func (n *NodeStatus) fill(row []string) {
	if n == nil {
		return
	}
	row[2], row[6] = cmp.Or(n.Version, row[2]), fmt.Sprint(n.Routes)
	if row[3] == "" && !n.Started.IsZero() {
		row[3] = time.Since(n.Started).Round(time.Second).String()
	}
	if n.Voter {
		row[4], row[5] = "voter", fmt.Sprint(n.Lag)
	}
}

// StoreLine says in a sentence how the store is.
func (s *ClusterStatus) StoreLine() string {
	copies := max(s.Store.Copies, 1)
	voters := s.Store.Voters > 0 || len(s.Store.Named) > 0
	switch outside := "store: kept by the NATS server outside"; {
	case s.Alone:
		return "store: of this node alone"
	case !voters && len(s.Nodes) == 0:
		return outside + ", which this node does not reach"
	case !voters:
		return fmt.Sprintf("%s; copies: %d", outside, copies)
	}
	return fmt.Sprintf("store: %d of %d voters are there, %d have to be; %d copies; %s leads",
		s.Store.There, s.Store.Voters, s.Store.Quorum, copies, cmp.Or(s.Store.Leader, "nobody"))
}

// Oddities are lines about what should not be.
func (s *ClusterStatus) Oddities() (lines []string) {
	if s.Error != "" {
		lines = append(lines, "the nodes could not be asked: "+s.Error)
	}
	if !s.Alone {
		lines = append(lines, s.Settings.oddities()...)
	}
	for _, node := range slices.Sorted(maps.Keys(s.Unlike)) {
		lines = append(lines, fmt.Sprintf("node %s has other settings than node %s: %s", node, s.Node, strings.Join(s.Unlike[node], ", ")))
	}
	dropped := make(map[string]uint64)
	maps.Copy(dropped, s.Former.Dropped)
	for i := range s.Peers {
		for reason, n := range s.Peers[i].Books.Dropped {
			dropped[reason] += n
		}
	}
	for _, c := range []struct {
		what   string
		counts map[string]uint64
	}{
		{"messages that did not get to a node", dropped}, {"troubles of the engine", s.Engine.Troubles}, {"events of the store", s.Engine.Store},
	} {
		if text := nonZero(c.counts); text != "" {
			lines = append(lines, c.what+" since this node started: "+text)
		}
	}
	for _, n := range s.Nodes {
		if n.SlowConsumers > 0 {
			lines = append(lines, fmt.Sprintf("node %s cut off %d slow consumers", n.Name, n.SlowConsumers))
		}
	}
	return lines
}

// nonZero lists the counters that are not zero, by name.
func nonZero(counts map[string]uint64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", reason, n))
		}
	}
	return strings.Join(parts, ", ")
}
