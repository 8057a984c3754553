package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Taking is what a node needs to take a connection over.
type Taking struct {
	// ID is the connection's, Owner the tag of the node that has it.
	ID, Owner string
	// Proof is given to the owner if the client is not known to be the connection's. Nil means that it
	// is.
	Proof []byte
	// Transport is what the connection has until Conn.Return: it counts as lost already. It is a
	// MovingTransport, or knows nothing of its client.
	Transport Transport
}

// TakeOver makes the connection of another node this node's. The client is away then: it gets its
// transport by Conn.Return. If the context ends before, the connection may come all the same. A
// second call for the same connection waits for the first one's result.
//
// Errors: ErrNoNode if the owner is not there, or was gone before it had given the connection;
// ErrConnectionEnded; ErrStays if the connection can be served at its node only, or this one is
// draining; ErrMoving if it is on its way to another node, or cannot be given at this moment;
// ErrNotProven; and the context's error.
func (g *Gateway) TakeOver(ctx context.Context, what Taking) (*Conn, error) {
	if !g.moves.on || g.refusesClients() {
		return nil, ErrStays
	}
	t, err := g.moves.take(what)
	if err != nil {
		return nil, err
	}
	select {
	case <-t.over:
		return t.result, t.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// taking is a connection that this node takes over. A goroutine does it (run); what it waits for comes
// by events. The other fields are guarded by moves.mu.
type taking struct {
	m     *moves
	move  uint64
	what  Taking
	owner Peer
	sieve *sieve
	// events has room for each that may come once.
	events chan moveMessage
	// session are the pieces that have come.
	session []byte
	// early are names that have come while those before were not announced yet.
	early []moveMessage
	// switched: all nodes were told to cut their streams, and those that come have to be.
	switched bool
	// settled is closed when nothing is awaited of other nodes; nil before anything is.
	settled chan struct{}

	over   chan struct{} // closed with the result
	result *Conn
	err    error
}

// take begins to take a connection over, or finds who does.
func (m *moves) take(what Taking) (*taking, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.byID[what.ID]; t != nil {
		return t, nil
	}
	owner := m.peers[what.Owner]
	if owner == nil {
		return nil, ErrNoNode
	}
	t := &taking{
		m: m, move: rand.Uint64(), what: what, owner: owner, events: make(chan moveMessage, 8), over: make(chan struct{}),
		sieve: &sieve{phase: phaseComes, cut: make(map[string]bool), groups: make(map[string]bool)},
	}
	m.taking[t.move], m.byID[what.ID] = t, t
	if !m.start(t.run) {
		delete(m.taking, t.move)
		delete(m.byID, what.ID)
		return nil, ErrStays
	}
	return t, nil
}

// tell tells the goroutine. Called with moves.mu held.
func (t *taking) tell(said moveMessage) {
	select {
	case t.events <- said:
	default: // the peer repeats itself
	}
}

// heard takes a word of the owner. Called with moves.mu held.
func (t *taking) heard(said moveMessage) error {
	if said.kind == moveSession {
		if uint64(len(t.session))+uint64(len(said.data))+min(said.number, maxSession) > maxSession {
			return errMoveMessage
		}
		t.session = append(t.session, said.data...)
		if said.number > 0 {
			return nil
		}
		said.data, t.session = t.session, nil
	}
	t.tell(said)
	return nil
}

// lookAwaits looks whether the cuts that were missing have come. Called with moves.mu held.
func (t *taking) lookAwaits() {
	if t.settled != nil && len(t.sieve.awaits) == 0 {
		close(t.settled)
		t.settled = nil
	}
}

// run takes the connection over.
func (t *taking) run() {
	c, entered, err := t.takeOver()
	if err != nil {
		t.owner.Send(moveMessage{kind: moveGaveUp, move: t.move}.append(nil))
		c = nil
	}
	t.m.mu.Lock()
	delete(t.m.byID, t.what.ID)
	t.result, t.err = c, err
	close(t.over)
	settled := t.settled
	t.m.mu.Unlock()
	if entered && settled != nil {
		// Commands may still be on their way that the former owner has carried out. Each other node has cut, so
		// that its cut comes, or the node is gone.
		select {
		case <-settled:
		case <-t.m.stop:
		}
	}
	if entered {
		t.m.remove(t.sieve)
	}
	t.m.mu.Lock()
	delete(t.m.taking, t.move)
	t.m.mu.Unlock()
}

// takeOver is run up to the result. It reports whether the connection has entered the tables of this
// node.
func (t *taking) takeOver() (c *Conn, entered bool, err error) {
	take := moveMessage{kind: moveTake, move: t.move, number: takesMore, texts: []string{t.what.ID}, data: t.what.Proof}
	if !t.owner.Send(take.append(nil)) {
		return nil, false, ErrNoNode
	}
	names, err := t.await(moveNames, takeTime+parkTime)
	if err != nil {
		return nil, false, err
	}
	c, pinned, err := t.announce(names.texts[0], names.texts[1], names.texts[2:])
	if err != nil {
		return nil, false, err
	}
	session, err := t.fetch()
	if err == nil {
		err = t.enter(session)
	}
	t.unpin(pinned)
	if err != nil {
		t.giveUp(err)
		return nil, false, err
	}
	if s, ok := c.Session().(Mover); ok {
		s.Arrived()
	}
	if o, ok := t.m.g.opts.Backend.(AcceptObserver); ok {
		o.Accepted(c)
	}
	if !t.owner.Send(moveMessage{kind: moveImported, move: t.move}.append(nil)) {
		return c, true, nil // it is gone, and has nothing any more
	}
	// If the owner is gone, it has nothing any more either.
	_, _ = t.await(moveDone, importTime)
	return c, true, nil
}

// await waits for a word of the owner.
func (t *taking) await(what moveKind, most time.Duration) (moveMessage, error) {
	late := time.NewTimer(most)
	defer late.Stop()
	for {
		select {
		case said := <-t.events:
			if err := said.ends(); err != nil || said.kind == what {
				return said, err
			}
		case <-late.C:
			return moveMessage{}, ErrMoving
		case <-t.m.stop:
			return moveMessage{}, ErrStays
		}
	}
}

// ends returns why the owner does not give the connection, if it says that.
func (said *moveMessage) ends() error {
	switch said.kind {
	case moveRefused:
		return moveRefusal(said.number).err()
	case moveGone:
		return ErrNoNode
	}
	return nil
}

// ended looks whether the owner has ended the hand-over already, before it has sent the session. Called with
// moves.mu held.
func (t *taking) ended() error {
	for {
		select {
		case said := <-t.events:
			if err := said.ends(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// announce makes the connection, which nobody finds yet, and has all nodes know its names. The groups
// stay pinned.
func (t *taking) announce(hub, user string, groups []string) (*Conn, []*group, error) {
	m, g := t.m, t.m.g
	h, err := g.hubs.acquire(hub, 0)
	if err != nil {
		return nil, nil, err
	}
	c := &Conn{g: g, id: Identity{ID: t.what.ID, Hub: hub, User: user}, born: g.now(), transport: t.what.Transport, place: placement{slot: -1}}
	c.shard = &h.shards[int(g.next.Add(1))%len(h.shards)]
	_ = g.conns.reserve(Limits{}, 0, false) // it counts already, elsewhere
	pin := pinning{conn: c, fresh: new(notice)}
	pinned := make([]*group, 0, len(groups))
	for _, name := range groups {
		pinned = append(pinned, pin.group(name))
	}
	known := new(notice)
	if g.plane.announcer != nil {
		g.plane.announcer.Announce(c.names(), known.settle)
	} else {
		known.settle()
	}
	awaits := append(pin.announce(), known)
	m.order.Lock()
	m.mu.Lock()
	t.sieve.conn = c
	for _, name := range groups {
		t.sieve.groups[name] = true
	}
	m.mu.Unlock()
	m.add(t.sieve)
	m.order.Unlock()
	m.mu.Lock()
	for i := range t.early {
		m.heardAlso(t.owner, &t.early[i])
	}
	t.early = nil
	m.mu.Unlock()
	for _, n := range awaits {
		t.wait(n)
	}
	return c, pinned, nil
}

// wait waits until the other nodes know of something, which they do soon or are not waited for.
func (t *taking) wait(n *notice) {
	over := make(chan struct{})
	if !n.wait(func() { close(over) }) {
		return
	}
	select {
	case <-over:
	case <-t.m.stop:
	}
}

func (t *taking) switchMessage() []byte {
	return moveMessage{kind: moveSwitch, move: t.move, texts: []string{t.what.Owner, t.what.ID}}.append(nil)
}

// fetch has all nodes cut their streams, and waits for the session.
func (t *taking) fetch() (*movedSession, error) {
	m := t.m
	m.mu.Lock()
	if err := t.ended(); err != nil {
		m.mu.Unlock()
		return nil, err
	}
	t.switched = true
	for _, p := range m.peers {
		p.Send(t.switchMessage())
	}
	m.switchOver(Switching{t.move, t.what.ID, t.what.Owner, m.g.opts.Node})
	m.mu.Unlock()
	said, err := t.await(moveSession, sessionTime)
	if err != nil {
		return nil, err
	}
	s, err := parseMovedSession(said.data)
	if err != nil || s.identity.ID != t.what.ID || s.identity.Hub != t.sieve.conn.id.Hub || s.identity.User != t.sieve.conn.id.User {
		return nil, ErrStays
	}
	return s, nil
}

// unpin gives back what was pinned for announce.
func (t *taking) unpin(pinned []*group) {
	shard := t.sieve.conn.shard
	for _, g := range pinned {
		shard.hub.groups.unpin(g, shard.worker.index)
	}
}

// giveUp undoes announce. What was kept is lost if the owner is.
func (t *taking) giveUp(err error) {
	c, m := t.sieve.conn, t.m
	lost := DropReason("")
	if errors.Is(err, ErrNoNode) {
		lost = DropNodeLost
	}
	m.drop(t.sieve, lost)
	c.withdrawNames()
	m.g.conns.unreserve(false)
	m.g.hubs.release(c.shard.hub)
}

// heardAlso takes one more name of a connection that is coming. Called with mu held.
func (m *moves) heardAlso(p Peer, said *moveMessage) {
	known := func() {
		p.Send(moveMessage{kind: moveKnown, move: said.move, number: said.number}.append(nil))
	}
	t := m.taking[said.move]
	switch {
	case t == nil || t.owner != p || t.sieve.phase != phaseComes:
		known()
		return
	case t.sieve.conn == nil:
		t.early = append(t.early, *said)
		return
	}
	name := said.texts[0]
	t.sieve.groups[name] = true
	m.start(func() {
		shard := t.sieve.conn.shard
		m.order.RLock()
		g := shard.hub.groups.pin(name, shard.worker.index)
		m.order.RUnlock()
		m.mu.Lock()
		here := t.sieve.phase == phaseComes && m.taking[t.move] == t
		if here {
			t.sieve.kept = append(t.sieve.kept, &keptCommand{cmd: nothing, group: g}) // keeps the pin
		}
		m.mu.Unlock()
		if !here {
			shard.hub.groups.unpin(g, shard.worker.index)
		}
		if !g.notice.Load().wait(known) {
			known()
		}
	})
}

// nothing is a command that does nothing.
var nothing = &Command{Verb: VerbCount, Target: Target{Kind: TargetAll}}

// enter makes the session this node's connection, and has it hear what has come for it behind the cuts.
func (t *taking) enter(s *movedSession) error {
	c, m := t.sieve.conn, t.m
	m.mu.Lock()
	c.id = s.identity // its sieve looks at that
	m.mu.Unlock()
	if err := c.restore(s); err != nil {
		return err
	}
	op := &importOp{conn: c, session: s}
	m.order.Lock()
	defer m.order.Unlock()
	if err := m.g.conns.takeIn(c); err != nil {
		if s, ok := c.life.session.(Mover); ok {
			s.Moved("")
		}
		return err
	}
	m.g.arrived(&c.id)
	if c.id.User != "" {
		c.shard.hub.users.add(c)
	}
	for i := range s.groups {
		op.groups = append(op.groups, c.shard.hub.groups.pin(s.groups[i].name, c.shard.worker.index))
	}
	m.mu.Lock()
	sieve := t.sieve
	sieve.phase, sieve.awaits = phaseHere, make(map[string]bool)
	for name := range m.peers {
		if !sieve.cut[name] {
			sieve.awaits[name] = true
		}
	}
	t.settled = make(chan struct{})
	op.kept = keptOp{c, sieve.kept, sieve.over}
	sieve.kept = nil
	t.lookAwaits()
	m.mu.Unlock()
	c.shard.worker.queue.push(op)
	if s.misses {
		m.g.standing.add(c)
	}
	m.g.counts.opened.Add(1)
	c.Logger().Info("connection taken over", "from", t.what.Owner, "protocol", c.Protocol())
	m.g.opts.Observer.Opened(c)
	return nil
}

// restore makes the connection what it was at its former node: away, with all that the client has not
// acknowledged.
func (c *Conn) restore(s *movedSession) error {
	now := c.g.now()
	n := &numbers{given: s.given, acked: s.acked, heard: s.heard}
	n.received.Store(s.received)
	n.incoming = incomingNumbers{next: s.received + 1, waits: true, greeted: s.heard}
	b := &returning{numbers: n}
	for _, k := range s.kept {
		b.kept.add(k.bytes, k.at)
	}
	spoken := laneFor(lane{protocol: s.protocol, manner: mannerOf(c.transport)})
	c.channel.spoken.Store(spoken)
	c.channel.lane = spoken
	c.back, c.reader.numbers = b, n
	c.out.unacked = c.unacked()
	c.clocks.pinged.Store(s.pinged)
	c.clocks.renew(now)
	c.life.since = now
	c.born = now - s.age
	c.life.current.Store(uint32(away))
	if t, ok := c.transport.(MovingTransport); ok {
		if err := t.TakeFacts(s.facts); err != nil {
			return ErrStays
		}
	}
	r, ok := c.g.opts.Backend.(Resumer)
	if !ok {
		return ErrStays
	}
	session, err := r.Resume(c, s.backend)
	if err != nil {
		c.Logger().Warn("connection not taken over", "error", err)
		return ErrStays
	}
	c.life.session, c.life.speaker = session, session.Speaker()
	return nil
}

// takeIn registers a connection that was another node's.
func (r *registry) takeIn(c *Conn) error {
	s := r.stripe(c.id.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c.id.ID] != nil {
		return ErrMoving
	}
	delete(s.ended, c.id.ID)
	delete(s.elsewhere, c.id.ID)
	s.conns[c.id.ID] = c
	if c.id.Diagnostic {
		r.diagnostic.Add(1)
	}
	return nil
}

// importOp makes a connection that was another node's a receiver.
type importOp struct {
	conn    *Conn
	session *movedSession
	groups  []*group // pinned
	kept    keptOp
}

func (o *importOp) apply(w *worker) {
	c, s := o.conn, o.session
	if c.life.state() != gone {
		c.place.slot = int32(len(c.shard.conns))
		c.shard.conns = append(c.shard.conns, c)
		c.place.arrived = true
	}
	for i, g := range o.groups {
		o.join(w, g, s.groups[i])
	}
	if c.place.slot < 0 {
		w.leaveHub(c)
	}
	o.fill(w)
	o.kept.apply(w)
}

// join makes the connection a member of a group, for itself, for its user, or for both.
func (o *importOp) join(w *worker, g *group, m movedGroup) {
	defer o.conn.shard.hub.groups.unpin(g, w.index)
	if o.conn.place.slot < 0 {
		return
	}
	if m.byUser {
		w.join(o.conn, g, Membership{ByUser: true, Until: m.until})
	}
	if m.direct || !m.byUser {
		w.join(o.conn, g, Membership{})
	}
}

// fill puts into the outbox what waited at the other node.
func (o *importOp) fill(w *worker) {
	c, books := o.conn, &o.conn.shard.books
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.life.state().may(mayPut) {
		return
	}
	for _, b := range o.session.waiting {
		c.out.append(OutRecord{Bytes: b, numbered: w.fan.count(OutRecord{Bytes: b}, o.session.protocol)})
		books.attempted.Add(1)
		books.queuedBytes.Add(int64(len(b)))
	}
}
