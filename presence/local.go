package presence

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

const (
	// maxPage is how many a page has at most, defaultPage how many if nobody says.
	maxPage, defaultPage = 1000, 200
	// maxGroups is how many groups of a connection are named.
	maxGroups = 20
	// maxPageBytes bounds the names in a node's part of a page. One entry may be larger.
	maxPageBytes = 1 << 20
	// maxHashed bounds the users, and the groups, of one node that can be counted over several.
	maxHashed = 2 << 20
)

// local is what this node has.
type local struct {
	hub  *gateway.Gateway
	kept kept
	gone departures
}

var errTooManyNames = fmt.Errorf("%w: there are too many users or groups to count them over several nodes", gateway.ErrIncomplete)

// fits refuses what is too large to be told to another node.
func (a *answer) fits() error {
	if max(len(a.Users), len(a.Groups)) > 8*maxHashed {
		return errTooManyNames
	}
	return nil
}

// answer answers a question for this node. Hashed asks for the names behind counts.
func (l *local) answer(ctx context.Context, q *question) (a *answer, err error) {
	switch q.Kind {
	case kindConnections:
		a, err = l.connections(ctx, q)
	case kindUsers, kindGroups:
		a, err = l.named(ctx, q)
	case kindCounts:
		a, err = l.counts(ctx, q)
	default:
		err = errors.New("an unknown question")
	}
	if err != nil {
		return nil, err
	}
	a.Moved = l.gone.since(q.Hub)
	return a, nil
}

// names are those of the listing, kept or taken now.
func (l *local) names(ctx context.Context, q *question) (*names, error) {
	of := listing{q.Listing, q.Kind, q.Hub, q.User, q.Group}
	if q.After != "" {
		if n := l.kept.get(of); n != nil {
			return n, nil
		}
	}
	begun := l.kept.begin(of)
	list, err := l.take(ctx, q)
	if err != nil {
		return l.kept.end(of, begun, nil), err
	}
	return l.kept.end(of, begun, order(list, l.restSorted)), nil
}

// restSorted and restPage let messages go first after some names were sorted, and after so many entries of a page
// were made, for some ten times as long as that takes.
func (l *local) restSorted(names int) { l.rest(names, 2500*time.Nanosecond) }

func (l *local) restPage(entries int) { l.rest(entries, 20*time.Microsecond) }

// maxRest bounds one rest, so that the largest lists come to their end in time.
const maxRest = 20 * time.Millisecond

func (l *local) rest(n int, each time.Duration) {
	l.hub.GiveWay(min(time.Duration(n)*each, maxRest))
}

// take returns all ids or names of a list, in no order.
func (l *local) take(ctx context.Context, q *question) (list []string, err error) {
	switch {
	case q.Kind == kindUsers && q.Group == "":
		l.hub.EachUser(q.Hub, func(user string) { list = append(list, user) })
		return list, nil
	case q.Kind == kindGroups && q.User == "":
		l.hub.EachGroup(q.Hub, func(group string) { list = append(list, group) })
		return list, nil
	case q.Kind == kindConnections:
		conns, err := l.roll(ctx, q)
		for _, c := range conns {
			list = append(list, c.Identity().ID)
		}
		return list, err
	}
	counts, err := l.within(ctx, q)
	for name := range counts {
		list = append(list, name)
	}
	return list, err
}

// roll returns the connections that the filters match.
func (l *local) roll(ctx context.Context, q *question) ([]*gateway.Conn, error) {
	switch {
	case q.User != "":
		return l.hub.Roll(ctx, q.Hub, gateway.Target{Kind: gateway.TargetUsers, IDs: []string{q.User}}, q.Group)
	case q.Group != "":
		return l.hub.Roll(ctx, q.Hub, gateway.Target{Kind: gateway.TargetGroups, IDs: []string{q.Group}}, "")
	}
	return l.hub.Roll(ctx, q.Hub, gateway.Target{Kind: gateway.TargetAll}, "")
}

// within returns the users in a group, or the groups of a user, with the number of connections.
func (l *local) within(ctx context.Context, q *question) (map[string]int, error) {
	conns, err := l.roll(ctx, q)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int)
	if q.Kind == kindUsers {
		for _, c := range conns {
			if user := c.Identity().User; user != "" {
				counts[user]++
			}
		}
		return counts, nil
	}
	groups, err := l.hub.GroupsOf(ctx, conns, keptNames)
	for _, in := range groups {
		for _, name := range in.Names {
			counts[name]++
		}
	}
	return counts, err
}

