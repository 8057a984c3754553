package gateway

import (
	"sync"
	"sync/atomic"
	"time"
)

// group is one group's members on this node, by worker.
type group struct {
	name string
	// shards are those of workers that the group has had members of; nil elsewhere, for most
	// groups are small and there may be many workers.
	shards []atomic.Pointer[groupShard]
	// notice is there until the other nodes know of the group; nil if there is nobody to tell.
	notice atomic.Pointer[notice]
}

// shard returns the worker's members, nil if it has never had one.
func (g *group) shard(worker int) *groupShard { return g.shards[worker].Load() }

type groupShard struct {
	// members are owned by the worker.
	members []*member
	// size is len(members), for those who decide which workers a send concerns.
	size atomic.Int32
	// pins are joins on their way to the worker: a send queued behind one must
	// reach the worker although the group is still empty. Guarded by groupTable.mu.
	pins int32
}

// member is one connection in one group. Owned by the connection's worker.
type member struct {
	group *group
	conn  *Conn
	// inGroup and inConn are the positions in group.shards[w].members and conn.groups.
	inGroup, inConn int32
	// direct: joined for itself; byUser: joined because its user did. Both can
	// be true, and the membership lasts as long as one is.
	direct, byUser bool
	// until ends the membership by user; zero means it has no end.
	until time.Time
	// left: the membership has ended. listed: it is among the shard's expiring ones.
	left, listed bool
}

// groupTable holds the groups of a hub that have members or are about to.
type groupTable struct {
	hub     string
	workers int
	// announcer is told which groups there are; nil if nobody wants to know.
	announcer Announcer
	mu        sync.RWMutex
	groups    map[string]*group
}

func (t *groupTable) init(hub string, workers int, announcer Announcer) {
	t.hub, t.workers, t.announcer, t.groups = hub, workers, announcer, make(map[string]*group)
}

func (t *groupTable) name(group string) Name {
	return Name{Kind: NameGroup, Hub: t.hub, Name: group}
}

// get returns the group, nil if it has no members here.
func (t *groupTable) get(name string) *group {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.groups[name]
}

// pin returns the group with one more join on its way to the worker. A group that is new is
// announced: there is one announcement for each object of a group, and one withdrawal.
func (t *groupTable) pin(name string, worker int) *group {
	g, made := t.take(name, worker, nil)
	if n := g.notice.Load(); made && n != nil {
		t.announcer.Announce([]Name{t.name(name)}, func() {
			g.notice.Store(nil)
			n.settle()
		})
	}
	return g
}

// take is pin for a caller that announces the group itself if it was made, with the notice. That is
// nil for one of its own.
func (t *groupTable) take(name string, worker int, n *notice) (g *group, made bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g = t.groups[name]
	if g == nil {
		g, made = &group{name: name, shards: make([]atomic.Pointer[groupShard], t.workers)}, true
		if t.announcer != nil {
			if n == nil {
				n = new(notice)
			}
			g.notice.Store(n)
		}
		t.groups[name] = g
	}
	s := g.shard(worker)
	if s == nil {
		s = new(groupShard)
		g.shards[worker].Store(s)
	}
	s.pins++
	return g, made
}

// unpin takes a pin back and forgets the group if it is empty.
func (t *groupTable) unpin(g *group, worker int) {
	t.mu.Lock()
	g.shard(worker).pins--
	t.dropIfEmpty(g)
}

// emptied forgets the group if no worker has members of it.
func (t *groupTable) emptied(g *group) {
	t.mu.Lock()
	t.dropIfEmpty(g)
}

// dropIfEmpty is called with mu held, which it releases: others are told without it.
func (t *groupTable) dropIfEmpty(g *group) {
	drop := t.groups[g.name] == g
	for i := range g.shards {
		if s := g.shard(i); s != nil && (s.pins > 0 || s.size.Load() > 0) {
			drop = false
			break
		}
	}
	if drop {
		delete(t.groups, g.name)
	}
	t.mu.Unlock()
	if drop && t.announcer != nil {
		t.announcer.Withdraw([]Name{t.name(g.name)})
	}
}

// reaches reports whether the worker has members of the group, or will have
// when it has come to what is queued for it now.
func (t *groupTable) reaches(g *group, worker int) bool {
	s := g.shard(worker)
	switch {
	case s == nil:
		return false
	case s.size.Load() > 0:
		return true
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	// A join that is done moved its pin into size in between: size is set
	// before the pin is taken back, so one of the two is always seen.
	return s.pins > 0 || s.size.Load() > 0
}

// join adds the connection or extends what it has. The group is pinned. Called by the worker.
func (g *group) join(c *Conn, m Membership) *member {
	if have := c.membership(g.name); have != nil {
		have.grant(m)
		return have
	}
	s := g.shard(c.shard.worker.index)
	n := &member{group: g, conn: c, inGroup: int32(len(s.members)), inConn: int32(len(c.place.groups))}
	n.grant(m)
	s.members = append(s.members, n)
	c.place.groups = append(c.place.groups, n)
	c.indexGroups(n)
	s.size.Store(int32(len(s.members)))
	return n
}

// manyGroups is from how many groups of a connection on a map finds them faster than a search. With
// a search alone, 200 000 joins would hold up the worker for minutes (BenchmarkVeryManyGroups).
const manyGroups = 16

// indexGroups enters a new membership in the connection's map, which is made when there are many.
func (c *Conn) indexGroups(n *member) {
	switch {
	case c.place.byGroup != nil:
		c.place.byGroup[n.group.name] = n
	case len(c.place.groups) > manyGroups:
		c.place.byGroup = make(map[string]*member, 2*len(c.place.groups))
		for _, m := range c.place.groups {
			c.place.byGroup[m.group.name] = m
		}
	}
}

func (m *member) grant(by Membership) {
	if !by.ByUser {
		m.direct = true
		return
	}
	m.byUser, m.until = true, by.Until
}

// leave ends the membership. Called by the worker.
func (m *member) leave() {
	m.left = true
	s := m.group.shard(m.conn.shard.worker.index)
	last := s.members[len(s.members)-1]
	s.members[m.inGroup], last.inGroup = last, m.inGroup
	s.members[len(s.members)-1] = nil
	s.members = s.members[:len(s.members)-1]
	s.size.Store(int32(len(s.members)))

	c := m.conn
	lastOfConn := c.place.groups[len(c.place.groups)-1]
	c.place.groups[m.inConn], lastOfConn.inConn = lastOfConn, m.inConn
	c.place.groups[len(c.place.groups)-1] = nil
	c.place.groups = c.place.groups[:len(c.place.groups)-1]
	delete(c.place.byGroup, m.group.name)
	if len(c.place.groups) == 0 {
		c.place.groups, c.place.byGroup = nil, nil
	}
	if len(s.members) == 0 {
		c.shard.hub.groups.emptied(m.group)
	}
}

// leaveAll ends every membership of the connection.
func (c *Conn) leaveAll() {
	for len(c.place.groups) > 0 {
		c.place.groups[len(c.place.groups)-1].leave()
	}
}

// membership returns the connection's membership in the group, nil if it has none.
func (c *Conn) membership(name string) *member {
	if c.place.byGroup != nil {
		return c.place.byGroup[name]
	}
	for _, m := range c.place.groups {
		if m.group.name == name {
			return m
		}
	}
	return nil
}
