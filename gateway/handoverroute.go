package gateway

import "slices"

// ownCut names the node itself among the origins of commands, as Command.From does.
const ownCut = ""

// sieve decides what becomes of the commands for a connection that is handed over, at its owner and at
// its taker. It is guarded by moves.mu. It is added, changes its phase and is removed with moves.order
// held for writing, so that each command meets it in one phase.
type sieve struct {
	phase phase
	conn  *Conn
	// cut are the origins whose commands come behind their cut.
	cut map[string]bool
	// awaits are those whose cut has not come to a taker that has the connection.
	awaits map[string]bool
	// kept are commands for the one who has the connection in the end.
	kept []*keptCommand
	// bytes is what the sends among them count for; over says that it was too much.
	bytes int
	over  bool
	// groups are those that the connection may be in, at the taker.
	groups map[string]bool
	// also tells the taker of a group that the connection is about to join, at the owner.
	also func(group string, a *answer) (then func())
}

// phase is what a sieve does.
//
//	phase         commands before the cut     commands behind it
//	phaseLeaves   are carried out             are kept, in case that the taker fails
//	phaseComes    are ignored                 are kept
//	phaseHere     are ignored                 are carried out
type phase uint8

const (
	phaseLeaves phase = iota
	phaseComes
	phaseHere
)

// keptCommand is a command that is carried out later, for one connection.
type keptCommand struct {
	cmd *Command
	// do takes the place of a command, if it is set.
	do func(Aside)
	// group is pinned, for VerbJoin.
	group *group
	// answer waits until the command is carried out, at the taker, and at both for VerbInvoke: who has it may then ask any node for
	// something else, which must not come before.
	answer *answer
}

// over gives back what is held for the command, and answers it.
func (k *keptCommand) over(c *Conn, r Result, err error) {
	if k.group != nil {
		c.shard.hub.groups.unpin(k.group, c.shard.worker.index)
	}
	if k.answer != nil {
		k.answer.done(r, err)
	}
}

// add makes commands pass a sieve. Called with moves.order held for writing.
func (m *moves) add(s *sieve) {
	m.mu.Lock()
	defer m.mu.Unlock()
	hub := s.conn.id.Hub
	m.sieves[hub] = append(m.sieves[hub], s)
	m.count.Add(1)
}

// remove takes a sieve out.
func (m *moves) remove(s *sieve) {
	m.mu.Lock()
	defer m.mu.Unlock()
	hub := s.conn.id.Hub
	list := m.sieves[hub]
	i := slices.Index(list, s)
	if i < 0 {
		return
	}
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(m.sieves, hub)
	} else {
		m.sieves[hub] = list
	}
	m.count.Add(-1)
}

// route returns a command as this node has to carry it out: without the connections that are not its
// business. The answer is nil for a send. Called with order held for reading.
func (m *moves) route(cmd *Command, a *answer) *Command {
	var except []string
	var then []func()
	m.mu.Lock()
	for _, s := range m.sieves[cmd.Hub] {
		if !s.concerns(cmd) {
			continue
		}
		switch behind := s.cut[cmd.From]; {
		case s.phase == phaseHere && s.awaits[cmd.From]:
			except = append(except, s.conn.id.ID)
		case s.phase == phaseLeaves && behind:
			except = append(except, s.conn.id.ID)
			then = append(then, s.keep(cmd, a))
		case s.phase == phaseComes && behind:
			then = append(then, s.keep(cmd, a), s.answers(cmd, a))
		case s.phase == phaseLeaves && cmd.Verb == VerbJoin:
			then = append(then, s.also(cmd.Group, a))
		}
	}
	m.mu.Unlock()
	for _, do := range then {
		if do != nil {
			do()
		}
	}
	if except == nil {
		return cmd
	}
	here := *cmd
	here.Target.Except = append(slices.Clip(cmd.Target.Except), except...)
	return &here
}

// concerns reports whether a command may be for the connection.
func (s *sieve) concerns(cmd *Command) bool {
	t, id := &cmd.Target, &s.conn.id
	if slices.Contains(t.Except, id.ID) || id.User != "" && slices.Contains(t.ExceptUsers, id.User) {
		return false
	}
	switch t.Kind {
	case TargetConnections:
		return slices.Contains(t.IDs, id.ID)
	case TargetUsers:
		return id.User != "" && slices.Contains(t.IDs, id.User)
	case TargetGroups:
		return s.phase != phaseComes || slices.ContainsFunc(t.IDs, func(g string) bool { return s.groups[g] })
	}
	return true
}

