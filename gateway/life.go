package gateway

import (
	"sync/atomic"
)

// state is where a connection is in its life. The table says what each state
// permits; step is the only function that changes it.
//
//	state      entered when                          records for the client      client read  id
//	attached   Attach made it                        only frames of the          yes          alive
//	                                                 transport, which leave
//	announced  its session knows it (Announce)       held                        yes          alive
//	answering  Open was called; the answer is on     held                        yes          alive
//	           its way through the worker's queue
//	greeting   the same, for a client that does      the answer leaves, others   yes          alive
//	           not count what comes with the         are held
//	           answer (numbers.go)
//	open       the worker came to the answer, the    leave, behind the answer    yes          alive
//	           client has said something, or it
//	           came back
//	away       the transport was lost, and may be    held                        yes          alive
//	           replaced (away.go)
//	closing    the worker came to a Close            those before leave, then    no           dead
//	                                                 a Close record
//	closed     the transport took the Close record   none                        no           dead
//	cut        it is ended at once                   what waited is given up     no           dead
//	gone       its transport has ended               what waited is given up     no           dead
//
// A connection only ever goes down this table, but for away, from which it can go
// back to open. It has a cause from the moment an end is asked for, which may be
// before the worker comes to it: then nothing more is read, while what was sent
// before still leaves. The first cause counts. A client that is away cannot be told
// of an end: it comes at once.
type state uint32

const (
	attached state = iota
	announced
	answering
	greeting
	open
	away
	closing
	closed
	cut
	gone
)

// permission is one thing that a state permits.
type permission uint8

const (
	// mayPut: records may be queued for the client.
	mayPut permission = 1 << iota
	// mayHear: it may be among the receivers of its hub.
	mayHear
	// holds: what is queued waits for the handshake answer.
	holds
	// mayTake: the transport may take what is queued and not held, and is written to.
	mayTake
	// idAlive: the end has not been decided, and commands find the connection.
	idAlive
)

var permissions = [...]permission{
	attached:  mayPut | mayTake | idAlive,
	announced: mayPut | mayTake | idAlive | mayHear | holds,
	answering: mayPut | mayTake | idAlive | mayHear | holds,
	greeting:  mayPut | mayTake | idAlive | mayHear | holds,
	open:      mayPut | mayTake | idAlive | mayHear,
	away:      mayPut | idAlive | mayHear,
	closing:   mayTake,
	closed:    0,
	cut:       0,
	gone:      0,
}

func (s state) may(p permission) bool { return permissions[s]&p != 0 }

// follows lists from which states each state can be entered.
var follows = [...][]state{
	attached:  {},
	announced: {attached},
	answering: {announced},
	greeting:  {answering},
	open:      {answering, greeting, away},
	away:      {answering, greeting, open},
	closing:   {attached, announced, answering, greeting, open},
	closed:    {closing},
	cut:       {attached, announced, answering, greeting, open, away, closing, closed},
	gone:      {attached, announced, answering, greeting, open, away, closing, closed, cut},
}

// life is a connection's state, why it ends, and what its session knows of that.
// It is guarded by Conn.mu; the state alone may be read without.
type life struct {
	current atomic.Uint32
	turn    turn
	// since is when the present state began, in the gateway's nanoseconds. Until
	// the handshake is answered it is when the connection was attached.
	since int64
	cause *Cause
	// session and speaker are written by the reader alone, which therefore reads
	// them without the lock.
	session Session
	speaker Speaker
	// resume exists while the reader waits for the session to take a record.
	resume chan struct{}
	// parks: the connection is about to be handed over, and nobody waits for the session any more.
	parks bool
}

// turn is where the session is. Its Closed must not overtake what the reader is
// telling it: whoever finds the reader inside leaves the telling to it.
type turn uint8

const (
	outside turn = iota
	inside       // the reader is in a method of the session or of the Backend
	told         // Closed was called, or is about to be
)

func (l *life) state() state { return state(l.current.Load()) }

// step enters the state if that may follow the present one.
func (l *life) step(to state, now int64) bool {
	from := l.state()
	for _, s := range follows[to] {
		if s == from {
			l.current.Store(uint32(to))
			if to >= greeting && to != closed { // the Close record's time counts for closed too
				l.since = now
			}
			return true
		}
	}
	return false
}

// ask settles the cause of the end and wakes a reader that waits for its
// session: there is nothing to wait for any more. False if a cause was given before.
func (l *life) ask(cause Cause) bool {
	if l.cause != nil {
		return false
	}
	l.cause = &cause
	l.wake()
	return true
}

func (l *life) wake() {
	if l.resume != nil {
		select {
		case l.resume <- struct{}{}:
		default:
		}
	}
}

// tellEnd reports whether the caller has to call the session's Closed: the
// transport is gone, the reader is not inside, and nobody has.
func (l *life) tellEnd() bool {
	if l.state() != gone || l.session == nil || l.turn != outside {
		return false
	}
	l.turn = told
	return true
}

// Announce makes the client a receiver before its handshake is answered: what is
// sent to it from now on, alone or with others, is held, within its bound, until
// Open, and is given up if it ends before. A session whose application knows the
// client earlier than the client knows of it calls it first (H37). Calls after
// the first do nothing.
func (c *Conn) Announce() {
	if c.step(announced) {
		c.introduce()
	}
}

