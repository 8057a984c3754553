package gateway

import (
	"slices"

	"github.com/hubgate/hubgate/internal/filter"
)

// receivers are the connections of one worker that a command concerns.
type receivers struct {
	kind   TargetKind
	shard  *hubShard
	conns  []*Conn  // TargetConnections and TargetUsers
	groups []*group // TargetGroups
	except []string
	// exceptSet replaces except when it is long.
	exceptSet   map[string]struct{}
	exceptUsers []string
	// exceptUserSet replaces exceptUsers when it is long.
	exceptUserSet map[string]struct{}
	filter        *filter.Filter
}

// longExcept is from how many exclusions on a set is faster than comparing, although it has to be
// made for each command (BenchmarkExclusions).
const longExcept = 8

// each visits the open connections, on the worker that owns them.
func (r *receivers) each(visit func(*Conn)) {
	switch r.kind {
	case TargetAll:
		for _, c := range r.shard.conns {
			if r.wants(c) {
				visit(c)
			}
		}
	case TargetGroups:
		for _, g := range r.groups {
			s := g.shard(r.shard.worker.index)
			if s == nil {
				continue // another of the groups has members here
			}
			for _, m := range s.members {
				if r.wants(m.conn) {
					visit(m.conn)
				}
			}
		}
	default:
		for _, c := range r.conns {
			if c.place.slot >= 0 && r.wants(c) {
				visit(c)
			}
		}
	}
}

func (r *receivers) wants(c *Conn) bool {
	if c.id.User != "" && excluded(c.id.User, r.exceptUsers, r.exceptUserSet) {
		return false
	}
	return !excluded(c.id.ID, r.except, r.exceptSet) && (r.filter == nil || r.filter.Match(filtered{c}))
}

// filtered is a connection, as a filter sees it. Only its worker may ask for its groups.
type filtered struct{ *Conn }

// UserID implements filter.Subject.
func (f filtered) UserID() string { return f.id.User }

// ConnectionID implements filter.Subject.
func (f filtered) ConnectionID() string { return f.id.ID }

// InGroup implements filter.Subject.
func (f filtered) InGroup(name string) bool { return f.membership(name) != nil }

func excluded(id string, list []string, set map[string]struct{}) bool {
	if set != nil {
		_, found := set[id]
		return found
	}
	return len(list) > 0 && slices.Contains(list, id)
}

// longSet makes a set of a list of exclusions that is long, else nil.
func longSet(list []string) map[string]struct{} {
	if len(list) <= longExcept {
		return nil
	}
	set := make(map[string]struct{}, len(list))
	for _, id := range list {
		set[id] = struct{}{}
	}
	return set
}

// snapshot lists the connections for verbs that change membership while they visit.
func (r *receivers) snapshot() []*Conn {
	var list []*Conn
	r.each(func(c *Conn) { list = append(list, c) })
	return list
}

// plan splits a target by worker and hands each non-empty part to push. A part
// is resolved as far as it can be without the worker: connections and users to
// connections, groups to their objects.
func (h *hub) plan(t Target, push func(receivers)) {
	base := receivers{
		kind: t.Kind, except: t.Except, exceptSet: longSet(t.Except),
		exceptUsers: t.ExceptUsers, exceptUserSet: longSet(t.ExceptUsers), filter: t.Filter,
	}
	switch t.Kind {
	case TargetAll:
		for i := range h.shards {
			part := base
			part.shard = &h.shards[i]
			push(part)
		}
	case TargetGroups:
		h.planGroups(t.IDs, base, push)
	case TargetConnections, TargetUsers:
		h.planConns(h.resolve(t), base, push)
	}
}

func (h *hub) planGroups(names []string, base receivers, push func(receivers)) {
	var groups []*group
	for _, name := range names {
		if g := h.groups.get(name); g != nil {
			groups = append(groups, g)
		}
	}
	for i := range h.shards {
		if slices.ContainsFunc(groups, func(g *group) bool { return h.groups.reaches(g, i) }) {
			part := base
			part.shard, part.groups = &h.shards[i], groups
			push(part)
		}
	}
}

func (h *hub) planConns(conns []*Conn, base receivers, push func(receivers)) {
	for len(conns) > 0 {
		part := base
		part.shard = conns[0].shard
		var rest []*Conn
		for _, c := range conns {
			if c.shard == part.shard {
				part.conns = append(part.conns, c)
			} else {
				rest = append(rest, c)
			}
		}
		push(part)
		conns = rest
	}
}

// resolve finds the connections that a target names by id or user.
func (h *hub) resolve(t Target) []*Conn {
	var conns []*Conn
	for _, id := range t.IDs {
		if t.Kind == TargetUsers {
			conns = h.users.appendConns(conns, id)
			continue
		}
		if c := h.connection(id); c != nil {
			conns = append(conns, c)
		}
	}
	return conns
}

// connection returns an open connection of this hub by id.
func (h *hub) connection(id string) *Conn {
	c, dead := h.shards[0].worker.g.conns.lookup(id)
	if c == nil || dead || c.shard.hub != h || !c.life.state().may(mayHear) {
		return nil
	}
	return c
}
