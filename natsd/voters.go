package natsd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The voters agree on what the store holds, and on who they are, as the server
// does: by Raft, in one group for all. The server would found such a group by a
// guess of its size, and let everybody into it. Here a voter without a store
// first looks who else is there. If there is a group, it joins that, or is kept
// out because the group is complete: each voter more makes the store stop
// earlier. If there is none, the voter whose name comes first founds it, alone,
// when it sees most of the others, and those join. It must see most: were there
// a group of which it has lost the memory, one of them would know.

// ErrVoterUnknown refuses a voter that the running voters do not have among
// them, while they are complete.
var ErrVoterUnknown = errors.New("the voters of the cluster are complete without this node")

const (
	metaGroup   = "_meta_"
	stateLeader = "LEADER"
	// settleTime is how long Start waits for a voter without a store to find its
	// place, and settlePause how long between two looks.
	settleTime  = time.Second
	settlePause = 100 * time.Millisecond

	idLength = 8 // of a voter, as the server hashes its name
)

// group is the voters' group as one of them sees it.
type group struct {
	ID            string               `json:"id"`
	State         string               `json:"state"`
	Size          int                  `json:"size"`
	Needed        int                  `json:"quorum_needed"`
	Applied       uint64               `json:"applied"`
	Committed     uint64               `json:"committed"`
	Leader        string               `json:"leader"`
	EverHadLeader bool                 `json:"ever_had_leader"`
	Peers         map[string]groupPeer `json:"peers"`

	name string // of the voter that says so
}

type groupPeer struct {
	Name  string `json:"name"`
	Known bool   `json:"known"`
}

// members are the ids of all voters in the group.
func (g group) members() []string {
	ids := []string{g.ID}
	for id := range g.Peers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// names are the members' names, as far as they are known.
func (g group) names() []string {
	names := []string{g.name}
	for id, peer := range g.Peers {
		names = append(names, orID(peer.Name, id))
	}
	slices.Sort(names)
	return names
}

func orID(name, id string) string {
	if name == "" {
		return id
	}
	return name
}

// formed reports whether the group has ever agreed on something. One that has
// not is another voter that waits as this one does.
func (g group) formed() bool { return g.Leader != "" || g.EverHadLeader || g.Applied > 0 }

// seen is one node, and what it says of the store.
type seen struct {
	name  string
	at    string
	store string
	group *group
}

// What a node says of its store, in the server's metadata. Nodes that are not
// voters say nothing.
const (
	storeKey = "hubgate-store"
	// storeWanted is a voter's that has none yet.
	storeWanted = "wanted"
	// storeKept is a voter's that has one, even if it does not run now.
	storeKept = "kept"
)

// look asks every node.
func (e *Engine) look(ctx context.Context) ([]seen, error) {
	type raftz map[string]map[string]group
	question := map[string]string{"account": systemAccount, "group": metaGroup}
	answers, err := askAll[raftz](ctx, e, "RAFTZ", question)
	var list []seen
	for _, a := range answers {
		s := seen{name: a.Server.Name, at: e.addressOf(a.Server.Name, a.Server.Metadata[addressKey]), store: a.Server.Metadata[storeKey]}
		if g, ok := a.Data[systemAccount][metaGroup]; ok && g.ID != "" {
			g.name = a.Server.Name
			s.group = &g
		}
		list = append(list, s)
	}
	return list, err
}

// groups asks every voter for the group.
func (e *Engine) groups(ctx context.Context) ([]group, error) {
	nodes, err := e.look(ctx)
	var list []group
	for _, n := range nodes {
		if n.group != nil {
			list = append(list, *n.group)
		}
	}
	return list, err
}

// metaDirectory is where the server keeps what the group has agreed on.
func (d *directory) metaDirectory() string {
	return filepath.Join(d.path, "jetstream", systemAccount, "_js_", metaGroup)
}

// membersFile is the server's file with the members of the group. The server
// founds a group if it is not there.
func (d *directory) membersFile() string { return filepath.Join(d.metaDirectory(), "peers.idx") }

// hasStore reports whether the voter has one of before.
func (d *directory) hasStore() bool {
	_, err := os.Stat(d.membersFile())
	return err == nil
}

// settle finds the place of a voter without a store among the others: the
// server's file is written then, and the store started. The result is whether
// that was possible yet. The error is ErrVoterUnknown, or one of writing.
func (e *Engine) settle(ctx, looking context.Context) (settled bool, err error) {
	nodes, err := e.look(looking)
	if err != nil {
		return false, nil // asked again soon
	}
	id := e.server().Node()[:idLength]
	members, size := []string{id}, 1
	switch g := best(nodes); {
	case g != nil:
		if members, size, err = e.place(*g, id); err != nil || members == nil {
			return false, err
		}
	case !e.founds(nodes):
		return false, nil
	}
	if err := e.dir.writeMembers(size, members); err != nil {
		return false, err
	}
	// The server forgets when it starts again of whom it was told, and so may they of it at the same time.
	for _, n := range nodes {
		if n.name != e.opts.Name {
			e.routes.met(n.at)
		}
	}
	return true, e.startStore(ctx)
}

// startStore starts the server again, now with a store. Running servers take
// one too, but do not count themselves among the voters then.
func (e *Engine) startStore(ctx context.Context) error {
	e.sayAgain()
	e.shutdownServer()
	e.log.startAgain()
	return e.startServer(ctx, e.routes.current(), true)
}

// best returns the group that the nodes know of, or nil. It is the one that has
// a leader, if there is any.
func best(nodes []seen) *group {
	var found *group
	for _, n := range nodes {
		if n.group != nil && n.group.formed() && (found == nil || found.Leader == "") {
			found = n.group
		}
	}
	return found
}

// founds reports whether this node is the one to found the group, and may.
func (e *Engine) founds(nodes []seen) bool {
	voters := e.opts.Cluster.Voters
	if e.opts.Name != slices.Min(voters) {
		return false
	}
	wanting := 0
	for _, n := range nodes {
		switch {
		case n.store == storeKept:
			return false // its group will have a leader, or has been lost with too many voters
		case n.store == storeWanted && slices.Contains(voters, n.name):
			wanting++
		}
	}
	return wanting > len(voters)/2
}

// place returns the members and the size that a voter begins with: it is one of
// them already and has lost its directory, or there is room for it. Nil means
// that it has to wait until there is a leader.
func (e *Engine) place(g group, id string) (members []string, size int, err error) {
	members = g.members()
	switch {
	case slices.Contains(members, id):
		return members, g.Size, nil
	case len(members) >= len(e.opts.Cluster.Voters):
		return nil, 0, fmt.Errorf("%w: they are %s, and this one is %q. Start it under the name of one of them that has lost its directory, or take one out that is gone for good (replace-voter), and start it again",
			ErrVoterUnknown, strings.Join(g.names(), ", "), e.opts.Name)
	case g.Leader == "":
		return nil, 0, nil
	}
	members = append(members, id)
	return members, max(g.Size, len(members)), nil
}

// writeMembers writes the server's file: the size of the group, and the
// members that are known.
func (d *directory) writeMembers(size int, members []string) error {
	if err := os.MkdirAll(d.metaDirectory(), 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	text := binary.LittleEndian.AppendUint32(nil, uint32(size))
	text = binary.LittleEndian.AppendUint32(text, uint32(len(members)))
	for _, id := range members {
		text = append(text, id...)
	}
	text = binary.LittleEndian.AppendUint16(text, 0)
	if err := writeSynced(d.membersFile(), text); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	return nil
}
