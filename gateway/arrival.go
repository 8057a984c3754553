package gateway

import (
	"encoding/binary"
	"runtime/debug"

	"github.com/hubgate/hubgate/hubprotocol"
)

// Before anybody can know of a client, all nodes have to know where its names are: whoever hears of
// it may send to it at once, from any node. So the reader keeps what the client says, its handshake
// request too, until the other nodes have acknowledged the names of the connection, and then the
// groups that it starts with. Only then the application is asked (Backend.Accept), from which all
// else follows: the handshake's answer, the connected event, the word to a hub server. No goroutine
// waits meanwhile. Where there is nobody to announce to, nothing of this happens.

// arrival is how far a client has come. It exists from Attach until the application is asked, and is
// guarded by reader.mu.
type arrival struct {
	// awaits are announcements that the other nodes may not know yet.
	awaits []*notice
	// waiting: the reader goes on when the last of awaits is over.
	waiting bool
	// prepared: it is known which groups the client starts with.
	prepared bool
	// request is that of Start, for clients that send none.
	request *Handshake
}

// GroupExpecter is an optional ability of a Backend: the groups that the session of a client joins
// before it tells anybody of the client. It is asked before Accept, by the connection's reader, and
// only where the other nodes have to know them first.
type GroupExpecter interface {
	ExpectedGroups(c *Conn) []string
}

// mayBeTold reports whether the application may be told of the client. If not, the reader goes on by
// itself when it may. Called by the reader, with reader.mu held.
func (c *Conn) mayBeTold() bool {
	a := c.reader.arrival
	if a == nil {
		return true
	}
	for !a.waiting {
		switch last := len(a.awaits) - 1; {
		case last >= 0 && a.awaits[last].wait(func() { c.g.plane.start(c) }):
			a.waiting = true
		case last >= 0:
			a.awaits = a.awaits[:last]
		case !a.prepared:
			a.prepared = true
			a.awaits = c.prepare()
		default:
			c.reader.arrival = nil
			return true
		}
	}
	return false
}

// goOn reads what was kept while the client was not known everywhere.
func (c *Conn) goOn() {
	defer func() {
		if p := recover(); p != nil {
			c.g.counts.panics.Add(1)
			c.Logger().Error("a reader panicked", "panic", p, "stack", string(debug.Stack()))
			c.shard.worker.abort(c)
		}
	}()
	if c.back != nil {
		defer c.tellReturns()
	}
	r := &c.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrival.waiting = false
	if c.enterSession() != nil {
		r.partial = nil
		r.account(c, false)
		return
	}
	defer c.leaveSession()
	c.hearReturns()
	if r.arrival.request != nil {
		c.startNow()
		return
	}
	rest, err := c.consume(r.partial)
	if err != nil {
		rest = nil // what the client is told is on its way
	}
	c.keepPartial(rest)
}

// startNow is Start for a client that is known everywhere by now, with the records that have come
// meanwhile.
func (c *Conn) startNow() {
	r := &c.reader
	request := r.arrival.request
	if !c.mayBeTold() {
		return
	}
	kept := r.partial
	r.partial = nil
	r.account(c, true)
	if c.accept(*request) != nil {
		return
	}
	for len(kept) > 0 && c.CloseRequested() == nil {
		size, n := binary.Uvarint(kept)
		end := n + int(size)
		if c.pass(kept[n:end]) != nil {
			return
		}
		kept = kept[end:]
	}
}

// keepRecord keeps a record for startNow. What is kept of one client is bounded as one record is.
func (c *Conn) keepRecord(text []byte) error {
	r := &c.reader
	if len(r.partial)+len(text) > c.g.opts.Limits().MessageBytes {
		return c.reject(hubprotocol.ErrTooLarge)
	}
	r.partial = append(binary.AppendUvarint(r.partial, uint64(len(text))), text...)
	r.account(c, false)
	return nil
}

// prepared are the groups that a connection has before its session asks for any. Owned by the worker.
type prepared struct {
	// standing are memberships of its user, which it joins as it arrives.
	standing []pinnedGroup
	// reserved are pinned as long as the connection lives: its session joins them itself.
	reserved []*group
}

// prepare makes the connection one of its user's and finds the groups that it starts with. It returns
// which of them the other nodes may not know yet.
func (c *Conn) prepare() (awaits []*notice) {
	op := &prepareOp{conn: c}
	pin := pinning{conn: c, fresh: new(notice)}
	defer func() { // whatever becomes of what the store does
		awaits = pin.announce()
		c.shard.worker.queue.push(op)
	}()
	if e, ok := c.g.opts.Backend.(GroupExpecter); ok {
		for _, name := range e.ExpectedGroups(c) {
			op.reserved = append(op.reserved, pin.group(name))
		}
	}
	for _, name := range c.id.Groups {
		op.standing = append(op.standing, pinnedGroup{group: pin.group(name)})
	}
	if c.id.User != "" {
		// In this order: a change of memberships that the list does not show finds the
		// connection among the user's, and is carried out behind prepareOp.
		c.shard.hub.users.add(c)
		for _, s := range c.listStanding() {
			op.standing = append(op.standing, pinnedGroup{pin.group(s.Group), Membership{ByUser: true, Until: s.Until}})
		}
	}
	return nil
}

// pinning pins several groups and announces those that are new at once.
type pinning struct {
	conn  *Conn
	fresh *notice // that of all new ones
	names []Name
	made  []*group
	older []*notice
}

func (p *pinning) group(name string) *group {
	t := &p.conn.shard.hub.groups
	g, made := t.take(name, p.conn.shard.worker.index, p.fresh)
	if made {
		p.names, p.made = append(p.names, t.name(name)), append(p.made, g)
	} else if n := g.notice.Load(); n != nil && n != p.fresh {
		p.older = append(p.older, n)
	}
	return g
}

func (p *pinning) announce() (awaits []*notice) {
	if len(p.made) == 0 {
		return p.older
	}
	p.conn.g.plane.announcer.Announce(p.names, func() {
		for _, g := range p.made {
			g.notice.Store(nil)
		}
		p.fresh.settle()
	})
	return append(p.older, p.fresh)
}

// prepareOp brings what the connection starts with to its worker.
type prepareOp struct {
	conn *Conn
	prepared
}

func (o *prepareOp) apply(w *worker) {
	c := o.conn
	c.place.prepared = &o.prepared
	if c.life.state() == gone {
		// It ended on the way here, and what removes it may have run before.
		w.leaveHub(c)
		w.forgetPrepared(c)
	}
}

// forgetPrepared gives back what was pinned for a connection. Called by the worker.
func (w *worker) forgetPrepared(c *Conn) {
	p := c.place.prepared
	if c.place.prepared = nil; p == nil {
		return
	}
	for _, s := range p.standing {
		c.shard.hub.groups.unpin(s.group, w.index)
	}
	for _, g := range p.reserved {
		c.shard.hub.groups.unpin(g, w.index)
	}
}