// introduce puts an announced connection where commands find it. It may have
// ended meanwhile; announceOp, which comes behind all that removes it, sees to that.
func (c *Conn) introduce() {
	op := &announceOp{conn: c}
	defer c.shard.worker.queue.push(op) // whatever becomes of what the store does
	if c.g.plane.announcer != nil {
		return // it was done before the application was asked
	}
	for _, name := range c.id.Groups {
		op.standing = append(op.standing, pinnedGroup{group: c.shard.hub.groups.pin(name, c.shard.worker.index)})
	}
	if c.id.User != "" {
		// In this order: a change of memberships that the list does not show finds the
		// connection among the user's, and is carried out behind announceOp.
		c.shard.hub.users.add(c)
		op.standing = append(op.standing, c.standingGroups()...)
	}
}

// Open sends the handshake answer and lets multicast reach the client behind
// it. The gateway does it itself where it speaks the hub protocol with the
// client; see Speaker. Calls after the first do nothing.
func (c *Conn) Open(answer []byte) {
	c.Announce()
	if !c.step(answering) {
		return
	}
	c.shard.worker.queue.push(&openOp{conn: c, answer: answer})
	c.Logger().Info("connection opened", "transport", c.Transport().Name(), "protocol", c.Protocol(), "remote", c.id.RemoteAddr)
	c.g.opts.Observer.Opened(c)
}

// Close ends the connection: what is queued is delivered, then a Close record,
// then the transport ends. Nothing more is read. The first cause counts.
func (c *Conn) Close(cause Cause) {
	c.mu.Lock()
	first := !c.deferred(cause) && c.life.ask(cause)
	c.mu.Unlock()
	if first {
		c.push(&closeOp{conn: c, cause: cause})
	}
}

// cutOff ends the transport at once; what waits is given up. It may be called
// from any goroutine, and again.
func (c *Conn) cutOff(cause Cause) {
	c.cutOffIf(cause, func(*Conn) bool { return true })
}

// cutOffIf is cutOff if something still holds. The question is asked with c.mu held.
func (c *Conn) cutOffIf(cause Cause, holds func(*Conn) bool) {
	c.mu.Lock()
	if !holds(c) || c.deferred(cause) {
		c.mu.Unlock()
		return
	}
	if c.life.state() == away {
		c.finish(cause) // there is no transport that could say so
		return
	}
	c.life.step(cut, c.g.now())
	c.life.ask(cause)
	cause = *c.life.cause
	c.out.release()
	t := c.transport
	c.mu.Unlock()
	t.Abort(cause)
}

// Ended says that the transport is gone. The first cause counts: the one the
// connection was closed with, if it was. Ended tells the session and must not
// be called with locks the session may need. Calls after the first do nothing.
// Transports with Abilities.Returns call Lost instead.
func (c *Conn) Ended(cause Cause) {
	c.mu.Lock()
	c.finish(cause)
}

// finish is Ended. Called with c.mu held, which it releases.
func (c *Conn) finish(cause Cause) {
	if !c.life.step(gone, c.g.now()) {
		c.mu.Unlock()
		return
	}
	c.life.ask(cause)
	cause = *c.life.cause
	c.out.release()
	u := &c.reader.unfinished
	c.g.counts.unfinished.Add(-u.size - u.held)
	u.size, u.held = 0, 0
	session, tell := c.life.session, c.life.tellEnd()
	transport := c.transport
	awaited := c.awaited
	c.awaited = nil
	c.mu.Unlock()

	c.endMeter()
	c.g.conns.remove(c)
	c.g.leave(&c.id)
	c.g.tellHome(c.id.ID)
	c.shard.worker.queue.push(&removeOp{conn: c})
	c.g.counts.closed.Add(cause.Reason, 1)
	c.Logger().Info("connection closed", "reason", string(cause.Reason), "text", cause.Text, "transport", transport.Name())
	c.g.opts.Observer.Closed(c, cause)
	for _, answered := range awaited {
		answered(Answer{}, endedBefore(cause))
	}
	if tell {
		session.Closed(cause)
	}
}

// CloseRequested returns the cause of the end once one was asked for, else nil.
func (c *Conn) CloseRequested() *Cause {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.cause
}

// Resume tells a reader that waits for its session to try again.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life.wake()
}

// Session returns what the Backend made of the connection, nil before its handshake.
func (c *Conn) Session() Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.session
}

func (c *Conn) step(to state) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.step(to, c.g.now())
}

// enterSession keeps the session's Closed away until leaveSession. It returns
// the cause instead if the connection is ending.
func (c *Conn) enterSession() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.cause != nil {
		return *c.life.cause
	}
	c.life.turn = inside
	return nil
}

func (c *Conn) leaveSession() {
	c.mu.Lock()
	c.life.turn = outside
	session, cause, tell := c.life.session, c.life.cause, c.life.tellEnd()
	c.mu.Unlock()
	if tell {
		session.Closed(*cause)
	}
}

// pending reports whether the application still has to answer the client.
func (c *Conn) pending() bool {
	p, ok := c.Session().(Pending)
	return ok && p.Pending()
}
