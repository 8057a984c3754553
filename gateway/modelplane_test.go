//go:build unix

package gateway

import (
	"context"
	"slices"
)

// modelPlane are the other nodes, as far as they have to know which names there are here.
type modelPlane struct {
	m     *model
	names map[Name]*modelName
	// pending are announcements that the other nodes have not acknowledged.
	pending []modelAnnouncement
	// going are connections whose readers go on by themselves.
	going []*Conn
	// panics are those of readers that went on by themselves.
	panics uint64
}

// modelName is a name while it is announced.
type modelName struct {
	count int
	known bool
}

type modelAnnouncement struct {
	names []*modelName
	done  func()
}

func (p *modelPlane) Join(Node) (func(), error)                       { return func() {}, nil }
func (*modelPlane) Publish(context.Context, []string, *Command) error { return nil }
func (p *modelPlane) start(c *Conn)                                   { p.going = append(p.going, c) }
func (p *modelPlane) known(n Name) bool                               { return p.names[n] != nil && p.names[n].known }
func (p *modelPlane) announced(n Name) bool                           { return p.names[n] != nil }

// Announce implements Announcer.
func (p *modelPlane) Announce(names []Name, done func()) {
	p.m.noLocks("Announce")
	a := modelAnnouncement{done: done}
	known := true
	for _, name := range names {
		n := p.names[name]
		if n == nil {
			n = new(modelName)
			p.names[name] = n
		}
		n.count++
		a.names = append(a.names, n)
		known = known && n.known
	}
	if known || p.m.chance(20) {
		p.acknowledge(a)
		return
	}
	p.pending = append(p.pending, a)
}

func (p *modelPlane) acknowledge(a modelAnnouncement) {
	for _, n := range a.names {
		n.known = true
	}
	a.done()
}

// Withdraw implements Announcer.
func (p *modelPlane) Withdraw(names []Name) {
	p.m.noLocks("Withdraw")
	for _, name := range names {
		n := p.names[name]
		if n == nil {
			p.m.breaks("%v is withdrawn more often than it was announced", name)
			continue
		}
		if n.count--; n.count == 0 {
			delete(p.names, name)
		}
	}
}

// noLocks: whoever is told of names may call back.
func (m *model) noLocks(what string) {
	if h := m.g.hubs.get(modelHub); h != nil {
		if !h.groups.mu.TryLock() {
			m.breaks("%s is called with the lock of the groups held", what)
			return
		}
		h.groups.mu.Unlock()
	}
}

// step acknowledges an announcement, or lets a reader go on that waited for one.
func (p *modelPlane) step() bool {
	if p == nil {
		return false
	}
	if len(p.going) > 0 && p.m.chance(50) {
		return p.goes()
	}
	if len(p.pending) == 0 {
		return p.goes()
	}
	i := p.m.rand.IntN(len(p.pending))
	a := p.pending[i]
	p.pending = slices.Delete(p.pending, i, i+1)
	p.acknowledge(a)
	return true
}

// goes lets a reader go on, if nobody else reads for its connection.
func (p *modelPlane) goes() bool {
	for i, conn := range p.going {
		c := modelOf(conn)
		if c.reader.feeding {
			continue
		}
		p.going = slices.Delete(p.going, i, i+1)
		p.m.seen["a reader went on by itself"]++
		if conn.CloseRequested() != nil {
			p.m.seen["a client ended before it was known"]++
		}
		if len(conn.reader.partial) > 100 {
			p.m.seen["records came before the client was known"]++
		}
		c.reader.alone = true
		c.read(func() error {
			conn.goOn()
			return nil
		})
		return true
	}
	return false
}

// settle acknowledges everything.
func (p *modelPlane) settle() (moved bool) {
	if p == nil {
		return false
	}
	for _, a := range p.pending {
		p.acknowledge(a)
		moved = true
	}
	p.pending = nil
	return p.goes() || moved
}

// checkTold: the application may only be told of a client that all nodes know, with its groups.
func (p *modelPlane) checkTold(c *Conn) {
	if p == nil || c.CloseRequested() != nil {
		return
	}
	for _, n := range append(c.names(), Name{Kind: NameGroup, Hub: modelHub, Name: "standing"}) {
		if !p.known(n) {
			p.m.breaks("%s is told to the application before all nodes know %v", c.id.ID, n)
		}
	}
}

// check: what has receivers here is announced.
func (p *modelPlane) check() {
	if p == nil {
		return
	}
	for _, c := range p.m.conns {
		conn := c.conn
		if conn.life.state() == gone {
			continue
		}
		for _, n := range conn.names() {
			if !p.announced(n) {
				p.m.breaks("%d lives, and %v is not announced", c.index, n)
			}
		}
		for _, m := range conn.place.groups {
			if n := (Name{Kind: NameGroup, Hub: modelHub, Name: m.group.name}); !p.announced(n) {
				p.m.breaks("%d is in a group that is not announced: %v", c.index, n)
			}
		}
	}
}

// checkEmpty: at the end nothing is announced any more.
func (p *modelPlane) checkEmpty() {
	if p == nil {
		return
	}
	for name, n := range p.names {
		p.m.breaks("%v is still announced, %d times", name, n.count)
	}
	if len(p.going) > 0 {
		p.m.breaks("%d readers were forgotten", len(p.going))
	}
}
