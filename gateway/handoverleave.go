package gateway

import (
	"slices"
	"time"
)

// leaving is a connection that its owner hands over. A goroutine does it (run); what it waits for comes
// by events. The other fields are guarded by moves.mu.
type leaving struct {
	m     *moves
	move  uint64
	to    Peer
	conn  *Conn
	sieve *sieve
	proof []byte
	// events has room for each that may come once.
	events chan moveKind
	// allCut was told.
	allCut bool
	// named: the taker was told the names, so that other nodes may have cut. The goroutine's own.
	named bool
	// joins are answers that wait until the taker's name for a group is known, by number.
	joins map[uint64]*answer
	last  uint64
	// misses: the connection is not in the groups of its user yet. The goroutine's own.
	misses bool
	// more: the taker reads what sessions have behind the facts.
	more bool
}

// moveAllCut is an event at the owner only: no node has anything to send to it any more.
const moveAllCut = moveGone + 1

// taken has a connection taken by another node. Called with mu held.
func (m *moves) taken(by Peer, said *moveMessage) {
	refuse := func(why moveRefusal) {
		by.Send(moveMessage{kind: moveRefused, move: said.move, number: uint64(why)}.append(nil))
	}
	c, dead := m.g.conns.lookup(said.texts[0])
	switch {
	case c == nil || dead:
		refuse(refusedEnded)
		return
	case m.leaving[said.move] != nil:
		return
	}
	for _, l := range m.leaving {
		if l.conn == c {
			refuse(refusedMoving)
			return
		}
	}
	if _, ok := c.Session().(Mover); !ok || !c.hasNumbers() {
		refuse(refusedStays)
		return
	}
	l := &leaving{
		m: m, move: said.move, to: by, conn: c, proof: slices.Clone(said.data), events: make(chan moveKind, 8), more: said.number&takesMore != 0,
		sieve: &sieve{phase: phaseLeaves, conn: c, cut: make(map[string]bool)},
	}
	l.sieve.also = l.alsoJoins
	m.leaving[l.move] = l
	if !m.start(l.run) {
		delete(m.leaving, l.move)
	}
}

// tell tells the goroutine. Called with moves.mu held.
func (l *leaving) tell(what moveKind) {
	select {
	case l.events <- what:
	default: // the peer repeats itself
	}
}

// heard takes a word of the taker. Called with moves.mu held.
func (l *leaving) heard(said *moveMessage) {
	if said.kind != moveKnown {
		l.tell(said.kind)
		return
	}
	if a := l.joins[said.number]; a != nil {
		delete(l.joins, said.number)
		l.m.start(func() { a.done(Result{}, nil) })
	}
}

// alsoJoins tells the taker of a group that the connection joins before the cut: whoever joins it may
// send to the group when it has its answer. Called with moves.mu held.
func (l *leaving) alsoJoins(group string, a *answer) (then func()) {
	if l.joins == nil {
		return nil // the taker has not heard the other names yet
	}
	l.last++
	a.add()
	l.joins[l.last] = a
	l.to.Send(moveMessage{kind: moveAlso, move: l.move, number: l.last, texts: []string{group}}.append(nil))
	return nil
}

// lookCut looks whether all nodes have cut their streams. Called with mu held.
func (m *moves) lookCut(l *leaving) {
	if l.allCut || !l.sieve.cut[ownCut] {
		return
	}
	for name := range m.peers {
		if !l.sieve.cut[name] {
			return
		}
	}
	l.allCut = true
	l.tell(moveAllCut)
}

// run hands the connection over.
func (l *leaving) run() {
	m, c := l.m, l.conn
	why, done := l.give()
	if done {
		m.drop(l.sieve, "") // the taker has that too
		l.forget()
		l.to.Send(moveMessage{kind: moveDone, move: l.move}.append(nil))
		m.tellOver(l.move, true)
		return
	}
	if why != 0 {
		l.to.Send(moveMessage{kind: moveRefused, move: l.move, number: uint64(why)}.append(nil))
	}
	m.order.Lock()
	m.remove(l.sieve)
	if s := l.sieve; len(s.kept) > 0 || s.over {
		c.shard.worker.queue.push(&keptOp{c, s.kept, s.over})
	}
	cause := c.stays()
	m.order.Unlock()
	l.forget()
	if l.named {
		m.tellOver(l.move, false)
	}
	if cause != nil {
		c.Close(*cause)
	}
}

// forget ends the move. Whoever waits for a name of the taker waits no longer.
func (l *leaving) forget() {
	l.m.mu.Lock()
	delete(l.m.leaving, l.move)
	joins := l.joins
	l.joins = nil
	l.m.mu.Unlock()
	for _, a := range joins {
		a.done(Result{}, nil)
	}
}

// give gives the connection. If that does not succeed, why is what the taker is told, if anything.
func (l *leaving) give() (why moveRefusal, done bool) {
	if why = l.part(); why != 0 {
		return why, false
	}
	parked, ok := l.park()
	if !ok {
		return refusedStays, false
	}
	if err := parked.now(); err != nil {
		return refusedStays, l.stays(nil)
	}
	l.misses = l.m.g.standing.has(l.conn)
	groups, ok := l.begin()
	if !ok {
		return refusedEnded, l.stays(parked)
	}
	id := &l.conn.id
	names := append([]string{id.Hub, id.User}, groups...)
	l.named = true
	if !l.to.Send(moveMessage{kind: moveNames, move: l.move, texts: names}.append(nil)) {
		return refusedStays, l.stays(parked)
	}
	if !l.await(moveAllCut, cutTime) {
		// A node that lives and has not cut may still send to this one only: the client stays.
		// A taker that still waits for other nodes is told in time: it must not have anybody cut any more.
		l.to.Send(moveMessage{kind: moveRefused, move: l.move, number: uint64(refusedMoving)}.append(nil))
		return 0, l.stays(parked)
	}
	err := l.untilParked(parked)
	var state []byte
	if err == nil {
		state, err = l.session().Export()
	}
	if err != nil {
		return refusedStays, l.stays(nil)
	}
	session, ok := l.export(state)
	if !ok {
		l.staysNow()
		return refusedEnded, false
	}
	if !l.sendSession(session) || !l.await(moveImported, importTime) {
		l.staysNow()
		return 0, false
	}
	l.conn.forgetMoved(l.to.Name())
	return 0, true
}

