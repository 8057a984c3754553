package gateway

import (
	"context"
	"time"
)

// UserGroups stores memberships that stand for a user, connected or not.
// Implementations are safe for concurrent use; entries past their end are
// never listed.
type UserGroups interface {
	// Put adds or renews a membership; a zero until means without TTL.
	Put(ctx context.Context, hub, user, group string, until time.Time) error
	Delete(ctx context.Context, hub, user, group string) error
	DeleteAll(ctx context.Context, hub, user string) error
	List(ctx context.Context, hub, user string) ([]StandingGroup, error)
}

// StandingGroup is one membership of a user. A zero Until means without TTL.
type StandingGroup struct {
	Group string
	Until time.Time
}

// AddUserToGroup adds a user to a group, now and when it connects later. With
// a ttl the membership ends after that time, for live connections too; with
// ttl 0 only the connections that are online join, and nothing is stored.
func (g *Gateway) AddUserToGroup(ctx context.Context, hub, user, group string, ttl *time.Duration) error {
	m := Membership{ByUser: true}
	switch {
	case ttl == nil:
	case *ttl == 0:
		m.ByUser = false
	default:
		m.Until = time.Now().Add(*ttl)
	}
	if m.ByUser {
		// Stored first: a client that connects from now on finds it there, and
		// one that is connecting is reached by the join below.
		if err := g.opts.UserGroups.Put(ctx, hub, user, group, m.Until); err != nil {
			return err
		}
	}
	_, err := g.Do(ctx, &Command{Hub: hub, Verb: VerbJoin, Target: userTarget(user), Group: group, Membership: m})
	return err
}

// RemoveUserFromGroup ends the user's membership and takes its connections out.
func (g *Gateway) RemoveUserFromGroup(ctx context.Context, hub, user, group string) error {
	if err := g.opts.UserGroups.Delete(ctx, hub, user, group); err != nil {
		return err
	}
	_, err := g.Do(ctx, &Command{Hub: hub, Verb: VerbLeave, Target: userTarget(user), Group: group})
	return err
}

// RemoveUserFromAllGroups ends every membership of the user and of its connections.
func (g *Gateway) RemoveUserFromAllGroups(ctx context.Context, hub, user string) error {
	if err := g.opts.UserGroups.DeleteAll(ctx, hub, user); err != nil {
		return err
	}
	_, err := g.Do(ctx, &Command{Hub: hub, Verb: VerbLeaveAll, Target: userTarget(user)})
	return err
}

// UserInGroup reports whether the user is in the group: by a stored membership
// or by one of its connections.
func (g *Gateway) UserInGroup(ctx context.Context, hub, user, group string) (bool, error) {
	standing, err := g.opts.UserGroups.List(ctx, hub, user)
	if err != nil {
		return false, err
	}
	for _, s := range standing {
		if s.Group == group {
			return true, nil
		}
	}
	r, err := g.Do(ctx, &Command{Hub: hub, Verb: VerbCount, Target: userTarget(user), Group: group, Any: true})
	return r.Matched > 0, err
}

func userTarget(user string) Target { return Target{Kind: TargetUsers, IDs: []string{user}} }

// standingTimeout bounds how long a connecting client waits for the store.
const standingTimeout = 5 * time.Second

// standingGroups reads what the connection's user is a member of and pins the groups.
func (c *Conn) standingGroups() []pinnedGroup {
	var pinned []pinnedGroup
	for _, s := range c.listStanding() {
		pinned = append(pinned, pinnedGroup{
			group:      c.shard.hub.groups.pin(s.Group, c.shard.worker.index),
			membership: Membership{ByUser: true, Until: s.Until},
		})
	}
	return pinned
}

func (c *Conn) listStanding() []StandingGroup {
	ctx, cancel := context.WithTimeout(context.Background(), standingTimeout)
	defer cancel()
	list, err := c.g.opts.UserGroups.List(ctx, c.id.Hub, c.id.User)
	if err != nil {
		c.Logger().Error("groups of the user not joined yet: the store is asked again", "err", err)
		c.g.standing.add(c)
	}
	return list
}

// noUserGroups is a store that keeps nothing.
type noUserGroups struct{}

func (noUserGroups) Put(context.Context, string, string, string, time.Time) error { return nil }
func (noUserGroups) Delete(context.Context, string, string, string) error         { return nil }
func (noUserGroups) DeleteAll(context.Context, string, string) error              { return nil }
func (noUserGroups) List(context.Context, string, string) ([]StandingGroup, error) {
	return nil, nil
}
