package gateway

import (
	"errors"
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
	// trace is the id under which the Recorder sees one; "" is none.
	trace string
	// backlog is what the send counts for while it waits for the worker.
	backlog *atomic.Int64
	// late: it was held back already, and faults change nothing any more.
	late bool
	// followed, if not nil, is told whom the send reached.
	followed *followedSend
	reach    reach
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

// only returns the connection that the send is for, nil if there are several.
func (s *sendOp) only() *Conn {
	if len(s.to.conns) != 1 {
		return nil
	}
	return s.to.conns[0]
}

// comes counts a send for one connection among what waits for that.
func (s *sendOp) comes() {
	if c := s.only(); c != nil {
		c.coming(s.size)
	}
}

func (s *sendOp) done(g *Gateway) {
	if s.backlog != nil {
		s.backlog.Add(-int64(s.size))
	}
	s.followed.done(s.reach)
	if c := s.only(); c != nil {
		c.coming(-s.size)
	}
	if s.self[0] != nil {
		s.tellDelivered(g)
		*s = sendOp{}
		sendOps.Put(s)
	}
}

// frameOp queues a frame for the pump, whatever state the connection is in.
type frameOp struct {
	conn  *Conn
	frame OutRecord
	of    Transport // whose frame it is, nil for a transport that is never replaced
}

func (o *frameOp) apply(w *worker) {
	c := o.conn
	if o.of != nil && o.of != c.transport {
		return
	}
	switch c.put(o.frame, w, writerPump) {
	case putOver:
		w.closeSlow(c)
		return
	case putGone:
		return
	case putClaimed:
		defer c.transport.Wake() // when it is counted
	}
	c.shard.books.queuedBytes.Add(int64(len(o.frame.Bytes)))
}

// answer collects the parts of a command's result: those of this node's workers and that of the
// other nodes. The last part to come answers.
type answer struct {
	page Page
	// any: a part that found something is the answer.
	any      bool
	answered func(Result, error) // nil if nobody wants to know
	parts    atomic.Int32        // that are missing

	mu     sync.Mutex // guards what follows
	result Result
	// refused: a limit refused a part of it. err is the first error of another kind.
	refused bool
	err     error
	told    bool // answered was called before all parts had come
}

func newAnswer(page Page, answered func(Result, error)) *answer {
	a := &answer{page: page, answered: answered}
	a.parts.Store(1) // the planner's own part, until all others are known
	return a
}

func (a *answer) add() { a.parts.Add(1) }

// await makes the answer wait until the other nodes know of something.
func (a *answer) await(n *notice) {
	if n == nil {
		return
	}
	a.add()
	over := func() { a.done(Result{}, nil) }
	if !n.wait(over) {
		over()
	}
}

// done brings a part.
func (a *answer) done(part Result, err error) {
	a.mu.Lock()
	a.result.Add(part)
	switch {
	case errors.Is(err, ErrTooManyGroups):
		a.refused = true
	case a.err == nil:
		a.err = err
	}
	found := a.any && part.Matched > 0 && !a.told
	a.told = a.told || found
	told := a.told && !found
	last := a.parts.Add(-1) == 0
	a.mu.Unlock()
	switch {
	case a.answered == nil || told || !last && !found:
		return
	case found:
		a.answered(Result{Matched: part.Matched}, nil)
		return
	}
	if a.err == nil && a.refused && a.result.Matched == 0 {
		a.err = ErrTooManyGroups
	}
	a.result.Members = a.page.cut(a.result.Members)
	a.answered(a.result, a.err)
}

// verbOp carries out one worker's part of a command other than a send.
type verbOp struct {
	cmd    *Command
	to     receivers
	group  *group // pinned, for VerbJoin
	answer *answer
}

func (o *verbOp) apply(w *worker) {
	var part Result
	err := errFault // of a panic that is on its way up: whoever waits must not wait forever
	defer func() { o.answer.done(part, err) }()
	var failed error
	switch o.cmd.Verb {
	case VerbJoin:
		defer o.to.shard.hub.groups.unpin(o.group, w.index)
		part.Matched, failed = o.join(w)
		part.Matched += o.note(w)
	case VerbLeave:
		part.Matched = o.leave() + o.note(w)
	case VerbLeaveAll:
		conns := o.to.snapshot()
		for _, c := range conns {
			c.leaveAll()
		}
		part.Matched = len(conns) + o.note(w)
	case VerbClose:
		conns := append(o.to.snapshot(), o.arriving()...)
		for _, c := range conns {
			(&closeOp{conn: c, cause: o.cmd.Cause}).apply(w)
		}
		part.Matched = len(conns)
	case VerbCount:
		part.Matched = o.count()
	case VerbList:
		part = o.list()
	case VerbRefresh:
		for _, c := range o.to.snapshot() {
			c.refresh(o.cmd.Membership.Until)
			part.Matched++
		}
	case VerbInvoke:
		conns := o.to.snapshot()
		for _, c := range conns {
			w.invoke(c, o.cmd)
		}
		part.Matched = len(conns)
	}
	err = failed
}

func (o *verbOp) join(w *worker) (joined int, err error) {
	for _, c := range o.to.snapshot() {
		if !w.join(c, o.group, o.cmd.Membership) {
			err = ErrTooManyGroups
			continue
		}
		joined++
	}
	return joined, err
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

// list finds this worker's members of the page.
func (o *verbOp) list() (part Result) {
	page := pageOf{page: o.cmd.Page}
	o.to.each(func(c *Conn) {
		if o.cmd.Group != "" && c.membership(o.cmd.Group) == nil {
			return
		}
		part.Matched++
		page.add(Member{ID: c.id.ID, User: c.id.User})
	})
	part.Members = page.members // the answer orders them, with those of all workers
	return part
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

// LogNotJoined is the text of the line about a connection that is in too many groups. Whoever has
// the logger may sum such lines up by their attribute reason.
const LogNotJoined = "group not joined"

// join adds a connection to a group and remembers when that ends. It reports
// false if the connection is in too many groups.
func (w *worker) join(c *Conn, g *group, m Membership) bool {
	limit := c.g.opts.Limits().MaxGroups
	if limit > 0 && len(c.place.groups) >= limit && c.membership(g.name) == nil {
		c.Logger().Warn(LogNotJoined, "reason", ErrTooManyGroups.Error())
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