// keep keeps a command. What it returns is done without moves.mu.
func (s *sieve) keep(cmd *Command, a *answer) (then func()) {
	switch cmd.Verb {
	case VerbCount, VerbList:
		return nil
	case VerbSend, VerbInvoke:
		if s.bytes += cmd.Frames.Size(); s.bytes > s.conn.g.opts.Limits().OutboxMaxBytes && len(s.kept) > 0 {
			s.over = true // the client is slow, and what comes is not worth keeping
			return nil
		}
	}
	k := &keptCommand{cmd: cmd}
	s.kept = append(s.kept, k)
	// Whether the client is asked is known when it is known who has it: one of the two answers.
	if a != nil && (s.phase == phaseComes || cmd.Verb == VerbInvoke) {
		a.add()
		k.answer = a
	}
	if cmd.Verb != VerbJoin {
		return nil
	}
	if s.groups != nil {
		s.groups[cmd.Group] = true
	}
	return func() {
		k.group = s.conn.shard.hub.groups.pin(cmd.Group, s.conn.shard.worker.index)
		a.await(k.group.notice.Load())
	}
}

// answers counts the connection in the answer to a question.
func (s *sieve) answers(cmd *Command, a *answer) (then func()) {
	if cmd.Verb != VerbCount && cmd.Verb != VerbList || cmd.Group != "" && !s.groups[cmd.Group] {
		return nil
	}
	part := Result{Matched: 1}
	if cmd.Verb == VerbList {
		page := pageOf{page: cmd.Page}
		page.add(Member{ID: s.conn.id.ID, User: s.conn.id.User})
		part.Members = page.members
	}
	return func() {
		a.add()
		a.done(part, nil)
	}
}

// drop takes a sieve out, and gives up what it has kept. Lost is the reason if no other node has that too, else "". Who
// hears of that may do anything: no lock is held then.
func (m *moves) drop(s *sieve, lost DropReason) {
	m.order.Lock()
	m.remove(s)
	kept := s.kept
	s.kept = nil
	m.order.Unlock()
	for _, k := range kept {
		if lost != "" && k.delivers() {
			books := &s.conn.shard.books
			books.attempted.Add(1)
			books.dropped.Add(lost, 1)
		}
		k.over(s.conn, Result{}, nil)
	}
}

// delivers reports whether the command is a delivery.
func (k *keptCommand) delivers() bool {
	return k.do != nil || k.cmd.Verb == VerbSend || k.cmd.Verb == VerbInvoke
}

// keptOp carries out what was kept for a connection, in order with what is sent to it.
type keptOp struct {
	conn *Conn
	kept []*keptCommand
	over bool
}

func (o *keptOp) apply(w *worker) {
	for _, k := range o.kept {
		o.one(w, k)
	}
	if o.over {
		w.closeSlow(o.conn)
	}
}

func (o *keptOp) one(w *worker, k *keptCommand) {
	c, cmd := o.conn, k.cmd
	if k.do != nil {
		w.doAside(c, k.do)
		return
	}
	var part Result
	var err error
	defer func() { k.over(c, part, err) }()
	to := c.alone()
	if cmd.Target.Kind == TargetGroups && !slices.ContainsFunc(cmd.Target.IDs, func(g string) bool { return c.membership(g) != nil }) {
		return
	}
	if c.place.slot < 0 || c.life.state() == gone || cmd.Target.Filter != nil && !cmd.Target.Filter.Match(filtered{c}) {
		return
	}
	part.Matched = 1
	switch cmd.Verb {
	case VerbSend:
		(&sendOp{to: to, frames: cmd.Frames, size: cmd.Frames.Size()}).deliverKept(w)
	case VerbInvoke:
		w.invoke(c, cmd)
	case VerbRefresh:
		c.refresh(cmd.Membership.Until)
	case VerbJoin:
		if !w.join(c, k.group, cmd.Membership) {
			part.Matched, err = 0, ErrTooManyGroups
		}
	case VerbLeave:
		if m := c.membership(cmd.Group); m != nil {
			m.leave()
		}
	case VerbLeaveAll:
		c.leaveAll()
	case VerbClose:
		(&closeOp{conn: c, cause: cmd.Cause}).apply(w)
	}
}

// deliverKept is apply for a send that never counted as coming.
func (s *sendOp) deliverKept(w *worker) {
	s.comes()
	s.apply(w)
}
