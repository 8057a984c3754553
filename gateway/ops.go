package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// sendOp delivers one message, or one frame for a single connection.
type sendOp struct {
	to     receivers
	frames *hubprotocol.Frames
	// size is what the send counts for. It is measured once: Frames grow when they are converted.
	size int
	// one replaces frames for a single connection, already in its protocol.
	one OutRecord
	// backlog is what the send counts for while it waits for the worker.
	backlog *atomic.Int64
	// self is the receiver of an op that came from sendOps and goes back there.
	self [1]*Conn
}

// sendOps are reused for records to single connections: answers of the
// application are as many as its messages.
var sendOps = sync.Pool{New: func() any { return new(sendOp) }}

func (s *sendOp) apply(w *worker) { w.fan.deliver([]op{s}) }

func (s *sendOp) shard() *hubShard { return s.to.shard }

// record returns what a client of the protocol gets; not ok means nothing.
func (s *sendOp) record(w *worker, protocol string) (r OutRecord, ok bool) {
	if s.frames == nil {
		return s.one, true
	}
	defer w.survive() // of the conversion to another protocol: then there is no form
	b, ok := s.frames.For(protocol)
	return OutRecord{Bytes: b}, ok
}

func (s *sendOp) done() {
	if s.backlog != nil {
		s.backlog.Add(-int64(s.size))
	}
	if s.self[0] != nil {
		*s = sendOp{}
		sendOps.Put(s)
	}
}

// frameOp queues a frame for the pump, whatever state the connection is in.
type frameOp struct {
	conn  *Conn
	frame OutRecord
}

func (o *frameOp) apply(w *worker) {
	c := o.conn
	switch c.out.put(o.frame, w.bound, w.fan.spare) {
	case putOver:
		w.closeSlow(c)
		return
	case putGone:
		return
	case putClaimed:
		c.transport.Wake()
	}
	c.shard.books.queuedBytes.Add(int64(len(o.frame.Bytes)))
}

// answer is what a command waits for: the parts that workers still have, and their sum.
type answer struct {
	parts   atomic.Int32
	matched atomic.Int64
	refused atomic.Bool // by a limit
	fault   atomic.Bool // a part was lost in a panic
	// members are what VerbList found; guarded by mu.
	mu      sync.Mutex
	members []Member
	ready   chan struct{}
	then    func(matched int) // called instead of closing ready, by whoever has the last part
}

func newAnswer() *answer {
	a := &answer{ready: make(chan struct{})}
	a.parts.Store(1) // the planner's own part, until all others are known
	return a
}

func (a *answer) add() { a.parts.Add(1) }

func (a *answer) done(matched int) {
	a.matched.Add(int64(matched))
	if a.parts.Add(-1) > 0 {
		return
	}
	if a.then != nil {
		a.then(int(a.matched.Load()))
		return
	}
	close(a.ready)
}

func (a *answer) wait(ctx context.Context) (Result, error) {
	a.done(0)
	select {
	case <-a.ready:
		r := Result{Matched: int(a.matched.Load()), Members: a.members}
		if a.fault.Load() {
			return r, errFault
		}
		if r.Matched == 0 && a.refused.Load() {
			return r, ErrTooManyGroups
		}
		return r, nil
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// verbOp carries out one worker's part of a command other than a send.
type verbOp struct {
	cmd    *Command
	to     receivers
	group  *group // pinned, for VerbJoin
	answer *answer
}

func (o *verbOp) apply(w *worker) {
	matched, applied := 0, false
	defer func() {
		if !applied { // a panic is on its way up; whoever waits must not wait forever
			o.answer.fault.Store(true)
			o.answer.done(0)
		}
	}()
	switch o.cmd.Verb {
	case VerbJoin:
		matched = o.join(w)
	case VerbLeave:
		matched = o.leave()
	case VerbLeaveAll:
		conns := o.to.snapshot()
		for _, c := range conns {
			c.leaveAll()
		}
		matched = len(conns)
	case VerbClose:
		conns := o.to.snapshot()
		for _, c := range conns {
			(&closeOp{conn: c, cause: o.cmd.Cause}).apply(w)
		}
		matched = len(conns)
	case VerbCount:
		matched = o.count()
	case VerbList:
		matched = o.list()
	}
	applied = true
	o.answer.done(matched)
}

func (o *verbOp) join(w *worker) int {
	n := 0
	defer o.to.shard.hub.groups.unpin(o.group, w.index)
	for _, c := range o.to.snapshot() {
		if !w.join(c, o.group, o.cmd.Membership) {
			o.answer.refused.Store(true)
			continue
		}
		n++
	}
	return n
}

func (o *verbOp) leave() int {
	n := 0
	for _, c := range o.to.snapshot() {
		n++
		if m := c.membership(o.cmd.Group); m != nil {
			m.leave()
		}
	}
	return n
}

// list adds this worker's members of the page to the answer.
func (o *verbOp) list() int {
	n, page := 0, o.cmd.Page
	var found []Member
	o.to.each(func(c *Conn) {
		if o.cmd.Group != "" && c.membership(o.cmd.Group) == nil {
			return
		}
		n++
		if c.id.ID > page.After {
			found = page.keep(found, Member{ID: c.id.ID, User: c.id.User})
		}
	})
	o.answer.mu.Lock()
	defer o.answer.mu.Unlock()
	o.answer.members = append(o.answer.members, page.cut(found)...)
	return n
}

func (o *verbOp) count() int {
	n := 0
	o.to.each(func(c *Conn) {
		if o.cmd.Group == "" || c.membership(o.cmd.Group) != nil {
			n++
		}
	})
	return n
}

// join adds a connection to a group and remembers when that ends. It reports
// false if the connection is in too many groups.
func (w *worker) join(c *Conn, g *group, m Membership) bool {
	limit := c.g.opts.Limits().MaxGroups
	if limit > 0 && len(c.groups) >= limit && c.membership(g.name) == nil {
		c.Logger().Warn("group not joined", "reason", ErrTooManyGroups.Error())
		return false
	}
	have := g.join(c, m)
	if m.ByUser && !m.Until.IsZero() && !have.listed {
		have.listed = true
		c.shard.expiring = append(c.shard.expiring, have)
		c.shard.expires.Store(int32(len(c.shard.expiring)))
	}
	return true
}

// expireOp ends memberships by user whose time has come.
type expireOp struct {
	shard *hubShard
	now   time.Time
}

func (o *expireOp) apply(*worker) {
	keep := o.shard.expiring[:0]
	for _, m := range o.shard.expiring {
		switch {
		case m.left || !m.byUser || m.until.IsZero():
			m.listed = false
		case m.until.After(o.now):
			keep = append(keep, m)
		default:
			m.byUser, m.until, m.listed = false, time.Time{}, false
			if !m.direct {
				m.leave()
			}
		}
	}
	clear(o.shard.expiring[len(keep):])
	o.shard.expiring = keep
	o.shard.expires.Store(int32(len(keep)))
}