// connections returns a page of connections.
func (l *local) connections(ctx context.Context, q *question) (*answer, error) {
	names, err := l.names(ctx, q)
	if err != nil {
		return nil, err
	}
	a := &answer{Count: names.total}
	var conns []*gateway.Conn
	names.after(q.After, func(id string) bool {
		c, dead := l.hub.Lookup(id)
		if c == nil || dead || !c.IsOpen() || c.Identity().Hub != q.Hub {
			return true
		}
		if a.More = len(conns) == q.Max; !a.More {
			conns = append(conns, c)
		}
		return !a.More
	})
	groups, err := l.hub.GroupsOf(ctx, conns, maxGroups)
	if err != nil {
		return nil, err
	}
	size := 0
	for i, c := range conns {
		one := l.describe(c, groups[i], q.Addresses)
		for _, text := range append(one.Groups, one.ConnectionId, one.UserId) {
			size += len(text)
		}
		if size > maxPageBytes && i > 0 {
			a.More = true
			break
		}
		a.Connections = append(a.Connections, one)
	}
	l.restPage(len(a.Connections))
	return a, nil
}

func (l *local) describe(c *gateway.Conn, in gateway.InGroups, addresses bool) Connection {
	id := c.Identity()
	one := Connection{
		ConnectionId: id.ID, UserId: id.User, Groups: in.Names, GroupCount: in.Count, Transport: c.Transport().Name(),
		Protocol: c.Protocol(), ConnectedAt: c.Since().UTC(), Node: l.hub.Name(), State: Open,
	}
	if one.Groups == nil {
		one.Groups = []string{}
	}
	slices.Sort(one.Groups)
	if c.IsAway() {
		one.State = Away
	}
	if addresses {
		one.RemoteAddress = id.RemoteAddr
	}
	return one
}

// named returns a page of users or groups.
func (l *local) named(ctx context.Context, q *question) (*answer, error) {
	names, err := l.names(ctx, q)
	if err != nil {
		return nil, err
	}
	count, err := l.counter(ctx, q)
	if err != nil {
		return nil, err
	}
	a, size := &answer{}, 0
	names.after(q.After, func(name string) bool {
		n := count(name)
		if n == 0 {
			return true
		}
		size += len(name)
		if a.More = len(a.Names) == q.Max || size > maxPageBytes && len(a.Names) > 0; !a.More {
			a.Names = append(a.Names, named{name, n})
		}
		return !a.More
	})
	l.restPage(len(a.Names))
	return a, nil
}

// counter returns what counts the connections of a user or a group.
func (l *local) counter(ctx context.Context, q *question) (func(name string) int, error) {
	switch {
	case q.Kind == kindUsers && q.Group == "":
		return func(user string) int { return l.hub.UserConnections(q.Hub, user) }, nil
	case q.Kind == kindGroups && q.User == "":
		return func(group string) int { return l.hub.GroupConnections(q.Hub, group) }, nil
	}
	counts, err := l.within(ctx, q)
	return func(name string) int { return counts[name] }, err
}

// counts returns the number of connections, and the hashes of the names of users and groups.
func (l *local) counts(ctx context.Context, q *question) (*answer, error) {
	conns, err := l.roll(ctx, q)
	if err != nil {
		return nil, err
	}
	a := &answer{Count: len(conns)}
	l.hub.EachUser(q.Hub, func(user string) { a.Users = appendHash(a.Users, user) })
	var groups []string
	l.hub.EachGroup(q.Hub, func(group string) { groups = append(groups, group) })
	for _, group := range groups {
		if l.hub.GroupConnections(q.Hub, group) > 0 {
			a.Groups = appendHash(a.Groups, group)
		}
	}
	return a, nil
}

// appendHash appends eight bytes that stand for a name: FNV-1a, the same on all nodes. That two names of
// a hub share them does not happen, and if it did a count would be off by one.
func appendHash(dst []byte, name string) []byte {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return binary.BigEndian.AppendUint64(dst, h)
}

// different counts the different hashes in several lists.
func different(lists ...[]byte) int {
	if len(lists) == 1 {
		return len(lists[0]) / 8
	}
	seen := make(map[uint64]struct{})
	for _, list := range lists {
		for ; len(list) >= 8; list = list[8:] {
			seen[binary.BigEndian.Uint64(list)] = struct{}{}
		}
	}
	return len(seen)
}