// part has the client lose its present transport.
func (l *leaving) part() moveRefusal {
	c := l.conn
	t := c.Transport()
	if len(l.proof) > 0 {
		if p, ok := t.(MovingTransport); !ok || !p.Proves(l.proof) {
			return refusedUnproven
		}
	}
	switch err := c.MayReturn(); err {
	case nil:
	case ErrConnectionEnded:
		return refusedEnded
	default:
		return refusedMoving // its client dials too often, or was not answered yet
	}
	c.lose(t, Replaced)
	switch {
	case c.IsAway():
		return 0
	case c.CloseRequested() != nil:
		return refusedEnded
	}
	return refusedMoving
}

// parking is what Park comes to, once.
type parking chan error

// now returns the error if there is one already.
func (p parking) now() error {
	select {
	case err := <-p:
		if err == nil {
			p <- nil // for whoever waits
		}
		return err
	default:
		return nil
	}
}

func (l *leaving) session() Mover { return l.conn.Session().(Mover) }

const (
	// readerTime bounds how long an owner waits for the reader: it may wait for a session that takes no record, and that
	// for a store. readerLook is how often it looks.
	readerTime = 2 * time.Second
	readerLook = 5 * time.Millisecond
)

// park has the session end what it has begun. It reports false if the reader does not come to an end.
func (l *leaving) park() (parking, bool) {
	r := &l.conn.reader
	l.conn.setParking(true) // a hub server that takes nothing may do so for long
	stopped := l.stopReader()
	l.conn.setParking(false)
	if !stopped {
		return nil, false
	}
	defer r.mu.Unlock()
	parked := make(parking, 1)
	r.partial = nil
	r.account(l.conn, false)
	l.session().Park(func(err error) { parked <- err })
	return parked, true
}

// stopReader takes the reader's lock: one that is at work ends with its record.
func (l *leaving) stopReader() bool {
	r := &l.conn.reader
	if r.mu.TryLock() {
		return true
	}
	look := time.NewTicker(readerLook)
	defer look.Stop()
	late := time.NewTimer(readerTime)
	defer late.Stop()
	for {
		select {
		case <-look.C:
			if r.mu.TryLock() {
				return true
			}
		case <-late.C:
			return false
		case <-l.m.stop:
			return false
		}
	}
}

func (l *leaving) untilParked(parked parking) error {
	late := time.NewTimer(parkTime)
	defer late.Stop()
	select {
	case err := <-parked:
		return err
	case <-late.C:
	case <-l.m.stop:
	}
	return ErrStays
}

// stays tells the session that its client stays, when it has been parked.
func (l *leaving) stays(parked parking) (done bool) {
	if parked != nil {
		_ = l.untilParked(parked)
	}
	l.staysNow()
	return false
}

func (l *leaving) staysNow() {
	l.session().Stays()
}

// begin makes commands pass the sieve, and returns the groups that the connection is in at that moment.
func (l *leaving) begin() (groups []string, ok bool) {
	m := l.m
	op := &groupsOp{conn: l.conn, done: make(chan []string, 1)}
	m.order.Lock()
	m.add(l.sieve)
	m.mu.Lock()
	l.joins = make(map[uint64]*answer)
	m.mu.Unlock()
	ok = l.conn.shard.worker.queue.push(op)
	m.order.Unlock()
	if !ok {
		return nil, false
	}
	select {
	case groups = <-op.done:
		return groups, true
	case <-m.stop:
		return nil, false
	}
}

// groupsOp lists the groups of a connection.
type groupsOp struct {
	conn *Conn
	done chan []string
}

func (o *groupsOp) apply(*worker) {
	groups := make([]string, 0, len(o.conn.place.groups))
	for _, m := range o.conn.place.groups {
		groups = append(groups, m.group.name)
	}
	o.done <- groups
}

// await waits for an event. It reports false if the taker is gone or has given up, or if it takes too
// long.
func (l *leaving) await(what moveKind, most time.Duration) bool {
	late := time.NewTimer(most)
	defer late.Stop()
	for {
		select {
		case got := <-l.events:
			switch got {
			case what:
				return true
			case moveGone, moveGaveUp:
				return false
			}
		case <-l.m.stop:
			return false
		case <-late.C:
			return false
		}
	}
}

// export takes what the taker needs out of the connection. From then on the connection does nothing.
func (l *leaving) export(state []byte) (session []byte, ok bool) {
	op := &exportOp{conn: l.conn, state: state, misses: l.misses, more: l.more, done: make(chan []byte, 1)}
	if !l.conn.shard.worker.queue.push(op) {
		return nil, false
	}
	select {
	case session = <-op.done:
		return session, session != nil
	case <-l.m.stop:
		return nil, false
	}
}

// sessionPiece is how much of a session is sent in one message.
const sessionPiece = 256 << 10

func (l *leaving) sendSession(session []byte) bool {
	for {
		piece := session[:min(len(session), sessionPiece)]
		session = session[len(piece):]
		m := moveMessage{kind: moveSession, move: l.move, number: uint64(len(session)), data: piece}
		if !l.m.send(l.to, m.append(nil)) {
			return false
		}
		if len(session) == 0 {
			return true
		}
	}
}
